/* Quantisation: conversion of numbers to fewer bits and back, in plain C. The kernels' fast forms are tested against
 * it. */
#ifndef TENSOR_QUANT_H
#define TENSOR_QUANT_H

#include <stdint.h>
#include <string.h>

#include "tensor/tensor.h"

/* A block of activations, quantised on the fly for int8 dot products: value = scale * q, |q| <= 127.
 * sum is the sum of q: kernels that need unsigned weights (w + 128) subtract 128 * sum. */
typedef struct {
    float scale;
    int32_t sum;
    int8_t q[Q_BLOCK];
} BlockQ8;

/* The bits of a float, and back. memcpy, because reading them through a cast pointer is undefined in C. */
static inline uint32_t f32_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float f32_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/*  f16: 1 sign, 5 exponent (bias 15), 10 mantissa bits        f32: 1, 8 (bias 127), 23
 * Shifted to the position of an f32's, the exponent is 112 too small; one exact multiplication corrects that, also for
 * subnormals. Defined in the header so that compilers can vectorise loops over it. */
static inline float f16_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = (uint32_t)(half & 0x7fff) << 13;
    uint32_t finite = f32_bits(f32_from_bits(magnitude) * 0x1p112f);
    return f32_from_bits(sign | (magnitude >= 0x7c00 << 13 ? 0x7f800000 | magnitude : finite));
}

static inline float bf16_to_f32(uint16_t value) { return f32_from_bits((uint32_t)value << 16); }

uint16_t f32_to_f16(float value);  /* to nearest, ties to even; beyond 65504 becomes infinite; NaN stays NaN */
uint16_t f32_to_bf16(float value); /* to nearest, ties to even; NaN stays NaN */

/* out (cols,) f32 = row `row` of w. */
void dequantize_row(float *out, const Tensor *w, int row);

/* out (n,) f32 = the values of a Q8_GROUP row from column col on. In the header for the same reason as f16_to_f32. */
static inline void dequantize_group(float *out, const Tensor *w, int row, int col, int n) {
    const uint8_t *data = (const uint8_t *)w->data + (size_t)row * (size_t)w->cols + col;
    const uint8_t *scales = (const uint8_t *)w->scales + (size_t)row * (size_t)(w->cols / w->group) * sizeof(float);
    for (int i = 0; i < n;) {
        int group = (col + i) / w->group, end = (group + 1) * w->group - col;
        float scale;
        memcpy(&scale, scales + (size_t)group * sizeof scale, sizeof scale);
        for (end = end < n ? end : n; i < end; i++) out[i] = scale * (int8_t)data[i];
    }
}

/* out = x (cols,) in the given form; cols a multiple of its block. Not for Q8_GROUP (tests and exporters write that).
 * Error of a value: F16 2^-11 relative; BF16 2^-8; Q8_0 |x|max / 254 and Q4_0 |x|max / 8 of its block, plus the f16
 * scale's rounding. */
void quantize_row(void *out, const float *x, int cols, Dtype dtype);

/* out (cols / 32,) = x (cols,): scale = |x|max / 127, q = x * (127 / |x|max) rounded to nearest, ties to even (as the
 * processor's convert instruction rounds, so that every kernel table gives the same bits).
 * A block whose |x|max is so small (below 2^-121) that 127 / |x|max is infinite becomes zero. A block that holds a NaN
 * or an infinite value gets a NaN scale and q = 0, so that every product with it is NaN. */
void quantize_input_row(BlockQ8 *out, const float *x, int cols);

#endif

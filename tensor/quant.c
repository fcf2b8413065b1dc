#include "tensor/quant.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "tensor/packed.h"

uint16_t f32_to_f16(float value) {
    uint32_t bits = f32_bits(value), magnitude = bits & 0x7fffffff;
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff)); /* NaN, made quiet */
    if (magnitude >= 0x47800000) return sign | 0x7c00;                                        /* 65536 and more */
    if (magnitude < 0x38800000) {
        /* Below 2^-14: adding 0.5 leaves whole multiples of 2^-24, a half's smallest step, in the low bits. */
        return (uint16_t)(sign | (f32_bits(f32_from_bits(magnitude) + 0.5f) - 0x3f000000));
    }
    /* Adds half of the unit in the last kept place before 13 bits are cut off, less one if the kept part is even: ties
     * go to even. */
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

uint16_t f32_to_bf16(float value) {
    uint32_t bits = f32_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40); /* rounding could make NaN infinite */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void dequantize_f32(float *out, const uint8_t *data, int n) { memcpy(out, data, (size_t)n * sizeof *out); }

static void dequantize_f16(float *out, const uint8_t *data, int n) {
    uint16_t half;
    for (int i = 0; i < n; i++) memcpy(&half, data + (size_t)i * 2, 2), out[i] = f16_to_f32(half);
}

static void dequantize_bf16(float *out, const uint8_t *data, int n) {
    uint16_t half;
    for (int i = 0; i < n; i++) memcpy(&half, data + (size_t)i * 2, 2), out[i] = bf16_to_f32(half);
}

static void dequantize_q8_0(float *out, const uint8_t *data, int n) {
    for (int b = 0; b < n / Q_BLOCK; b++) {
        BlockQ8_0 block;
        memcpy(&block, data + (size_t)b * sizeof block, sizeof block);
        float scale = f16_to_f32(block.scale);
        for (int i = 0; i < Q_BLOCK; i++) out[b * Q_BLOCK + i] = scale * block.q[i];
    }
}

static void dequantize_q4_0(float *out, const uint8_t *data, int n) {
    for (int b = 0; b < n / Q_BLOCK; b++) {
        BlockQ4_0 block;
        memcpy(&block, data + (size_t)b * sizeof block, sizeof block);
        float scale = f16_to_f32(block.scale);
        for (int i = 0; i < Q_BLOCK / 2; i++) {
            out[b * Q_BLOCK + i] = scale * (float)((block.nibbles[i] & 15) - 8);
            out[b * Q_BLOCK + Q_BLOCK / 2 + i] = scale * (float)((block.nibbles[i] >> 4) - 8);
        }
    }
}

/* Copies some blocks at a time to the order of a row, then converts them. */
static void dequantize_packed(float *out, const Tensor *w, int row) {
    enum { VALUES = 256 };
    const DtypeInfo *info = &dtype_info[w->dtype];
    uint8_t stored[VALUES * sizeof(float)]; /* no form takes more */
    for (int col = 0; col < w->cols; col += VALUES) {
        int n = w->cols - col < VALUES ? w->cols - col : VALUES;
        packed_read_blocks(stored, w, row, col / info->block, n / info->block);
        info->to_f32(out + col, stored, n);
    }
}

void dequantize_row(float *out, const Tensor *w, int row) {
    if (w->dtype == DTYPE_Q8_GROUP)
        dequantize_group(out, w, row, 0, w->cols);
    else if (w->packed)
        dequantize_packed(out, w, row);
    else
        dtype_info[w->dtype].to_f32(out, tensor_row(w, row), w->cols);
}

static void quantize_f32(uint8_t *out, const float *x, int n) { memcpy(out, x, (size_t)n * sizeof *x); }

static void quantize_f16(uint8_t *out, const float *x, int n) {
    uint16_t half;
    for (int i = 0; i < n; i++) half = f32_to_f16(x[i]), memcpy(out + (size_t)i * 2, &half, 2);
}

static void quantize_bf16(uint8_t *out, const float *x, int n) {
    uint16_t half;
    for (int i = 0; i < n; i++) half = f32_to_bf16(x[i]), memcpy(out + (size_t)i * 2, &half, 2);
}

/* value as an integer in low..high. NaN, whose conversion C leaves undefined, gives low. */
static int clamp_to_int(float value, int low, int high) {
    if (!(value > (float)low)) return low;
    return value < (float)high ? (int)value : high;
}

/* 1 / scale, or 0 if the scale is so small that all values of the block become 0. */
static float inverse_or_zero(float scale) {
    float inverse = 1.0f / scale;
    return isfinite(inverse) ? inverse : 0.0f;
}

/* As llama.cpp's reference does it (ties away from zero), so that the files are identical. */
static void quantize_block_q8_0(uint8_t *out, const float *x) {
    BlockQ8_0 block;
    float largest = 0.0f;
    for (int i = 0; i < Q_BLOCK; i++) largest = fmaxf(largest, fabsf(x[i]));
    float scale = largest / 127.0f, inverse = inverse_or_zero(scale);
    block.scale = f32_to_f16(scale);
    for (int i = 0; i < Q_BLOCK; i++) block.q[i] = (int8_t)clamp_to_int(roundf(x[i] * inverse), -127, 127);
    memcpy(out, &block, sizeof block);
}

static void quantize_q8_0(uint8_t *out, const float *x, int n) {
    for (int i = 0; i < n; i += Q_BLOCK, out += sizeof(BlockQ8_0)) quantize_block_q8_0(out, x + i);
}

/* As llama.cpp's reference does it: the value of largest magnitude, with its sign, becomes exactly -8. */
static void quantize_block_q4_0(uint8_t *out, const float *x) {
    BlockQ4_0 block;
    float extreme = 0.0f;
    for (int i = 0; i < Q_BLOCK; i++) extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    float scale = extreme / -8.0f, inverse = inverse_or_zero(scale);
    block.scale = f32_to_f16(scale);
    for (int i = 0; i < Q_BLOCK / 2; i++) {
        int low = clamp_to_int(x[i] * inverse + 8.5f, 0, 15);
        int high = clamp_to_int(x[i + Q_BLOCK / 2] * inverse + 8.5f, 0, 15);
        block.nibbles[i] = (uint8_t)(low | high << 4);
    }
    memcpy(out, &block, sizeof block);
}

static void quantize_q4_0(uint8_t *out, const float *x, int n) {
    for (int i = 0; i < n; i += Q_BLOCK, out += sizeof(BlockQ4_0)) quantize_block_q4_0(out, x + i);
}

void quantize_row(void *out, const float *x, int cols, Dtype dtype) {
    assert(dtype != DTYPE_Q8_GROUP && dtype < DTYPE_COUNT && cols % dtype_info[dtype].block == 0);
    dtype_info[dtype].from_f32(out, x, cols);
}

enum { F32_EXPONENT = 0x7f800000, F16_EXPONENT = 0x7c00, BF16_EXPONENT = 0x7f80 };

const DtypeInfo dtype_info[DTYPE_COUNT] = {
    [DTYPE_F32] = {"F32", 0, 0, 1, 4, false, F32_EXPONENT, 0, dequantize_f32, quantize_f32},
    [DTYPE_F16] = {"F16", 1, 1, 1, 2, false, F16_EXPONENT, 0, dequantize_f16, quantize_f16},
    [DTYPE_BF16] = {"BF16", 30, 32, 1, 2, false, BF16_EXPONENT, 0, dequantize_bf16, quantize_bf16},
    [DTYPE_Q8_0] = {"Q8_0", 8, 7, Q_BLOCK, sizeof(BlockQ8_0), true, F16_EXPONENT, 0x80808080, dequantize_q8_0,
                    quantize_q8_0},
    [DTYPE_Q4_0] = {"Q4_0", 2, 2, Q_BLOCK, sizeof(BlockQ4_0), true, F16_EXPONENT, 0, dequantize_q4_0, quantize_q4_0},
    [DTYPE_Q8_GROUP] = {"Q8_GROUP", -1, -1, 1, 1, false, F32_EXPONENT, 0, NULL, NULL},
};

static BlockQ8 quantize_input_block(const float *x) {
    BlockQ8 block = {0};
    uint32_t largest_bits = 0;
    for (int i = 0; i < Q_BLOCK; i++) {
        /* Magnitudes compare like their bits, and a NaN is above all others; a comparison of floats would lose it. */
        uint32_t bits = f32_bits(x[i]) & 0x7fffffff;
        largest_bits = bits > largest_bits ? bits : largest_bits;
    }
    float largest = f32_from_bits(largest_bits), inverse = 127.0f / largest;
    if (largest_bits >= 0x7f800000) block.scale = NAN;
    if (largest_bits >= 0x7f800000 || isinf(inverse)) return block;
    block.scale = largest / 127.0f;
    for (int i = 0; i < Q_BLOCK; i++) {
        /* At 1.5 * 2^23 the spacing of floats is 1: the addition rounds, and the subtraction is exact. */
        float rounded = (x[i] * inverse + 0x1.8p23f) - 0x1.8p23f;
        block.q[i] = (int8_t)rounded;
        block.sum += block.q[i];
    }
    return block;
}

void quantize_input_row(BlockQ8 *out, const float *x, int cols) {
    for (int b = 0; b < cols / Q_BLOCK; b++) out[b] = quantize_input_block(x + b * Q_BLOCK);
}

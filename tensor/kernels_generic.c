/* The kernels in plain C: the reference for the tests of the others, and the table for processors without a faster one.
 * With this table, products with float weights go through OpenBLAS (tensor/ops.c), so `dot` of those forms only serves
 * as their specification. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "tensor/kernels.h"

enum {
    LANES = 8,   /* independent partial sums, which compilers turn into vector instructions */
    CHUNK = 256, /* values converted to f32 at a time */
    X_ROWS = 8   /* rows of x that share them */
};

/* out (n,) f32 = n values of row `row` of w, from column col on. */
static void widen(float *out, const Tensor *w, int row, int col, int n) {
    const DtypeInfo *info = &dtype_info[w->dtype];
    assert(info->block == 1);
    if (w->dtype == DTYPE_Q8_GROUP)
        dequantize_group(out, w, row, col, n);
    else
        info->to_f32(out, (const uint8_t *)tensor_row(w, row) + (size_t)col * (size_t)info->block_bytes, n);
}

static void add_products(float sum[LANES], const float *w, const float *x, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) sum[lane] += w[i + lane] * x[i + lane];
    }
    for (int lane = 0; i + lane < n; lane++) sum[lane] += w[i + lane] * x[i + lane];
}

static float add_lanes(const float sum[LANES]) {
    float total = 0.0f;
    for (int lane = 0; lane < LANES; lane++) total += sum[lane];
    return total;
}

/* One row of weights against up to X_ROWS rows of x: sum[lane] adds the columns lane, lane + LANES, ... in order. */
static void dot_row(float *out, size_t out_stride, const Tensor *w, int row, const float *x, int n_x) {
    float weights[CHUNK], sum[X_ROWS][LANES] = {{0}};
    for (int col = 0; col < w->cols; col += CHUNK) {
        int n = w->cols - col < CHUNK ? w->cols - col : CHUNK;
        widen(weights, w, row, col, n);
        for (int r = 0; r < n_x; r++) add_products(sum[r], weights, x + (size_t)r * (size_t)w->cols + col, n);
    }
    for (int r = 0; r < n_x; r++) out[(size_t)r * out_stride] = add_lanes(sum[r]);
}

static void dot_rows(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x) {
    for (int i = 0; i < n_w; i++) {
        for (int r = 0; r < n_x; r += X_ROWS) {
            const float *x_rows = (const float *)x + (size_t)r * (size_t)w->cols;
            dot_row(out + (size_t)r * out_stride + i, out_stride, w, first + i, x_rows,
                    n_x - r < X_ROWS ? n_x - r : X_ROWS);
        }
    }
}

/* ---- Packed weights: one lane per row, the same operations in each ---- */

typedef float Lanes[PACK_ROWS];

static void dot_group_float(Lanes total, const Tensor *w, int group, const float *x) {
    const DtypeInfo *info = &dtype_info[w->dtype];
    const uint8_t *at = packed_group(w, group);
    size_t bytes = PACK_ROWS * (size_t)info->block_bytes;
    for (int col = 0; col < w->cols; col += SUM_COLUMNS) {
        Lanes sum = {0}, weight;
        for (int c = col; c < w->cols && c < col + SUM_COLUMNS; c++, at += bytes) {
            info->to_f32(weight, at, PACK_ROWS);
            for (int i = 0; i < PACK_ROWS; i++) sum[i] += weight[i] * x[c];
        }
        for (int i = 0; i < PACK_ROWS; i++) total[i] += sum[i];
    }
}

/* whole[i] = block of row i . block of x, exactly; q are a block's packed bytes. */
static void dot_block_q8_0(int whole[PACK_ROWS], const uint8_t *q, const BlockQ8 *x) {
    for (int k = 0; k < Q_BLOCK / 4; k++)
        for (int i = 0; i < PACK_ROWS; i++)
            for (int j = 0; j < 4; j++) whole[i] += (q[(k * PACK_ROWS + i) * 4 + j] - 128) * x->q[4 * k + j];
}

static void dot_block_q4_0(int whole[PACK_ROWS], const uint8_t *q, const BlockQ8 *x) {
    for (int k = 0; k < Q_BLOCK / 8; k++)
        for (int i = 0; i < PACK_ROWS; i++)
            for (int j = 0; j < 4; j++) {
                uint8_t both = q[(k * PACK_ROWS + i) * 4 + j];
                whole[i] += ((both & 15) - 8) * x->q[4 * k + j] + ((both >> 4) - 8) * x->q[16 + 4 * k + j];
            }
}

static void (*const dot_block[DTYPE_COUNT])(int whole[PACK_ROWS], const uint8_t *q, const BlockQ8 *x) = {
    [DTYPE_Q8_0] = dot_block_q8_0, [DTYPE_Q4_0] = dot_block_q4_0};

static void dot_group_int8(Lanes total, const Tensor *w, int group, const BlockQ8 *x) {
    const uint8_t *scales = packed_group(w, group), *q = scales + packed_scale_bytes(w);
    size_t bytes = PACK_ROWS * ((size_t)dtype_info[w->dtype].block_bytes - 2);
    for (int b = 0; b < w->cols / Q_BLOCK; b++, scales += 2 * PACK_ROWS, q += bytes) {
        int whole[PACK_ROWS] = {0};
        Lanes scale;
        dot_block[w->dtype](whole, q, &x[b]);
        dtype_info[DTYPE_F16].to_f32(scale, scales, PACK_ROWS);
        for (int i = 0; i < PACK_ROWS; i++) total[i] += scale[i] * x[b].scale * (float)whole[i];
    }
}

static void dot_packed(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x) {
    assert(w->packed && first % PACK_ROWS == 0);
    bool int8 = dtype_info[w->dtype].int8_input;
    for (int i = 0; i < n_w; i += PACK_ROWS) {
        for (int r = 0; r < n_x; r++) {
            Lanes total = {0};
            int group = (first + i) / PACK_ROWS, n = n_w - i < PACK_ROWS ? n_w - i : PACK_ROWS;
            if (int8)
                dot_group_int8(total, w, group, (const BlockQ8 *)x + (size_t)r * (size_t)(w->cols / Q_BLOCK));
            else
                dot_group_float(total, w, group, (const float *)x + (size_t)r * (size_t)w->cols);
            memcpy(out + (size_t)r * out_stride + i, total, (size_t)n * sizeof *out);
        }
    }
}

/* ---- Attention ---- */

static void attention_scores(float *scores, size_t stride, const float *q, int n_q, const Tensor *keys, float scale) {
    dot_rows(scores, stride, keys, 0, keys->rows, q, n_q);
    for (int h = 0; h < n_q; h++) {
        for (int i = 0; i < keys->rows; i++) scores[(size_t)h * stride + (size_t)i] *= scale;
    }
}

static void attention_mix(float *out, const float *weights, size_t stride, int n_q, const Tensor *values) {
    float value[CHUNK];
    for (int i = 0; i < values->rows; i++) {
        for (int col = 0; col < values->cols; col += CHUNK) {
            int n = values->cols - col < CHUNK ? values->cols - col : CHUNK;
            widen(value, values, i, col, n);
            for (int h = 0; h < n_q; h++) {
                float *out_row = out + (size_t)h * (size_t)values->cols + col;
                float weight = weights[(size_t)h * stride + (size_t)i];
                for (int c = 0; c < n; c++) out_row[c] += weight * value[c];
            }
        }
    }
}

static void scores_f32(float *scores, size_t stride, const float *q, int n_q, const void *k, int n, int head_dim,
                       float scale) {
    attention_scores(scores, stride, q, n_q, &(Tensor){DTYPE_F32, n, head_dim, k, NULL, 0, false}, scale);
}

static void scores_f16(float *scores, size_t stride, const float *q, int n_q, const void *k, int n, int head_dim,
                       float scale) {
    attention_scores(scores, stride, q, n_q, &(Tensor){DTYPE_F16, n, head_dim, k, NULL, 0, false}, scale);
}

static void mix_f32(float *out, const float *weights, size_t stride, int n_q, const void *v, int n, int head_dim) {
    attention_mix(out, weights, stride, n_q, &(Tensor){DTYPE_F32, n, head_dim, v, NULL, 0, false});
}

static void mix_f16(float *out, const float *weights, size_t stride, int n_q, const void *v, int n, int head_dim) {
    attention_mix(out, weights, stride, n_q, &(Tensor){DTYPE_F16, n, head_dim, v, NULL, 0, false});
}

static void to_f16(uint16_t *out, const float *x, int n) {
    for (int i = 0; i < n; i++) out[i] = f32_to_f16(x[i]);
}

static float exp_sum(float *out, const float *x, float shift, int n) {
    double sum = 0.0;
    for (int i = 0; i < n; i++) sum += out[i] = expf(x[i] - shift);
    return (float)sum;
}

static void swiglu(float *gate, const float *up, int n) {
    for (int i = 0; i < n; i++) gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

const Kernels kernels_generic = {
    .name = "generic",
    .uses_blas = true,
    .dot = {[DTYPE_F32] = dot_packed,
            [DTYPE_F16] = dot_packed,
            [DTYPE_BF16] = dot_packed,
            [DTYPE_Q8_0] = dot_packed,
            [DTYPE_Q4_0] = dot_packed,
            [DTYPE_Q8_GROUP] = dot_rows},
    .quantize_input = quantize_input_row,
    .attention_scores = {[DTYPE_F32] = scores_f32, [DTYPE_F16] = scores_f16},
    .attention_mix = {[DTYPE_F32] = mix_f32, [DTYPE_F16] = mix_f16},
    .to_f16 = to_f16,
    .exp_sum = exp_sum,
    .swiglu = swiglu,
};

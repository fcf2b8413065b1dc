/* The kernels in plain C: what the others are tested against, and what runs where nothing faster is known. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "tensor/kernels.h"

enum {
    LANES = 8,   /* partial sums side by side, which compilers turn into vector instructions */
    CHUNK = 256, /* values turned into f32 at a time */
    X_ROWS = 8   /* rows of x that share them */
};

/* out (n,) f32 = n values of row `row` of w, from column col on. */
static void widen(float *out, const Tensor *w, int row, int col, int n) {
    const uint8_t *data = tensor_row(w, row);
    uint16_t half;
    switch (w->dtype) {
    case DTYPE_F32:
        memcpy(out, data + (size_t)col * 4, (size_t)n * 4);
        return;
    case DTYPE_F16:
        for (int i = 0; i < n; i++) {
            memcpy(&half, data + (size_t)(col + i) * 2, 2);
            out[i] = f16_to_f32(half);
        }
        return;
    case DTYPE_BF16:
        for (int i = 0; i < n; i++) {
            memcpy(&half, data + (size_t)(col + i) * 2, 2);
            out[i] = bf16_to_f32(half);
        }
        return;
    default:
        break;
    }
    assert(w->dtype == DTYPE_Q8_GROUP);
    dequantize_group(out, w, row, col, n);
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

static void dot_float(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x) {
    for (int i = 0; i < n_w; i++) {
        for (int r = 0; r < n_x; r += X_ROWS) {
            const float *x_rows = (const float *)x + (size_t)r * (size_t)w->cols;
            dot_row(out + (size_t)r * out_stride + i, out_stride, w, first + i, x_rows,
                    n_x - r < X_ROWS ? n_x - r : X_ROWS);
        }
    }
}

/* Apart from the loops over blocks, so that compilers see a plain sum of products and vectorise it. */
static int dot_32(const int8_t *a, const int8_t *b) {
    int sum = 0;
    for (int i = 0; i < Q_BLOCK; i++) sum += a[i] * b[i];
    return sum;
}

static float block_scale(const uint8_t *block) {
    uint16_t half;
    memcpy(&half, block, sizeof half);
    return f16_to_f32(half);
}

/* Blocks may lie at any address, so they are read as the bytes they are. */
static float dot_q8_0(const uint8_t *w, const BlockQ8 *x, int n_blocks) {
    float sum = 0.0f;
    for (int b = 0; b < n_blocks; b++, w += sizeof(BlockQ8_0)) {
        const int8_t *q = (const int8_t *)w + offsetof(BlockQ8_0, q);
        sum += block_scale(w) * x[b].scale * (float)dot_32(q, x[b].q);
    }
    return sum;
}

static float dot_q4_0(const uint8_t *w, const BlockQ8 *x, int n_blocks) {
    float sum = 0.0f;
    for (int b = 0; b < n_blocks; b++, w += sizeof(BlockQ4_0)) {
        const uint8_t *nibbles = w + offsetof(BlockQ4_0, nibbles);
        int8_t q[Q_BLOCK];
        for (int i = 0; i < Q_BLOCK / 2; i++) {
            q[i] = (int8_t)((nibbles[i] & 15) - 8);
            q[i + Q_BLOCK / 2] = (int8_t)((nibbles[i] >> 4) - 8);
        }
        sum += block_scale(w) * x[b].scale * (float)dot_32(q, x[b].q);
    }
    return sum;
}

static void dot_int8(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x) {
    int n_blocks = w->cols / Q_BLOCK;
    for (int i = 0; i < n_w; i++) {
        const uint8_t *row = tensor_row(w, first + i);
        for (int r = 0; r < n_x; r++) {
            const BlockQ8 *x_row = (const BlockQ8 *)x + (size_t)r * (size_t)n_blocks;
            out[(size_t)r * out_stride + (size_t)i] =
                w->dtype == DTYPE_Q8_0 ? dot_q8_0(row, x_row, n_blocks) : dot_q4_0(row, x_row, n_blocks);
        }
    }
}

static void attention_scores(float *scores, size_t stride, const float *q, int n_q, const Tensor *keys, float scale) {
    dot_float(scores, stride, keys, 0, keys->rows, q, n_q);
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
    attention_scores(scores, stride, q, n_q, &(Tensor){DTYPE_F32, n, head_dim, k, NULL, 0}, scale);
}

static void scores_f16(float *scores, size_t stride, const float *q, int n_q, const void *k, int n, int head_dim,
                       float scale) {
    attention_scores(scores, stride, q, n_q, &(Tensor){DTYPE_F16, n, head_dim, k, NULL, 0}, scale);
}

static void mix_f32(float *out, const float *weights, size_t stride, int n_q, const void *v, int n, int head_dim) {
    attention_mix(out, weights, stride, n_q, &(Tensor){DTYPE_F32, n, head_dim, v, NULL, 0});
}

static void mix_f16(float *out, const float *weights, size_t stride, int n_q, const void *v, int n, int head_dim) {
    attention_mix(out, weights, stride, n_q, &(Tensor){DTYPE_F16, n, head_dim, v, NULL, 0});
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
    .dot = {[DTYPE_F32] = dot_float,
            [DTYPE_F16] = dot_float,
            [DTYPE_BF16] = dot_float,
            [DTYPE_Q8_0] = dot_int8,
            [DTYPE_Q4_0] = dot_int8,
            [DTYPE_Q8_GROUP] = dot_float},
    .quantize_input = quantize_input_row,
    .attention_scores = {[DTYPE_F32] = scores_f32, [DTYPE_F16] = scores_f16},
    .attention_mix = {[DTYPE_F32] = mix_f32, [DTYPE_F16] = mix_f16},
    .to_f16 = to_f16,
    .exp_sum = exp_sum,
    .swiglu = swiglu,
};

#include "tensor/ops.h"

#include <math.h>

#include "tensor/blas.h"
#include "tensor/clones.h"
#include "tensor/kernels.h"

#define INT8_UNIT  16 /* weight rows that the kernels compute together */
#define FLOAT_UNIT 64

bool ops_start(bool has_float_weights, int threads, Error *error) {
    return !has_float_weights || !kernels()->gemm_is_faster || blas_load(threads, error);
}

/* In PARTS sums side by side, however wide vectors are. */
CLONES static float mean_square(const float *x, int n) {
    enum { PARTS = 16 };
    float sums[PARTS] = {0}, sum = 0;
    int i = 0;
    for (; i + PARTS <= n; i += PARTS)
        for (int j = 0; j < PARTS; j++) sums[j] += x[i + j] * x[i + j];
    for (int j = 0; i + j < n; j++) sums[j] += x[i + j] * x[i + j];
    for (int j = 0; j < PARTS; j++) sum += sums[j];
    return sum / (float)n;
}

/* 1 / rms of a row. The square of a value above 1.8e19 is infinite in f32, and would silently make the whole row zero:
 * such a row is summed in f64. A row with an infinity or a NaN gives 0 or NaN, and that times the row has a NaN. */
static float inverse_rms(const float *x, int n, float epsilon) {
    float mean = mean_square(x, n);
    double sum = 0;
    if (isfinite(mean)) return 1.0f / sqrtf(mean + epsilon);
    for (int i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return (float)(1 / sqrt(sum / n + (double)epsilon));
}

CLONES void rmsnorm(float *out, const float *x, const float *weight, int n_rows, int dim, float epsilon) {
    for (int r = 0; r < n_rows; r++) {
        const float *from = x + (size_t)r * (size_t)dim;
        float *to = out + (size_t)r * (size_t)dim;
        float scale = inverse_rms(from, dim, epsilon);
        for (int i = 0; i < dim; i++) to[i] = from[i] * scale * weight[i];
    }
}

static bool takes_gemm(const Tensor *w, int n_rows, MatmulPath path) {
    return path == PATH_GEMM && kernels()->gemm_is_faster && n_rows >= GEMM_MIN_ROWS &&
           !dtype_info[w->dtype].int8_input;
}

int matmul_unit(const Tensor *w, int n_rows, MatmulPath path) {
    if (takes_gemm(w, n_rows, path)) return GEMM_TILE;
    return dtype_info[w->dtype].int8_input ? INT8_UNIT : FLOAT_UNIT;
}

static void gemm_tile(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const float *x, int n_rows,
                      float *tile) {
    for (int i = 0; i < n_w; i++) dequantize_row(tile + (size_t)i * (size_t)w->cols, w, first + i);
    blas_multiply(out, out_stride, x, n_rows, tile, n_w, w->cols);
}

void matmul(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const float *x, const BlockQ8 *x_q8,
            int n_rows, MatmulPath path, float *tile) {
    if (!takes_gemm(w, n_rows, path)) {
        const void *input = dtype_info[w->dtype].int8_input ? (const void *)x_q8 : (const void *)x;
        kernels()->dot[w->dtype](out, out_stride, w, first, n_w, input, n_rows);
        return;
    }
    for (int i = 0; i < n_w; i += GEMM_TILE)
        gemm_tile(out + i, out_stride, w, first + i, n_w - i < GEMM_TILE ? n_w - i : GEMM_TILE, x, n_rows, tile);
}

void rope_angles(float *out, int position, const float *frequencies, int n_pairs) {
    for (int i = 0; i < n_pairs; i++) {
        double angle = (double)position * (double)frequencies[i];
        out[2 * i] = (float)cos(angle);
        out[2 * i + 1] = (float)sin(angle);
    }
}

CLONES static void rotate_pairs(float *x, const float *angles, int n_pairs) {
    for (int i = 0; i < n_pairs; i++) {
        float cosine = angles[2 * i], sine = angles[2 * i + 1], a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cosine - b * sine;
        x[2 * i + 1] = a * sine + b * cosine;
    }
}

void rope(float *x, const float *angles, int first, int n, int head_dim, int n_pairs) {
    for (int i = 0, in_head = first % head_dim; i < n; in_head = 0) {
        int here = head_dim - in_head < n - i ? head_dim - in_head : n - i, pair = in_head / 2;
        int turned = n_pairs - pair < here / 2 ? n_pairs - pair : here / 2;
        rotate_pairs(x + i, angles + 2 * pair, turned);
        i += here;
    }
}

CLONES void add(float *residual, const float *x, int n) {
    for (int i = 0; i < n; i++) residual[i] += x[i];
}

CLONES bool all_finite(const float *x, int n) {
    unsigned bad = 0;
    for (int i = 0; i < n; i++) bad |= (f32_bits(x[i]) & 0x7f800000) == 0x7f800000;
    return !bad;
}

#include "tensor/ops.h"

#include <math.h>

#include "tensor/blas.h"
#include "tensor/clones.h"
#include "tensor/kernels.h"
#include "tensor/minmax.h"
#include "tensor/row.h"

/* Weight rows per unit of work: multiples of the rows that the kernels compute together. */
#define INT8_UNIT  16
#define FLOAT_UNIT 64
#define TRANSPOSED 64 /* columns of Q8_GROUP rows that are converted at a time */

bool ops_start(bool has_float_weights, int threads, bool *uses_blas, Error *error) {
    *uses_blas = has_float_weights && kernels()->uses_blas;
    return !*uses_blas || blas_load(threads, error);
}

/* PARTS independent partial sums, for any width of vectors. */
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
 * such a row is summed in f64. For a row with an infinity or a NaN the result is 0 or NaN, so the scaled row has a
 * NaN. */
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

int matmul_unit(const Tensor *w) { return dtype_info[w->dtype].int8_input ? INT8_UNIT : FLOAT_UNIT; }

/* Writes n columns of Q8_GROUP rows first .. first + n_w - 1 to out (n, PACK_ROWS), from column col on. */
static void transpose_rows(float *out, const Tensor *w, int first, int n_w, int col, int n) {
    float values[TRANSPOSED];
    for (int i = 0; i < n_w; i++) {
        dequantize_group(values, w, first + i, col, n);
        for (int c = 0; c < n; c++) row(out, c, PACK_ROWS)[i] = values[c];
    }
}

/* The weight rows first .. first + n_w - 1, n_w <= PACK_ROWS, as f32 columns: (cols, PACK_ROWS). A packed group of
 * float weights has this order, so F32 is used in place; other forms are converted into `converted`. */
static const float *weight_columns(float *converted, const Tensor *w, int first, int n_w) {
    if (w->dtype == DTYPE_Q8_GROUP) {
        for (int col = 0; col < w->cols; col += TRANSPOSED)
            transpose_rows(row(converted, col, PACK_ROWS), w, first, n_w, col, min_int(TRANSPOSED, w->cols - col));
        return converted;
    }
    Tensor group = {.dtype = w->dtype, .rows = 1, .cols = w->cols * PACK_ROWS};
    group.data = packed_group(w, first / PACK_ROWS);
    if (w->dtype == DTYPE_F32) return group.data;
    dequantize_row(converted, &group, 0);
    return converted;
}

/* out (n_rows, n_w) = x (n_rows, cols) w^T by OpenBLAS, 16 weight rows at a time:
 *   a prompt      one sgemm: out (n_rows, 16) = x (n_rows, cols) columns (cols, 16)
 *   other passes  one sgemv for each row: out (16) = x (cols) columns (cols, 16). With one sgemm, a row's bits could
 *                 depend on the number of rows beside it. */
static void matmul_blas(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const float *x, int n_rows,
                        MatmulPath path, float *converted) {
    for (int i = 0; i < n_w; i += PACK_ROWS) {
        int n = min_int(PACK_ROWS, n_w - i);
        const float *columns = weight_columns(converted, w, first + i, n);
        if (path == PATH_GEMM && n_rows >= GEMM_MIN_ROWS)
            blas_sgemm(out + i, out_stride, x, n_rows, columns, PACK_ROWS, n, w->cols);
        else
            for (int r = 0; r < n_rows; r++)
                blas_sgemv(row(out, r, out_stride) + i, row(x, r, w->cols), columns, PACK_ROWS, n, w->cols);
    }
}

void matmul(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const float *x, const BlockQ8 *x_q8,
            int n_rows, MatmulPath path, float *converted) {
    const Kernels *k = kernels();
    if (dtype_info[w->dtype].int8_input)
        k->dot[w->dtype](out, out_stride, w, first, n_w, x_q8, n_rows);
    else if (k->uses_blas)
        matmul_blas(out, out_stride, w, first, n_w, x, n_rows, path, converted);
    else
        k->dot[w->dtype](out, out_stride, w, first, n_w, x, n_rows);
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

/* Ops: the layers' formulas over a batch of rows, by the bare names the papers give them.
 *
 * Each runs on the thread that calls it; who calls what is the transformer's affair (tensor/team.h).
 * A row's result is the same bits whatever the number of rows and however the work is cut, but for matmul's PATH_GEMM
 * where it takes OpenBLAS, which depends on the number of rows. Rows are contiguous; n_rows >= 1. */
#ifndef TENSOR_OPS_H
#define TENSOR_OPS_H

#include <stdbool.h>

#include "tensor/error.h"
#include "tensor/quant.h"
#include "tensor/tensor.h"

/* To be called before the first op: loads OpenBLAS if matmul needs it, for products on `threads` threads at a time.
 * Errors: as blas_load. */
bool ops_start(bool has_float_weights, int threads, Error *error);

/* out[r] = x[r] / sqrt(mean(x[r]^2) + epsilon) * weight   (Zhang & Sennrich 2019, 1910.07467)
 *   x, out (n_rows, dim) f32, may be the same    weight (dim,) */
void rmsnorm(float *out, const float *x, const float *weight, int n_rows, int dim, float epsilon);

typedef enum {
    PATH_DOT, /* our dot kernels: a weight row is read once for all rows, a row's bits do not depend on its batch */
    PATH_GEMM /* for prompts: OpenBLAS where the table says gemm_is_faster (n_rows >= 32, weights not int8), else the same */
} MatmulPath;

#define GEMM_MIN_ROWS 32
#define GEMM_TILE     128 /* weight rows multiplied in one sgemm call */

/* Weight rows that belong together: a product may be cut at their multiples. */
int matmul_unit(const Tensor *w, int n_rows, MatmulPath path);

/* out = x wT for the weight rows first .. first + n_w - 1: a part of one linear layer.
 *   out[r * out_stride + i] = x row r . w row first + i
 *   first        a multiple of matmul_unit; n_w too, unless w ends there
 *   x (n_rows, w.cols) f32   x_q8 the same quantised, if dtype_info[w.dtype].int8_input
 *   tile (GEMM_TILE, w.cols) f32 of this thread's own, for PATH_GEMM
 * OpenBLAS multiplies tile by tile, each in one single-threaded sgemm: so the result does not depend on the number of
 * threads, which its own threads would not promise. */
void matmul(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const float *x, const BlockQ8 *x_q8,
            int n_rows, MatmulPath path, float *tile);

/* The cosine and sine of position * frequency: out (n_pairs, 2). */
void rope_angles(float *out, int position, const float *frequencies, int n_pairs);

/* Rotates the pairs (x[2i], x[2i+1]), i < n_pairs, of every head by its row's angles, in place (Su et al. 2021,
 * 2104.09864).
 *   x: n values of a row of heads, from the `first` on; no pair is cut */
void rope(float *x, const float *angles, int first, int n, int head_dim, int n_pairs);

/* residual += x, n values. */
void add(float *residual, const float *x, int n);

/* No NaN and no infinity among n values. */
bool all_finite(const float *x, int n);

#endif

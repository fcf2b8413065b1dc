/* Ops: the formulas of the layers over a batch of rows, under the names that the papers give them.
 *
 * Each op runs on the calling thread; the transformer divides the work among threads (tensor/team.h).
 * A row's result is the same bits for any number of rows and however the work is divided. The exception is matmul with
 * PATH_GEMM if it calls OpenBLAS: its results depend on the number of rows. Rows are contiguous; n_rows >= 1. */
#ifndef TENSOR_OPS_H
#define TENSOR_OPS_H

#include <stdbool.h>

#include "tensor/error.h"
#include "tensor/quant.h"
#include "tensor/tensor.h"

/* To be called before the first op: loads OpenBLAS if matmul needs it, for products on `threads` threads at a time.
 * *uses_blas: then matmul is to be called between blas_begin and blas_end (tensor/blas.h). Errors: as blas_load. */
bool ops_start(bool has_float_weights, int threads, bool *uses_blas, Error *error);

/* out[r] = x[r] / sqrt(mean(x[r]^2) + epsilon) * weight   (Zhang & Sennrich 2019, 1910.07467)
 *   x, out (n_rows, dim) f32, may be the same    weight (dim,) */
void rmsnorm(float *out, const float *x, const float *weight, int n_rows, int dim, float epsilon);

typedef enum {
    PATH_DOT, /* a row's bits do not depend on its batch */
    PATH_GEMM /* for prompts: where OpenBLAS is used, one sgemm for GEMM_MIN_ROWS or more rows; else the same */
} MatmulPath;

#define GEMM_MIN_ROWS 32

/* A product may be divided at multiples of this many weight rows. */
int matmul_unit(const Tensor *w);

/* out = x w^T for the weight rows first .. first + n_w - 1: a part of one linear layer.
 *   out[r * out_stride + i] = x row r . w row first + i
 *   first        a multiple of matmul_unit; n_w too, unless w ends there
 *   x (n_rows, w.cols) f32   x_q8 the same quantised, if dtype_info[w.dtype].int8_input
 *   converted    (w.cols, PACK_ROWS) f32 of this thread's own, for weights that OpenBLAS cannot read in place
 * A weight is read once for all rows. If the table of kernels says uses_blas, float weights go through OpenBLAS (sgemv
 * for each row, sgemm for prompts), 16 weight rows per call and single-threaded: so the result does not depend on the
 * number of threads, which OpenBLAS does not guarantee for its own threads. Everything else goes through the table's
 * dot. */
void matmul(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const float *x, const BlockQ8 *x_q8,
            int n_rows, MatmulPath path, float *converted);

/* The cosine and sine of position * frequency: out (n_pairs, 2). */
void rope_angles(float *out, int position, const float *frequencies, int n_pairs);

/* Rotates the pairs (x[2i], x[2i+1]), i < n_pairs, of every head by its row's angles, in place (Su et al. 2021,
 * 2104.09864).
 *   x: n values of a row of heads, from the `first` on; no pair is cut */
void rope(float *x, const float *angles, int first, int n, int head_dim, int n_pairs);

/* residual += x, n values. */
void add(float *residual, const float *x, int n);

/* True if none of n values is NaN or infinite. */
bool all_finite(const float *x, int n);

#endif

/* Ops: the layers' formulas over a batch of rows, by the bare names the papers give them.
 *
 * Every op is a shared loop: all threads of one parallel region call it with the same arguments, it divides the rows among
 * them and ends when all are done (team_wait; unless it says otherwise). Called outside a parallel region it simply runs on one thread.
 * A row's result is the same bits whatever the number of rows and threads, but for matmul's PATH_GEMM, which depends on
 * the number of rows. Rows are contiguous; n_rows >= 1. */
#ifndef TENSOR_OPS_H
#define TENSOR_OPS_H

#include "tensor/quant.h"
#include "tensor/team.h"
#include "tensor/tensor.h"

/* Starts the parts that want it (BLAS); call once before the first op, on one thread. */
void ops_start(void);
int ops_processors(void); /* processors this process may run on */

/* out[r] = x[r] / sqrt(mean(x[r]^2) + epsilon) * weight   (Zhang & Sennrich 2019, 1910.07467)
 *   x, out (n_rows, dim) f32, may be the same    weight (dim,) */
void rmsnorm(float *out, const float *x, const float *weight, int n_rows, int dim, float epsilon);

/* out (n_rows, cols / 32) = x (n_rows, cols) in the form that int8 dot products take. */
void quantize_input(BlockQ8 *out, const float *x, int n_rows, int cols);

typedef enum {
    PATH_DOT, /* our dot kernels: a weight row is read once for all rows, a row's bits do not depend on its batch */
    PATH_GEMM /* OpenBLAS where that is faster (n_rows >= 32, weights that are not int8): for prompts */
} MatmulPath;

#define GEMM_MIN_ROWS 32
#define GEMM_TILE     128 /* weight rows multiplied in one sgemm call */

/* out = x wT: one linear layer. Does not wait for the other threads: team_wait() before out is read.
 *   x (n_rows, w.cols) f32   x_q8 the same quantised, if dtype_info[w.dtype].int8_input   out (n_rows, w.rows), not x
 *   tile (GEMM_TILE, w.cols) f32 of this thread's own, for PATH_GEMM with weights that are not F32
 * PATH_GEMM cuts the work into tiles whatever the number of threads, and each tile is one single-threaded sgemm: so the
 * result does not depend on the number of threads, which OpenBLAS's own threads would not promise. */
void matmul(float *out, const float *x, const BlockQ8 *x_q8, const Tensor *w, int n_rows, MatmulPath path, float *tile);

/* The cosine and sine of position * frequency for each row: out (n_rows, n_pairs, 2). */
void rope_angles(float *out, const int *positions, const float *frequencies, int n_rows, int n_pairs);

/* Rotates the pairs (x[2i], x[2i+1]), i < n_pairs, of every head by its row's angles (Su et al. 2021, 2104.09864).
 *   x (n_rows, n_heads, head_dim), in place */
void rope(float *x, const float *angles, int n_rows, int n_heads, int head_dim, int n_pairs);

/* gate = silu(gate) * up, n values (Shazeer 2020, 2002.05202). */
void swiglu(float *gate, const float *up, size_t n);

/* residual += x, n values. */
void add(float *residual, const float *x, size_t n);

#endif

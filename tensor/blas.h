/* Blas: OpenBLAS's single-precision products, from a library that is loaded when it is first needed.
 *
 * The program does not link OpenBLAS: its constructor takes some hundred megabytes of address space, and if a limit
 * refuses them, it retries without end. Only the table `generic` uses it (tensor/kernels.h, uses_blas). */
#ifndef TENSOR_BLAS_H
#define TENSOR_BLAS_H

#include <stddef.h>

#include "tensor/error.h"

/* Loads libopenblas.so.0, once per process, for products on `threads` threads at a time. Errors: the library cannot be
 * loaded; the limits on this process leave less address space than its buffers take. May be called from any thread. */
bool blas_load(int threads, Error *error);

/* OpenBLAS has one number of threads per process. blas_begin sets it to 1, because the callers divide the work; the
 * blas_end of the last of several such sections restores the number that the first one found. So a program that uses
 * OpenBLAS itself keeps its setting. After blas_load; from any thread. */
void blas_begin(void);
void blas_end(void);

/* Products with w (cols, n) f32, rows `stride` floats apart; between blas_begin and blas_end, on the calling thread.
 *   blas_sgemv   out (n,) = x (cols,) w
 *   blas_sgemm   out (n_rows, n) = x (n_rows, cols) w, rows of out `out_stride` apart */
void blas_sgemv(float *out, const float *x, const float *w, int stride, int n, int cols);
void blas_sgemm(float *out, size_t out_stride, const float *x, int n_rows, const float *w, int stride, int n, int cols);

#endif

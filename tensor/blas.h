/* Blas: OpenBLAS's single-precision matrix product, from a library that is loaded when it is first needed.
 *
 * The program does not link OpenBLAS: its constructor takes some hundred megabytes of address space, and if a limit
 * refuses them, it retries without end. Only the table `generic` uses it (tensor/kernels.h, gemm_is_faster). */
#ifndef TENSOR_BLAS_H
#define TENSOR_BLAS_H

#include <stddef.h>

#include "tensor/error.h"

/* Loads libopenblas.so.0, once per process, for products on `threads` threads at a time. Errors: the library cannot be
 * loaded; the limits on this process leave less address space than its buffers take. May be called from any thread. */
bool blas_load(int threads, Error *error);

/* out[r * out_stride + i] = dot(row r of x, row i of w), r < n_rows, i < n_w, on the calling thread alone.
 *   x (n_rows, cols)   w (n_w, cols)
 * After blas_load. */
void blas_multiply(float *out, size_t out_stride, const float *x, int n_rows, const float *w, int n_w, int cols);

#endif

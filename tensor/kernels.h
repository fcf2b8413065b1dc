/* Kernels: the few inner loops where the time goes, in one table of function pointers per instruction set.
 * kernels_generic.c is the specification. The table is chosen once, at run time, by what the processor has;
 * the environment variable KERNELS=generic|avx2|avx512|neon|neondot overrides it (for tests).
 *
 * The rule that makes forks exact: an output is computed by one fixed sequence of operations that depends on the
 * number of columns alone, not on how many other outputs are computed beside it. So a row's result is the same bits
 * alone or in any batch, on any thread. Between tables results agree only within rounding. */
#ifndef TENSOR_KERNELS_H
#define TENSOR_KERNELS_H

#include "tensor/error.h"
#include "tensor/packed.h"
#include "tensor/quant.h"
#include "tensor/tensor.h"

#define SUM_COLUMNS 256

/* out[r * out_stride + i] = dot(row first + i of w, row r of x), for 0 <= i < n_w, 0 <= r < n_x.
 *   w   packed, and first a multiple of PACK_ROWS; or Q8_GROUP as files have it, and first any row
 *   x   (n_x, w->cols) f32, or (n_x, w->cols / 32) BlockQ8 where dtype_info[].int8_input
 * Of float weights, SUM_COLUMNS products at a time are added in order, from zero, then that sum to the total: rounding
 * errors grow with the number of such sums, not of columns. Of int8 weights a block's sum is exact, its scaled value is
 * added to the total, blocks in order. */
typedef void DotRows(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x);

typedef struct {
    const char *name;
    bool uses_blas; /* matmul gives float weights to OpenBLAS (tensor/ops.h); dot is then their specification alone */
    DotRows *dot[DTYPE_COUNT];
    /* As quantize_input_row, the same bits. */
    void (*quantize_input)(BlockQ8 *out, const float *x, int cols);
    /* scores[h * stride + i] = scale * dot(q row h, k row i); q (n_q, head_dim) f32, k (n, head_dim) F32 or F16,
     * contiguous. One key is read once for all query heads. Index: DTYPE_F32 or DTYPE_F16. */
    void (*attention_scores[2])(float *scores, size_t stride, const float *q, int n_q, const void *k, int n,
                                int head_dim, float scale);
    /* out[h, :] += sum over i, in order, of weights[h * stride + i] * v row i; out (n_q, head_dim) f32. */
    void (*attention_mix[2])(float *out, const float *weights, size_t stride, int n_q, const void *v, int n,
                             int head_dim);
    /* f32 <-> f16, n values, rounding as quant.h. */
    void (*to_f16)(uint16_t *out, const float *x, int n);
    /* out[i] = exp(x[i] - shift); returns the sum of out. Within 2 ulp of expf; -inf gives 0. out may be x. */
    float (*exp_sum)(float *out, const float *x, float shift, int n);
    /* gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i] */
    void (*swiglu)(float *gate, const float *up, int n);
} Kernels;

extern const Kernels kernels_generic;
#if defined(__x86_64__)
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#elif defined(__aarch64__)
extern const Kernels kernels_neon;
extern const Kernels kernels_neondot;
#endif

/* The table in use. The first call chooses it; later calls cost a load. KERNELS naming a table that is unknown or
 * that this processor lacks is an error: kernels_check reports it, to be called once before the first use. */
const Kernels *kernels(void);
bool kernels_check(Error *error);
/* For tests and benchmarks: use this table from now on (not while another thread computes). */
void kernels_use(const Kernels *table);
/* The i-th table this processor can run (generic first), NULL past the last. */
const Kernels *kernels_available(int i);

#endif

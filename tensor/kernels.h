/* Kernels: the few inner loops that take nearly all of the time, in one table of function pointers per instruction set.
 * kernels_generic.c is the specification. The table is chosen once, at run time, by the instructions that the processor
 * has. The environment variable KERNELS=generic|avx2|avx512|neon|neondot overrides the choice, for tests. It is the
 * only environment variable that the library reads, and it is read in kernels() and kernels_check() alone.
 *
 * The rule that makes forks exact: the sequence of operations that computes an output depends on the number of columns
 * alone, not on the number of outputs computed with it. So a row's result has the same bits alone and in any batch, on
 * any thread. Results of different tables agree only within rounding. */
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
 * Float weights: SUM_COLUMNS products at a time are added in order, starting from zero, and their sum is added to the
 * total: rounding errors grow with the number of such sums, not of columns. Int8 weights: the sum of a block is exact;
 * its scaled value is added to the total, in the order of the blocks. */
typedef void DotRows(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x);

typedef struct {
    const char *name;
    bool uses_blas; /* matmul gives float weights to OpenBLAS (tensor/ops.h); dot is then their specification alone */
    DotRows *dot[DTYPE_COUNT];
    /* The same bits as quantize_input_row. */
    void (*quantize_input)(BlockQ8 *out, const float *x, int cols);
    /* scores[h * stride + i] = scale * dot(q row h, k row i); q (n_q, head_dim) f32, k (n, head_dim) F32 or F16,
     * contiguous. A key is read once for all query heads. Index: DTYPE_F32 or DTYPE_F16. */
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

/* The table in use. The first call chooses it; later calls cost one load. May be called first from several threads at
 * once. kernels_check, to be called before the first use, reports an error if KERNELS names a table that is unknown or
 * that this processor cannot run. */
const Kernels *kernels(void);
bool kernels_check(Error *error);
/* For tests and benchmarks: use this table from now on; NULL: choose again. Not while another thread computes. */
void kernels_use(const Kernels *table);
/* The i-th table that this processor can run (generic first); NULL after the last. */
const Kernels *kernels_available(int i);

#endif

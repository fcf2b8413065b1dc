/* Prompts of float weights: the packed kernels compared with OpenBLAS and its own threads, and whether the bits of
 * either depend on the number of threads. */
#include <cblas.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/kernels.h"
#include "tensor/packed.h"
#include "tensor/threads.h"

enum { RUNS = 9, PART = 128 };

typedef struct {
    int n_rows;
    Tensor w, packed;
    float *x, *out;
} Product;

static void ours(const Product *p, int threads) {
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int i = 0; i < p->w.rows; i += PART) {
        int n = p->w.rows - i < PART ? p->w.rows - i : PART;
        kernels()->dot[DTYPE_F32](p->out + i, (size_t)p->w.rows, &p->packed, i, n, p->x, p->n_rows);
    }
}

static void blas(const Product *p, int threads) {
    openblas_set_num_threads(threads);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, p->n_rows, p->w.rows, p->w.cols, 1, p->x, p->w.cols, p->w.data,
                p->w.cols, 0, p->out, p->w.rows);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_ms(const Product *p, void (*multiply)(const Product *, int), int threads) {
    double ms[RUNS];
    multiply(p, threads);
    for (int i = 0; i < RUNS; i++) {
        double start = omp_get_wtime();
        multiply(p, threads);
        ms[i] = 1e3 * (omp_get_wtime() - start);
    }
    qsort(ms, RUNS, sizeof *ms, compare_doubles);
    return ms[RUNS / 2];
}

static const char *same_bits(const Product *p, void (*multiply)(const Product *, int)) {
    size_t bytes = (size_t)p->n_rows * (size_t)p->w.rows * sizeof(float);
    float *first = malloc(bytes);
    const char *answer = "same";
    multiply(p, 1);
    memcpy(first, p->out, bytes);
    for (int threads = 2; threads <= 4; threads++) {
        multiply(p, threads);
        if (memcmp(first, p->out, bytes) != 0) answer = "differ";
    }
    free(first);
    return answer;
}

static float *random_floats(size_t n) {
    float *x = aligned_alloc(64, (n * sizeof *x + 63) & ~(size_t)63);
    for (size_t i = 0; i < n; i++) x[i] = (float)(i * 2654435761u % 1000) / 1000 - 0.5f;
    return x;
}

static void measure(int n_rows, int rows, int cols, int threads) {
    Product p = {.n_rows = n_rows, .w = {.dtype = DTYPE_F32, .rows = rows, .cols = cols}};
    p.w.data = random_floats((size_t)rows * (size_t)cols);
    p.x = random_floats((size_t)n_rows * (size_t)cols);
    p.out = random_floats((size_t)n_rows * (size_t)rows);
    p.packed = p.w;
    p.packed.packed = true;
    p.packed.data = random_floats(tensor_bytes(&p.packed) / sizeof(float));
    packed_write((void *)p.packed.data, &p.w);
    double gmac = 1e-9 * n_rows * rows * cols, mine = median_ms(&p, ours, threads), its = median_ms(&p, blas, threads);
    printf("%4d x %4d -> %4d  packed %8.2f ms %6.1f GMAC/s  OpenBLAS %8.2f ms %6.1f GMAC/s  ratio %.2f  "
           "bits at 1-4 threads: %s, %s\n",
           n_rows, cols, rows, mine, gmac / mine * 1e3, its, gmac / its * 1e3, mine / its, same_bits(&p, ours),
           same_bits(&p, blas));
    free((void *)p.w.data);
    free((void *)p.packed.data);
    free(p.x);
    free(p.out);
}

int main(void) {
    int threads = threads_processors();
    printf("prompts of F32 weights, %d threads, kernels %s\n", threads, kernels()->name);
    for (int n_rows = 32; n_rows <= 512; n_rows *= 4) {
        measure(n_rows, 2048, 2048, threads);
        measure(n_rows, 5632, 2048, threads);
        measure(n_rows, 2048, 5632, threads);
    }
    measure(37, 1003, 576, threads); /* odd sizes leave odd edges */
    measure(301, 703, 257, threads);
    return 0;
}

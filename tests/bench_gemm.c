/* What it costs that a prompt's bits do not depend on the number of threads: our tiles, one single-threaded sgemm each,
 * beside OpenBLAS with threads of its own; and whether the bits of either do depend on it. */
#include <cblas.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/ops.h"

enum { RUNS = 9 };

typedef struct {
    int n_rows;
    Tensor w;
    float *x, *out;
} Product;

static void tiles(const Product *p, int threads) {
    openblas_set_num_threads(1);
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int i = 0; i < p->w.rows; i += GEMM_TILE)
        matmul(p->out + i, (size_t)p->w.rows, &p->w, i, p->w.rows - i < GEMM_TILE ? p->w.rows - i : GEMM_TILE, p->x,
               NULL, p->n_rows, PATH_GEMM, NULL);
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
    double gflop = 2e-9 * n_rows * rows * cols, ours = median_ms(&p, tiles, threads),
           its = median_ms(&p, blas, threads);
    printf("%4d x %4d -> %4d  tiles %8.2f ms %6.1f GFLOP/s  OpenBLAS %8.2f ms %6.1f GFLOP/s  ratio %.2f  bits at 1-4 "
           "threads: "
           "%s, %s\n",
           n_rows, cols, rows, ours, gflop / ours * 1e3, its, gflop / its * 1e3, ours / its, same_bits(&p, tiles),
           same_bits(&p, blas));
    free((void *)p.w.data);
    free(p.x);
    free(p.out);
}

int main(void) {
    int threads = ops_processors();
    printf("sgemm, %d threads\n", threads);
    for (int n_rows = 32; n_rows <= 512; n_rows *= 4) {
        measure(n_rows, 2048, 2048, threads);
        measure(n_rows, 5632, 2048, threads);
        measure(n_rows, 2048, 5632, threads);
    }
    measure(37, 1003, 576, threads); /* odd sizes leave odd edges */
    measure(301, 703, 257, threads);
    return 0;
}

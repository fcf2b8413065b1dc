/* The kernels alone, on all threads, compared with the machine's limits: the bytes that it can read per second, and the
 * multiply-adds per second of numbers that are in registers. */
#include <omp.h>
#include <stdio.h>

#include "tensor/kernels.h"
#include "tensor/memory.h"
#include "tensor/threads.h"
#include "tools/bench/bench.h"
#include "tools/cli/terminal.h"

enum { COLS = 2048, MAX_X = 512, FEW_ROWS = 4096, RUN_LIMIT = 25 };
#define WEIGHT_BYTES ((size_t)96 << 20) /* more than the caches of two cores hold */
#define TIME_LIMIT   0.15               /* seconds per figure; more runs than required stop here */

/* ---------------------------------------------------------------- the ceiling of arithmetic */

#if defined(__x86_64__)
/* Twelve independent chains, enough to hide the latency. */
#define OP(op, r, i) op " %%" r "mm15, %%" r "mm14, %%" r "mm" i "\n"
#define CHAINS(op, r)                                                                                                  \
    "1:\n" OP(op, r, "0") OP(op, r, "1") OP(op, r, "2") OP(op, r, "3") OP(op, r, "4") OP(op, r, "5") OP(op, r, "6")    \
        OP(op, r, "7") OP(op, r, "8") OP(op, r, "9") OP(op, r, "10") OP(op, r, "11") "dec %0\njnz 1b\nvzeroupper"
#define CLOBBERS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "cc"

static void fma_avx2(long n) { __asm__ volatile(CHAINS("vfmadd231ps", "y") : "+r"(n) : : CLOBBERS); }
static void fma_avx512(long n) { __asm__ volatile(CHAINS("vfmadd231ps", "z") : "+r"(n) : : CLOBBERS); }
static void dot_avx512(long n) { __asm__ volatile(CHAINS("vpdpbusd", "z") : "+r"(n) : : CLOBBERS); }

static void measure_peak(const Bench *b, const char *dtype, const char *instruction, void (*loop)(long), int lanes) {
    enum { LOOPS = 1000000, CHAIN = 12 };
    int threads = threads_start(b->threads);
    double seconds[BENCH_MAX_RUNS], macs = (double)LOOPS * CHAIN * lanes * threads;
    for (int i = 0; i < b->runs; i++) {
        double start = terminal_seconds();
#pragma omp parallel num_threads(threads)
        loop(LOOPS);
        seconds[i] = terminal_seconds() - start;
    }
    Timing t = bench_timing(seconds, b->runs);
    bench_report(b, (BenchLine){.what = "peak", .shape = instruction, .dtype = dtype}, t, macs / t.median,
                 "%9.1f GMAC/s", 1e-9 * macs / t.median);
}

static void measure_peaks(const Bench *b) {
    if (__builtin_cpu_supports("avx512f"))
        measure_peak(b, "F32", "vfmadd231ps zmm", fma_avx512, 16);
    else if (__builtin_cpu_supports("fma"))
        measure_peak(b, "F32", "vfmadd231ps ymm", fma_avx2, 8);
    if (__builtin_cpu_supports("avx512vnni")) measure_peak(b, "int8", "vpdpbusd zmm", dot_avx512, 64);
}
#else
static void measure_peaks(const Bench *b) { bench_note(b, "(the peak of arithmetic is known on x86-64 only)"); }
#endif

/* ---------------------------------------------------------------- the kernels */

typedef struct {
    const Bench *bench;
    const Tensor *w;
    const void *x;
    float *out;
} Product;

static double run_once(const Product *p, int n_w, int n_x) {
    const Tensor *w = p->w;
    int threads = threads_start(p->bench->threads);
    double start = terminal_seconds();
#pragma omp parallel num_threads(threads)
    {
        int each = n_w / omp_get_num_threads() / 16 * 16, first = omp_get_thread_num() * each;
        int last = omp_get_thread_num() == omp_get_num_threads() - 1 ? n_w : first + each;
        kernels()->dot[w->dtype](p->out + first, (size_t)n_w, w, first, last - first, p->x, n_x);
    }
    return terminal_seconds() - start;
}

/* Few rows of x are multiplied with a large matrix, as in decoding; many rows with one that fits into a cache. */
static void measure_rows(const Product *p, int n_x) {
    double seconds[BENCH_MAX_RUNS], begun = terminal_seconds();
    int n_w = n_x > 32 && p->w->rows > FEW_ROWS ? FEW_ROWS : p->w->rows, runs = 0;
    char shape[32];
    run_once(p, n_w, n_x);
    while (runs < p->bench->runs || (runs < RUN_LIMIT && terminal_seconds() - begun < TIME_LIMIT))
        seconds[runs++] = run_once(p, n_w, n_x);
    Timing t = bench_timing(seconds, runs);
    double bytes = (double)tensor_bytes(p->w) * n_w / p->w->rows, macs = (double)n_w * COLS * n_x;
    snprintf(shape, sizeof shape, "%d x %d", n_w, COLS);
    BenchLine line = {.what = "dot", .shape = shape, .dtype = dtype_info[p->w->dtype].name, .rows = n_x};
    bench_report(p->bench, line, t, macs / t.median, "%9.1f GMAC/s, %.2f GB/s", 1e-9 * macs / t.median,
                 1e-9 * bytes / t.median);
}

static bool measure_product(const Bench *b, const Tensor *w, const float *x, const BlockQ8 *x_q8, Error *error) {
    static const int counts[] = {1, 2, 4, 8, 16, 20, 32, 128, 512};
    Product p = {.bench = b, .w = w, .x = dtype_info[w->dtype].int8_input ? (const void *)x_q8 : x};
    size_t n_out = (size_t)w->rows * 32 > (size_t)FEW_ROWS * MAX_X ? (size_t)w->rows * 32 : (size_t)FEW_ROWS * MAX_X;
    p.out = memory_alloc(n_out, sizeof *p.out, "outputs", error);
    if (!p.out) return false;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) measure_rows(&p, counts[i]);
    memory_free(p.out);
    return true;
}

/* The matrix is the output matrix of a tiny model, so it has the memory layout that the engine uses. */
static bool measure_dtype(const Bench *b, Dtype dtype, const float *x, const BlockQ8 *x_q8, Error *error) {
    const DtypeInfo *info = &dtype_info[dtype];
    Config config = {.dim = COLS, .hidden_dim = 32, .n_layers = 1, .n_heads = 32, .n_kv_heads = 4, .head_dim = 64};
    config.rope_dim = 64, config.context_length = 16, config.rope_theta = 1e4f, config.rms_epsilon = 1e-5f;
    config.vocab_size = (int)(WEIGHT_BYTES / (size_t)(COLS / info->block * info->block_bytes)) / 64 * 64;
    Model *model;
    bench_progress("%s: drawing weights", info->name);
    if (!bench_draw(&model, &config, dtype, true, error)) return false;
    bool done = measure_product(b, &model->output, x, x_q8, error);
    model_close(model);
    return done;
}

bool bench_kernels(const Bench *b, Error *error) {
    enum { N_X = MAX_X * COLS };
    float *x = memory_alloc(N_X, sizeof *x, "inputs", error);
    BlockQ8 *x_q8 = x ? memory_alloc(N_X / Q_BLOCK, sizeof *x_q8, "inputs", error) : NULL;
    bool done = x_q8 != NULL;
    if (done) {
        measure_peaks(b);
        for (int i = 0; i < N_X; i++) x[i] = (float)(i % 8191 * 7919 % 1000) * 0.001f - 0.5f;
        quantize_input_row(x_q8, x, N_X);
    }
    for (int dtype = 0; done && dtype < DTYPE_Q8_GROUP; dtype++) done = measure_dtype(b, (Dtype)dtype, x, x_q8, error);
    memory_free(x);
    memory_free(x_q8);
    return done;
}

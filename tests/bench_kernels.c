/* Speed of the dot kernels on all cores beside the machine's limits: memory read, and multiply-add in registers.
 *
 *   bench_kernels [table [dtype]]        best of several runs; others may be using the machine */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tensor/kernels.h"
#include "tensor/memory.h"

enum { COLS = 2048, MAX_X = 512, WEIGHT_BYTES = 96 << 20, RUNS = 50 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *take(size_t bytes) {
    Error error;
    void *block = memory_alloc(1, bytes, "bench", &error);
    if (!block) exit((fprintf(stderr, "%s\n", error.message), 1));
    return block;
}

static double read_bandwidth(const uint64_t *data, size_t n) {
    double best = 0;
    volatile uint64_t sink = 0;
    for (int run = 0; run < RUNS; run++) {
        double start = seconds();
        uint64_t sum = 0;
#pragma omp parallel for reduction(+ : sum) schedule(static)
        for (size_t i = 0; i < n; i++) sum += data[i];
        double speed = (double)(n * sizeof *data) / (seconds() - start);
        sink = sink + sum;
        best = speed > best ? speed : best;
    }
    return best;
}

#if defined(__x86_64__)
/* Twelve independent chains, enough to hide the latency. */
#define CHAINS(op)                                                                                                     \
    "1:\n" op " %%zmm15, %%zmm14, %%zmm0\n" op " %%zmm15, %%zmm14, %%zmm1\n" op " %%zmm15, %%zmm14, %%zmm2\n" op       \
    " %%zmm15, %%zmm14, %%zmm3\n" op " %%zmm15, %%zmm14, %%zmm4\n" op " %%zmm15, %%zmm14, %%zmm5\n" op                 \
    " %%zmm15, %%zmm14, %%zmm6\n" op " %%zmm15, %%zmm14, %%zmm7\n" op " %%zmm15, %%zmm14, %%zmm8\n" op                 \
    " %%zmm15, %%zmm14, %%zmm9\n" op " %%zmm15, %%zmm14, %%zmm10\n" op                                                 \
    " %%zmm15, %%zmm14, %%zmm11\n dec %0\n jnz 1b\n vzeroupper"
#define CLOBBERS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "cc"

/* Multiply-adds a second in registers, all cores. */
static double arithmetic_peak(bool int8) {
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        long loops = 1000000;
        double start = seconds();
#pragma omp parallel
        {
            long n = loops;
            if (int8) {
                __asm__ volatile(CHAINS("vpdpbusd") : "+r"(n) : : CLOBBERS);
            } else {
                __asm__ volatile(CHAINS("vfmadd231ps") : "+r"(n) : : CLOBBERS);
            }
        }
        double speed = (double)loops * 12 * (int8 ? 64 : 16) * omp_get_max_threads() / (seconds() - start);
        best = speed > best ? speed : best;
    }
    return best;
}

static void print_peaks(void) {
    if (!__builtin_cpu_supports("avx512vnni")) return;
    printf("multiply-add in registers: %.0f GMAC/s f32, %.0f GMAC/s int8\n", 1e-9 * arithmetic_peak(false),
           1e-9 * arithmetic_peak(true));
}
#else
static void print_peaks(void) {}
#endif

/* Pseudo-random weights, finite: made row by row from one float row and its rotations. */
static Tensor make_weights(Dtype dtype, uint8_t *data, float *scales) {
    Tensor w = {.dtype = dtype, .rows = 1, .cols = COLS, .data = data, .scales = scales, .group = 64};
    static float row[2 * COLS];
    uint32_t state = 1;
    for (int i = 0; i < 2 * COLS; i++) row[i] = (float)((state = state * 1664525 + 1013904223) >> 8) * 0x1p-24f - 0.5f;
    size_t row_bytes = tensor_row_bytes(&w);
    w.rows = (int)(WEIGHT_BYTES / row_bytes) / 64 * 64;
    for (int i = 0; i < w.rows; i++) {
        uint8_t *out = data + (size_t)i * row_bytes;
        if (i >= 64) {
            memcpy(out, out - 64 * row_bytes, row_bytes);
        } else if (dtype == DTYPE_Q8_GROUP) {
            for (int c = 0; c < COLS; c++) out[c] = (uint8_t)(int8_t)(100 * row[i + c]);
        } else {
            quantize_row(out, row + i, COLS, dtype);
        }
    }
    for (int i = 0; dtype == DTYPE_Q8_GROUP && i < w.rows * (COLS / 64); i++) scales[i] = 0.01f;
    return w;
}

static Tensor pack(const Tensor *rows, uint8_t *data) {
    Tensor packed = *rows;
    if (!packed_can(rows->dtype)) return packed;
    packed.packed = true;
    packed.data = data;
    double start = seconds();
#pragma omp parallel for
    for (int g = 0; g < packed_groups(rows); g++)
        packed_write_group(data + (size_t)g * packed_group_bytes(rows), rows, g);
    printf("%-8s packing: %.2f GB/s\n", dtype_info[rows->dtype].name,
           1e-9 * (double)tensor_bytes(rows) / (seconds() - start));
    return packed;
}

static double run_once(const Kernels *table, float *out, const Tensor *w, int n_w, const void *x, int n_x) {
    double start = seconds();
#pragma omp parallel
    {
        int n = n_w / omp_get_num_threads() / 16 * 16, me = omp_get_thread_num();
        int last = me == omp_get_num_threads() - 1 ? n_w : (me + 1) * n;
        table->dot[w->dtype](out + me * n, (size_t)n_w, w, me * n, last - me * n, x, n_x);
    }
    return seconds() - start;
}

static void bench_dtype(const Kernels *table, const Tensor *w, float *out, const float *x, const BlockQ8 *x_q8) {
    static const int counts[] = {1, 2, 4, 8, 16, 20, 32, 128, 512};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        int n_x = counts[k], n_w = n_x > 32 ? 4096 : w->rows;
        double best = 1e9, started = seconds();
        for (int run = 0; run < RUNS && (run < 5 || seconds() - started < 0.3); run++) {
            double time = run_once(table, out, w, n_w, dtype_info[w->dtype].int8_input ? (const void *)x_q8 : x, n_x);
            best = time < best ? time : best;
        }
        double bytes = (double)tensor_bytes(w) * n_w / w->rows, macs = (double)n_w * COLS * n_x;
        printf("%-8s %-8s %5d rows of x: %7.2f GB/s %8.1f GMAC/s\n", table->name, dtype_info[w->dtype].name, n_x,
               1e-9 * bytes / best, 1e-9 * macs / best);
    }
}

int main(int n_args, char **args) {
    uint8_t *data = take(WEIGHT_BYTES), *packed = take(WEIGHT_BYTES);
    float *scales = take(WEIGHT_BYTES / 64 * sizeof(float)), *x = take(sizeof(float) * MAX_X * COLS);
    BlockQ8 *x_q8 = take(sizeof(BlockQ8) * MAX_X * COLS / Q_BLOCK);
    float *out = take(sizeof(float) * 32 * (WEIGHT_BYTES / (COLS / 32 * sizeof(BlockQ4_0))));
    memset(data, 1, WEIGHT_BYTES);
    memset(packed, 1, WEIGHT_BYTES);
    printf("memory read: %.1f GB/s, %d threads\n", 1e-9 * read_bandwidth((const uint64_t *)data, WEIGHT_BYTES / 8),
           omp_get_max_threads());
    print_peaks();
    for (int i = 0; i < MAX_X * COLS; i++) x[i] = (float)(i % 8191 * 7919 % 1000) * 0.001f - 0.5f;
    quantize_input_row(x_q8, x, MAX_X * COLS);
    const Kernels *table = kernels();
    for (int i = 0; n_args > 1 && kernels_available(i); i++) {
        if (strcmp(kernels_available(i)->name, args[1]) == 0) table = kernels_available(i);
    }
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        if (n_args > 2 && strcmp(args[2], dtype_info[dtype].name) != 0) continue;
        Tensor rows = make_weights((Dtype)dtype, data, scales), w = pack(&rows, packed);
        bench_dtype(table, &w, out, x, x_q8);
    }
    memory_free(data);
    memory_free(packed);
    memory_free(scales);
    memory_free(x);
    memory_free(x_q8);
    memory_free(out);
    return 0;
}

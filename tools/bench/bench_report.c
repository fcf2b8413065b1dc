/* The table of foretell bench, its statistics, and the speed of memory, with which figures are compared. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tensor/kernels.h"
#include "tensor/memory.h"
#include "tensor/threads.h"
#include "tools/bench/bench.h"
#include "tools/cli/standard.h"
#include "tools/cli/terminal.h"

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

Timing bench_timing(double *values, int n) {
    qsort(values, (size_t)n, sizeof *values, compare_doubles);
    return (Timing){values[n / 2], values[0], values[n - 1]};
}

void bench_progress(const char *format, ...) {
    static bool is_shown;
    va_list arguments;
    if (!isatty(STDERR_FILENO)) return;
    if (is_shown) fprintf(stderr, "\r\033[K");
    is_shown = format != NULL;
    if (!format) return;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " ...");
}

void bench_head(const Bench *b) {
    if (b->csv)
        printf("what,shape,dtype,threads,context,rows,k,ms_median,ms_min,ms_max,per_second\n");
    else
        printf("kernels %s\n%-14s %-18s %-5s %7s %7s %5s %3s %10s %10s .. %-10s\n", kernels()->name, "what", "shape",
               "dtype", "threads", "context", "rows", "k", "ms median", "least", "most");
    standard_flush();
}

static void print_count(double count, int width) {
    if (count > 0)
        printf(" %*.*f", width, count == (double)(long long)count ? 0 : 2, count);
    else
        printf(" %*s", width, "");
}

static void print_labels(const Bench *b, BenchLine line) {
    bench_progress(NULL);
    if (b->csv) {
        printf("%s,%s,%s,%d,%d,%.*f,%d,", line.what, line.shape, line.dtype, b->threads, line.context,
               line.rows == (double)(long long)line.rows ? 0 : 2, line.rows, line.k);
    } else {
        printf("%-14s %-18s %-5s %7d", line.what, line.shape, line.dtype, b->threads);
        print_count(line.context, 7);
        print_count(line.rows, 5);
        print_count(line.k, 3);
    }
}

void bench_report(const Bench *b, BenchLine line, Timing t, double per_second, const char *rate, ...) {
    print_labels(b, line);
    if (b->csv) {
        printf("%.5g,%.5g,%.5g,%.6g\n", t.median * 1e3, t.least * 1e3, t.most * 1e3, per_second);
    } else {
        va_list arguments;
        printf(" %10.3f %10.3f .. %-10.3f ", t.median * 1e3, t.least * 1e3, t.most * 1e3);
        va_start(arguments, rate);
        vprintf(rate, arguments);
        va_end(arguments);
        printf("\n");
    }
    standard_flush();
}

void bench_report_bytes(const Bench *b, BenchLine line, double bytes, const char *note) {
    print_labels(b, line);
    if (b->csv)
        printf(",,,%.0f\n", bytes);
    else
        printf(" %36s%.1f MiB%s\n", "", bytes / (1 << 20), note);
    standard_flush();
}

void bench_note(const Bench *b, const char *format, ...) {
    va_list arguments;
    if (b->csv) return;
    bench_progress(NULL);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    standard_flush();
}

/* ---------------------------------------------------------------- the memory's speed */

#define READ_WORDS ((size_t)1 << 25) /* 256 MiB: larger than most caches */

bool bench_open_array(Bench *b, Error *error) {
    b->words = memory_alloc(READ_WORDS, sizeof *b->words, "array to read", error);
    if (b->words) memset(b->words, 1, READ_WORDS * sizeof *b->words);
    return b->words != NULL;
}

/* All threads sum one large array: as fast as memory can be read. */
double bench_read_memory(const Bench *b) {
    double start = terminal_seconds();
    uint64_t total = 0;
    int threads = threads_start(b->threads);
#pragma omp parallel for num_threads(threads) reduction(+ : total) schedule(static)
    for (size_t i = 0; i < READ_WORDS; i += 512)
        for (size_t j = i; j < i + 512; j++) total += b->words[j];
    double seconds = terminal_seconds() - start;
    return total == 0 ? 0
                      : (double)(READ_WORDS * sizeof *b->words) /
                            seconds; /* uses the sum, so that the compiler keeps the loop */
}

void bench_measure_read(const Bench *b) {
    double seconds[BENCH_MAX_RUNS], bytes = (double)(READ_WORDS * sizeof *b->words);
    for (int i = 0; i < b->runs; i++) seconds[i] = bytes / bench_read_memory(b);
    Timing t = bench_timing(seconds, b->runs);
    bench_report(b, (BenchLine){.what = "read", .shape = "256 MiB", .dtype = "-"}, t, bytes / t.median, "%9.1f GB/s",
                 1e-9 * bytes / t.median);
}

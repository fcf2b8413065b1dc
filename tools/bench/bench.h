/* Bench: what the parts of `foretell bench` share: its settings, the lists they are given as, timing, and the table.
 *
 * Every figure is the median of several runs, with the smallest and the largest. What is compared is measured in turn,
 * run by run, because what other programs leave of a machine changes from second to second. */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include "model/session.h"
#include "tools/files/shapes.h"

enum { BENCH_MAX_RUNS = 101, BENCH_MAX_LIST = 16, BENCH_MAX_ROWS = 64, BENCH_PREFIX = 64 };

typedef struct {
    int count, items[BENCH_MAX_LIST];
} BenchList;

/* The ways to look ahead, bits of Bench.looks. */
enum { BENCH_NAIVE = 1, BENCH_BATCHED = 2, BENCH_LAZY = 4 };

typedef struct {
    const char *model, *shape; /* a file, or the name of a shape; NULL: not given */
    Dtype dtype;
    int threads, context, prompt, runs; /* context 0: what is measured needs */
    BenchList rows, contexts, k;        /* empty: not to be measured */
    unsigned looks;
    bool csv, kernels, memory, start_up, tokenizer;
    uint64_t *words; /* the array that is read to know the memory's speed */
} Bench;

/* ---------------------------------------------------------------- the table */

typedef struct {
    double median, least, most; /* seconds, or whatever was measured */
} Timing;

/* values (n,) are sorted. */
Timing bench_timing(double *values, int n);

/* One line: shape and dtype name the model; 0 and 0.0 stand for what does not apply. */
typedef struct {
    const char *what, *shape, *dtype;
    int context, k;
    double rows;
} BenchLine;

void bench_head(const Bench *bench);
/* per_second as CSV has it; `rate` says the same to people, with its unit, and what else there is to say. */
void bench_report(const Bench *bench, BenchLine line, Timing seconds, double per_second, const char *rate, ...)
    __attribute__((format(printf, 5, 6)));
/* A line that no time was taken for: bytes stand where there would be a rate. */
void bench_report_bytes(const Bench *bench, BenchLine line, double bytes, const char *note);
/* A remark between lines, for people alone. */
void bench_note(const Bench *bench, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What is being done that takes long and prints nothing: on stderr, and on a terminal alone. NULL takes it away. */
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---------------------------------------------------------------- the memory's speed */

bool bench_open_array(Bench *bench, Error *error);
double bench_read_memory(const Bench *bench); /* bytes a second, once */
void bench_measure_read(const Bench *bench);

/* ---------------------------------------------------------------- a model */

typedef struct {
    const Bench *bench;
    const Model *model;
    const char *name, *dtype, *path; /* path: its file, NULL for random weights */
    double bytes_per_token;
} Subject;

/* Random weights, ready to compute with: what export_random writes with the seed 1. */
bool bench_draw(Model **model, const Config *config, Dtype dtype, bool tied, Error *error);
/* A session with room for n_positions in the trunk and for n_forks one row longer. */
bool bench_open_session(const Subject *subject, int n_positions, int n_forks, Session **session, Error *error);
/* Makes the trunk n_positions long, with tokens that mean nothing, or as it was if it is that long. */
bool bench_fill(const Subject *subject, Session *session, int n_positions, Error *error);

bool bench_rows(const Subject *subject, Error *error);
bool bench_prompt(const Subject *subject, Error *error);
bool bench_contexts(const Subject *subject, Error *error);
bool bench_future(const Subject *subject, Error *error);
bool bench_memory(const Subject *subject, Error *error);

/* ---------------------------------------------------------------- the rest */

bool bench_kernels(const Bench *bench, Error *error);
/* From the start of a process to the first token of a text, of the model in that file. */
bool bench_start_up(const Bench *bench, const char *path, const char *name, const char *dtype, Error *error);
/* The same for random weights, from a file that is removed afterwards. */
bool bench_start_up_random(const Bench *bench, const Shape *shape, Dtype dtype, Error *error);
bool bench_tokenizer(const Bench *bench, const char *path, Error *error);

#endif

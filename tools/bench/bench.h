/* Bench: shared by the files of `foretell bench`: settings, lists of numbers, timing, and the printed table.
 *
 * Every figure is the median of several runs, printed with the minimum and the maximum. Alternatives are measured in
 * turn, run by run, because the load of other programs changes from second to second. */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include "model/session.h"
#include "tools/files/shapes.h"

enum { BENCH_MAX_RUNS = 101, BENCH_MAX_LIST = 16, BENCH_MAX_ROWS = 64, BENCH_PREFIX = 64 };

typedef struct {
    int count, items[BENCH_MAX_LIST];
} BenchList;

int bench_largest(const BenchList *list); /* 0: empty */

/* The ways to look ahead, bits of Bench.looks. */
enum { BENCH_NAIVE = 1, BENCH_BATCHED = 2, BENCH_LAZY = 4 };

typedef struct {
    const char *model, *shape; /* a file, or the name of a shape; NULL: not given */
    Dtype dtype;
    int threads, context, prompt, runs; /* context 0: as large as the measurement needs */
    BenchList rows, contexts, k;        /* empty: not measured */
    unsigned looks;
    bool csv, kernels, memory, start_up, tokenizer;
    uint64_t *words; /* an array that is read to measure the speed of memory */
} Bench;

/* ---------------------------------------------------------------- the table */

typedef struct {
    double median, least, most; /* seconds, or the unit of what was measured */
} Timing;

/* Sorts values (n,). */
Timing bench_timing(double *values, int n);

/* One line: shape and dtype name the model; 0 and 0.0 stand for what does not apply. */
typedef struct {
    const char *what, *shape, *dtype;
    int context, k;
    double rows;
} BenchLine;

void bench_head(const Bench *bench);
/* per_second is for the CSV. `rate` is for the printed table: the same figure with its unit, and remarks. */
void bench_report(const Bench *bench, BenchLine line, Timing seconds, double per_second, const char *rate, ...)
    __attribute__((format(printf, 5, 6)));
/* A line without times, and with bytes instead of a rate. */
void bench_report_bytes(const Bench *bench, BenchLine line, double bytes, const char *note);
/* A remark between lines; left out of the CSV. */
void bench_note(const Bench *bench, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says on stderr, if it is a terminal, what is being measured. NULL removes the line. */
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---------------------------------------------------------------- the memory's speed */

bool bench_open_array(Bench *bench, Error *error);
double bench_read_memory(const Bench *bench); /* bytes per second, measured once */
void bench_measure_read(const Bench *bench);

/* ---------------------------------------------------------------- a model */

typedef struct {
    const Bench *bench;
    const Model *model;
    const char *name, *dtype, *path; /* path: its file, NULL for random weights */
    double bytes_per_token;
} Subject;

/* Random weights, packed: those that export_random writes with seed 1. */
bool bench_draw(Model **model, const Config *config, Dtype dtype, bool tied, Error *error);
/* A session with room for n_positions in the trunk and for n_forks forks that are one row longer. */
bool bench_open_session(const Subject *subject, int n_positions, int n_forks, Session **session, Error *error);
/* Extends the trunk to n_positions with arbitrary tokens; does nothing if it is that long. */
bool bench_fill(const Subject *subject, Session *session, int n_positions, Error *error);

bool bench_rows(const Subject *subject, Error *error);
bool bench_prompt(const Subject *subject, Error *error);
bool bench_contexts(const Subject *subject, Error *error);
bool bench_future(const Subject *subject, Error *error);
bool bench_memory(const Subject *subject, Error *error);

/* ---------------------------------------------------------------- the rest */

bool bench_kernels(const Bench *bench, Error *error);
/* The time from the start of a process to the first token, with the model in that file. */
bool bench_start_up(const Bench *bench, const char *path, const char *name, const char *dtype, Error *error);
/* The same with random weights, from a file that is removed afterwards. */
bool bench_start_up_random(const Bench *bench, const Shape *shape, Dtype dtype, Error *error);
bool bench_tokenizer(const Bench *bench, const char *path, Error *error);

#endif

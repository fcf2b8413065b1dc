/* Passes: a prompt, and n rows that share a prefix, as in looking ahead. */
#include <stdio.h>
#include <stdlib.h>

#include "tensor/memory.h"
#include "tools/bench/bench.h"
#include "tools/cli/terminal.h"

enum { FILL = 512 };      /* positions filled between two progress reports */
#define SHORT_PASS   0.02 /* seconds; shorter passes are run BENCH_MAX_RUNS times */
#define BEYOND_CACHE 1e8  /* bytes of weights: more than any cache holds */

bool bench_draw(Model **model, const Config *config, Dtype dtype, bool tied, Error *error) {
    if (!model_random(model, config, dtype, tied, 1, error)) return false;
    if (model_pack(*model, NULL, NULL, error)) return true;
    model_close(*model);
    return false;
}

bool bench_open_session(const Subject *s, int n_positions, int n_forks, Session **session, Error *error) {
    int context = s->bench->context > n_positions ? s->bench->context : n_positions + 1;
    SessionOptions options = {.context = context, .branches = n_forks + 1, .threads = s->bench->threads};
    return session_open(session, s->model, options, error);
}

bool bench_fill(const Subject *s, Session *session, int n_positions, Error *error) {
    int tokens[FILL], length;
    while ((length = session_length(session, TRUNK)) < n_positions) {
        int n = n_positions - length < FILL ? n_positions - length : FILL;
        for (int i = 0; i < n; i++) tokens[i] = ((length + i) * 7 + 3) % s->model->config.vocab_size;
        if (n_positions > 2 * FILL) bench_progress("%s: filling %d of %d positions", s->name, length, n_positions);
        if (!session_prefill(session, TRUNK, tokens, n, error)) return false;
    }
    return true;
}

/* One pass over n forks of the trunk, as in looking ahead. */
static bool time_rows(const Subject *s, Session *session, int n, double *seconds, Error *error) {
    BranchToken steps[BENCH_MAX_ROWS];
    for (int i = 0; i < n; i++) {
        steps[i].token = (i * 31 + 5) % s->model->config.vocab_size;
        if (!session_fork(session, TRUNK, &steps[i].branch, error)) return false;
    }
    double start = terminal_seconds();
    bool done = session_decode(session, steps, n, error);
    *seconds = terminal_seconds() - start;
    for (int i = 0; i < n; i++) session_drop(session, steps[i].branch);
    return done;
}

/* A model larger than any cache is compared with reading memory: both are timed in turn, and the share is the median of
 * these pairs. *one_row: the time of one row, set by the call with n = 1; later calls compare theirs with it. */
static bool measure_rows(const Subject *s, Session *session, int n, double *one_row, Error *error) {
    double seconds[BENCH_MAX_RUNS], shares[BENCH_MAX_RUNS], warm;
    if (!time_rows(s, session, n, &warm, error)) return false;
    int runs = warm < SHORT_PASS ? BENCH_MAX_RUNS : s->bench->runs;
    bool is_large = s->bytes_per_token > BEYOND_CACHE;
    for (int i = 0; i < runs; i++) {
        double read = is_large ? bench_read_memory(s->bench) : 0;
        if (!time_rows(s, session, n, &seconds[i], error)) return false;
        shares[i] = is_large ? s->bytes_per_token / seconds[i] / read : 0;
    }
    Timing t = bench_timing(seconds, runs);
    char share[64] = "", times[64] = "";
    if (is_large) snprintf(share, sizeof share, ", %.0f %% of reading", 100 * bench_timing(shares, runs).median);
    if (n == 1) *one_row = t.median;
    if (n > 1 && *one_row > 0) snprintf(times, sizeof times, ", %.2f x 1 row", t.median / *one_row);
    BenchLine line = {"rows", s->name, s->dtype, session_length(session, TRUNK), 0, n};
    bench_report(s->bench, line, t, n / t.median, "%9.1f tok/s, %.1f GB/s%s%s", n / t.median,
                 1e-9 * s->bytes_per_token / t.median, share, times);
    return true;
}

static int largest(const BenchList *list) {
    int most = 0;
    for (int i = 0; i < list->count; i++) most = list->items[i] > most ? list->items[i] : most;
    return most;
}

static bool measure_frontier(const Subject *s, Session *session, int n_positions, Error *error) {
    double one_row = 0;
    if (!bench_fill(s, session, n_positions, error)) return false;
    for (int i = 0; i < s->bench->rows.count; i++)
        if (!measure_rows(s, session, s->bench->rows.items[i], &one_row, error)) return false;
    return true;
}

bool bench_rows(const Subject *s, Error *error) {
    Session *session;
    if (!bench_open_session(s, BENCH_PREFIX, largest(&s->bench->rows), &session, error)) return false;
    bool done = measure_frontier(s, session, BENCH_PREFIX, error);
    session_close(session);
    return done;
}

/* The contexts are sorted, so each extends the one before. */
bool bench_contexts(const Subject *s, Error *error) {
    Session *session;
    const BenchList *contexts = &s->bench->contexts;
    if (!bench_open_session(s, largest(contexts), largest(&s->bench->rows), &session, error)) return false;
    bool done = true;
    for (int i = 0; done && i < contexts->count; i++) done = measure_frontier(s, session, contexts->items[i], error);
    session_close(session);
    return done;
}

static bool time_prompts(const Subject *s, Session *session, const int *tokens, double *seconds, Error *error) {
    int n = s->bench->prompt;
    for (int i = 0; i < s->bench->runs; i++) {
        bench_progress("%s: a prompt of %d tokens, run %d of %d", s->name, n, i + 1, s->bench->runs);
        session_drop(session, TRUNK);
        double start = terminal_seconds();
        if (!session_prefill(session, TRUNK, tokens, n, error)) return false;
        seconds[i] = terminal_seconds() - start;
    }
    Timing t = bench_timing(seconds, s->bench->runs);
    bench_report(s->bench, (BenchLine){"prompt", s->name, s->dtype, 0, 0, n}, t, n / t.median, "%9.1f tok/s",
                 n / t.median);
    return true;
}

bool bench_prompt(const Subject *s, Error *error) {
    int n = s->bench->prompt;
    double seconds[BENCH_MAX_RUNS];
    Session *session;
    int *tokens = memory_alloc((size_t)n, sizeof *tokens, "prompt", error);
    if (!tokens) return false;
    for (int i = 0; i < n; i++) tokens[i] = (int)((i * 13LL + 1) % s->model->config.vocab_size);
    bool done = bench_open_session(s, n, 0, &session, error);
    if (done) {
        done = time_prompts(s, session, tokens, seconds, error);
        session_close(session);
    }
    memory_free(tokens);
    return done;
}

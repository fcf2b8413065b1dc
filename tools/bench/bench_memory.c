/* The memory that forks take: the bytes of a session, and what becomes resident when k forks are used. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"

/* "VmHWM:     1234 kB" in /proc/self/status; 0 where there is none. */
static double status_bytes(const char *key) {
    char line[256];
    double bytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0) bytes = 1024 * strtod(line + strlen(key), NULL);
    fclose(file);
    return bytes;
}

/* Returns freed memory to the system, then resets the peak of resident memory to what is resident now. */
static bool reset_peak(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file) return false;
    bool done = fputs("5", file) >= 0;
    return fclose(file) == 0 && done;
}

static bool use_forks(const Subject *s, Session *session, int context, int k, Error *error) {
    BranchToken steps[BENCH_MAX_ROWS];
    if (!bench_fill(s, session, context, error)) return false;
    for (int i = 0; i < k; i++) {
        steps[i].token = i % s->model->config.vocab_size;
        if (!session_fork(session, TRUNK, &steps[i].branch, error)) return false;
    }
    return session_decode(session, steps, k, error);
}

static double kv_row_size(const Config *c) {
    return 2.0 * c->n_layers * c->n_kv_heads * c->head_dim * (double)sizeof(uint16_t);
}

static bool measure(const Subject *s, int context, int k, Error *error) {
    Session *session;
    SessionOptions options = {.context = context + 1, .branches = k + 1, .threads = s->bench->threads};
    size_t bytes;
    char note[160];
    bool can_measure = reset_peak();
    double before = status_bytes("VmRSS:");
    if (!session_bytes(s->model, options, &bytes, error)) return false;
    if (!session_open(&session, s->model, options, error)) return false;
    bool done = use_forks(s, session, context, k, error);
    double peak = status_bytes("VmHWM:") - before;
    session_close(session);
    if (!done) return false;
    snprintf(note, sizeof note, "; with a copy of the keys and values for each fork: %.1f MiB",
             ((double)bytes + (double)k * context * kv_row_size(&s->model->config)) / (1 << 20));
    bench_report_bytes(s->bench, (BenchLine){"session bytes", s->name, s->dtype, context, k, k}, (double)bytes, note);
    if (can_measure)
        bench_report_bytes(s->bench, (BenchLine){"session peak", s->name, s->dtype, context, k, k}, peak,
                           " resident at the peak, beyond the weights");
    return true;
}

bool bench_memory(const Subject *s, Error *error) {
    static const BenchList usual_contexts = {3, {256, 1024, 4096}}, usual_k = {3, {1, 8, 64}};
    const BenchList *contexts = s->bench->contexts.count ? &s->bench->contexts : &usual_contexts;
    const BenchList *k = s->bench->k.count ? &s->bench->k : &usual_k;
    for (int i = 0; i < contexts->count; i++)
        for (int j = 0; j < k->count; j++)
            if (!measure(s, contexts->items[i], k->items[j], error)) return false;
    return true;
}

/* What a future costs: tokens emitted by future entropy (alpha 0, T 1), beside plain decoding in the same run.
 *
 *   naive     k + 1 passes a token, one row each: every candidate, then the winner again
 *   batched   all k candidates in one pass, whose winner is the next step's (eager)
 *   lazy      only those whose bound can win
 *
 * All draw from the 64 likeliest tokens, and the three ways the same ones, which is checked. */
#include <string.h>

#include "sampler/future/plain_future.h"
#include "tensor/memory.h"
#include "tools/bench/bench.h"
#include "tools/cli/open.h"
#include "tools/cli/terminal.h"

typedef enum { PLAIN, NAIVE, BATCHED, LAZY, WAYS } Way;
static const char *const way_names[WAYS] = {"decode", "future naive", "future batched", "future lazy"};

enum { MAX_TOKENS = 32, MIN_TOKENS = 4 };
#define RUN_SECONDS 0.2 /* of plain decoding; a run is so many tokens */

typedef struct {
    const Subject *subject;
    Session *session;
    Candidates candidates;
    TokenFlags *flags; /* none set: an end of text is a token like another */
    LookaheadReport report;
    LookaheadCost cost;
} Future;

/* What the runs of one k gave. */
typedef struct {
    int k, n_tokens[WAYS];
    double seconds[WAYS][BENCH_MAX_RUNS], ratios[WAYS][BENCH_MAX_RUNS]; /* a token; of plain decoding's speed */
    double rows[WAYS], passes[WAYS], tokens[WAYS];                      /* of all runs */
    int texts[WAYS][MAX_TOKENS];                                        /* of the current run */
} Figures;

/* ---------------------------------------------------------------- one token */

static bool emit(Future *f, Way way, int k, int branch, uint64_t seed, int *token, Error *error) {
    int chosen;
    Lookahead settings = lookahead_default();
    settings.k = k;
    settings.eager = way == BATCHED;
    settings.alpha = way == PLAIN ? -1 : 0;
    LookaheadStep step = {.session = f->session, .branch = branch, .temperature = 1, .seed = seed, .flags = f->flags};
    step.cost = &f->cost;
    step.position = session_length(f->session, branch);
    step.previous = -1;
    candidates_from_logits(&f->candidates, session_logits(f->session, branch), f->candidates.capacity);
    candidates_top_k(&f->candidates, LOOKAHEAD_MAX_K);
    if (way == NAIVE ? !plain_future_draw(&settings, &step, &f->candidates, &f->report, error)
                     : !lookahead_draw(&settings, &step, &f->candidates, &chosen, &f->report, error))
        return false;
    const Candidate *drawn = &f->candidates.items[way == NAIVE ? f->report.chosen : chosen];
    *token = drawn->token;
    if (drawn->branch >= 0) {
        session_promote(f->session, drawn->branch);
        return true;
    }
    return session_decode(f->session, &(BranchToken){branch, drawn->token}, 1, error);
}

/* ---------------------------------------------------------------- runs */

/* Some tokens on a fork of the trunk. */
static bool write_on(Future *f, Way way, Figures *g, int run, Error *error) {
    int branch, n = g->n_tokens[way];
    if (!session_fork(f->session, TRUNK, &branch, error)) return false;
    SessionCounts before = session_counts(f->session);
    double start = terminal_seconds();
    for (int i = 0; i < n; i++)
        if (!emit(f, way, g->k, branch, (uint64_t)run + 1, &g->texts[way][i], error)) return false;
    g->seconds[way][run] = (terminal_seconds() - start) / n;
    SessionCounts after = session_counts(f->session);
    g->rows[way] += (double)(after.rows - before.rows);
    g->passes[way] += (double)(after.passes - before.passes);
    g->tokens[way] += n;
    session_drop(f->session, branch);
    return true;
}

/* As far as both went. */
static bool check_texts(const Figures *g, const bool *measured, Error *error) {
    for (int a = NAIVE; a < WAYS; a++)
        for (int b = a + 1; b < WAYS; b++) {
            if (!measured[a] || !measured[b]) continue;
            int n = g->n_tokens[a] < g->n_tokens[b] ? g->n_tokens[a] : g->n_tokens[b];
            if (memcmp(g->texts[a], g->texts[b], (size_t)n * sizeof g->texts[a][0]) != 0)
                return error_set(error, "%s and %s drew different tokens (k %d)", way_names[a], way_names[b], g->k);
        }
    return true;
}

static int clamp(double x, int low, int high) { return x < low ? low : x > high ? high : (int)x; }

/* The first run of each way warms up and does not count. */
static bool run_all(Future *f, Figures *g, const bool *measured, Error *error) {
    const Bench *b = f->subject->bench;
    for (int run = -1; run < b->runs; run++) {
        int at = run < 0 ? 0 : run;
        if (run == 0) memset(g->rows, 0, 3 * sizeof g->rows); /* rows, passes, tokens */
        for (int way = 0; way < WAYS; way++) {
            if (!measured[way]) continue;
            bench_progress("%s: %s, k %d, run %d of %d", f->subject->name, way_names[way], g->k, at + 1, b->runs);
            if (!write_on(f, (Way)way, g, at, error)) return false;
            if (run < 0 && way == PLAIN) {
                int n = clamp(RUN_SECONDS / g->seconds[PLAIN][0], MIN_TOKENS, MAX_TOKENS);
                g->n_tokens[PLAIN] = g->n_tokens[BATCHED] = g->n_tokens[LAZY] = n;
                g->n_tokens[NAIVE] = clamp(RUN_SECONDS / g->seconds[PLAIN][0] / (g->k + 1), 1, n);
            }
            g->ratios[way][at] = g->seconds[PLAIN][at] / g->seconds[way][at];
        }
        if (!check_texts(g, measured, error)) return false;
    }
    return true;
}

static void report(const Subject *s, Figures *g, const bool *measured) {
    int runs = s->bench->runs;
    for (int way = 0; way < WAYS; way++) {
        if (!measured[way]) continue;
        Timing t = bench_timing(g->seconds[way], runs);
        double rows = g->rows[way] / g->tokens[way], passes = g->passes[way] / g->tokens[way];
        BenchLine line = {way_names[way], s->name, s->dtype, BENCH_PREFIX, g->k, rows};
        if (way == PLAIN)
            bench_report(s->bench, line, t, 1 / t.median, "%9.1f tok/s", 1 / t.median);
        else
            bench_report(s->bench, line, t, 1 / t.median, "%9.1f tok/s, %.2f x decode, %.2f passes a token",
                         1 / t.median, bench_timing(g->ratios[way], runs).median, passes);
    }
}

static bool measure_k(Future *f, int k, Error *error) {
    unsigned looks = f->subject->bench->looks;
    const bool measured[WAYS] = {true, looks & BENCH_NAIVE, looks & BENCH_BATCHED, looks & BENCH_LAZY};
    Figures *g = memory_alloc(1, sizeof *g, "figures", error);
    if (!g) return false;
    g->k = k;
    for (int way = 0; way < WAYS; way++) g->n_tokens[way] = 2;
    bool done = run_all(f, g, measured, error);
    if (done) report(f->subject, g, measured);
    memory_free(g);
    return done;
}

/* ---------------------------------------------------------------- what is written on from */

/* A real model begins a text of its own, so that its distributions are those of its language. */
static bool begin_text(Future *f, Error *error) {
    static const char opening[] = "Once upon a time";
    const Subject *s = f->subject;
    Tokenizer *tokenizer;
    Error none;
    int *tokens, token;
    size_t n;
    if (!s->path || !open_vocabulary(&tokenizer, s->model, s->path, NULL, &none))
        return bench_fill(s, f->session, BENCH_PREFIX, error);
    bool done =
        tokenizer_encode(tokenizer, (Bytes){(const uint8_t *)opening, sizeof opening - 1}, true, &tokens, &n, error);
    tokenizer_close(tokenizer);
    if (!done) return false;
    done = session_prefill(f->session, TRUNK, tokens, (int)n, error);
    memory_free(tokens);
    while (done && session_length(f->session, TRUNK) < BENCH_PREFIX) done = emit(f, PLAIN, 1, TRUNK, 1, &token, error);
    return done;
}

static bool measure_all(Future *f, Error *error) {
    const Bench *b = f->subject->bench;
    if (!begin_text(f, error)) return false;
    for (int i = 0; i < b->k.count; i++)
        if (!measure_k(f, b->k.items[i], error)) return false;
    if (!f->subject->path)
        bench_note(
            b,
            "(random weights: every token is about as likely as any, so lazy looks are settled sooner than in a text)");
    return true;
}

static bool open_and_measure(Future *f, int most, Error *error) {
    const Subject *s = f->subject;
    f->flags = memory_alloc((size_t)s->model->config.vocab_size, sizeof *f->flags, "flags of tokens", error);
    if (!f->flags || !candidates_open(&f->candidates, s->model->config.vocab_size, error)) return false;
    /* The branch that is written on, and k of its own. */
    if (bench_open_session(s, BENCH_PREFIX + 2 * MAX_TOKENS, most + 1, &f->session, error)) {
        bool done = measure_all(f, error);
        session_close(f->session);
        return done;
    }
    return false;
}

bool bench_future(const Subject *s, Error *error) {
    Future f = {.subject = s};
    int most = 1;
    for (int i = 0; i < s->bench->k.count; i++) most = s->bench->k.items[i] > most ? s->bench->k.items[i] : most;
    bool done = open_and_measure(&f, most, error);
    candidates_close(&f.candidates);
    memory_free(f.flags);
    return done;
}

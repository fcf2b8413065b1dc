/* The cost of looking ahead: future entropy (alpha 0, T 1), compared with plain decoding in the same run.
 *
 *   naive     k + 1 passes per token, one row each: every candidate, then the winner a second time
 *   batched   all k candidates in one pass, whose winner is the next step's (eager)
 *   lazy      only the candidates whose bound can win
 *
 * All draw from the 64 likeliest tokens. The three ways must draw the same tokens, which is checked. */
#include <string.h>

#include "sampler/future/plain_future.h"
#include "sampler/text/writer.h"
#include "tensor/memory.h"
#include "tensor/minmax.h"
#include "tools/bench/bench.h"
#include "tools/cli/open.h"
#include "tools/cli/terminal.h"

typedef enum { PLAIN, NAIVE, BATCHED, LAZY, WAYS } Way;
static const char *const way_names[WAYS] = {"decode", "future naive", "future batched", "future lazy"};

enum { MAX_TOKENS = 32, MIN_TOKENS = 4 };
#define RUN_SECONDS 0.2 /* a run has the tokens that plain decoding draws in this time */

typedef struct {
    const Subject *subject;
    Session *session;
    Sampler sampler; /* of the way that is measured; the writer's */
    Writer writer;
    TokenFlags *flags; /* (vocab_size,) none is set: a token that ends a text is like any other */
    int *history;      /* (context + 1,) of any sequence: no stage reads it */
} Future;

/* The results for one k. */
typedef struct {
    int k, n_tokens[WAYS];
    double seconds[WAYS][BENCH_MAX_RUNS], ratios[WAYS][BENCH_MAX_RUNS]; /* per token; plain decoding's time over it */
    double rows[WAYS], passes[WAYS], tokens[WAYS];                      /* of all runs */
    int texts[WAYS][MAX_TOKENS];                                        /* of the current run */
} Measured;

/* ---------------------------------------------------------------- one token */

static Sampler sampler_of(Way way, int k, uint64_t seed) {
    Sampler sampler = sampler_default();
    sampler.top_k.low = sampler.top_k.high = LOOKAHEAD_MAX_K;
    sampler.top_p.low = sampler.top_p.high = 1;
    sampler.min_p = 0;
    sampler.temperature.base = 1;
    sampler.future = way != PLAIN;
    sampler.lookahead.k = k;
    sampler.lookahead.eager = way == BATCHED;
    sampler.seed = seed;
    return sampler;
}

/* Draws and appends a token by the definition of future entropy alone. */
static bool emit_naively(Future *f, Sequence *sequence, Error *error) {
    LookaheadReport report;
    Candidates *all = &f->writer.candidates;
    const LookaheadStep step = {.session = f->session,
                                .branch = sequence->branch,
                                .temperature = 1,
                                .seed = f->sampler.seed,
                                .position = sequence->length,
                                .flags = f->flags,
                                .previous = -1};
    candidates_from_logits(all, session_logits(f->session, sequence->branch), all->capacity);
    candidates_top_k(all, LOOKAHEAD_MAX_K);
    if (!plain_future_draw(&f->sampler.lookahead, &step, all, &report, error)) return false;
    int token = sequence->history[sequence->length++] = all->items[report.chosen].token;
    return session_decode(f->session, &(BranchToken){sequence->branch, token}, 1, error);
}

static bool emit(Future *f, Way way, Sequence *sequence, Error *error) {
    if (way == NAIVE) return emit_naively(f, sequence, error);
    return writer_draw(&f->writer, sequence, error) && writer_advance(&f->writer, sequence, error);
}

/* Draws n tokens at the end of a branch, which holds those before. */
static bool emit_all(Future *f, Way way, int branch, int n, Error *error) {
    Sequence sequence = {.branch = branch,
                         .history = f->history,
                         .length = session_length(f->session, branch),
                         .state = sampler_start(&f->sampler)};
    bool done = true;
    for (int i = 0; done && i < n; i++) done = emit(f, way, &sequence, error);
    return done;
}

/* ---------------------------------------------------------------- runs */

/* One run, on a fork of the trunk. */
static bool write_on(Future *f, Way way, Measured *g, int run, Error *error) {
    int branch, n = g->n_tokens[way], length = session_length(f->session, TRUNK);
    f->sampler = sampler_of(way, g->k, (uint64_t)run + 1);
    if (!session_fork(f->session, TRUNK, &branch, error)) return false;
    SessionCounts before = session_counts(f->session);
    double start = terminal_seconds();
    if (!emit_all(f, way, branch, n, error)) return false;
    g->seconds[way][run] = (terminal_seconds() - start) / n;
    SessionCounts after = session_counts(f->session);
    memcpy(g->texts[way], f->history + length, (size_t)n * sizeof *f->history);
    g->rows[way] += (double)(after.rows - before.rows);
    g->passes[way] += (double)(after.passes - before.passes);
    g->tokens[way] += n;
    session_drop(f->session, branch);
    return true;
}

/* Compares the tokens that any two ways have both drawn. */
static bool check_texts(const Measured *g, const bool *measured, Error *error) {
    for (int a = NAIVE; a < WAYS; a++)
        for (int b = a + 1; b < WAYS; b++) {
            if (!measured[a] || !measured[b]) continue;
            int n = min_int(g->n_tokens[a], g->n_tokens[b]);
            if (memcmp(g->texts[a], g->texts[b], (size_t)n * sizeof g->texts[a][0]) != 0)
                return error_set(error, "%s and %s drew different tokens (k %d)", way_names[a], way_names[b], g->k);
        }
    return true;
}

static int clamp(double x, int low, int high) { return x < low ? low : x > high ? high : (int)x; }

/* The first run of each way warms up and is not counted. */
static bool run_all(Future *f, Measured *g, const bool *measured, Error *error) {
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

static void report(const Subject *s, Measured *g, const bool *measured) {
    int runs = s->bench->runs;
    for (int way = 0; way < WAYS; way++) {
        if (!measured[way]) continue;
        Timing t = bench_timing(g->seconds[way], runs);
        double rows = g->rows[way] / g->tokens[way], passes = g->passes[way] / g->tokens[way];
        BenchLine line = {way_names[way], s->name, s->dtype, BENCH_PREFIX, g->k, rows};
        if (way == PLAIN)
            bench_report(s->bench, line, t, 1 / t.median, "%9.1f tok/s", 1 / t.median);
        else
            bench_report(s->bench, line, t, 1 / t.median, "%9.1f tok/s, %.2f x decode, %.2f passes per token",
                         1 / t.median, bench_timing(g->ratios[way], runs).median, passes);
    }
}

static bool measure_k(Future *f, int k, Error *error) {
    unsigned looks = f->subject->bench->looks;
    const bool measured[WAYS] = {true, looks & BENCH_NAIVE, looks & BENCH_BATCHED, looks & BENCH_LAZY};
    Measured *g = memory_alloc(1, sizeof *g, "figures", error);
    if (!g) return false;
    g->k = k;
    for (int way = 0; way < WAYS; way++) g->n_tokens[way] = 2;
    bool done = run_all(f, g, measured, error);
    if (done) report(f->subject, g, measured);
    memory_free(g);
    return done;
}

/* ---------------------------------------------------------------- the prefix */

/* A real model writes the prefix itself, so that its distributions are those of its language. */
static bool begin_text(Future *f, Error *error) {
    static const char opening[] = "Once upon a time";
    const Subject *s = f->subject;
    Tokenizer *tokenizer;
    Error none;
    int *tokens;
    size_t n;
    if (!s->path || !open_vocabulary(&tokenizer, s->model, s->path, NULL, &none))
        return bench_fill(s, f->session, BENCH_PREFIX, error);
    bool done =
        tokenizer_encode(tokenizer, (Bytes){(const uint8_t *)opening, sizeof opening - 1}, true, &tokens, &n, error);
    tokenizer_close(tokenizer);
    if (!done) return false;
    done = session_prefill(f->session, TRUNK, tokens, (int)n, error);
    memory_free(tokens);
    f->sampler = sampler_of(PLAIN, 1, 1);
    return done && emit_all(f, PLAIN, TRUNK, BENCH_PREFIX - session_length(f->session, TRUNK), error);
}

static bool measure_all(Future *f, Error *error) {
    const Bench *b = f->subject->bench;
    if (!begin_text(f, error)) return false;
    for (int i = 0; i < b->k.count; i++)
        if (!measure_k(f, b->k.items[i], error)) return false;
    if (!f->subject->path)
        bench_note(
            b,
            "(random weights: all tokens are about equally likely, so lazy searches end earlier than in a real text)");
    return true;
}

static bool open_writer(Future *f, int vocab_size, Error *error) {
    size_t n = (size_t)session_options(f->session).context + 1;
    f->sampler = sampler_of(PLAIN, 1, 1);
    f->flags = memory_alloc((size_t)vocab_size, sizeof *f->flags, "flags of tokens", error);
    f->history = f->flags ? memory_alloc(n, sizeof *f->history, "history", error) : NULL;
    if (!f->history) return false;
    memset(f->flags, 0, (size_t)vocab_size * sizeof *f->flags);
    memset(f->history, 0, n * sizeof *f->history);
    return writer_open(&f->writer, f->session, vocab_size, &f->sampler, f->flags, NULL, NULL, NULL, error);
}

bool bench_future(const Subject *s, Error *error) {
    Future f = {.subject = s};
    /* The branch that is written on, and k of its own. */
    if (!bench_open_session(s, BENCH_PREFIX + 2 * MAX_TOKENS, bench_largest(&s->bench->k) + 1, &f.session, error))
        return false;
    bool done = open_writer(&f, s->model->config.vocab_size, error) && measure_all(&f, error);
    writer_close(&f.writer);
    memory_free(f.history);
    memory_free(f.flags);
    session_close(f.session);
    return done;
}

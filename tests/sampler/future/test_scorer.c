/* Scorers other than future entropy: lazy, eager and plain evaluation draw the same tokens, and numbers out of range are
 * refused. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sampler/chain/draw.h"
#include "tests/support/logits.h"
#include "tests/support/looker.h"
#include "tests/support/random_model.h"

static const int prompt[] = {1, 3, 2, 4};
enum { PROMPT = 4, MAX_V = 8192 };

/* ---- scorers ---- */

/* The expected probability of the next token: sum of p(v)^2, at most 1. */
static double likelihood(void *context, const LookaheadCandidate *candidate, const float *logits, int n,
                         float *scratch) {
    static double p[MAX_V];
    double sum = 0;
    (void)context, (void)candidate, (void)scratch;
    naive_softmax(p, logits, n);
    for (int t = 0; t < n; t++) sum += p[t] * p[t];
    return fmin(sum, 1);
}

/* The range of the logits: no bound is known. */
static double range_of(void *context, const LookaheadCandidate *candidate, const float *logits, int n, float *scratch) {
    double low = INFINITY, high = -INFINITY;
    (void)context, (void)candidate, (void)scratch;
    for (int t = 0; t < n; t++) low = fmin(low, logits[t]), high = fmax(high, logits[t]);
    return high - low;
}

/* Candidates differ in their bounds: 0 and unknown ones are among them. Uses its scratch. */
static double bound_by_token(void *context, const LookaheadCandidate *candidate) {
    static const double bounds[] = {0, 1e-3, 1, 7.5, 1e6, INFINITY, 2};
    (void)context;
    return bounds[candidate->token % 7];
}

static double share(void *context, const LookaheadCandidate *candidate, const float *logits, int n, float *scratch) {
    double bound = bound_by_token(context, candidate);
    memcpy(scratch, logits, (size_t)n * sizeof *scratch);
    return fmin(bound, 100) * likelihood(context, candidate, scratch, n, NULL);
}

static double constant(void *context, const LookaheadCandidate *candidate, const float *logits, int n, float *scratch) {
    (void)candidate, (void)logits, (void)n, (void)scratch;
    return *(const double *)context;
}

static double one(void *context, const LookaheadCandidate *candidate) {
    (void)context, (void)candidate;
    return 1;
}

static double three = 3;

static Scorer scorers(int i, int vocab_size) {
    const Scorer all[] = {{.worth = likelihood, .bound = one},
                          {.worth = range_of},
                          {.worth = share, .bound = bound_by_token, .scratch_size = vocab_size},
                          {.worth = constant, .context = &three}};
    return all[i];
}
enum { SCORERS = 4, BOUNDED = 0, UNBOUNDED = 1 };

/* ---- lazy = eager = plain ---- */

static void check_plain(const Looker *a, const Looker *plain) {
    if (a->report.outcome != LOOKAHEAD_DONE) return;
    assert_int_equal(a->report.count, plain->report.count);
    for (int i = 0; i < a->report.count; i++) {
        const LookaheadCandidate *x = &a->report.candidates[i], *y = &plain->report.candidates[i];
        assert_true(x->token == y->token && x->noise == y->noise);
        if (x->skipped)
            assert_true(x->worth >= y->worth - 1e-9 * y->worth);
        else
            assert_true(fabs(x->worth - y->worth) <= 1e-9 * y->worth);
    }
    assert_int_equal(a->candidates.items[a->chosen].token, plain->candidates.items[plain->chosen].token);
    assert_true(a->report.all_closed == plain->report.all_closed);
}

/* One text in three ways. The plain algorithm knows no neutral candidates, so it is compared only where there are none. */
static void compare(const Model *model, const Scorer *scorer, uint64_t seed, bool neutral, LookerTally *tally) {
    Random random = random_from(seed);
    Looker ways[3];
    for (int w = 0; w < 3; w++) {
        ways[w] = looker_open(model, (SessionOptions){.kv = KV_F32}, prompt, PROMPT);
        ways[w].scorer = scorer;
    }
    if (neutral) random_flags(&random, ways[0].flags, model->config.vocab_size);
    memcpy(ways[1].flags, ways[0].flags, (size_t)model->config.vocab_size * sizeof *ways[0].flags);
    for (int i = 0; i < 25; i++) {
        Lookahead lookahead = random_lookahead(&random);
        if (!neutral) lookahead.gate = LOOKAHEAD_AT_TOKEN;
        if (looker_is_full(&ways[0], &lookahead)) break;
        uint64_t noise = random_u64(&random);
        double temperature = random_temperature(&random);
        for (int w = 0; w < 3; w++) ways[w].seed = noise, ways[w].temperature = temperature;
        if (!neutral) looker_draw_plainly(&ways[2], &lookahead);
        looker_compare(&ways[0], &ways[1], &lookahead, tally);
        if (neutral) continue;
        check_plain(&ways[0], &ways[2]);
        check_plain(&ways[1], &ways[2]);
        ways[2].chosen = 0; /* goes on with the same text, whatever it drew where the others did not look ahead */
        ways[2].candidates.items[0] = (Candidate){.token = ways[0].previous, .branch = -1};
        looker_take(&ways[2]);
    }
    for (int w = 0; w < 3; w++) looker_close(&ways[w]);
}

static void lazy_eager_and_plain_draw_the_same(void **state) {
    (void)state;
    for (int i = 0; i < SCORERS; i++)
        for (int neutral = 0; neutral < 2; neutral++) {
            LookerTally tally = {0};
            for (uint64_t seed = 0; seed < 50; seed++) {
                Model *model = random_model(seed, DTYPE_F32, seed % 2 == 0);
                Scorer scorer = scorers(i, model->config.vocab_size);
                compare(model, &scorer, seed, neutral, &tally);
                random_model_free(model);
            }
            print_message("scorer %d: %lld steps, %lld looked ahead; rows: lazy %lld, eager %lld\n", i, tally.steps,
                          tally.looked, tally.lazy_rows, tally.eager_rows);
            assert_true(tally.steps > 800 && tally.looked > tally.steps / 4);
            if (i == BOUNDED) assert_true(tally.lazy_rows < tally.eager_rows);
            if (i == UNBOUNDED && !neutral) assert_true(tally.lazy_rows == tally.eager_rows);
        }
}

/* A worth that is the same for all leaves p^a: a draw from the k likeliest at T / a. */
static void a_constant_worth_changes_nothing(void **state) {
    (void)state;
    int looked = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        Random random = random_from(seed);
        Model *model = random_model(seed % 10, DTYPE_F32, true);
        Looker looker = looker_open(model, (SessionOptions){0}, prompt, PROMPT);
        Lookahead lookahead = random_lookahead(&random);
        lookahead.gate = LOOKAHEAD_AT_TOKEN;
        double worth = random_unit(&random) * 1e3;
        Scorer scorer = {.worth = constant, .context = &worth};
        looker.scorer = &scorer;
        looker.seed = seed;
        looker.temperature = random_temperature(&random);
        looker_draw(&looker, &lookahead);
        int token = looker.candidates.items[looker.chosen].token;
        double a = looker.report.exponents.a;
        bool done = looker.report.outcome == LOOKAHEAD_DONE && a > 0;
        looker_undo(&looker);
        if (done) {
            looked++;
            candidates_from_logits(&looker.candidates, session_logits(looker.session, TRUNK),
                                   looker.candidates.capacity);
            candidates_top_k(&looker.candidates, lookahead.k);
            int expected = draw_candidate(&looker.candidates, looker.temperature / a, seed, PROMPT, 0);
            assert_int_equal(token, looker.candidates.items[expected].token);
        }
        looker_close(&looker);
        random_model_free(model);
    }
    assert_true(looked > 200);
}

/* ---- neutral candidates ---- */

static void neutral_candidates_get_the_mean_of_any_scorer(void **state) {
    (void)state;
    Model *model = random_model(8, DTYPE_F32, false);
    for (int i = 0; i < SCORERS; i++) {
        Looker looker = looker_open(model, (SessionOptions){0}, prompt, PROMPT);
        Scorer scorer = scorers(i, model->config.vocab_size);
        Lookahead lookahead = lookahead_default();
        looker.scorer = &scorer;
        lookahead.eager = true;
        looker_draw(&looker, &lookahead);
        looker_undo(&looker);
        looker.flags[looker.report.candidates[1].token] = TOKEN_ENDS_TEXT;
        looker_draw(&looker, &lookahead);
        double mass = 0, sum = 0;
        for (int j = 0; j < looker.report.count; j++) {
            const LookaheadCandidate *item = &looker.report.candidates[j];
            assert_true(item->neutral == (j == 1));
            if (item->neutral) continue;
            mass += item->p;
            sum += item->p * item->worth;
        }
        assert_true(fabs(looker.report.candidates[1].worth - sum / mass) <= 1e-12 * sum / mass);
        looker_close(&looker);
    }
    random_model_free(model);
}

/* ---- what is refused ---- */

typedef struct {
    double worth, bound;
    int calls, good; /* calls before the worth is given; 1 until then */
} Bad;

static double bad_worth(void *context, const LookaheadCandidate *candidate, const float *logits, int n,
                        float *scratch) {
    Bad *bad = context;
    (void)candidate, (void)logits, (void)n, (void)scratch;
    return bad->calls++ < bad->good ? 1 : bad->worth;
}

static double bad_bound(void *context, const LookaheadCandidate *candidate) {
    (void)candidate;
    return ((Bad *)context)->bound;
}

static void numbers_out_of_range_are_refused(void **state) {
    (void)state;
    const double nan = (double)NAN, inf = INFINITY;
    const struct {
        Bad bad;
        const char *message;
    } cases[] = {
        {{nan, 1, 0, 0}, "expected a finite number from 0 to its bound 1, got "},
        {{-.5, 1, 0, 3}, "expected a finite number from 0 to its bound 1, got -0.5"},
        {{1.5, 1, 0, 0}, "expected a finite number from 0 to its bound 1, got 1.5"},
        {{inf, inf, 0, 7}, "expected a finite number from 0 to its bound inf, got inf"},
        {{-inf, inf, 0, 0}, "expected a finite number from 0 to its bound inf, got -inf"},
        {{0, nan, 0, 0}, "expected a number from 0, got "},
        {{0, -1, 0, 0}, "expected a number from 0, got -1"},
    };
    Model *model = random_model(8, DTYPE_F32, false);
    Looker looker = looker_open(model, (SessionOptions){0}, prompt, PROMPT);
    looker.temperature = 0;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        Error error = {.message = ""};
        Bad bad = cases[i / 2].bad;
        Scorer scorer = {bad_worth, bad_bound, &bad, 0, false};
        Lookahead lookahead = lookahead_default();
        lookahead.k = 4;
        lookahead.eager = true;
        lookahead.depth = 1 + (int)(i % 2);
        if (lookahead.depth == 1 && bad.good >= 4) continue; /* a later step is meant */
        int branches = session_free_branches(looker.session), rows = session_free_rows(looker.session);
        looker.scorer = &scorer;
        assert_false(looker_try(&looker, &lookahead, &error));
        if (!strstr(error.message, cases[i / 2].message) || !strstr(error.message, " of token "))
            fail_msg("expected '%s', got '%s'", cases[i / 2].message, error.message);
        assert_true(looker.report.refused);
        assert_int_equal(session_free_branches(looker.session), branches);
        assert_int_equal(session_free_rows(looker.session), rows);
        assert_int_equal(looker.candidates.count, looker.candidates.capacity);
        looker.scorer = NULL; /* and it goes on as if nothing had been */
        looker_draw(&looker, &lookahead);
        assert_false(looker.report.refused);
        looker_undo(&looker);
    }
    looker_close(&looker);
    random_model_free(model);
}

/* The largest numbers that are allowed: their mean would overflow, and must not be infinite. */
static void the_largest_worth_is_finite(void **state) {
    (void)state;
    Model *model = random_model(8, DTYPE_F32, false);
    double most = 1.7e308;
    Scorer scorer = {.worth = constant, .context = &most};
    Looker looker = looker_open(model, (SessionOptions){0}, prompt, PROMPT);
    Lookahead lookahead = lookahead_default();
    lookahead.depth = 3;
    lookahead.eager = true;
    looker.scorer = &scorer;
    looker_draw(&looker, &lookahead);
    looker.flags[looker.report.candidates[0].token] = TOKEN_ENDS_TEXT;
    looker_undo(&looker);
    looker_draw(&looker, &lookahead);
    for (int i = 0; i < looker.report.count; i++)
        assert_true(isfinite(looker.report.candidates[i].worth) && isfinite(looker.report.candidates[i].ln_s));
    looker_close(&looker);
    random_model_free(model);
}

/* ---- threads ---- */

static double in_this_thread(void *context, const LookaheadCandidate *candidate, const float *logits, int n,
                             float *scratch) {
    (void)candidate, (void)logits, (void)n, (void)scratch;
    return pthread_equal(*(pthread_t *)context, pthread_self()) ? 1 : -1;
}

/* With a vocabulary so large that future entropy uses several threads. */
static void a_scorer_runs_in_the_callers_thread(void **state) {
    (void)state;
    Model *model;
    Error error;
    pthread_t self = pthread_self();
    Scorer scorer = {.worth = in_this_thread, .bound = one, .context = &self};
    if (access("weights/tales-6m-q8_0.gguf", R_OK) != 0) skip();
    if (!model_open(&model, "weights/tales-6m-q8_0.gguf", &error)) fail_msg("%s", error.message);
    Looker looker = looker_open(model, (SessionOptions){.threads = 2}, prompt, PROMPT);
    Lookahead lookahead = lookahead_default();
    lookahead.eager = true;
    lookahead.k = LOOKAHEAD_MAX_K;
    assert_true((long long)lookahead.k * model->config.vocab_size > 100000);
    looker.scorer = &scorer;
    for (int i = 0; i < 3; i++) looker_step(&looker, &lookahead);
    Scorer entropy = future_scorer(&lookahead.n, model->config.vocab_size); /* the same as none */
    for (int i = 0; i < 5; i++) {
        looker.scorer = NULL;
        looker_draw(&looker, &lookahead);
        LookaheadReport report = looker.report;
        looker_undo(&looker);
        looker.scorer = &entropy;
        looker_step(&looker, &lookahead);
        assert_memory_equal(&looker.report, &report, sizeof report);
    }
    looker_close(&looker);
    model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lazy_eager_and_plain_draw_the_same),
        cmocka_unit_test(a_constant_worth_changes_nothing),
        cmocka_unit_test(neutral_candidates_get_the_mean_of_any_scorer),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(the_largest_worth_is_finite),
        cmocka_unit_test(a_scorer_runs_in_the_callers_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* All of future entropy compared with tests/oracle/future.py, which computes the same with separate full passes in
 * double precision: Hhat and s of every candidate, and the tokens taken, greedily, on stories260K. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/looker.h"
#include "tests/support/test.h"

#define STORIES "../shared/models/stories260K/stories260K.bin"

static const int prompt[] = {1, 403, 407, 261, 378}; /* Once upon a time */
enum { PROMPT = 5 };

typedef struct {
    int steps;
    double alpha;
    int k, n;
    double min_p;
    FutureCurve curve;
    int depth;
    double discount;
} Setting;

static const Setting settings[] = {
    {200, 0, 8, 20, 0.05, FUTURE_ARTICLE, 1, 1},     {60, 1, 4, 10, 0, FUTURE_ARTICLE, 1, 1},
    {40, -0.5, 20, 600, 0, FUTURE_ARTICLE, 1, 1},    {40, 0.5, 12, 2, 0, FUTURE_CROSSFADE, 1, 1},
    {30, 0.5, 6, 20, 0.01, FUTURE_ARTICLE, 3, 0.75},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* The first one that has numpy; NULL: none. */
static const char *find_python(void) {
    static const char *const candidates[] = {"python3", "/usr/bin/python3"};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        char command[100];
        snprintf(command, sizeof command, "%s -c 'import numpy' 2>/dev/null", candidates[i]);
        if (system(command) == 0) return candidates[i];
    }
    return NULL;
}

/* One thread: its matrices are too small for more. */
static FILE *start_oracle(const char *python, const Setting *s) {
    char command[400];
    snprintf(command, sizeof command,
             "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 %s tests/oracle/future.py %s %d,%d,%d,%d,%d %d %.17g %d %d "
             "%.17g %s %d "
             "%.17g",
             python, STORIES, prompt[0], prompt[1], prompt[2], prompt[3], prompt[4], s->steps, s->alpha, s->k, s->n,
             s->min_p, s->curve == FUTURE_ARTICLE ? "article" : "crossfade", s->depth, s->discount);
    FILE *oracle = popen(command, "r");
    assert_non_null(oracle);
    return oracle;
}

typedef struct {
    double worst_hhat, worst_score, smallest_margin;
    int compared;
} Agreement;

static const LookaheadCandidate *find(const LookaheadReport *report, int token) {
    for (int i = 0; i < report->count; i++)
        if (report->candidates[i].token == token) return &report->candidates[i];
    fail_msg("the oracle looked at token %d", token);
    return NULL;
}

/* Between the best and the next, as a ratio's logarithm: how much room there was for other roundings. */
static double margin_of(const LookaheadReport *report) {
    double best = -INFINITY, second = -INFINITY;
    for (int i = 0; i < report->count; i++) {
        double value = report->candidates[i].ln_s;
        second = fmax(second, fmin(best, value));
        best = fmax(best, value);
    }
    return best - second;
}

static void compare_step(FILE *oracle, const Looker *looker, Agreement *agreement) {
    int count, chosen, token;
    if (fscanf(oracle, "%d %d", &count, &chosen) != 2) fail_msg("the oracle stopped");
    bool looked = looker->report.outcome == LOOKAHEAD_DONE;
    if (looked) assert_int_equal(looker->report.count, count);
    if (!looked) assert_int_equal(count, 1);
    for (int i = 0; i < count; i++) {
        double p, hhat, score;
        if (fscanf(oracle, "%d %lf %lf %lf", &token, &p, &hhat, &score) != 4) fail_msg("the oracle stopped");
        if (!looked) continue;
        const LookaheadCandidate *item = find(&looker->report, token);
        agreement->worst_hhat = fmax(agreement->worst_hhat, fabs(item->worth - hhat));
        agreement->worst_score = fmax(agreement->worst_score, fabs(exp(item->ln_s) - score));
        agreement->compared++;
    }
    assert_int_equal(looker->candidates.items[looker->chosen].token, chosen);
    if (looked) agreement->smallest_margin = fmin(agreement->smallest_margin, margin_of(&looker->report));
}

static void compare(FILE *oracle, const Model *model, const Setting *s) {
    Agreement agreement = {.smallest_margin = INFINITY};
    Lookahead lookahead = {s->k,          s->n,     s->alpha,    s->curve,      LOOKAHEAD_AT_TOKEN,
                           LOOKAHEAD_RAW, s->depth, s->discount, .eager = true, .chunk = 4};
    Looker looker = looker_open(model, (SessionOptions){.kv = KV_F32}, prompt, PROMPT);
    looker.temperature = 0;
    looker.min_p = (float)s->min_p;
    for (int i = 0; i < s->steps; i++) {
        looker_draw(&looker, &lookahead);
        compare_step(oracle, &looker, &agreement);
        looker_take(&looker);
    }
    looker_close(&looker);
    print_message(
        "alpha %.1f, k %d, n %d, depth %d: %d steps, %d candidates; largest difference of Hhat %.1g, of s %.1g; "
        "smallest margin %.1g\n",
        s->alpha, s->k, s->n, s->depth, s->steps, agreement.compared, agreement.worst_hhat, agreement.worst_score,
        agreement.smallest_margin);
    assert_that(agreement.compared, >=, s->steps);
    assert_that(agreement.worst_hhat, <, 1e-4);
    assert_that(agreement.worst_score, <, 1e-4);
}

static void an_independent_decoder_agrees(void **state) {
    (void)state;
    Model *model;
    Error error;
    if (access(STORIES, R_OK) != 0) {
        print_message("%s is missing\n", STORIES);
        skip();
    }
    const char *python = find_python();
    if (!python) {
        print_message("no python3 with numpy (Debian's python3-numpy)\n");
        skip();
    }
    must(model_open(&model, STORIES, &error), &error);
    FILE *oracles[SETTINGS]; /* side by side: they take longer than all else here */
    for (int i = 0; i < SETTINGS; i++) oracles[i] = start_oracle(python, &settings[i]);
    for (int i = 0; i < SETTINGS; i++) {
        compare(oracles[i], model, &settings[i]);
        assert_int_equal(pclose(oracles[i]), 0);
    }
    model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_independent_decoder_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

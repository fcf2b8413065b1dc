#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sampler/chain/plain_truncate.h"
#include "sampler/chain/truncate.h"
#include "tests/support/logits.h"

#define MAX_N 2000

static const float halves[] = {1.38629436f, .693147182f, 0, 0}; /* p = .5 .25 .125 .125 */

static void check_near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.17g, expected %.17g", value, expected);
}

static void check_tokens(const Candidates *c, int n, const int *tokens) {
    assert_int_equal(c->count, n);
    for (int i = 0; i < n; i++) assert_int_equal(c->items[i].token, tokens[i]);
}

static void typical_golden(void **state) {
    (void)state;
    const double distances[] = {.5198603854, .1732867951, .8664339757, .8664339757};
    const int order[] = {1, 0, 2, 3};
    Candidates c = open_candidates(4);
    candidates_from_logits(&c, halves, 4);
    for (int i = 0; i < 4; i++) check_near(fabs(candidates_surprisal(&c, i) - c.entropy), distances[i], 1e-6);
    const float masses[] = {.1f, .74f, .85f, .99f};
    for (int kept = 1; kept <= 4; kept++) {
        candidates_from_logits(&c, halves, 4);
        candidates_typical(&c, masses[kept - 1]);
        check_tokens(&c, kept, order);
        assert_false(c.sorted);
    }
    candidates_close(&c);
}

static void eta_golden(void **state) {
    (void)state;
    check_near(candidates_eta_floor(.09, 1.2130075659799042), .08919053362520409, 1e-16);
    assert_true(candidates_eta_floor(.09, 0) == .09); /* e where that is less */
    Candidates c = open_candidates(4);
    candidates_from_logits(&c, halves, 4);
    candidates_eta(&c, .3f); /* sqrt(.3) exp(-1.213) = .163: more stay than with a floor of .3 */
    check_tokens(&c, 2, (int[]){0, 1});
    candidates_epsilon(&c, .3f);
    check_tokens(&c, 1, (int[]){0});
    candidates_close(&c);
}

static void epsilon_keeps_equals_or_the_likeliest(void **state) {
    (void)state;
    Candidates c = open_candidates(4);
    candidates_from_logits(&c, (float[]){0, 0, 0, 0}, 4);
    candidates_epsilon(&c, .25f);
    assert_int_equal(c.count, 4);
    candidates_epsilon(&c, .26f);
    check_tokens(&c, 1, (int[]){0});
    candidates_close(&c);
}

static void top_nsigma_golden(void **state) {
    (void)state;
    Candidates c = open_candidates(5);
    candidates_from_logits(&c, halves, 4);
    candidates_top_nsigma(&c, 1);
    check_tokens(&c, 1, (int[]){0});
    /* -1, 0, 1: sigma is sqrt(2/3) = .816, and -inf counts for nothing */
    candidates_from_logits(&c, (float[]){-1, -INFINITY, 0, 1, -INFINITY}, 5);
    check_near(c.logit_sigma, sqrt(2. / 3), 1e-15);
    candidates_top_nsigma(&c, 1.23f);
    check_tokens(&c, 2, (int[]){2, 3});
    candidates_top_nsigma(&c, 1.22f);
    check_tokens(&c, 1, (int[]){3});
    /* what was dropped before counts: from 3 down by less than sigma, nobody is left, so the likeliest stays */
    candidates_from_logits(&c, (float[]){0, 0, 1, 1, 3}, 5);
    c.items[4] = c.items[--c.count];
    candidates_top_nsigma(&c, .5f);
    check_tokens(&c, 1, (int[]){2});
    candidates_close(&c);
}

static void top_h_golden(void **state) {
    (void)state;
    Candidates c = open_candidates(3);
    candidates_from_logits(&c, (float[]){logf(.9f), logf(.05f), logf(.05f)}, 3);
    check_near(c.entropy, .3943976914, 1e-6);
    candidates_top_h(&c, .55f);
    check_tokens(&c, 2, (int[]){0, 1});
    candidates_top_h(&c, .4f); /* H of the whole vocabulary still: .1578 < H(.947, .053) = .2062 */
    check_tokens(&c, 1, (int[]){0});
    candidates_from_logits(&c, (float[]){-INFINITY, 2, -INFINITY}, 3);
    candidates_top_h(&c, .4f); /* H = 0: what cannot come is not added, though it would add no entropy */
    check_tokens(&c, 1, (int[]){1});
    candidates_close(&c);
}

static void xtc_golden(void **state) {
    (void)state;
    Candidates c = open_candidates(4);
    candidates_from_logits(&c, halves, 4);
    candidates_xtc(&c, .5f, .1f, .5, NULL); /* not this time: the draw must be less */
    assert_int_equal(c.count, 4);
    candidates_xtc(&c, .5f, .3f, .4, NULL); /* only one reaches .3 */
    assert_int_equal(c.count, 4);
    candidates_xtc(&c, .5f, .2f, .4, NULL);
    check_tokens(&c, 3, (int[]){1, 2, 3});
    candidates_from_logits(&c, halves, 4);
    candidates_xtc(&c, .5f, .1f, .4999, NULL);
    check_tokens(&c, 1, (int[]){3});
    candidates_close(&c);
}

static void xtc_spares_the_exempt(void **state) {
    (void)state;
    Candidates c = open_candidates(4);
    bool exempt[4] = {[0] = true};
    candidates_from_logits(&c, halves, 4);
    candidates_xtc(&c, 1, .1f, .999, exempt);
    check_tokens(&c, 2, (int[]){0, 3});
    exempt[3] = true; /* the least likely: it does not count, so 2 takes its place */
    candidates_from_logits(&c, halves, 4);
    candidates_xtc(&c, 1, .1f, .999, exempt);
    check_tokens(&c, 3, (int[]){0, 2, 3});
    exempt[1] = true; /* one is left to choose from: nothing happens */
    candidates_from_logits(&c, halves, 4);
    candidates_xtc(&c, 1, .1f, .999, exempt);
    assert_int_equal(c.count, 4);
    /* a threshold of 0 reaches everything that can come, and leaves one of that */
    candidates_from_logits(&c, (float[]){-INFINITY, 0, 1, -INFINITY}, 4);
    candidates_xtc(&c, 1, 0, .5, NULL);
    check_tokens(&c, 3, (int[]){0, 1, 3});
    candidates_close(&c);
}

static bool exempt[MAX_N]; /* set in main */

static void xtc(Candidates *c, float value) { candidates_xtc(c, value, .02f, .5, exempt); }
static int twin_xtc(PlainSet set, float value) { return plain_xtc(set, value, .02f, .5, exempt); }

static const struct {
    const char *name;
    void (*stage)(Candidates *, float);
    int (*twin)(PlainSet, float);
    float most; /* values are drawn from (0, most) */
    float off;
} stages[] = {
    {"typical", candidates_typical, plain_typical, 1, 1}, {"epsilon", candidates_epsilon, plain_epsilon, .2f, 0},
    {"eta", candidates_eta, plain_eta, .2f, 0},           {"top-nsigma", candidates_top_nsigma, plain_top_nsigma, 3, 0},
    {"top-h", candidates_top_h, plain_top_h, 1, 1},       {"xtc", xtc, twin_xtc, 1, 0},
};
enum { STAGES = sizeof stages / sizeof *stages };

/* No round number, so that a bound is met by accident only where a rounding cannot matter. */
static float random_value(Random *random, float most) { return (float)(random_unit(random) * .9999 + .00005) * most; }

static void prepare(Candidates *c, const float *logits, int n, int how) {
    candidates_from_logits(c, logits, n);
    if (how == 1) candidates_sort(c);
    if (how == 2) candidates_top_k(c, n / 2 + 1); /* an earlier stage */
    if (how == 3) candidates_typical(c, .9f);
}

static void each_stage_equals_its_twin(void **state) {
    (void)state;
    static float logits[MAX_N];
    static Candidate twin[MAX_N];
    Random random = random_from(11);
    Candidates c = open_candidates(MAX_N);
    for (int round = 0; round < 4000; round++) {
        int n = random_int(&random, 1, round % 50 ? 120 : 600), how = random_int(&random, 0, 3);
        random_logits(&random, logits, n);
        for (int s = 0; s < STAGES; s++) {
            float value = random_value(&random, stages[s].most);
            prepare(&c, logits, n, how);
            int count = c.count;
            memcpy(twin, c.items, (size_t)count * sizeof *twin);
            plain_sort(twin, count);
            stages[s].stage(&c, value);
            check_candidates(&c, twin, stages[s].twin((PlainSet){twin, count, &c}, value));
            for (int i = 1; c.sorted && i < c.count; i++) assert_true(c.items[i - 1].logit >= c.items[i].logit);
        }
    }
    candidates_close(&c);
}

static void off_values_change_nothing(void **state) {
    (void)state;
    float logits[90];
    Candidate before[90];
    Random random = random_from(12);
    Candidates c = open_candidates(90);
    for (int round = 0; round < 500; round++) {
        int n = random_int(&random, 1, 90);
        random_logits(&random, logits, n);
        for (int s = 0; s < STAGES; s++) {
            prepare(&c, logits, n, round % 4);
            int count = c.count;
            bool sorted = c.sorted;
            memcpy(before, c.items, (size_t)count * sizeof *before);
            stages[s].stage(&c, stages[s].off);
            assert_int_equal(c.count, count);
            assert_int_equal(c.sorted, sorted);
            assert_memory_equal(c.items, before, (size_t)count * sizeof *before);
        }
    }
    candidates_close(&c);
}

/* The harshest values, too. */
static void never_fewer_than_one(void **state) {
    (void)state;
    float logits[90];
    Random random = random_from(13);
    Candidates c = open_candidates(90);
    for (int round = 0; round < 2000; round++) {
        int n = random_int(&random, 1, 90);
        random_logits(&random, logits, n);
        candidates_from_logits(&c, logits, n);
        for (int step = 0; step < 12; step++) { /* any stages, in any order */
            int s = random_int(&random, 0, STAGES - 1);
            bool harsh = random_chance(&random, .3);
            stages[s].stage(&c, harsh ? 1e-30f : random_value(&random, 2 * stages[s].most));
            assert_true(c.count >= 1);
            assert_true(c.items[candidates_argmax(&c)].logit > -INFINITY);
        }
    }
    candidates_close(&c);
}

static void kept_flags(Candidates *c, int s, float value, bool *kept, int n) {
    stages[s].stage(c, value);
    memset(kept, 0, (size_t)n);
    for (int i = 0; i < c->count; i++) kept[c->items[i].token] = true;
}

/* Logits are multiples of 1/4, so adding 16 is exact and the differences are the same bits. */
static void a_constant_changes_nothing(void **state) {
    (void)state;
    enum { N = 60 };
    float logits[N], shifted[N];
    bool kept[N], kept_shifted[N];
    Random random = random_from(14);
    Candidates c = open_candidates(N);
    for (int round = 0; round < 500; round++) {
        for (int i = 0; i < N; i++) shifted[i] = (logits[i] = (float)random_int(&random, 0, 40) / 4) + 16;
        for (int s = 0; s < STAGES; s++) {
            float value = random_value(&random, stages[s].most);
            candidates_from_logits(&c, logits, N);
            kept_flags(&c, s, value, kept, N);
            candidates_from_logits(&c, shifted, N);
            kept_flags(&c, s, value, kept_shifted, N);
            assert_memory_equal(kept, kept_shifted, sizeof kept);
        }
    }
    candidates_close(&c);
}

/* All logits differ here, so that ties do not decide by the number of the token; nobody is exempt. */
static void a_permutation_permutes_the_result(void **state) {
    (void)state;
    enum { N = 60 };
    float logits[N], permuted[N];
    bool kept[N], kept_permuted[N], exempt_before[N];
    int place[N];
    Random random = random_from(15);
    Candidates c = open_candidates(N);
    memcpy(exempt_before, exempt, sizeof exempt_before);
    memset(exempt, 0, sizeof exempt_before);
    for (int round = 0; round < 500; round++) {
        random_permutation(&random, place, N);
        for (int i = 0; i < N; i++) permuted[place[i]] = logits[i] = (float)(i * i) / 512;
        for (int s = 0; s < STAGES; s++) {
            float value = random_value(&random, stages[s].most);
            candidates_from_logits(&c, logits, N);
            kept_flags(&c, s, value, kept, N);
            candidates_from_logits(&c, permuted, N);
            kept_flags(&c, s, value, kept_permuted, N);
            for (int i = 0; i < N; i++) assert_int_equal(kept[i], kept_permuted[place[i]]);
        }
    }
    memcpy(exempt, exempt_before, sizeof exempt_before);
    candidates_close(&c);
}

int main(void) {
    for (int i = 0; i < MAX_N; i++) exempt[i] = i % 7 == 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typical_golden),
        cmocka_unit_test(eta_golden),
        cmocka_unit_test(epsilon_keeps_equals_or_the_likeliest),
        cmocka_unit_test(top_nsigma_golden),
        cmocka_unit_test(top_h_golden),
        cmocka_unit_test(xtc_golden),
        cmocka_unit_test(xtc_spares_the_exempt),
        cmocka_unit_test(each_stage_equals_its_twin),
        cmocka_unit_test(off_values_change_nothing),
        cmocka_unit_test(never_fewer_than_one),
        cmocka_unit_test(a_constant_changes_nothing),
        cmocka_unit_test(a_permutation_permutes_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/future/plain_future.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

#define MAX_V 4000

/* s of p = [.6, .3, .1] and Hhat = [.1, .8, .95], normalised. */
static void check_scores(FutureCurve curve, double alpha, double s0, double s1, double s2) {
    double log_p[] = {log(.6), log(.3), log(.1)}, hhat[] = {.1, .8, .95}, expected[] = {s0, s1, s2}, out[3], sum = 0;
    assert_true(future_log_scores(out, log_p, hhat, 3, future_exponents(curve, alpha)));
    for (int i = 0; i < 3; i++) sum += exp(out[i]);
    for (int i = 0; i < 3; i++) assert_near(exp(out[i]) / sum, expected[i], 5e-7);
}

static void golden_scores(void **state) {
    (void)state;
    check_scores(FUTURE_ARTICLE, -1, .6, .3, .1);
    check_scores(FUTURE_ARTICLE, -.5, .341540, .483011, .175449);
    check_scores(FUTURE_ARTICLE, 0, .151899, .607595, .240506);
    check_scores(FUTURE_ARTICLE, .5, .094920, .536947, .368133);
    check_scores(FUTURE_ARTICLE, 1, .054054, .432432, .513514);
    check_scores(FUTURE_CROSSFADE, 0, .234835, .469670, .295494);
    check_scores(FUTURE_CROSSFADE, -1, .6, .3, .1);
    check_scores(FUTURE_CROSSFADE, 1, .054054, .432432, .513514);
}

static void exponents_along_alpha(void **state) {
    (void)state;
    struct {
        FutureCurve curve;
        double alpha, a, b;
    } rows[] = {{FUTURE_ARTICLE, -1, 1, 0},    {FUTURE_ARTICLE, -.25, 1, .75},   {FUTURE_ARTICLE, 0, 1, 1},
                {FUTURE_ARTICLE, .25, .75, 1}, {FUTURE_ARTICLE, 1, 0, 1},        {FUTURE_CROSSFADE, -1, 1, 0},
                {FUTURE_CROSSFADE, 0, .5, .5}, {FUTURE_CROSSFADE, .5, .25, .75}, {FUTURE_CROSSFADE, 1, 0, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        FutureExponents e = future_exponents(rows[i].curve, rows[i].alpha);
        assert_that(e.a, ==, rows[i].a);
        assert_that(e.b, ==, rows[i].b);
    }
}

/* 0^0 = 1: at alpha = -1 ln s is ln p bit for bit, even where Hhat is 0; at alpha = 1 p = 0 does not matter. */
static void a_zero_exponent_is_the_identity(void **state) {
    (void)state;
    Random random = random_from(1);
    for (int i = 0; i < 1000; i++) {
        double log_p = -20 * random_unit(&random), hhat = i % 5 ? random_unit(&random) : 0;
        for (FutureCurve curve = FUTURE_ARTICLE; curve <= FUTURE_CROSSFADE; curve++) {
            assert_that(future_log_score(future_exponents(curve, -1), log_p, hhat), ==, log_p);
            assert_that(future_log_score(future_exponents(curve, 1), log_p, hhat), ==, log(hhat));
            assert_that(future_log_score(future_exponents(curve, 1), -INFINITY, hhat), ==, log(hhat));
        }
    }
}

/* The bound that lets a search stop early, and that more of either is never worse. */
static void scores_are_bounded_and_monotone(void **state) {
    (void)state;
    Random random = random_from(2);
    for (int i = 0; i < 5000; i++) {
        FutureExponents e = future_exponents(i % 2 ? FUTURE_ARTICLE : FUTURE_CROSSFADE, 2 * random_unit(&random) - 1);
        double log_p = -20 * random_unit(&random), hhat = random_unit(&random);
        double score = future_log_score(e, log_p, hhat);
        assert_that(score, <=, (e.a == 0 ? 0 : e.a * log_p));
        assert_that(future_log_score(e, log_p, 1), ==, e.a * log_p);
        assert_that(future_log_score(e, log_p + .1, hhat), >=, score);
        assert_that(future_log_score(e, log_p, hhat + .1), >=, score);
    }
}

static void all_zero_falls_back_to_p(void **state) {
    (void)state;
    double log_p[] = {-.5, -1.5, -3}, closed[] = {0, 0, 0}, one_open[] = {0, .5, 0}, out[3];
    FutureExponents e = future_exponents(FUTURE_ARTICLE, 0);
    assert_false(future_log_scores(out, log_p, closed, 3, e));
    assert_memory_equal(out, log_p, sizeof out);
    assert_true(future_log_scores(out, log_p, one_open, 3, e));
    assert_that(out[0], ==, -INFINITY);
    assert_that(out[1], ==, -1.5 + log(.5));
    assert_that(out[2], ==, -INFINITY);
    assert_true(future_log_scores(out, log_p, closed, 3, future_exponents(FUTURE_ARTICLE, -1)));
    assert_memory_equal(out, log_p, sizeof out);
}

static void golden_entropies(void **state) {
    (void)state;
    float scratch[20], five[40], quarter[] = {logf(4), logf(2), 0, 0};
    for (int i = 0; i < 40; i++) five[i] = i % 8 == 3 ? 2.5f : -INFINITY;
    assert_near(future_entropy(five, 40, 10, scratch), .6989700043, 1e-10); /* ln 5 / ln 10 */
    assert_near(future_entropy(five, 40, 5, scratch), 1, 1e-12);
    assert_near(future_entropy(five, 40, 2, scratch), 1, 1e-12);
    assert_near(future_entropy(quarter, 4, 4, scratch), .875, 1e-7);
    assert_near(future_entropy(quarter, 4, 20, scratch), .875, 1e-7);            /* n := min(n, V) */
    assert_near(future_entropy(quarter, 4, 2, scratch), .918295834054490, 1e-7); /* 2/3, 1/3 */
}

static void entropy_is_between_its_limits(void **state) {
    (void)state;
    float scratch[20], one[30], equal[30];
    for (int i = 0; i < 30; i++) one[i] = -INFINITY, equal[i] = -7;
    one[17] = 1;
    assert_that(future_entropy(one, 30, 20, scratch), ==, 0);
    assert_that(future_entropy(equal, 1, 20, scratch), ==, 0);
    for (int n = 2; n <= 20; n++) assert_near(future_entropy(equal, 30, n, scratch), 1, 1e-12);
    static float many[MAX_V], room[MAX_V];
    for (int n = 2; n <= 400; n++) assert_that(future_entropy(many, MAX_V, n, room), <=, 1); /* the bound is exact */
    one[2] = -99; /* r = e^-100: the floor is under the logarithm alone, so it adds r * 13.8 */
    assert_near(future_entropy(one, 30, 20, scratch) * log(20) / (exp(-100) * -log(1e-6)), 1, 1e-9);
}

/* Many kinds of rows: smooth, tied, rising (each logit beats all before it), falling, mostly excluded. */
static void random_row(float *logits, int n, Random *random) {
    int kind = random_int(random, 0, 5);
    for (int i = 0; i < n; i++) {
        double x = random_normal(random) * 4;
        logits[i] = (float)(kind == 0   ? floor(x)
                            : kind == 1 ? i * .01
                            : kind == 2 ? i * -.01
                            : kind == 3 ? (random_chance(random, .9) ? -INFINITY : x)
                                        : x);
    }
    if (kind == 3) logits[random_int(random, 0, n - 1)] = 2;
}

static void equals_its_twin(void **state) {
    (void)state;
    static float logits[MAX_V], scratch[MAX_V], top[MAX_V];
    Random random = random_from(3);
    for (int round = 0; round < 2000; round++) {
        int v = random_int(&random, 1, round % 20 ? 300 : MAX_V), n = random_int(&random, 2, round % 3 ? 40 : 400);
        random_row(logits, v, &random);
        double hhat = future_entropy(logits, v, n, scratch);
        assert_that(hhat, >=, 0);
        assert_that(hhat, <=, 1);
        assert_near(hhat, plain_future_entropy(logits, v, n, top), 1e-12);
    }
}

/* Multiples of 1/4, so that adding 16 is exact: the same bits come out, in any order of the vocabulary. */
static void a_constant_and_an_order_change_nothing(void **state) {
    (void)state;
    enum { V = 500 };
    float logits[V], shifted[V], scratch[V];
    Random random = random_from(4);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < V; i++) shifted[i] = (logits[i] = (float)random_int(&random, -60, 60) / 4) + 16;
        double hhat = future_entropy(logits, V, 20, scratch);
        assert_that(future_entropy(shifted, V, 20, scratch), ==, hhat);
        for (int i = V - 1; i > 0; i--) {
            int j = random_int(&random, 0, i);
            float old = logits[i];
            logits[i] = logits[j], logits[j] = old;
        }
        assert_that(future_entropy(logits, V, 20, scratch), ==, hhat);
    }
}

/* Only the n largest logits matter; the others may be anything. */
static void the_rest_does_not_matter(void **state) {
    (void)state;
    float logits[300], scratch[20];
    for (int i = 0; i < 300; i++) logits[i] = (float)((i * 7) % 300) / 10;
    double hhat = future_entropy(logits, 300, 20, scratch);
    for (int i = 0; i < 300; i++)
        if (logits[i] < 28) logits[i] = i % 2 ? -INFINITY : 27.5f;
    assert_that(future_entropy(logits, 300, 20, scratch), ==, hhat);
}

static void depths_are_averaged_with_their_discount(void **state) {
    (void)state;
    double hhat[] = {.5, .25, 1};
    assert_that(future_depth_mean(hhat, 1, .7), ==, .5);
    assert_that(future_depth_mean(hhat, 3, 0), ==, .5);
    assert_near(future_depth_mean(hhat, 3, 1), 1.75 / 3, 1e-15);
    assert_near(future_depth_mean(hhat, 3, .5), (.5 + .125 + .25) / 1.75, 1e-15);
    double open[] = {1, 1, 1, 1, 1, 1, 1};
    for (double g = 0; g <= 1; g += .01) assert_that(future_depth_mean(open, 7, g), <=, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_scores),
        cmocka_unit_test(exponents_along_alpha),
        cmocka_unit_test(a_zero_exponent_is_the_identity),
        cmocka_unit_test(scores_are_bounded_and_monotone),
        cmocka_unit_test(all_zero_falls_back_to_p),
        cmocka_unit_test(golden_entropies),
        cmocka_unit_test(entropy_is_between_its_limits),
        cmocka_unit_test(equals_its_twin),
        cmocka_unit_test(a_constant_and_an_order_change_nothing),
        cmocka_unit_test(the_rest_does_not_matter),
        cmocka_unit_test(depths_are_averaged_with_their_discount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

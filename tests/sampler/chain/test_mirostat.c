#include <math.h>
#include <string.h>

#include "sampler/chain/mirostat.h"
#include "sampler/chain/noise.h"
#include "sampler/chain/plain_truncate.h"
#include "tests/support/logits.h"
#include "tests/support/test.h"

static const float halves[] = {1.38629436f, .693147182f, 0, 0}; /* p = .5 .25 .125 .125 */

static void golden_values(void **state) {
    (void)state;
    assert_that(mirostat_start(5).mu, ==, 10);
    Candidates c = open_candidates(4);
    Mirostat mirostat = {.mu = 2};
    candidates_from_logits(&c, halves, 4);
    mirostat_truncate(mirostat, &c);
    assert_int_equal(c.count, 2); /* .25 is exactly 2 bits: not more than mu */
    assert_int_equal(c.items[0].token, 0);
    assert_int_equal(c.items[1].token, 1);
    assert_near(mirostat_update(&mirostat, 5, .1, &c, 0), .5849625007, 1e-7);
    assert_near(mirostat.mu, 2.4415037499, 1e-8);
    mirostat.mu = 2;
    assert_near(mirostat_update(&mirostat, 5, .1, &c, 1), 1.5849625007, 1e-7);
    assert_near(mirostat.mu, 2.3415037499, 1e-8);
    candidates_close(&c);
}

/* However low mu falls, one token remains and mu recovers. */
static void one_stays(void **state) {
    (void)state;
    Candidates c = open_candidates(4);
    Mirostat mirostat = {.mu = -1};
    for (int step = 0; step < 20; step++) {
        double before = mirostat.mu;
        candidates_from_logits(&c, (float[]){0, 1, 1, -INFINITY}, 4);
        mirostat_truncate(mirostat, &c);
        assert_true(step > 10 || (c.count == 1 && c.items[0].token == 1));
        double surprise = mirostat_update(&mirostat, 1, .1, &c, 0);
        if (c.count == 1) {
            assert_near(surprise, 0, 1e-6);
            assert_near(mirostat.mu, before + .1, 1e-6);
        }
    }
    assert_that(mirostat.mu, >, 0);
    /* The surprisal is finite even for a token whose probability is too small for a float. */
    candidates_from_logits(&c, (float[]){0, -500, 0, 0}, 4);
    assert_near(mirostat_update(&mirostat, 1, .1, &c, 1), (500 + log(3)) / log(2), 1e-4);
    assert_true(isfinite(mirostat.mu));
    candidates_close(&c);
}

/* Survivors whose natural probabilities are all 0 as floats (XTC may leave such) still share them. */
static void survivors_of_no_mass(void **state) {
    (void)state;
    Candidates c = open_candidates(3);
    Mirostat mirostat = {.mu = 3};
    candidates_from_logits(&c, (float[]){0, -500, -500}, 3);
    memmove(c.items, c.items + 1, 2 * sizeof *c.items);
    c.count = 2;
    assert_near(candidates_log_mass(&c), -500 + log(2), 1e-9);
    assert_near(mirostat_update(&mirostat, 1, .1, &c, 1), 1, 1e-9);
    assert_near(mirostat.mu, 3, 1e-9);
    candidates_close(&c);
}

static void equals_its_twin(void **state) {
    (void)state;
    enum { N = 200 };
    float logits[N];
    double p[N];
    Candidate twin[N];
    Random random = random_from(21);
    Candidates c = open_candidates(N);
    for (int round = 0; round < 4000; round++) {
        int n = random_int(&random, 1, N);
        Mirostat mirostat = {random_unit(&random) * 12 - 1};
        double mu = mirostat.mu, sum = 0;
        random_logits(&random, logits, n);
        candidates_from_logits(&c, logits, n);
        if (random_chance(&random, .3)) candidates_sort(&c);
        memcpy(twin, c.items, (size_t)n * sizeof *twin);
        plain_sort(twin, n);
        naive_softmax(p, logits, n);
        int kept = plain_mirostat((PlainSet){twin, n, &c}, mu);
        mirostat_truncate(mirostat, &c);
        check_candidates(&c, twin, kept);
        for (int i = 0; i < kept; i++) sum += p[twin[i].token];
        int chosen = random_int(&random, 0, kept - 1);
        if (!(p[c.items[chosen].token] > 0)) continue;
        double surprise = -log2(p[c.items[chosen].token] / sum);
        assert_near(mirostat_update(&mirostat, 3, .2, &c, chosen), surprise, 1e-5);
        assert_near(mirostat.mu, mu - .2 * (surprise - 3), 1e-5);
    }
    candidates_close(&c);
}

/* What it is for: draws from one wide distribution, their mean surprisal near tau. */
static void surprisal_settles_at_tau(void **state) {
    (void)state;
    enum { N = 2000, STEPS = 600, WARM_UP = 100 };
    static float logits[N];
    Candidates c = open_candidates(N);
    for (int i = 0; i < N; i++) logits[i] = -1.1f * logf((float)(i + 1)); /* Zipf's law */
    for (double tau = 2; tau <= 5; tau++) {
        Mirostat mirostat = mirostat_start(tau);
        double sum = 0;
        for (int step = 0; step < STEPS; step++) {
            candidates_from_logits(&c, logits, N);
            mirostat_truncate(mirostat, &c);
            int chosen = 0;
            double best = -INFINITY;
            for (int i = 0; i < c.count; i++) {
                double key = c.items[i].logit + noise_gumbel(5, c.items[i].token, step, 0, NOISE_DRAW);
                if (key > best) best = key, chosen = i;
            }
            double surprise = mirostat_update(&mirostat, tau, .1, &c, chosen);
            if (step >= WARM_UP) sum += surprise / (STEPS - WARM_UP);
        }
        assert_near(sum, tau, .15);
    }
    candidates_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_values),
        cmocka_unit_test(one_stays),
        cmocka_unit_test(survivors_of_no_mass),
        cmocka_unit_test(equals_its_twin),
        cmocka_unit_test(surprisal_settles_at_tau),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

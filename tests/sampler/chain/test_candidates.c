#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/chain/candidates.h"
#include "sampler/chain/entropy.h"
#include "sampler/chain/plain_truncate.h"
#include "tests/support/logits.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/test.h"

#define MAX_N 3000

static Random source = {.state = 1};

static uint32_t random_below(uint32_t n) { return (uint32_t)random_int(&source, 0, (int)n - 1); }

static void check_equal(Candidates *candidates, const Candidate *expected, int n) {
    assert_int_equal(candidates->count, n);
    assert_that(n, >=, 1);
    candidates_sort(candidates);
    for (int i = 0; i < n; i++) {
        assert_int_equal(candidates->items[i].token, expected[i].token);
        assert_that(candidates->items[i].logit, ==, expected[i].logit);
        assert_that(candidates->items[i].prob, ==, expected[i].prob);
        assert_int_equal(candidates->items[i].branch, -1);
    }
}

static void take(Candidates *candidates, int n, const float *logits) { candidates_from_logits(candidates, logits, n); }

static void natural_probabilities(void **state) {
    (void)state;
    Candidates c = open_candidates(4);
    take(&c, 4, (float[]){logf(4), logf(2), 0, 0});
    float expected[] = {.5f, .25f, .125f, .125f};
    for (int i = 0; i < 4; i++) {
        assert_that(fabsf(c.items[i].prob - expected[i]), <, 1e-6f);
        assert_int_equal(c.items[i].token, i);
        assert_int_equal(c.items[i].branch, -1);
    }
    take(&c, 3, (float[]){-INFINITY, 1000, 1000});
    assert_int_equal(c.count, 3);
    assert_that(c.items[0].prob, ==, 0);
    assert_that(c.items[1].prob, ==, .5f);
    assert_that(c.items[2].prob, ==, .5f);
    candidates_close(&c);
}

/* float32 logits and exponentials leave about 1e-7 of the golden values. */
static void golden_entropy(void **state) {
    (void)state;
    Candidates c = open_candidates(4);
    take(&c, 4, (float[]){logf(4), logf(2), 0, 0});
    assert_near(c.entropy, 1.2130075659799042, 1e-6);
    assert_near(c.varentropy, .3303114470687634, 1e-6);
    double surprisals[] = {log(2), log(4), log(8), log(8)};
    for (int i = 0; i < 4; i++) assert_near(candidates_surprisal(&c, i), surprisals[i], 1e-6);
    take(&c, 3, (float[]){-INFINITY, 2, -INFINITY});
    assert_that(c.entropy, ==, 0);
    assert_that(c.varentropy, ==, 0);
    assert_that(c.logit_sigma, ==, 0);
    assert_that(candidates_surprisal(&c, 1), ==, 0);
    assert_that(candidates_surprisal(&c, 0), ==, INFINITY);
    take(&c, 2, (float[]){0, -500}); /* too small for a float */
    assert_that(c.items[1].prob, ==, 0);
    assert_that(candidates_surprisal(&c, 1), ==, 500);
    candidates_close(&c);
}

/* Two passes for the mean and the square, finite logits only. */
static double naive_sigma(const float *logits, int n) {
    double sum = 0, squares = 0;
    int finite = 0;
    for (int i = 0; i < n; i++)
        if (isfinite(logits[i])) sum += logits[i], finite++;
    for (int i = 0; i < n; i++)
        if (isfinite(logits[i])) squares += (logits[i] - sum / finite) * (logits[i] - sum / finite);
    return sqrt(squares / finite);
}

static void describes_the_whole_vocabulary(void **state) {
    (void)state;
    static float logits[MAX_N];
    static double p[MAX_N];
    Candidates c = open_candidates(MAX_N);
    for (int round = 0; round < 3000; round++) {
        int n = 1 + (int)random_below(round % 50 ? 90 : MAX_N);
        random_logits(&source, logits, n);
        naive_softmax(p, logits, n);
        take(&c, n, logits);
        for (int i = 0; i < n; i++) {
            assert_near(c.items[i].prob, p[i], 1e-6 * p[i]);
            if (p[i] > 0) assert_near(candidates_surprisal(&c, i), -log(p[i]), 1e-6);
        }
        assert_near(c.entropy, entropy_of(p, n), 2e-6);
        assert_near(c.varentropy, varentropy_of(p, n), 1e-5);
        assert_near(c.logit_sigma, naive_sigma(logits, n), 1e-7);
        double entropy = c.entropy, sigma = c.logit_sigma;
        candidates_top_k(&c, 3);
        assert_that(c.entropy, ==, entropy);
        assert_that(c.logit_sigma, ==, sigma); /* truncation leaves it */
    }
    candidates_close(&c);
}

static bool same_description(const Candidates *a, const Candidates *b) {
    return a->max_logit == b->max_logit && a->log_sum == b->log_sum && a->entropy == b->entropy &&
           a->varentropy == b->varentropy && a->logit_sigma == b->logit_sigma;
}

static void refreshed_is_as_good_as_new(void **state) {
    (void)state;
    float logits[90], others[90];
    Candidates c = open_candidates(90), fresh = open_candidates(90);
    for (int round = 0; round < 1000; round++) {
        int n = 1 + (int)random_below(90);
        random_logits(&source, logits, n);
        random_logits(&source, others, n);
        take(&c, n, others);
        if (random_below(2)) candidates_sort(&c);
        for (int i = 0; i < n; i++) c.items[i].logit = logits[c.items[i].token], c.items[i].branch = 7;
        bool in_order = !c.sorted;
        candidates_refresh(&c);
        take(&fresh, n, logits);
        assert_false(c.sorted);
        assert_near(c.entropy, fresh.entropy, 1e-6);
        if (!in_order) continue; /* sums in another order need not have the same bits */
        assert_true(same_description(&c, &fresh));
        for (int i = 0; i < n; i++) {
            assert_int_equal(c.items[i].token, i);
            assert_int_equal(c.items[i].branch, 7);
            assert_that(c.items[i].prob, ==, fresh.items[i].prob);
        }
    }
    candidates_close(&c);
    candidates_close(&fresh);
}

/* What is left after a truncation, taken for the whole. */
static void refresh_of_survivors_renormalises(void **state) {
    (void)state;
    Candidates c = open_candidates(4);
    take(&c, 4, (float[]){0, logf(2), logf(4), 0});
    candidates_top_k(&c, 2);
    candidates_refresh(&c);
    assert_near(c.items[0].prob, 2. / 3, 1e-6);
    assert_near(c.items[1].prob, 1. / 3, 1e-6);
    assert_near(c.entropy, entropy_of((double[]){2. / 3, 1. / 3}, 2), 1e-6);
    assert_int_equal(c.items[0].token, 2);
    candidates_close(&c);
}

static void top_p_keeps_the_crossing_token(void **state) {
    (void)state;
    Candidates c = open_candidates(4);
    take(&c, 3, (float[]){3, 2, 1});
    candidates_top_p(&c, .8f); /* .665 < .8 <= .910 */
    assert_int_equal(c.count, 2);
    assert_int_equal(c.items[0].token, 0);
    assert_int_equal(c.items[1].token, 1);
    take(&c, 4, (float[]){0, 0, 0, 0});
    candidates_top_p(&c, .5f); /* "at least": exactly .5 is enough */
    assert_int_equal(c.count, 2);
    take(&c, 4, (float[]){0, 0, 0, 0});
    candidates_top_p(&c, 0);
    assert_int_equal(c.count, 1);
    candidates_close(&c);
}

/* After top-k the kept sum may never reach p: nothing is renormalised, all that is left stays. */
/* Where all that are left do not reach p, because others were dropped before or the sum rounds, all stay, and only
 * they. */
static void top_p_of_too_little_keeps_all(void **state) {
    (void)state;
    enum { N = 200 };
    float logits[N] = {0};
    Candidates c = open_candidates(N);
    take(&c, N, logits);
    candidates_top_p(&c, .99999994f);
    assert_that(c.count, <=, N);
    assert_that(c.count, >=, N - 1);
    take(&c, N, logits);
    candidates_top_k(&c, 150);
    c.sorted = false; /* 150 of 200 equals hold three quarters */
    candidates_top_p(&c, .9f);
    assert_int_equal(c.count, 150);
    candidates_close(&c);
}

static void truncation_reads_natural_probabilities(void **state) {
    (void)state;
    Candidates c = open_candidates(10);
    take(&c, 10, (float[]){0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    candidates_top_k(&c, 5);
    candidates_top_p(&c, .6f);
    assert_int_equal(c.count, 5);
    candidates_top_p(&c, .25f);
    assert_int_equal(c.count, 3);
    candidates_close(&c);
}

static void ties_go_to_the_lower_token(void **state) {
    (void)state;
    Candidates c = open_candidates(6);
    float logits[] = {1, 2, 2, 0, 2, 1};
    take(&c, 6, logits);
    assert_int_equal(candidates_argmax(&c), 1);
    candidates_top_k(&c, 4);
    int expected[] = {1, 2, 4, 0};
    for (int i = 0; i < 4; i++) assert_int_equal(c.items[i].token, expected[i]);
    assert_int_equal(candidates_argmax(&c), 0);
    candidates_close(&c);
}

static void min_p_keeps_equals(void **state) {
    (void)state;
    Candidates c = open_candidates(4);
    take(&c, 4, (float[]){0, 5, 5, 4.9f});
    candidates_min_p(&c, 1);
    assert_int_equal(c.count, 2);
    assert_int_equal(c.items[0].token, 1);
    assert_int_equal(c.items[1].token, 2);
    candidates_close(&c);
}

static PlainSet copy_sorted(const Candidates *c, Candidate *twin) {
    memcpy(twin, c->items, (size_t)c->count * sizeof *twin);
    plain_sort(twin, c->count);
    return (PlainSet){twin, c->count, c};
}

static void each_stage_equals_its_twin(void **state) {
    (void)state;
    static float logits[MAX_N];
    static Candidate twin[MAX_N];
    Candidates c = open_candidates(MAX_N);
    for (int round = 0; round < 6000; round++) {
        int n = 1 + (int)random_below(round % 50 ? 90 : MAX_N);
        random_logits(&source, logits, n);
        int k = (int)random_below((uint32_t)n + 3) - 1;
        float p = (float)random_below(1001) / 1000;
        for (int stage = 0; stage < 3; stage++) {
            take(&c, n, logits);
            if (random_below(4) == 0) candidates_sort(&c);
            PlainSet set = copy_sorted(&c, twin);
            int kept;
            if (stage == 0)
                candidates_top_k(&c, k), kept = plain_top_k(set, k);
            else if (stage == 1)
                candidates_top_p(&c, p), kept = plain_top_p(set, p);
            else
                candidates_min_p(&c, p), kept = plain_min_p(set, p);
            assert_int_equal(c.items[candidates_argmax(&c)].token, twin[0].token);
            check_equal(&c, twin, kept);
        }
    }
    candidates_close(&c);
}

static void whole_chain_equals_its_twin(void **state) {
    (void)state;
    static float logits[MAX_N];
    static Candidate twin[MAX_N];
    Candidates c = open_candidates(MAX_N);
    for (int round = 0; round < 2000; round++) {
        int n = 1 + (int)random_below(200), k = (int)random_below(60);
        float p = (float)random_below(1001) / 1000, floor_p = (float)random_below(1001) / 1000;
        random_logits(&source, logits, n);
        take(&c, n, logits);
        PlainSet set = copy_sorted(&c, twin);
        candidates_top_k(&c, k);
        candidates_top_p(&c, p);
        candidates_min_p(&c, floor_p);
        set.n = plain_top_k(set, k);
        set.n = plain_top_p(set, p);
        check_equal(&c, twin, plain_min_p(set, floor_p));
    }
    candidates_close(&c);
}

static void keeps(Candidates *c, int k, float p, float floor_p, char *kept, int n) {
    candidates_top_k(c, k);
    candidates_top_p(c, p);
    candidates_min_p(c, floor_p);
    memset(kept, 0, (size_t)n);
    for (int i = 0; i < c->count; i++) kept[c->items[i].token] = 1;
}

/* Logits are multiples of 1/4, so adding 16 is exact and the differences are the same bits. */
static void a_constant_changes_nothing(void **state) {
    (void)state;
    float logits[100], shifted[100];
    char kept[100], kept_shifted[100];
    Candidates c = open_candidates(100);
    for (int round = 0; round < 500; round++) {
        for (int i = 0; i < 100; i++) shifted[i] = (logits[i] = (float)random_below(40) / 4) + 16;
        int k = (int)random_below(100);
        float p = (float)random_below(1001) / 1000;
        take(&c, 100, logits);
        keeps(&c, k, p, .05f, kept, 100);
        double entropy = c.entropy, varentropy = c.varentropy, sigma = c.logit_sigma;
        take(&c, 100, shifted);
        assert_that(c.entropy, ==, entropy);
        assert_that(c.varentropy, ==, varentropy);
        assert_that(c.logit_sigma, ==, sigma);
        keeps(&c, k, p, .05f, kept_shifted, 100);
        assert_memory_equal(kept, kept_shifted, 100);
    }
    candidates_close(&c);
}

/* All logits differ here, so that ties do not decide by the number of the token. */
static void a_permutation_permutes_the_result(void **state) {
    (void)state;
    enum { N = 100 };
    float logits[N], permuted[N];
    int place[N];
    char kept[N], kept_permuted[N];
    Candidates c = open_candidates(N);
    for (int round = 0; round < 500; round++) {
        random_permutation(&source, place, N);
        for (int i = 0; i < N; i++) logits[i] = (float)i / 16;
        for (int i = 0; i < N; i++) permuted[place[i]] = logits[i];
        int k = (int)random_below(N);
        float p = (float)random_below(1001) / 1000;
        take(&c, N, logits);
        keeps(&c, k, p, .3f, kept, N);
        take(&c, N, permuted);
        keeps(&c, k, p, .3f, kept_permuted, N);
        for (int i = 0; i < N; i++) assert_int_equal(kept[i], kept_permuted[place[i]]);
    }
    candidates_close(&c);
}

static void failed_allocations(void **state) {
    (void)state;
    long alive = memory_hooks_alive();
    for (long n = 1; n <= 2; n++) {
        Error error = {0};
        Candidates c;
        memory_hooks_fail_at(n);
        assert_false(candidates_open(&c, 512, &error));
        assert_non_null(strstr(error.message, "out of memory"));
        assert_int_equal(memory_hooks_alive(), alive);
    }
    memory_hooks_fail_at(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(natural_probabilities),
        cmocka_unit_test(golden_entropy),
        cmocka_unit_test(describes_the_whole_vocabulary),
        cmocka_unit_test(refreshed_is_as_good_as_new),
        cmocka_unit_test(refresh_of_survivors_renormalises),
        cmocka_unit_test(top_p_keeps_the_crossing_token),
        cmocka_unit_test(top_p_of_too_little_keeps_all),
        cmocka_unit_test(truncation_reads_natural_probabilities),
        cmocka_unit_test(ties_go_to_the_lower_token),
        cmocka_unit_test(min_p_keeps_equals),
        cmocka_unit_test(each_stage_equals_its_twin),
        cmocka_unit_test(whole_chain_equals_its_twin),
        cmocka_unit_test(a_constant_changes_nothing),
        cmocka_unit_test(a_permutation_permutes_the_result),
        cmocka_unit_test(failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

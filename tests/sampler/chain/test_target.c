/* The temperature of a given entropy, against a plain bisection in double. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "sampler/chain/target.h"
#include "sampler/sampler.h"
#include "tests/support/logits.h"
#include "tests/support/test.h"

enum { N = 3000 };

static double twin_entropy(const float *logits, int n, double t) {
    double max = -INFINITY, sum = 0, entropy = 0;
    for (int i = 0; i < n; i++) max = fmax(max, logits[i]);
    for (int i = 0; i < n; i++) sum += exp((logits[i] - max) / t);
    for (int i = 0; i < n; i++) {
        double p = exp((logits[i] - max) / t) / sum;
        entropy -= p > 0 ? p * log(p) : 0;
    }
    return entropy;
}

/* H rises with T: halve the range until nothing is between its ends. */
static double twin(const float *logits, int n, double entropy, double low, double high) {
    int m = 0;
    for (int i = 0; i < n; i++) m += logits[i] > -INFINITY;
    if (entropy <= 0 || twin_entropy(logits, n, fmax(low, 1e-4)) > entropy) return low;
    if (entropy >= log(m) || twin_entropy(logits, n, high) < entropy) return high;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(twin_entropy(logits, n, fmax(middle, 1e-4)) < entropy ? &low : &high) = middle;
    }
    return low;
}

static double solve(Candidates *c, const float *logits, int n, double entropy, double low, double high) {
    candidates_from_logits(c, logits, n);
    return target_temperature(c, entropy, low, high);
}

/* Either T is the twin's, or the entropy is the same there: where H hardly rises many T will do. */
static void equals_its_twin(void **state) {
    (void)state;
    static float logits[N];
    Random random = random_from(5);
    Candidates c = open_candidates(N);
    int inside = 0;
    for (int round = 0; round < 3000; round++) {
        int n = random_int(&random, 1, random_chance(&random, .1) ? N : 60);
        double low = random_chance(&random, .2) ? 0 : .05 + random_unit(&random),
               high = low + .1 + 3 * random_unit(&random);
        random_logits(&random, logits, n);
        double entropy = random_unit(&random) * (log(n) + .1);
        double t = solve(&c, logits, n, entropy, low, high), expected = twin(logits, n, entropy, low, high);
        assert_that(t, >=, low);
        assert_that(t, <=, high);
        double reached = twin_entropy(logits, n, fmax(t, 1e-4)), wanted = twin_entropy(logits, n, fmax(expected, 1e-4));
        if (!(fabs(t - expected) < 1e-9 || fabs(reached - wanted) < 1e-6))
            fail_msg("%d of H %g in %g:%g: T %.12g, H %.9g, not %.12g, %.9g", n, entropy, low, high, t, reached,
                     expected, wanted);
        if (t > low && t < high) {
            assert_that(fabs(reached - entropy), <, 1e-6);
            inside++;
        }
    }
    assert_that(inside, >, 400);
    candidates_close(&c);
}

/* p = .5 .25 .125 .125: at T = 1 H is 1.75 bits. */
static void golden_values(void **state) {
    (void)state;
    Candidates c = open_candidates(4);
    const float logits[] = {logf(4), logf(2), 0, 0};
    candidates_from_logits(&c, logits, 4);
    assert_that(fabs(target_entropy(&c, 1) - 1.75 * log(2)), <, 1e-7);
    assert_that(fabs(solve(&c, logits, 4, 1.75 * log(2), .3, 1.8) - 1), <, 1e-6);
    /* at T = 1/2 the weights are 16 4 1 1 */
    double sum = 22, h = 0;
    for (int i = 0; i < 4; i++) {
        double p = (double[]){16, 4, 1, 1}[i] / sum;
        h -= p * log(p);
    }
    assert_that(fabs(solve(&c, logits, 4, h, .3, 1.8) - .5), <, 1e-6);
    candidates_close(&c);
}

static void more_entropy_is_never_cooler(void **state) {
    (void)state;
    float logits[50];
    Random random = random_from(6);
    Candidates c = open_candidates(50);
    for (int round = 0; round < 300; round++) {
        double before = 0;
        random_logits(&random, logits, 50);
        for (int i = 0; i <= 40; i++) {
            double t = solve(&c, logits, 50, i * .1, 0, 4);
            assert_that(t, >=, before);
            before = t;
        }
    }
    candidates_close(&c);
}

/* A constant added to the logits, or another order, moves T by rounding alone. */
static void order_and_a_constant_do_not_matter(void **state) {
    (void)state;
    enum { M = 40 };
    float logits[M], shifted[M], mixed[M];
    int place[M];
    Random random = random_from(8);
    Candidates c = open_candidates(M);
    for (int round = 0; round < 500; round++) {
        for (int i = 0; i < M; i++) shifted[i] = (logits[i] = (float)random_int(&random, 0, 80) / 8) + 32;
        random_permutation(&random, place, M);
        for (int i = 0; i < M; i++) mixed[place[i]] = logits[i];
        double entropy = random_unit(&random) * log(M), t = solve(&c, logits, M, entropy, .2, 3);
        assert_that(solve(&c, shifted, M, entropy, .2, 3), ==, t);
        assert_that(fabs(solve(&c, mixed, M, entropy, .2, 3) - t), <, 1e-6);
    }
    candidates_close(&c);
}

static void targets_out_of_reach_give_the_nearest_temperature(void **state) {
    (void)state;
    Candidates c = open_candidates(6);
    const float equal[] = {3, 3, 3, 3}, tied[] = {5, 5, 0, 0, -INFINITY, -INFINITY}, ordinary[] = {2, 1, 0};
    /* all equal: ln 4 at every T, so the nearer end */
    assert_that(solve(&c, equal, 4, 1, .3, 1.8), ==, .3);
    assert_that(solve(&c, equal, 4, log(4), .3, 1.8), ==, 1.8);
    assert_that(solve(&c, equal, 4, 9, .3, 1.8), ==, 1.8);
    /* one candidate, one that is possible */
    assert_that(solve(&c, equal, 1, 0, .3, 1.8), ==, .3);
    assert_that(solve(&c, equal, 1, 1, .3, 1.8), ==, 1.8);
    assert_that(solve(&c, (float[]){-INFINITY, 1, -INFINITY}, 3, .5, .3, 1.8), ==, 1.8);
    /* nothing is less than the ln 2 of two that share the top; 0 is argmax */
    assert_that(solve(&c, tied, 6, .5, 0, 2), ==, 0);
    assert_that(fabs(target_entropy(&c, 1e-4) - log(2)), <, 1e-12);
    assert_int_equal(target_count_possible(&c), 4);
    assert_that(solve(&c, ordinary, 3, 0, 0, 2), ==, 0);
    assert_that(solve(&c, ordinary, 3, 0, .3, 2), ==, .3);
    assert_that(solve(&c, ordinary, 3, log(3), .3, 2), ==, 2);
    assert_that(solve(&c, ordinary, 3, .5, 1e-320, 2e-320), ==, 2e-320);
    /* logits of any size */
    double t = solve(&c, (float[]){FLT_MAX, -FLT_MAX, 0, 1e-45f}, 4, 1, 0, 100);
    assert_that(t, ==, 100);
    candidates_close(&c);
}

static void policy_takes_the_smaller_target(void **state) {
    (void)state;
    const struct {
        const char *text;
        double nats;
    } targets[] = {{"1.5", 1.5},  {"1.5@0.8", 0.8 * log(3)}, {"@0.6", 0.6 * log(3)}, {"0.5@0.8", .5}, {"0", 0},
                   {"@1", log(3)}};
    Error error;
    Candidates c = open_candidates(3);
    candidates_from_logits(&c, (float[]){2, 1, 0}, 3);
    TemperatureInput input = {.n_survivors = 3, .survivors = &c};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        Sampler sampler = sampler_default();
        char shown[64];
        must_set(&sampler, "temp-policy", "target");
        must_set(&sampler, "temp-range", ".2:5");
        must_set(&sampler, "entropy-target", targets[i].text);
        must(sampler_check(&sampler, &error), &error);
        sampler_show(&sampler, "entropy-target", shown, sizeof shown);
        assert_string_equal(shown, targets[i].text);
        TemperaturePolicy policy = sampler.temperature;
        assert_that(temperature_target(&policy, &input), ==, targets[i].nats);
        double t = temperature_of(&policy, &input);
        assert_that(t, ==, target_temperature(&c, targets[i].nats, .2, 5));
    }
    Sampler sampler = sampler_default();
    const char *const refused[] = {"", "@", "1@", "x", "101", "-1", "@1.1", "1@-.1", "1@.5@.5", "inf"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_false(sampler_set(&sampler, "entropy-target", refused[i], &error));
    candidates_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_its_twin),
        cmocka_unit_test(golden_values),
        cmocka_unit_test(more_entropy_is_never_cooler),
        cmocka_unit_test(order_and_a_constant_do_not_matter),
        cmocka_unit_test(targets_out_of_reach_give_the_nearest_temperature),
        cmocka_unit_test(policy_takes_the_smaller_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

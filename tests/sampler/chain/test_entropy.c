#include <math.h>

#include "sampler/chain/entropy.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static void golden_values(void **state) {
    (void)state;
    double p[] = {.5, .25, .125, .125};
    assert_near(entropy_of(p, 4), 1.2130075659799042, 1e-15);
    assert_near(entropy_of(p, 4) / log(2), 1.75, 1e-15); /* bits */
    assert_near(normalized_entropy_of(p, 4), .875, 1e-15);
    assert_near(varentropy_of(p, 4), .3303114470687634, 1e-15);
    assert_near(entropy_of((double[]){.9, .05, .05}, 3), .3943976914, 1e-10);
    double options[10] = {.2, .2, .2, .2, .2}; /* five equal ones among ten */
    assert_near(normalized_entropy_of(options, 10), .6989700043, 1e-10);
}

static void nothing_is_open(void **state) {
    (void)state;
    double certain[] = {0, 1, 0};
    assert_that(entropy_of(certain, 3), ==, 0);
    assert_that(varentropy_of(certain, 3), ==, 0);
    assert_that(normalized_entropy_of(certain, 3), ==, 0);
    assert_that(normalized_entropy_of((double[]){1}, 1), ==, 0); /* not 0 / 0 */
}

static void uniform_is_the_most_open(void **state) {
    (void)state;
    double p[64];
    for (int n = 2; n <= 64; n++) {
        for (int i = 0; i < n; i++) p[i] = 1. / n;
        assert_near(entropy_of(p, n), log(n), 1e-13);
        assert_near(normalized_entropy_of(p, n), 1, 1e-14);
        assert_near(varentropy_of(p, n), 0, 1e-25);
    }
}

/* Of two independent choices: entropies and varentropies add up. Zeros add nothing, and order does not matter. */
static void independent_choices_add_up(void **state) {
    (void)state;
    enum { N = 12, M = 9 };
    Random random = random_from(3);
    for (int round = 0; round < 1000; round++) {
        double p[N], q[M], both[N * M + 3] = {0}, sum_p = 0, sum_q = 0;
        for (int i = 0; i < N; i++) sum_p += p[i] = random_chance(&random, .2) ? 0 : random_unit(&random) + 1e-9;
        for (int j = 0; j < M; j++) sum_q += q[j] = random_unit(&random) + 1e-9;
        if (sum_p == 0) continue;
        for (int i = 0; i < N; i++) p[i] /= sum_p;
        for (int j = 0; j < M; j++) q[j] /= sum_q;
        for (int k = 0; k < N * M; k++) both[3 + N * M - 1 - k] = p[k / M] * q[k % M];
        assert_near(entropy_of(both, N * M + 3), entropy_of(p, N) + entropy_of(q, M), 1e-13);
        assert_near(varentropy_of(both, N * M + 3), varentropy_of(p, N) + varentropy_of(q, M), 1e-12);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_values),
        cmocka_unit_test(nothing_is_open),
        cmocka_unit_test(uniform_is_the_most_open),
        cmocka_unit_test(independent_choices_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

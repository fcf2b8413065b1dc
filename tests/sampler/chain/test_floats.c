/* Passes over many numbers against a sort. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/chain/floats.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static int descending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static void fill(Random *random, float *x, int n) {
    bool ties = random_chance(random, 0.4);
    float scale = random_chance(random, 0.3) ? 300 : 1;
    for (int i = 0; i < n; i++) {
        x[i] = (float)random_normal(random) * scale;
        if (ties) x[i] = roundf(x[i]);
        if (random_chance(random, 0.05)) x[i] = -INFINITY;
    }
    if (random_chance(random, 0.1)) qsort(x, (size_t)n, sizeof *x, descending);
}

/* More than the 2048 blocks of 64 whose maxima are kept, now and then. */
static void all_agree_with_a_sort(void **state) {
    (void)state;
    enum { MOST = 300000, ROUNDS = 2000 };
    static float x[MOST], sorted[MOST], top[MOST];
    Random random = random_from(3);
    for (int round = 0; round < ROUNDS; round++) {
        int n = random_int(&random, 1, round % 1000 == 0 ? MOST : round % 20 ? 300 : 5000);
        int k = random_int(&random, 1, random_chance(&random, 0.5) && n > 30 ? 30 : n), reaching = 0;
        fill(&random, x, n);
        memcpy(sorted, x, (size_t)n * sizeof *x);
        qsort(sorted, (size_t)n, sizeof *sorted, descending);
        floats_largest(top, k, x, n);
        for (int i = 0; i < k; i++) assert_that(top[i], ==, sorted[i]);
        assert_that(floats_max(x, n), ==, sorted[0]);
        if (sorted[0] == -INFINITY) continue;
        double sum = 0, shift = sorted[0] + (double)(round % 4);
        for (int i = 0; i < n; i++) sum += exp(x[i] - shift);
        double error = fabs(floats_sum_exp(x, n, shift) / sum - 1);
        if (!(error <= 1e-15 * (4 + n / 10.))) fail_msg("%d numbers: off by %g", n, error);
        for (int i = 0; i < n; i++) reaching += x[i] >= 0.5f;
        assert_int_equal(floats_reaching(x, n, 0.5f), reaching);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_agree_with_a_sort)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

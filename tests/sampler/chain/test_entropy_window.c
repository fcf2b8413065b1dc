#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/chain/entropy_window.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static void a_few_entropies_give_percentiles(void **state) {
    (void)state;
    EntropyWindow window = {0};
    entropy_window_add(&window, 3);
    assert_that(entropy_window_percentile(&window, 0), ==, 3);
    assert_that(entropy_window_percentile(&window, 1), ==, 3);
    entropy_window_add(&window, 1);
    assert_that(entropy_window_percentile(&window, .25), ==, 1.5);
    assert_that(entropy_window_percentile(&window, .75), ==, 2.5);
    entropy_window_add(&window, 2);
    assert_that(entropy_window_percentile(&window, .5), ==, 2);
    assert_that(entropy_window_percentile(&window, .25), ==, 1.5);
    EntropyWindow fork = window;
    entropy_window_add(&fork, 9);
    assert_that(entropy_window_percentile(&window, 1), ==, 3);
    assert_that(entropy_window_percentile(&fork, 1), ==, 9);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* All that was ever seen is kept here, and sorted whole for each question. */
static void equals_its_twin(void **state) {
    (void)state;
    enum { STEPS = 300 };
    double seen[STEPS], sorted[ENTROPY_WINDOW_STEPS];
    EntropyWindow window = {0};
    Random random = random_from(8);
    for (int step = 0; step < STEPS; step++) {
        seen[step] = step % 7 ? 8 * random_unit(&random) : 2;
        entropy_window_add(&window, seen[step]);
        int n = step + 1 < ENTROPY_WINDOW_STEPS ? step + 1 : ENTROPY_WINDOW_STEPS;
        memcpy(sorted, seen + step + 1 - n, (size_t)n * sizeof *sorted);
        qsort(sorted, (size_t)n, sizeof *sorted, ascending);
        for (double fraction = 0; fraction <= 1; fraction += .0625) {
            double at = fraction * (n - 1), weight = at - floor(at);
            double expected = (1 - weight) * sorted[(int)floor(at)] + weight * sorted[(int)ceil(at)];
            assert_that(fabs(entropy_window_percentile(&window, fraction) - expected), <, 1e-12);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_entropies_give_percentiles),
        cmocka_unit_test(equals_its_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

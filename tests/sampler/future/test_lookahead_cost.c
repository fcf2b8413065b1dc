/* The choice of how many to evaluate: what is measured decides, and every answer is one that can be followed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sampler/future/lookahead_cost.h"
#include "tests/support/random.h"

/* Passes of `first` seconds and `each` more for each row but the first; futures that all have this Hhat. */
static LookaheadCost known(double first, double each, double hhat) {
    LookaheadCost cost = {0};
    for (int rows = 1; rows <= 16; rows *= 2)
        for (int i = 0; i < 5; i++) lookahead_cost_pass(&cost, rows, first + each * (rows - 1));
    for (int i = 0; i < 300; i++) lookahead_cost_future(&cost, hhat);
    return cost;
}

static void every_size_is_tried_first(void **state) {
    (void)state;
    LookaheadCost cost = {0};
    const double bounds[20] = {0};
    const int expected[] = {1, 1, 2, 2, 4, 4, 8, 8};
    for (int i = 0; i < 8; i++) {
        int rows = lookahead_cost_choose(&cost, bounds, 20, 1);
        assert_int_equal(rows, expected[i]);
        lookahead_cost_pass(&cost, rows, 1);
    }
    cost = (LookaheadCost){0};
    for (int i = 0; i < 8; i++) {
        int rows = lookahead_cost_choose(&cost, bounds, 3, 1);
        assert_true(rows >= 1 && rows <= 3);
        lookahead_cost_pass(&cost, rows, 1);
    }
}

static void rows_that_are_free_are_taken(void **state) {
    (void)state;
    const double near[6] = {0, -.1, -.2, -.3, -.4, -.5}, far[6] = {0, -9, -9, -9, -9, -9};
    LookaheadCost free = known(1, 0, .3), dear = known(1, 1, .3), between = known(1, .2, .3);
    assert_int_equal(lookahead_cost_choose(&dear, near, 6, 1), 1); /* one at a time costs the same and may end sooner */
    assert_true(lookahead_cost_choose(&free, near, 6, 1) == 6);
    assert_true(lookahead_cost_choose(&between, near, 6, 1) > 1);
    assert_int_equal(lookahead_cost_choose(&free, far, 6, 1), 1); /* the first one wins */
    assert_int_equal(lookahead_cost_choose(&between, far, 6, 1), 1);
    LookaheadCost open = known(1, .2, 1);
    assert_int_equal(lookahead_cost_choose(&open, near, 6, 1), 1); /* exact values are their bounds */
}

static void times_between_and_beyond(void **state) {
    (void)state;
    LookaheadCost cost = {0};
    assert_true(lookahead_cost_seconds(&cost, 3) == 0);
    lookahead_cost_pass(&cost, 4, 8);
    assert_true(lookahead_cost_seconds(&cost, 1) == 8 && lookahead_cost_seconds(&cost, 8) == 16);
    lookahead_cost_pass(&cost, 8, 10);
    assert_true(lookahead_cost_seconds(&cost, 6) == 9 && lookahead_cost_seconds(&cost, 4) == 8);
    assert_true(lookahead_cost_seconds(&cost, 64) == 80);
    lookahead_cost_pass(&cost, 4, 100); /* something else ran */
    assert_true(lookahead_cost_seconds(&cost, 4) == 8);
}

static void a_size_is_tried_again(void **state) {
    (void)state;
    LookaheadCost cost = known(1, .5, .3);
    const double bounds[3] = {0, -9, -9};
    int tried = 0;
    for (int i = 0; i < 2000; i++) {
        int rows = lookahead_cost_choose(&cost, bounds, 3, 1);
        lookahead_cost_pass(&cost, rows, rows);
        tried += rows > 1;
    }
    assert_true(tried >= 2 && tried < 40);
}

/* Of any numbers. */
static void the_choice_can_be_followed(void **state) {
    (void)state;
    Random random = random_from(11);
    for (int i = 0; i < 3000; i++) {
        LookaheadCost cost = {0};
        double bounds[LOOKAHEAD_MAX_K];
        int n = random_int(&random, 1, LOOKAHEAD_MAX_K);
        for (int j = random_int(&random, 0, 40); j > 0; j--)
            lookahead_cost_pass(&cost, random_int(&random, 1, LOOKAHEAD_MAX_K), random_unit(&random));
        for (int j = random_int(&random, 0, 40); j > 0; j--)
            lookahead_cost_future(&cost, random_chance(&random, 0.1) ? j % 2 : random_unit(&random));
        for (int j = 0; j < n; j++) bounds[j] = (j ? bounds[j - 1] : 5) - (i % 3) * random_unit(&random);
        if (i % 10 == 0) bounds[n - 1] = -INFINITY;
        int rows = lookahead_cost_choose(&cost, bounds, n, random_unit(&random) * (i % 7 ? 1 : 1e9));
        assert_true(rows >= 1 && rows <= n);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_tried_first),  cmocka_unit_test(rows_that_are_free_are_taken),
        cmocka_unit_test(times_between_and_beyond),   cmocka_unit_test(a_size_is_tried_again),
        cmocka_unit_test(the_choice_can_be_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <string.h>

#include "sampler/chain/steer.h"
#include "tests/support/test.h"

static const NumberRange share = {.low = 0, .high = 1}, many = {.low = 0, .high = 1e6, .whole = true};

static Steer parsed(const char *text, NumberRange range, const char *what) {
    Steer steer = {0};
    Error error = {.message = ""};
    must(steer_parse(&steer, text, range, what, &error), &error);
    return steer;
}

static void entropy_moves_the_value_between_its_ends(void **state) {
    (void)state;
    Steer p = parsed(".7:.98@entropy", share, "top-p");
    assert_that(steer_value(p, 0), ==, .7);
    assert_that(steer_value(p, 1), ==, .98);
    assert_that(steer_value(p, .5), >, .8399);
    assert_that(steer_value(p, .5), <, .8401);
    assert_that(steer_value(p, -.1), ==, .7);
    assert_that(steer_value(p, 1.5), ==, .98);
    double before = 0;
    for (double h = 0; h <= 1; h += .001) {
        double value = steer_value(p, h);
        assert_that(value, >, before);
        assert_that(value, <=, .98); /* wider where H is higher */
        before = value;
    }
    assert_that(steer_value((Steer){.04, .11, false}, 1), ==, .11); /* .04 + (.11 - .04) is a bit more */
    Steer k = parsed("1:40@entropy", many, "top-k");
    assert_that(steer_value(k, 0), ==, 1);
    assert_that(steer_value(k, 1), ==, 40);
    assert_that(steer_value(k, .5), ==, 21);
    assert_that(steer_value(k, .49), ==, 20);
}

static void a_fixed_value_is_always_used(void **state) {
    (void)state;
    Steer p = parsed(".95", share, "top-p"), k = parsed("0", many, "top-k");
    assert_that(steer_value(p, 0), ==, .95);
    assert_that(steer_value(p, .3), ==, .95);
    assert_that(steer_value(p, 1), ==, .95);
    assert_that(steer_value(k, .3), ==, 0);
}

static void check_print(const char *text, bool whole, const char *expected) {
    char out[64];
    NumberRange range = {.low = 0, .high = 1e6, .whole = whole};
    Steer steer = parsed(text, range, "x");
    assert_int_equal(steer_print(steer, out, sizeof out), strlen(expected));
    assert_string_equal(out, expected);
    Steer again = parsed(out, range, "x");
    assert_that(again.low, ==, steer.low);
    assert_that(again.high, ==, steer.high);
    assert_that(again.whole, ==, whole);
}

static void ranges_are_printed_as_they_can_be_read(void **state) {
    (void)state;
    check_print(".7:.98@entropy", false, "0.7:0.98@entropy");
    check_print(".95", false, "0.95");
    check_print("1e1:40@entropy", true, "10:40@entropy");
}

static void check_refused(const char *text, bool whole, const char *message) {
    Steer steer = {3, 4, whole};
    Error error = {.message = ""};
    assert_false(steer_parse(&steer, text, whole ? many : share, whole ? "top-k" : "top-p", &error));
    assert_string_equal(error.message, message);
    assert_that(steer.low, ==, 3);
    assert_that(steer.high, ==, 4);
}

static void wrong_ranges_are_refused(void **state) {
    (void)state;
#define FORM "top-p: expected X or LOW:HIGH@entropy, got "
    check_refused(".7:.98", false, FORM "'.7:.98'");
    check_refused(".7@entropy", false, FORM "'.7@entropy'");
    check_refused(".7:.98@h", false, FORM "'.7:.98@h'");
    check_refused(".7:.98@entropy ", false, FORM "'.7:.98@entropy '");
    check_refused(".7@:.9", false, FORM "'.7@:.9'");
    check_refused("", false, "top-p: expected a number from 0 to 1, got ''");
    check_refused("x", false, "top-p: expected a number from 0 to 1, got 'x'");
    check_refused(":.9@entropy", false, "top-p: expected a number from 0 to 1, got ''");
    check_refused(".7:.8:.9@entropy", false, "top-p: expected a number from 0 to 1, got '.8:.9'");
    check_refused(".7:1.1@entropy", false, "top-p: expected a number from 0 to 1, got '1.1'");
    check_refused(".9:.7@entropy", false, "top-p: expected LOW below HIGH, got '.9:.7@entropy'");
    check_refused(".9:.9@entropy", false, "top-p: expected LOW below HIGH, got '.9:.9@entropy'");
    check_refused("2.5", true, "top-k: expected a whole number from 0 to 1000000, got '2.5'");
    check_refused("1:2.5@entropy", true, "top-k: expected a whole number from 0 to 1000000, got '2.5'");
    check_refused("0:40@entropy", true, "top-k: expected a whole number from 1 to 1000000, got '0'");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entropy_moves_the_value_between_its_ends),
        cmocka_unit_test(a_fixed_value_is_always_used),
        cmocka_unit_test(ranges_are_printed_as_they_can_be_read),
        cmocka_unit_test(wrong_ranges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

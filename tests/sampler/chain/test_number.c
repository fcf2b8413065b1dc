#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/chain/number.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static const NumberRange wide = {.low = -1e9, .high = 1e9};

static void check_read(const char *text, double expected) {
    double value = 0;
    Error error = {.message = ""};
    must(number_parse(&value, text, strlen(text), wide, "x", &error), &error);
    assert_that(value, ==, expected);
}

static void check_refused(const char *text, size_t length, NumberRange range, const char *message) {
    double value = 7;
    Error error = {.message = ""};
    assert_false(number_parse(&value, text, length, range, "x", &error));
    assert_string_equal(error.message, message);
    assert_that(value, ==, 7);
}

static void reads_decimal_numbers(void **state) {
    (void)state;
    check_read("0", 0);
    check_read("-.5", -.5);
    check_read("+2.", 2);
    check_read("1e-3", .001);
    check_read("2.5E2", 250);
    double value;
    Error error;
    must(number_parse(&value, "12:34", 2, wide, "x", &error), &error);
    assert_that(value, ==, 12); /* a field of a longer text */
}

static void refuses_everything_else(void **state) {
    (void)state;
    const char *texts[] = {"",  " 1", "1 ", "1,5",   "0x10", "inf", "nan", "-",
                           ".", "e3", "1e", "1e999", "1-1",  "--1", "1..2"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char message[100] = "x: expected a number from -1e+09 to 1e+09, got '";
        strcat(strcat(message, texts[i]), "'");
        check_refused(texts[i], strlen(texts[i]), wide, message);
    }
    check_refused("123", 2, wide, "x: expected a number from -1e+09 to 1e+09, got '12'"); /* goes on past the field */
}

static void names_the_range(void **state) {
    (void)state;
    check_refused("2", 1, (NumberRange){.low = 0, .high = 1}, "x: expected a number from 0 to 1, got '2'");
    check_refused("1", 1, (NumberRange){.low = 0, .high = 1, .high_open = true},
                  "x: expected a number at least 0 and below 1, got '1'");
    check_refused("0", 1, (NumberRange){.low = 0, .high = 1, .low_open = true},
                  "x: expected a number above 0 and at most 1, got '0'");
    check_refused("0", 1, (NumberRange){.low = 0, .high = 1, .low_open = true, .high_open = true},
                  "x: expected a number above 0 and below 1, got '0'");
    Error error;
    must(number_check(1, (NumberRange){.low = 0, .high = 1, .low_open = true}, "x", &error), &error);
    must(number_check(0, (NumberRange){.low = 0, .high = 1, .high_open = true}, "x", &error), &error);
    assert_false(number_check(NAN, wide, "x", &error));
    assert_string_equal(error.message, "x: expected a number from -1e+09 to 1e+09, got 'nan'");
}

/* The stored value must be in the range: 1e-320 is above 0, but as a float it is 0. */
static void checks_the_stored_float(void **state) {
    (void)state;
    const NumberRange above = {.low = 0, .high = 1, .low_open = true}, any = {.low = -1e30, .high = 1e30},
                      from = {.low = 0.01, .high = 100};
    Error error;
    float value = 7;
    assert_false(number_parse_float(&value, "1e-320", 6, above, "x", &error));
    assert_string_equal(error.message,
                        "x: expected a number above 0 and at most 1, got '1e-320', which is stored as 0");
    assert_false(number_parse_float(&value, "1e-46", 5, above, "x", &error));
    assert_false(number_parse_float(&value, "1.00000001", 10, above, "x", &error));
    assert_false(number_parse_float(&value, "1e300", 5, any, "x", &error));
    assert_false(number_parse_float(&value, "", 0, any, "x", &error));
    assert_that(value, ==, 7);
    must(number_parse_float(&value, "1e-40", 5, above, "x", &error), &error);
    assert_that(value, ==, 1e-40f);
    must(number_parse_float(&value, "0.01", 4, from, "x", &error), &error);
    assert_that(value, ==, 0.01f);
    must(number_parse_float(&value, "1e30", 4, any, "x", &error), &error);
    assert_that(value, ==, 1e30f);
    char stored[32];
    snprintf(stored, sizeof stored, "%.17g", value); /* a little more than 1e30 */
    must(number_parse_float(&value, stored, strlen(stored), any, "x", &error), &error);
    assert_that(value, ==, 1e30f);
}

static void check_printed(double value, const char *expected) {
    char out[32];
    assert_int_equal(number_print(value, out, sizeof out), strlen(expected));
    assert_string_equal(out, expected);
}

static void prints_what_reads_back(void **state) {
    (void)state;
    check_printed(.1, "0.1");
    check_printed(40, "40");
    check_printed(1e6, "1e+06");
    check_printed(1234567, "1234567");
    check_printed(.1 + .2, "0.30000000000000004");
    check_printed(1.0 / 3, "0.3333333333333333");
    Random random = random_from(9);
    for (int i = 0; i < 10000; i++) {
        double value = ldexp(random_normal(&random), random_int(&random, -60, 60));
        char out[32];
        number_print(value, out, sizeof out);
        assert_that(strtod(out, NULL), ==, value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_decimal_numbers),  cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(names_the_range),        cmocka_unit_test(checks_the_stored_float),
        cmocka_unit_test(prints_what_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

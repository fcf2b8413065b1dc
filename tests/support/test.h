/* Test: what every test program includes: cmocka, and assertions that say what they compared.
 *
 * A failed assertion prints the expression, its values, the file and the line, and ends its test.
 * TEST_FILTER='keeps_*' build/release/tests/test_x runs the tests of a program whose names match. */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tensor/error.h"

/* assert_that(n, <=, 3): any comparison of two numbers or two pointers. */
#define assert_that(a, op, b) test_compare(#a " " #op " " #b, a, op, b)

/* x differs from `expected` by no more than the tolerance; not a number is near nothing. */
#define assert_near(x, expected, tolerance) test_near(x, expected, tolerance, #x, #expected, __FILE__, __LINE__)

/* A call that is expected to succeed; its error is printed where it does not. */
#define must(done, error) test_must(done, #done, error, __FILE__, __LINE__)

/* sampler_set with values that are expected to be accepted. */
#define must_set(sampler, name, value)                                                                                 \
    do {                                                                                                               \
        Error must_set_error;                                                                                          \
        must(sampler_set(sampler, name, value, &must_set_error), &must_set_error);                                     \
    } while (0)

/* ---- cmocka's own, with more to read where they fail ---- */

#undef assert_int_equal
#define assert_int_equal(a, b) test_compare(#a " == " #b, (intmax_t)(a), ==, (intmax_t)(b))
#undef assert_int_not_equal
#define assert_int_not_equal(a, b) test_compare(#a " != " #b, (intmax_t)(a), !=, (intmax_t)(b))
#undef assert_in_range
#define assert_in_range(x, low, high)                                                                                  \
    do {                                                                                                               \
        intmax_t test_x = (intmax_t)(x);                                                                               \
        test_compare(#x " >= " #low, test_x, >=, (intmax_t)(low));                                                     \
        test_compare(#x " <= " #high, test_x, <=, (intmax_t)(high));                                                   \
    } while (0)
#undef assert_memory_equal
#define assert_memory_equal(a, b, n) test_memory(a, b, n, #a, #b, __FILE__, __LINE__)
#undef fail_msg
#define fail_msg(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#undef cmocka_run_group_tests
#define cmocka_run_group_tests(tests, set_up, tear_down)                                                               \
    (cmocka_set_test_filter(getenv("TEST_FILTER")),                                                                    \
     _cmocka_run_group_tests(#tests, tests, sizeof(tests) / sizeof((tests)[0]), set_up, tear_down))

/* ---- Behind the macros ---- */

/* The operands are evaluated once. A constant loses by this that its value is known, so the warnings about mixed signs
 * and rounded constants are off. */
#define test_compare(expression, a, op, b)                                                                             \
    do {                                                                                                               \
        __auto_type test_left = (a);                                                                                   \
        __auto_type test_right = (b);                                                                                  \
        _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wsign-compare\"")                            \
            _Pragma("GCC diagnostic ignored \"-Wconversion\"");                                                        \
        if (!(test_left op test_right))                                                                                \
            test_compare_failed(expression, #op, test_value(test_left), test_value(test_right), __FILE__, __LINE__);   \
        _Pragma("GCC diagnostic pop");                                                                                 \
    } while (0)

typedef struct {
    char text[64];
} TestValue;

#define test_value(x)                                                                                                  \
    _Generic((x), float                                                                                                \
             : test_float, double                                                                                      \
             : test_double, bool                                                                                       \
             : test_signed, char                                                                                       \
             : test_signed, signed char                                                                                \
             : test_signed, short                                                                                      \
             : test_signed, int                                                                                        \
             : test_signed, long                                                                                       \
             : test_signed, long long                                                                                  \
             : test_signed, unsigned char                                                                              \
             : test_unsigned, unsigned short                                                                           \
             : test_unsigned, unsigned                                                                                 \
             : test_unsigned, unsigned long                                                                            \
             : test_unsigned, unsigned long long                                                                       \
             : test_unsigned, default                                                                                  \
             : test_pointer)(x)
TestValue test_float(float x);
TestValue test_double(double x);
TestValue test_signed(intmax_t x);
TestValue test_unsigned(uintmax_t x);
TestValue test_pointer(const void *x);

void test_compare_failed(const char *expression, const char *op, TestValue a, TestValue b, const char *file, int line);
void test_near(double x, double expected, double tolerance, const char *name, const char *expected_name,
               const char *file, int line);
void test_must(bool done, const char *expression, const Error *error, const char *file, int line);
void test_memory(const void *a, const void *b, size_t n, const char *name, const char *expected_name, const char *file,
                 int line);
__attribute__((format(printf, 3, 4))) void test_fail(const char *file, int line, const char *format, ...);

#endif

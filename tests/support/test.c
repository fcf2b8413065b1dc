#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static TestValue show(const char *format, ...) __attribute__((format(printf, 1, 2)));
static TestValue show(const char *format, ...) {
    TestValue value;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value.text, sizeof value.text, format, arguments);
    va_end(arguments);
    return value;
}

/* As many digits as tell two values of the type apart. */
TestValue test_float(float x) { return show("%.9g", (double)x); }
TestValue test_double(double x) { return show("%.17g", x); }
TestValue test_signed(intmax_t x) { return show("%jd", x); }
TestValue test_unsigned(uintmax_t x) { return show("%ju", x); }
TestValue test_pointer(const void *x) { return show("%p", x); }

void test_fail(const char *file, int line, const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    _assert_true(false, text, file, line); /* prints the text with the test's name, and ends the test */
}

void test_compare_failed(const char *expression, const char *op, TestValue a, TestValue b, const char *file, int line) {
    test_fail(file, line, "%s\nis false: %s %s %s", expression, a.text, op, b.text);
}

void test_near(double x, double expected, double tolerance, const char *name, const char *expected_name,
               const char *file, int line) {
    if (fabs(x - expected) <= tolerance) return;
    test_fail(file, line, "%s is near %s\nis false: got %.17g, expected %.17g within %g", name, expected_name, x,
              expected, tolerance);
}

void test_must(bool done, const char *expression, const Error *error, const char *file, int line) {
    if (!done) test_fail(file, line, "%s\nfailed: %s", expression, error->message);
}

/* Most blocks compared are float values, so the first difference is shown as such, too. */
void test_memory(const void *a, const void *b, size_t n, const char *name, const char *expected_name, const char *file,
                 int line) {
    const uint8_t *x = a, *y = b;
    size_t first = 0, differing = 0;
    float values[2];
    if (n == 0 || memcmp(a, b, n) == 0) return;
    while (x[first] == y[first]) first++;
    for (size_t i = first; i < n; i++) differing += x[i] != y[i];
    size_t start = first / sizeof(float) * sizeof(float);
    bool whole = start + sizeof(float) <= n;
    memcpy(&values[0], x + start, whole ? sizeof(float) : 0);
    memcpy(&values[1], y + start, whole ? sizeof(float) : 0);
    test_fail(
        file, line, "%s has the bytes of %s\nis false: %zu of %zu bytes differ, the first at %zu: 0x%02x, not 0x%02x%s",
        name, expected_name, differing, n, first, x[first], y[first],
        whole
            ? show(" (as float %zu: %.9g, not %.9g)", start / sizeof(float), (double)values[0], (double)values[1]).text
            : "");
}

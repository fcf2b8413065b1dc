#include "sampler/chain/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fits(double x, NumberRange range) {
    bool above = range.low_open ? x > range.low : x >= range.low;
    bool below = range.high_open ? x < range.high : x <= range.high;
    return isfinite(x) && above && below && (!range.whole || x == floor(x));
}

static bool is_closed(NumberRange range) { return !range.low_open && !range.high_open; }

int number_range_print(NumberRange range, char *out, size_t capacity) {
    const char *from = is_closed(range) ? "" : range.low_open ? "above " : "at least ";
    const char *to = is_closed(range) ? "to " : range.high_open ? "and below " : "and at most ";
    return snprintf(out, capacity, "%s%.7g %s%.7g", from, range.low, to, range.high);
}

static bool refuse(NumberRange range, const char *what, const char *text, size_t length, Error *error) {
    char allowed[64];
    number_range_print(range, allowed, sizeof allowed);
    return error_set(error, "%s: expected a %snumber %s%s, got '%.*s'", what, range.whole ? "whole " : "",
                     is_closed(range) ? "from " : "", allowed, (int)(length < 200 ? length : 200), text);
}

/* The ends of a range of floats are the floats nearest to them. */
static NumberRange widen(NumberRange range) {
    range.low = fmin(range.low, (float)range.low);
    range.high = fmax(range.high, (float)range.high);
    return range;
}

/* strtod also accepts spaces, "inf" and "0x1", so only the characters of decimal numbers are passed to it. It may read
 * past the field; then its end differs from the field's end. */
static bool read_decimal(double *value, const char *text, size_t length) {
    char *end;
    if (length == 0 || strspn(text, "+-.0123456789eE") < length) return false;
    *value = strtod(text, &end);
    return end == text + length;
}

bool number_parse(double *out, const char *text, size_t length, NumberRange range, const char *what, Error *error) {
    double value;
    if (!read_decimal(&value, text, length) || !fits(value, range)) return refuse(range, what, text, length, error);
    *out = value;
    return true;
}

bool number_parse_float(float *out, const char *text, size_t length, NumberRange range, const char *what,
                        Error *error) {
    double value;
    NumberRange wide = widen(range);
    if (!read_decimal(&value, text, length) || !fits(value, wide)) return refuse(range, what, text, length, error);
    float stored = (float)value;
    if (!fits(stored, wide)) {
        refuse(range, what, text, length, error);
        size_t end = strlen(error->message);
        snprintf(error->message + end, sizeof error->message - end, ", which is stored as %g", stored);
        return false;
    }
    *out = stored;
    return true;
}

bool number_check(double value, NumberRange range, const char *what, Error *error) {
    if (fits(value, range)) return true;
    char text[32];
    int length = number_print(value, text, sizeof text);
    return refuse(range, what, text, (size_t)length, error);
}

bool number_check_float(float value, NumberRange range, const char *what, Error *error) {
    if (fits(value, widen(range))) return true;
    char text[32];
    int length = number_print_float(value, text, sizeof text);
    return refuse(range, what, text, (size_t)length, error);
}

int number_print(double value, char *out, size_t capacity) {
    char text[32];
    int digits = 6;
    do snprintf(text, sizeof text, "%.*g", digits, value);
    while (digits++ < 17 && strtod(text, NULL) != value);
    return snprintf(out, capacity, "%s", text);
}

int number_print_float(float value, char *out, size_t capacity) {
    char text[32];
    int digits = 6;
    do snprintf(text, sizeof text, "%.*g", digits, (double)value);
    while (digits++ < 9 && (float)strtod(text, NULL) != value);
    return snprintf(out, capacity, "%s", text);
}

/* Number: decimal numbers of settings, read strictly and printed so that they read back as the same value. */
#ifndef SAMPLER_CHAIN_NUMBER_H
#define SAMPLER_CHAIN_NUMBER_H

#include <stddef.h>

#include "tensor/error.h"

/* The allowed values: low <= x <= high, without an end that is open. NaN and the infinities are never allowed. */
typedef struct {
    double low, high;
    bool low_open, high_open;
    bool whole; /* whole numbers only */
} NumberRange;

/* Reads the first `length` characters of text: digits, sign, point and exponent, no blanks, no hexadecimal, no names.
 * what: the name of the value, "edt-n". Error: "edt-n: expected a number above 0 and below 1, got '1'". */
bool number_parse(double *out, const char *text, size_t length, NumberRange range, const char *what, Error *error);

/* The same for a value that is stored as a float. The float must lie in the range, too: 1e-320 is not "above 0", since it
 * becomes 0. An end of the range is allowed as the float nearest to it, so that what is stored is accepted again. */
bool number_parse_float(float *out, const char *text, size_t length, NumberRange range, const char *what, Error *error);

/* The same checks of a value that is a number already. */
bool number_check(double value, NumberRange range, const char *what, Error *error);
bool number_check_float(float value, NumberRange range, const char *what, Error *error);

/* "0 to 1", "above 0 and below 1". Cut to capacity as snprintf does; returns the length it wants. */
int number_range_print(NumberRange range, char *out, size_t capacity);

/* The fewest digits, 6 or more, that read back as the same double, or the same float. Cut to capacity as snprintf does;
 * returns the length it wants. */
int number_print(double value, char *out, size_t capacity);
int number_print_float(float value, char *out, size_t capacity);

#endif

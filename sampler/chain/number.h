/* Number: parses decimal numbers of settings strictly, and prints them so that parsing gives the same value again. */
#ifndef SAMPLER_CHAIN_NUMBER_H
#define SAMPLER_CHAIN_NUMBER_H

#include <stddef.h>

#include "tensor/error.h"

/* The allowed values: low <= x <= high; an open end is not allowed itself. NaN and infinities are never allowed. */
typedef struct {
    double low, high;
    bool low_open, high_open;
    bool whole; /* whole numbers only */
} NumberRange;

/* Parses the first `length` characters of text: sign, digits, point and exponent; no spaces, no hexadecimal, no "inf".
 * what: the name of the value, "edt-n". Error: "edt-n: expected a number above 0 and below 1, got '1'". */
bool number_parse(double *out, const char *text, size_t length, NumberRange range, const char *what, Error *error);

/* The same for a value that is stored as a float. The float must be in the range, too: 1e-320 is not "above 0", because
 * it becomes 0. The ends of the range are the floats nearest to them, so that a stored value is accepted again. */
bool number_parse_float(float *out, const char *text, size_t length, NumberRange range, const char *what, Error *error);

/* The same checks for a value that is already a number. */
bool number_check(double value, NumberRange range, const char *what, Error *error);
bool number_check_float(float value, NumberRange range, const char *what, Error *error);

/* "0 to 1", "above 0 and below 1". Cut to capacity, and returns the uncut length, as snprintf does. */
int number_range_print(NumberRange range, char *out, size_t capacity);

/* The fewest digits, at least 6, that give the same double or float when they are parsed. Cut to capacity, and returns
 * the uncut length, as snprintf does. */
int number_print(double value, char *out, size_t capacity);
int number_print_float(float value, char *out, size_t capacity);

#endif

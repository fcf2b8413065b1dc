#include "sampler/chain/steer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BY_ENTROPY "@entropy"

static bool parse_end(double *out, const char *text, size_t length, bool whole, NumberRange range, const char *what,
                      Error *error) {
    if (!number_parse(out, text, length, range, what, error)) return false;
    if (!whole || *out == floor(*out)) return true;
    return error_set(error, "%s: expected a whole number, got '%.*s'", what, (int)length, text);
}

bool steer_parse(Steer *steer, const char *text, NumberRange range, const char *what, Error *error) {
    Steer read = *steer;
    size_t length = strlen(text);
    const char *colon = strchr(text, ':'), *at = strchr(text, '@');
    if (!colon && !at) {
        if (!parse_end(&read.low, text, length, read.whole, range, what, error)) return false;
        read.high = read.low;
        *steer = read;
        return true;
    }
    if (!colon || !at || at < colon || strcmp(at, BY_ENTROPY) != 0)
        return error_set(error, "%s: expected X or LOW:HIGH" BY_ENTROPY ", got '%s'", what, text);
    NumberRange low_range = range;
    if (read.whole) low_range.low = fmax(range.low, 1);
    if (!parse_end(&read.low, text, (size_t)(colon - text), read.whole, low_range, what, error)) return false;
    if (!parse_end(&read.high, colon + 1, (size_t)(at - colon - 1), read.whole, range, what, error)) return false;
    if (read.low >= read.high) return error_set(error, "%s: expected LOW below HIGH, got '%s'", what, text);
    *steer = read;
    return true;
}

int steer_print(Steer steer, char *out, size_t capacity) {
    char low[32], high[32];
    number_print(steer.low, low, sizeof low);
    number_print(steer.high, high, sizeof high);
    if (steer.low == steer.high) return snprintf(out, capacity, "%s", low);
    return snprintf(out, capacity, "%s:%s" BY_ENTROPY, low, high);
}

double steer_value(Steer steer, double normalised_entropy) {
    double weight = fmin(fmax(normalised_entropy, 0), 1);
    double value = steer.low + weight * (steer.high - steer.low);
    return steer.whole ? round(value) : fmin(value, steer.high);
}

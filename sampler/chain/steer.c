#include "sampler/chain/steer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BY_ENTROPY "@entropy"

bool steer_parse(Steer *steer, const char *text, NumberRange range, const char *what, Error *error) {
    double low, high;
    size_t length = strlen(text);
    const char *colon = strchr(text, ':'), *at = strchr(text, '@');
    bool is_fixed = !colon && !at;
    if (!is_fixed && (!colon || !at || at < colon || strcmp(at, BY_ENTROPY) != 0))
        return error_set(error, "%s: expected X or LOW:HIGH" BY_ENTROPY ", got '%s'", what, text);
    if (is_fixed) {
        if (!number_parse(&low, text, length, range, what, error)) return false;
        high = low;
    } else {
        NumberRange low_range = range;
        if (range.whole) low_range.low = fmax(range.low, 1);
        if (!number_parse(&low, text, (size_t)(colon - text), low_range, what, error)) return false;
        if (!number_parse(&high, colon + 1, (size_t)(at - colon - 1), range, what, error)) return false;
        if (low >= high) return error_set(error, "%s: expected LOW below HIGH, got '%s'", what, text);
    }
    steer->low = low;
    steer->high = high;
    steer->whole = range.whole;
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

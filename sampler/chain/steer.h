/* Steer: a setting of a truncation stage that is fixed, or varies between two ends with the entropy of the step. So
 * top-p and top-k can keep more tokens if the model is unsure, and fewer if it is sure ("top-p .7:.98@entropy").
 *
 *   value = low + (high - low) * clamp(H / ln V, 0, 1) */
#ifndef SAMPLER_CHAIN_STEER_H
#define SAMPLER_CHAIN_STEER_H

#include "sampler/chain/number.h"

typedef struct {
    double low, high; /* low == high: fixed */
    bool whole;       /* whole numbers only: the value is rounded to the nearest */
} Steer;

/* Parses "X" or "LOW:HIGH@entropy", LOW < HIGH, both within the range. The range also says whether the numbers are
 * whole; then LOW is at least 1, because a top-k of 0 would keep all tokens at entropy 0. After an error *steer is
 * unchanged. Errors begin with `what` ("top-p"): neither of these forms, not a number, not whole, out of range, LOW not
 * below HIGH. */
bool steer_parse(Steer *steer, const char *text, NumberRange range, const char *what, Error *error);

/* The text that steer_parse reads. Cut to capacity, and returns the uncut length, as snprintf does. */
int steer_print(Steer steer, char *out, size_t capacity);

/* normalised_entropy: H / ln V of the natural distribution; 0 for a vocabulary of one token. */
double steer_value(Steer steer, double normalised_entropy);

#endif

/* Steer: the value of a truncating stage, fixed, or moved between two ends by the entropy of the step. So top-p and top-k
 * keep more tokens where the model is unsure and fewer where it is sure ("top-p .7:.98@entropy").
 *
 *   value = low + (high - low) * clamp(H / ln V, 0, 1) */
#ifndef SAMPLER_CHAIN_STEER_H
#define SAMPLER_CHAIN_STEER_H

#include "sampler/chain/number.h"

typedef struct {
    double low, high; /* low == high: fixed */
    bool whole;       /* whole numbers only: the value is rounded to the nearest */
} Steer;

/* Reads "X" or "LOW:HIGH@entropy", LOW < HIGH, both within the range, which says whether whole numbers are read. LOW of
 * whole numbers is at least 1, because a top-k of 0 would keep all tokens at entropy 0. A mistake changes nothing.
 * what: "top-p", for the errors: another form, not a number, not whole, out of range, LOW not below HIGH. */
bool steer_parse(Steer *steer, const char *text, NumberRange range, const char *what, Error *error);

/* The text that steer_parse reads. Cut to capacity as snprintf does; returns the length it wants. */
int steer_print(Steer steer, char *out, size_t capacity);

/* normalised_entropy: H / ln V of the natural distribution; 0 for a vocabulary of one. */
double steer_value(Steer steer, double normalised_entropy);

#endif

/* Future: the arithmetic of future-entropy sampling, the part that needs no model (Count Bayesie, 2026-07-01).
 *
 *   r        softmax of the n largest logits after candidate w
 *   Hhat(w)  = -sum r ln max(r, 1e-6) / ln n, in [0, 1]: how open the future after w is
 *   s(w)     = p(w)^a * Hhat(w)^b: the draw is from s instead of p
 *
 * Scores are kept as logarithms: ln s = a ln p + b ln Hhat. 0^0 = 1, so with a = 1 and b = 0 ln s has the same bits as
 * ln p. Hhat <= 1, hence ln s <= a ln p, and a search can stop early. The same formulas serve other scorers: Hhat is
 * then what the scorer returned. */
#ifndef SAMPLER_FUTURE_FUTURE_H
#define SAMPLER_FUTURE_FUTURE_H

#include <stdbool.h>

#include "sampler/future/scorer.h"

/* How alpha in [-1, 1] divides the weight between the present (p) and the future (Hhat): -1 is p alone, 1 Hhat
 * alone. */
typedef enum {
    FUTURE_ARTICLE,  /* a = 1 - max(0, alpha)    b = 1 - max(0, -alpha)   0: p * Hhat */
    FUTURE_CROSSFADE /* a = (1 - alpha)/2        b = (1 + alpha)/2        0: sqrt(p * Hhat) */
} FutureCurve;

typedef struct {
    double a, b;
} FutureExponents;

FutureExponents future_exponents(FutureCurve curve, double alpha);

/* Hhat over the min(n, vocab_size) largest logits; n >= 2. Some logits may be -inf, but not all; none is NaN or +inf.
 *   scratch (min(n, vocab_size),) f32
 * A permutation of the logits changes no bit. A vocabulary of one token gives 0. */
double future_entropy(const float *logits, int vocab_size, int n, float *scratch);

/* Future entropy as a scorer: worth = Hhat over the *n largest logits, bound = 1. *n must not change before the
 * scorer's last call. */
Scorer future_scorer(const int *n, int vocab_size);

/* ln s; -inf where s = 0. */
double future_log_score(FutureExponents exponents, double log_p, double hhat);

/* out[i] = ln s of candidate i. If every s is 0, no token could be drawn: then out is log_p and the result is false.
 *   out (n,), must not alias log_p (n,) or hhat (n,); n >= 1 */
bool future_log_scores(double *out, const double *log_p, const double *hhat, int n, FutureExponents exponents);

/* The mean of hhat[j], j = 0 .. depth-1 steps further ahead, weighted by discount^j; discount in [0, 1], 0^0 = 1. depth
 * >= 1. If no hhat exceeds 1, neither does the result. */
double future_depth_mean(const double *hhat, int depth, double discount);

#endif

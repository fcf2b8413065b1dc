/* Scorer: what the future of a candidate is worth. lookahead.h walks over the candidates and draws; it asks a scorer
 * for each worth. Future entropy (future_scorer in future.h) is one scorer; a caller may give another.
 *
 *   s(w) = p(w)^a worth(w)^b      exponents from alpha; the draw is from s^(1/T)
 *
 * A bound lets the walk stop early: it evaluates candidates from the highest bound down, and stops when no bound that
 * is left beats the best exact score. */
#ifndef SAMPLER_FUTURE_SCORER_H
#define SAMPLER_FUTURE_SCORER_H

#include <stdbool.h>

typedef struct LookaheadCandidate LookaheadCandidate; /* lookahead.h */

typedef struct {
    /* The worth of the candidate's future, from the logits that follow it: finite, >= 0, at most its bound. A depth of
     * d calls it for each of the d steps of the greedy continuation, and the mean counts. The candidate's token, p,
     * ln_p, noise and (if they are reported) futures are set; the other fields are not.
     *   logits (vocab_size,) f32, all finite; scratch (scratch_size,) f32, undefined contents */
    double (*worth)(void *context, const LookaheadCandidate *candidate, const float *logits, int vocab_size,
                    float *scratch);
    /* The most that worth may return for the candidate, >= 0. INFINITY: unknown, so the candidate is always evaluated;
     * bound NULL: unknown for all candidates. Only token, p, ln_p and noise of the candidate are set. */
    double (*bound)(void *context, const LookaheadCandidate *candidate);
    void *context;
    int scratch_size; /* floats, at most 2 vocab_size */
    bool concurrent;  /* worth may be called in several threads at once; false: only in the thread of lookahead_draw */
} Scorer;

#endif

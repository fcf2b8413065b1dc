/* LookaheadForks: the part of a lookahead that runs the model. It forks the text for each candidate, runs the forks in
 * one pass per step of depth, and asks the scorer what their logits are worth.
 *
 * With depth > 1 a fork of each fork is continued greedily, so the fork itself keeps one row and can be promoted. */
#ifndef SAMPLER_FUTURE_LOOKAHEAD_FORKS_H
#define SAMPLER_FUTURE_LOOKAHEAD_FORKS_H

#include "sampler/future/lookahead.h"

typedef struct {
    const Lookahead *lookahead;
    const LookaheadStep *step;
    Scorer scorer;
    Candidates *candidates;    /* items[i].branch is the fork of candidate i, or -1; scratch is used */
    LookaheadCandidate *items; /* (candidates->count,) the same tokens in the same order; worth is still the bound */
    bool refused;              /* the scorer returned a worth that is out of range */
} LookaheadForks;

/* Whether the session has room for the forks of k candidates. No more can be alive at the same time, so lazy and
 * eager evaluation fail in the same step, before anything is computed. Errors say what is missing. */
bool lookahead_forks_fit(const Lookahead *lookahead, const LookaheadStep *step, int k, Error *error);

/* worths[i] = the worth of candidate which[i] (its mean over the depth), i < m; not set for neutral candidates. Marks
 * all m as evaluated and fills their futures if the step reports them. Errors: logits that are not finite; a worth out
 * of range. In any case the caller drops the forks that were made. */
bool lookahead_forks_evaluate(LookaheadForks *forks, const int *which, int m, double *worths, Error *error);

/* Drops the fork of each candidate except `kept`; -1 drops all. */
void lookahead_forks_drop(const LookaheadForks *forks, int kept);

#endif

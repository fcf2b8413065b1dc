/* Step: what is to be told of a token that was drawn, for the trace, the colours and the explanation.
 * All of it is read between writer_draw and writer_advance. */
#ifndef SAMPLER_TEXT_STEP_H
#define SAMPLER_TEXT_STEP_H

#include "sampler/text/writer.h"

typedef struct {
    int token, position;
    double logprob; /* natural, of the model's own distribution, before anything was rewritten */
    int rank;       /* in that distribution, 1 for the likeliest; the lower id first among equals */
    double hhat;    /* NAN without lookahead */
} Step;

Step step_of(const Writer *writer, const Sequence *sequence);

/* The indices of the n likeliest candidates, in order; returns how many there are. n <= STEP_SHOWN */
#define STEP_SHOWN 10
int step_likeliest(const Candidates *candidates, int *which, int n);

/* p of items[i], renormalised over all that are there. */
double step_share(const Candidates *candidates, int i);

#endif

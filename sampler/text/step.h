/* Step: the figures of a token that was drawn, for traces, colours and explanations. All of it is read between
 * writer_draw and writer_advance. */
#ifndef SAMPLER_TEXT_STEP_H
#define SAMPLER_TEXT_STEP_H

#include "sampler/text/writer.h"

typedef struct {
    int token, position;
    double logprob; /* ln p in the model's own distribution, before any setting; nats */
    int rank;       /* in that distribution, 1 for the likeliest; the lower id first among equals */
    double hhat;    /* NAN without lookahead, or if the token was forced and not evaluated */
} Step;

Step step_of(const Writer *writer, const Sequence *sequence);

/* which: the indices of the n <= STEP_MOST likeliest candidates, in order; returns their number. */
#define STEP_MOST  64
#define STEP_SHOWN 10 /* in tables and traces */
int step_likeliest(const Candidates *candidates, int *which, int n);

/* p of items[i], renormalised over all present candidates. */
double step_share(const Candidates *candidates, int i);

#endif

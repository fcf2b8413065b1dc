/* Candidates: the tokens that may come next, and the stages that thin them out.
 *
 * prob is the natural probability: the softmax of the logits over the whole vocabulary. Truncation reads it as it is and
 * never renormalises it. Ties go to the lower token id, everywhere. No stage leaves fewer than one candidate, and none
 * sorts the vocabulary: they select, then sort only what they keep. */
#ifndef SAMPLER_CANDIDATES_H
#define SAMPLER_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/error.h"

typedef struct {
    int token;
    float logit, prob;
    int branch; /* the lookahead's fork for this token; -1 if none */
} Candidate;

typedef struct {
    Candidate *items; /* (count,) of (capacity,) */
    int count, capacity;
    bool sorted;    /* by logit, largest first, lower id first among equals */
    float *scratch; /* (capacity,) f32 */
} Candidates;

bool candidates_open(Candidates *candidates, int vocab_size, Error *error);
void candidates_close(Candidates *candidates);

/* Takes all n <= capacity logits, in token order, with their natural probabilities. The logits are finite. */
void candidates_from_logits(Candidates *candidates, const float *logits, int n);

void candidates_sort(Candidates *candidates);

/* Keeps the k largest, sorted. k <= 0 keeps all as they are. */
void candidates_top_k(Candidates *candidates, int k);
/* Keeps the shortest prefix, by probability, whose sum is at least p; the crossing token stays (Holtzman et al.,
 * 1904.09751). p >= 1 keeps all. */
void candidates_top_p(Candidates *candidates, float p);
/* Keeps those with prob >= p * (the largest prob) (Nguyen et al., 2407.01082). p <= 0 keeps all. */
void candidates_min_p(Candidates *candidates, float p);

/* The index of the likeliest. */
int candidates_argmax(const Candidates *candidates);

#endif

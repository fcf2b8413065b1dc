/* Candidates: the tokens that may come next, and the truncation stages that read only the order and the probabilities
 * (truncate.h has the other stages, plain_truncate.h each definition in a few lines).
 *
 * prob is the natural probability: the softmax of the logits over the whole vocabulary. Truncation never renormalises
 * it. Of equal candidates the lower token id always comes first. Each stage leaves at least one candidate. No stage
 * sorts the vocabulary: it selects, and sorts only what it keeps. */
#ifndef SAMPLER_CHAIN_CANDIDATES_H
#define SAMPLER_CHAIN_CANDIDATES_H

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
    float *scratch; /* (2 capacity,) f32 */
    /* Figures of the whole vocabulary. Truncation does not change them. */
    float max_logit;
    double log_sum;             /* ln sum exp(z - max_logit), so that -ln p = log_sum - (z - max_logit) */
    double entropy, varentropy; /* H = E[-ln p], nats; Var[-ln p], nats^2 */
    double logit_sigma;         /* standard deviation (population) of the finite logits */
} Candidates;

bool candidates_open(Candidates *candidates, int vocab_size, Error *error);
void candidates_close(Candidates *candidates);

/* Fills the items from all n <= capacity logits, in token order, and computes their natural probabilities. A logit is
 * finite, or -inf if the token is impossible; at least one is finite. */
void candidates_from_logits(Candidates *candidates, const float *logits, int n);

/* Computes the probabilities and the figures again, after the items' logits were rewritten. The present items count as
 * the whole vocabulary. They keep their order, token and branch. */
void candidates_refresh(Candidates *candidates);

/* -ln p of items[i], nats: exact even if p is too small for a float. */
double candidates_surprisal(const Candidates *candidates, int i);

/* ln of the sum of prob over the present items: exact even if each prob is too small for a float. */
double candidates_log_mass(const Candidates *candidates);

void candidates_sort(Candidates *candidates);

/* For stages that keep a prefix of unknown length. items[0, ready) are already the first ones in this order. Sorts
 * twice as many (64 at first), at most all, and returns the number of sorted items. */
typedef enum {
    ORDER_LOGIT,  /* largest logit first: what `sorted` means */
    ORDER_TYPICAL /* smallest |-ln p - H| first */
} CandidatesOrder;
int candidates_sort_run(Candidates *candidates, int ready, CandidatesOrder order);

/* Keeps the k largest, sorted. k <= 0 keeps all as they are. */
void candidates_top_k(Candidates *candidates, int k);
/* Keeps the shortest prefix, by probability, whose sum is at least p, including the token that reaches p (Holtzman et
 * al., 1904.09751). p >= 1 keeps all. A prefix of more than 64 is left unsorted. */
void candidates_top_p(Candidates *candidates, float p);
/* Keeps those with prob >= p * (the largest prob) (Nguyen et al., 2407.01082). p <= 0 keeps all. */
void candidates_min_p(Candidates *candidates, float p);
/* Keeps p >= floor, or the likeliest alone. */
void candidates_keep_probable(Candidates *candidates, double floor);

/* The index of the likeliest candidate. */
int candidates_argmax(const Candidates *candidates);

#endif

/* PlainTruncate: each truncation as its paper defines it, over sorted candidates. candidates.h and truncate.h keep the
 * same tokens without sorting the vocabulary; tests compare the two.
 *
 * Each function returns how many candidates it keeps, at least 1, and moves these to the front. p is prob, the natural
 * probability, which no stage renormalises; z is the logit; H and the other figures of all tokens are read from
 * `whole`. */
#ifndef SAMPLER_CHAIN_PLAIN_TRUNCATE_H
#define SAMPLER_CHAIN_PLAIN_TRUNCATE_H

#include "sampler/chain/candidates.h"

typedef struct {
    Candidate *items; /* (n,) as plain_sort leaves them */
    int n;
    const Candidates *whole; /* of the whole vocabulary: max_logit, log_sum, entropy, logit_sigma are read */
} PlainSet;

/* Likeliest first; the lower token first among equals. */
void plain_sort(Candidate *items, int n);

/* The k likeliest; k <= 0: all. */
int plain_top_k(PlainSet set, int k);
/* The shortest prefix whose sum of p is at least `mass`; >= 1: all (Holtzman et al., 1904.09751, section 3.1). */
int plain_top_p(PlainSet set, float mass);
/* p >= ratio * the largest p (Nguyen et al., 2407.01082). */
int plain_min_p(PlainSet set, float ratio);
/* The shortest prefix, in order of |-ln p - H|, whose sum of p is at least `mass` (Meister et al., 2202.00666). */
int plain_typical(PlainSet set, float mass);
/* p >= e (Hewitt et al., 2210.15191). */
int plain_epsilon(PlainSet set, float e);
/* p >= min(e, sqrt(e) exp(-H)) (the same paper). */
int plain_eta(PlainSet set, float e);
/* z >= z_max - n sigma (Tang et al., 2411.07641). */
int plain_top_nsigma(PlainSet set, float n);
/* The longest prefix whose entropy, renormalised, is at most a H (Bohora et al., 2509.02510). */
int plain_top_h(PlainSet set, float a);
/* -log2 p <= mu (Basu et al., 2007.14966; the form of llama.cpp's mirostat 2). */
int plain_mirostat(PlainSet set, double mu);
/* Drops all with p >= threshold except the least likely of them, where uniform < probability. Exempt tokens,
 * (vocab_size,), do not count (P. E. Weidmann, text-generation-webui, pull request 6335). */
int plain_xtc(PlainSet set, float probability, float threshold, double uniform, const bool *exempt);

#endif

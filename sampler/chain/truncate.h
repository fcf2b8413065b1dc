/* Truncation stages that read more than single probabilities: the entropy, the spread of the logits, a random number.
 *
 * The rules of candidates.h hold: probabilities and entropy are those of the whole vocabulary, even if candidates were
 * dropped before; of equal candidates the lower token id comes first; at least one candidate is left; the vocabulary is
 * not sorted. p is prob, z the logit, H the natural entropy in nats. A value that turns a stage off changes nothing.
 * plain_truncate.h has each definition in a few lines over sorted candidates. */
#ifndef SAMPLER_CHAIN_TRUNCATE_H
#define SAMPLER_CHAIN_TRUNCATE_H

#include "sampler/chain/candidates.h"

/* Orders by |-ln p - H| and keeps the shortest prefix whose sum of p is at least `mass`, including the token that
 * reaches it (Meister et al., "Locally typical sampling", 2202.00666). mass >= 1 keeps all. */
void candidates_typical(Candidates *candidates, float mass);

/* Keeps p >= e, or the likeliest alone (Hewitt et al., 2210.15191). e <= 0 keeps all. */
void candidates_epsilon(Candidates *candidates, float e);

/* Keeps p >= eta = min(e, sqrt(e) exp(-H)), or the likeliest alone: the floor falls as the entropy rises (the same
 * paper). e <= 0 keeps all. */
void candidates_eta(Candidates *candidates, float e);
double candidates_eta_floor(double e, double entropy);

/* Keeps z >= z_max - n sigma, sigma the population's standard deviation of the finite logits of the whole vocabulary
 * (Tang et al., "Top-n-sigma", 2411.07641). Logits that penalties rewrote count as rewritten. n <= 0 keeps all. */
void candidates_top_nsigma(Candidates *candidates, float n);

/* Adds tokens in order of p while H(q) <= a H, q the prefix renormalised (Bohora et al., "Top-H", 2509.02510).
 * The likeliest always stays. a >= 1 keeps all. */
void candidates_top_h(Candidates *candidates, float a);

/* Excludes the top choices, with the given probability: of all candidates with p >= threshold it keeps only the least
 * likely (of equal ones the highest id). If fewer than two reach the threshold, nothing changes (P. E. Weidmann,
 * text-generation-webui, pull request 6335).
 *   uniform   this step's random number in (0, 1)
 *   exempt    (vocab_size,) or NULL: tokens that are neither dropped nor counted. They are those that end the text or
 *             contain a newline; if the end of the text were a top choice, it could be the only one kept
 * probability 0 keeps all. */
void candidates_xtc(Candidates *candidates, float probability, float threshold, double uniform, const bool *exempt);

#endif

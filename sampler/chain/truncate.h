/* Truncation that reads more than one probability: the entropy, the spread of the logits, chance.
 *
 * As in candidates.h: on the natural scale (probabilities and entropy of the whole vocabulary, whatever was dropped
 * before), ties to the lower token id, never fewer than one candidate left, no sort of the vocabulary. p is prob, z the
 * logit, H the natural entropy in nats. Values at which a stage does nothing leave the candidates as they are. */
#ifndef SAMPLER_CHAIN_TRUNCATE_H
#define SAMPLER_CHAIN_TRUNCATE_H

#include "sampler/chain/candidates.h"

/* Orders by |-ln p - H| and keeps the shortest prefix whose sum of p is at least `mass`, the crossing token too
 * (Meister et al., "Locally typical sampling", 2202.00666). mass >= 1 keeps all. */
void candidates_typical(Candidates *candidates, float mass);

/* Keeps p >= e, or the likeliest alone (Hewitt et al., 2210.15191). e <= 0 keeps all. */
void candidates_epsilon(Candidates *candidates, float e);

/* Keeps p >= eta = min(e, sqrt(e) exp(-H)), or the likeliest alone: the floor falls where much is open (the same
 * paper). e <= 0 keeps all. */
void candidates_eta(Candidates *candidates, float e);
double candidates_eta_floor(double e, double entropy);

/* Keeps z >= z_max - n sigma, sigma the population's standard deviation of the finite logits of the whole vocabulary
 * (Tang et al., "Top-n-sigma", 2411.07641). Logits rewritten by penalties count as they are now. n <= 0 keeps all. */
void candidates_top_nsigma(Candidates *candidates, float n);

/* Adds tokens in order of p while H(q) <= a H, q the prefix renormalised (Bohora et al., "Top-H", 2509.02510).
 * The likeliest always stays. a >= 1 keeps all. */
void candidates_top_h(Candidates *candidates, float a);

/* Excludes the top choices, with the given probability: of all candidates with p >= threshold drops every one but the
 * last in order (least likely; the highest id among equals); does nothing unless two reach it (P. E. Weidmann,
 * text-generation-webui, pull request 6335). uniform: this step's draw in (0, 1). exempt (by token) or NULL: tokens that
 * take no part, neither dropped nor counted (end of text, newlines: else a text might be left nothing but its end).
 * probability 0 keeps all. */
void candidates_xtc(Candidates *candidates, float probability, float threshold, double uniform, const bool *exempt);

#endif

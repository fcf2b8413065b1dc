/* Mirostat, version 2: truncation steered so that the surprisal of what is drawn stays near tau (Basu et al., "Mirostat:
 * a neural text decoding algorithm that directly controls perplexity", 2007.14966). All here is in bits.
 *
 *   drop -log2 p > mu;  draw;  S = -log2 p(chosen, renormalised);  mu -= eta (S - tau);  mu = 2 tau at the start
 *
 * The state is plain data: it forks and rewinds with its sequence by `=`. */
#ifndef SAMPLER_CHAIN_MIROSTAT_H
#define SAMPLER_CHAIN_MIROSTAT_H

#include "sampler/chain/candidates.h"

typedef struct {
    double mu; /* bits */
} Mirostat;

Mirostat mirostat_start(double tau);

/* Drops -log2 p > mu, that is p < 2^-mu, of the natural probabilities; the likeliest stays. */
void mirostat_truncate(Mirostat mirostat, Candidates *candidates);

/* After items[chosen] was drawn from the candidates, which must be what was drawn from: moves mu, returns S. */
double mirostat_update(Mirostat *mirostat, double tau, double eta, const Candidates *candidates, int chosen);

#endif

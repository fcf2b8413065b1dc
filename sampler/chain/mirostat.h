/* Mirostat, version 2: a truncation whose limit mu adapts so that the mean surprisal of the drawn tokens stays near tau
 * (Basu et al., "Mirostat: a neural text decoding algorithm that directly controls perplexity", 2007.14966). All
 * quantities are in bits.
 *
 *   at the start    mu = 2 tau
 *   in each step    drop the candidates with -log2 p > mu; draw; S = -log2 p(chosen), renormalised; mu -= eta (S - tau)
 *
 * The state is plain data: copied with `=`, it forks and rewinds with its sequence. */
#ifndef SAMPLER_CHAIN_MIROSTAT_H
#define SAMPLER_CHAIN_MIROSTAT_H

#include "sampler/chain/candidates.h"

typedef struct {
    double mu; /* bits */
} Mirostat;

Mirostat mirostat_start(double tau);

/* Drops the candidates with -log2 p > mu, that is p < 2^-mu, where p is the natural probability. The likeliest
 * stays. */
void mirostat_truncate(Mirostat mirostat, Candidates *candidates);

/* Updates mu after items[chosen] was drawn from exactly these candidates. Returns S. */
double mirostat_update(Mirostat *mirostat, double tau, double eta, const Candidates *candidates, int chosen);

#endif

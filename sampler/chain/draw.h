/* The draw: one of the candidates, at random but not by chance. */
#ifndef SAMPLER_CHAIN_DRAW_H
#define SAMPLER_CHAIN_DRAW_H

#include <stdint.h>

#include "sampler/chain/candidates.h"

#define DRAW_GREEDY_BELOW 1e-4 /* a temperature that means argmax */

/* The index of the candidate drawn from softmax(logit / T) over those there are, by Gumbel-max with the noise of (seed,
 * token, position, sequence); the likeliest for T < 1e-4. */
int draw_candidate(const Candidates *candidates, double temperature, uint64_t seed, int position, int sequence);

#endif

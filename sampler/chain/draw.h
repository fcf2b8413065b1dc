/* The draw: one of the candidates, by random numbers that the seed determines. */
#ifndef SAMPLER_CHAIN_DRAW_H
#define SAMPLER_CHAIN_DRAW_H

#include <stdint.h>

#include "sampler/chain/candidates.h"

#define DRAW_GREEDY_BELOW 1e-4 /* a temperature that means argmax */

/* The index of a candidate drawn from softmax(logit / T) over the present candidates: the largest logit / T + Gumbel
 * noise of (seed, token, position, sequence). T < 1e-4 gives the likeliest. */
int draw_candidate(const Candidates *candidates, double temperature, uint64_t seed, int position, int sequence);

#endif

/* Noise: random numbers that are a function of what they are for, not of when they were asked for.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11), keyed by the seed, counted by
 * (token, position, sequence, stage). So a token's noise does not depend on which other candidates, branches or stages
 * were evaluated, or in what order. */
#ifndef SAMPLER_NOISE_H
#define SAMPLER_NOISE_H

#include <stdint.h>

typedef struct {
    uint32_t word[4];
} Philox;

Philox philox4x32(const uint32_t counter[4], const uint32_t key[2]);

typedef enum {
    NOISE_DRAW,
    NOISE_XTC
} NoiseStage; /* one number for each stage that draws, so that stages share nothing */

/* In (0, 1): (x + 0.5) / 2^32, x the first word. */
double noise_uniform(uint64_t seed, int token, int position, int sequence, NoiseStage stage);
/* Standard Gumbel: -ln(-ln u). argmax(logit / T + gumbel) is a draw from softmax(logit / T). */
double noise_gumbel(uint64_t seed, int token, int position, int sequence, NoiseStage stage);

#endif

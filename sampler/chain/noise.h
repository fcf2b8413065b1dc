/* Noise: random numbers that are a function of what they are for, not of when they were asked for.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11), keyed by the seed, counted by
 * (token, position, sequence, stage). So a token's noise does not depend on which other candidates, branches or stages
 * were evaluated, or in what order. */
#ifndef SAMPLER_CHAIN_NOISE_H
#define SAMPLER_CHAIN_NOISE_H

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

/* How a search may pass over most tokens without their noise. words[i] is the word x of tokens[i]; where a token's noise
 * is more than noise_bound(x) says there is a mistake: a few operations that compilers turn into vector instructions. */
void noise_words(uint32_t *restrict words, const int *restrict tokens, int n, uint64_t seed, int position, int sequence,
                 NoiseStage stage);

/* At least the Gumbel noise of x but for rounding (1e-4), and little more where that matters: .14 from 2 to 12. With
 * u = (x + .5) / 2^32: -ln u >= 1 - u, so the noise is at most -ln(1 - u); the highest 24 bits of 1 - u are not above it;
 * and the bits of a float, taken for a number, are its logarithm with straight lines between the powers of two, which run
 * below it. */
static inline float noise_bound(uint32_t x) {
    union {
        float value;
        int32_t bits;
    } rest = {(float)(int32_t)(~x >> 8)}; /* 2^24 (1 - u) */
    const float ln2 = 0.69314718f;
    return ln2 * (24 + 127) - ln2 / (1 << 23) * (float)rest.bits;
}

#endif

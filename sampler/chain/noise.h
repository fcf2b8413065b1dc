/* Noise: random numbers that are a function of their purpose, not of the order of the calls.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11): the key is the seed, the counter
 * is (token, position, sequence, stage). So a token's noise does not depend on which other candidates, branches or
 * stages were evaluated, or in what order. */
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
} NoiseStage; /* one per stage that draws, so that their random numbers are independent */

/* (x + 0.5) / 2^32 in (0, 1), where x is the first word. */
double noise_uniform(uint64_t seed, int token, int position, int sequence, NoiseStage stage);
/* Standard Gumbel: -ln(-ln u). argmax(logit / T + gumbel) is a draw from softmax(logit / T). */
double noise_gumbel(uint64_t seed, int token, int position, int sequence, NoiseStage stage);

/* words[i] = the first word x of tokens[i]. With noise_bound(x) a search rules out most tokens without computing their
 * noise; compilers turn both into vector instructions. */
void noise_words(uint32_t *restrict words, const int *restrict tokens, int n, uint64_t seed, int position, int sequence,
                 NoiseStage stage);

/* An upper bound of the Gumbel noise of x, except for rounding (1e-4). For noise from 2 to 12, where it matters, it is
 * at most .14 too large. With u = (x + .5) / 2^32: -ln u >= 1 - u, so the noise is at most -ln(1 - u); the highest 24
 * bits of 1 - u are not above it; and the bits of a float, read as an integer, are proportional to its logarithm
 * interpolated linearly between powers of two, which lies below the logarithm. */
static inline float noise_bound(uint32_t x) {
    union {
        float value;
        int32_t bits;
    } rest = {(float)(int32_t)(~x >> 8)}; /* 2^24 (1 - u) */
    const float ln2 = 0.69314718f;
    return ln2 * (24 + 127) - ln2 / (1 << 23) * (float)rest.bits;
}

#endif

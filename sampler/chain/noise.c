#include "sampler/chain/noise.h"

#include <math.h>

#include "sampler/chain/floats.h"

/* The constants of the paper's table 2: multipliers found by search, and a Weyl sequence for the key (from the golden
 * ratio and sqrt(3) - 1). */
typedef struct {
    uint32_t a, b, c, d;
} Words;

static inline Words next(Words x, uint32_t key0, uint32_t key1) {
    uint64_t product0 = (uint64_t)0xD2511F53 * x.a, product1 = (uint64_t)0xCD9E8D57 * x.c;
    return (Words){(uint32_t)(product1 >> 32) ^ x.b ^ key0, (uint32_t)product1, (uint32_t)(product0 >> 32) ^ x.d ^ key1,
                   (uint32_t)product0};
}

/* Ten rounds, unrolled: so compilers vectorise the loop over tokens. */
static inline Words mix(Words x, uint32_t key0, uint32_t key1) {
    const uint32_t step0 = 0x9E3779B9, step1 = 0xBB67AE85;
    x = next(x, key0, key1);
    x = next(x, key0 + step0, key1 + step1);
    x = next(x, key0 + 2 * step0, key1 + 2 * step1);
    x = next(x, key0 + 3 * step0, key1 + 3 * step1);
    x = next(x, key0 + 4 * step0, key1 + 4 * step1);
    x = next(x, key0 + 5 * step0, key1 + 5 * step1);
    x = next(x, key0 + 6 * step0, key1 + 6 * step1);
    x = next(x, key0 + 7 * step0, key1 + 7 * step1);
    x = next(x, key0 + 8 * step0, key1 + 8 * step1);
    return next(x, key0 + 9 * step0, key1 + 9 * step1);
}

Philox philox4x32(const uint32_t counter[4], const uint32_t key[2]) {
    Words x = mix((Words){counter[0], counter[1], counter[2], counter[3]}, key[0], key[1]);
    return (Philox){{x.a, x.b, x.c, x.d}};
}

CLONES void noise_words(uint32_t *restrict words, const int *restrict tokens, int n, uint64_t seed, int position,
                        int sequence, NoiseStage stage) {
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int i = 0; i < n; i++)
        words[i] =
            mix((Words){(uint32_t)tokens[i], (uint32_t)position, (uint32_t)sequence, (uint32_t)stage}, key0, key1).a;
}

double noise_uniform(uint64_t seed, int token, int position, int sequence, NoiseStage stage) {
    uint32_t counter[4] = {(uint32_t)token, (uint32_t)position, (uint32_t)sequence, (uint32_t)stage};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    return (philox4x32(counter, key).word[0] + 0.5) / 4294967296.0;
}

double noise_gumbel(uint64_t seed, int token, int position, int sequence, NoiseStage stage) {
    return -log(-log(noise_uniform(seed, token, position, sequence, stage)));
}

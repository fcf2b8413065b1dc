#include "sampler/noise.h"

#include <math.h>

/* The constants of the paper's table 2: multipliers found by search, and a Weyl sequence for the key (the golden ratio and
 * sqrt(3) - 1). */
Philox philox4x32(const uint32_t counter[4], const uint32_t key[2]) {
    Philox x = {{counter[0], counter[1], counter[2], counter[3]}};
    uint32_t key0 = key[0], key1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t product0 = (uint64_t)0xD2511F53 * x.word[0], product1 = (uint64_t)0xCD9E8D57 * x.word[2];
        x = (Philox){{(uint32_t)(product1 >> 32) ^ x.word[1] ^ key0, (uint32_t)product1,
                      (uint32_t)(product0 >> 32) ^ x.word[3] ^ key1, (uint32_t)product0}};
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
    }
    return x;
}

double noise_uniform(uint64_t seed, int token, int position, int sequence, NoiseStage stage) {
    uint32_t counter[4] = {(uint32_t)token, (uint32_t)position, (uint32_t)sequence, (uint32_t)stage};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    return (philox4x32(counter, key).word[0] + 0.5) / 4294967296.0;
}

double noise_gumbel(uint64_t seed, int token, int position, int sequence, NoiseStage stage) {
    return -log(-log(noise_uniform(seed, token, position, sequence, stage)));
}

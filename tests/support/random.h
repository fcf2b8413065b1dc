/* Random: a small deterministic generator for tests (splitmix64), the same numbers on every machine. For fuzz targets
 * it takes its numbers from given bytes instead, so that the fuzzer makes the choices: as few bytes a number as the
 * range needs, and zeros after the last one. */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t state;
    const uint8_t *bytes; /* NULL: the numbers come from state */
    size_t n_bytes;       /* left */
} Random;

Random random_from(uint64_t seed);
Random random_from_bytes(const uint8_t *bytes, size_t n_bytes); /* which must outlive it */
bool random_ended(const Random *random);                        /* no bytes are left */
uint64_t random_u64(Random *random);
int random_int(Random *random, int low, int high); /* low <= result <= high */
double random_unit(Random *random);                /* 0 <= result < 1 */
double random_normal(Random *random);              /* mean 0, variance 1 */
bool random_chance(Random *random, double probability);

#endif

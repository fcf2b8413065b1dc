/* Random: a small deterministic generator for tests (splitmix64), the same numbers on every machine. */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t state;
} Random;

Random random_from(uint64_t seed);
uint64_t random_u64(Random *random);
int random_int(Random *random, int low, int high); /* low <= result <= high */
double random_unit(Random *random);                /* 0 <= result < 1 */
double random_normal(Random *random);              /* mean 0, variance 1 */
bool random_chance(Random *random, double probability);

#endif

#include "tests/support/random.h"

#include <math.h>

Random random_from(uint64_t seed) { return (Random){seed * 0x9e3779b97f4a7c15u + 1}; }

uint64_t random_u64(Random *random) {
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int random_int(Random *random, int low, int high) {
    return low + (int)(random_u64(random) % (uint64_t)((int64_t)high - low + 1));
}

double random_unit(Random *random) { return (double)(random_u64(random) >> 11) * 0x1p-53; }

double random_normal(Random *random) {
    double radius = sqrt(-2 * log(1 - random_unit(random)));
    return radius * cos(2 * 3.14159265358979323846 * random_unit(random));
}

bool random_chance(Random *random, double probability) { return random_unit(random) < probability; }

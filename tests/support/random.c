#include "tests/support/random.h"

#include <math.h>

Random random_from(uint64_t seed) { return (Random){.state = seed * 0x9e3779b97f4a7c15u + 1}; }

Random random_from_bytes(const uint8_t *bytes, size_t n_bytes) { return (Random){0, bytes, n_bytes}; }

bool random_ended(const Random *random) { return random->bytes && random->n_bytes == 0; }

static uint64_t take_bytes(Random *random, int n) {
    uint64_t value = 0;
    for (int i = 0; i < n && random->n_bytes > 0; i++, random->n_bytes--) value = value << 8 | *random->bytes++;
    return value;
}

uint64_t random_u64(Random *random) {
    if (random->bytes) return take_bytes(random, 8);
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int random_int(Random *random, int low, int high) {
    uint64_t range = (uint64_t)((int64_t)high - low + 1);
    uint64_t drawn = random->bytes ? take_bytes(random, range <= 256 ? 1 : range <= 65536 ? 2 : 4) : random_u64(random);
    return low + (int)(drawn % range);
}

double random_unit(Random *random) {
    if (random->bytes) return (double)take_bytes(random, 1) / 256;
    return (double)(random_u64(random) >> 11) * 0x1p-53;
}

double random_normal(Random *random) {
    double radius = sqrt(-2 * log(1 - random_unit(random)));
    return radius * cos(2 * 3.14159265358979323846 * random_unit(random));
}

bool random_chance(Random *random, double probability) { return random_unit(random) < probability; }

#include <math.h>

#include "sampler/chain/noise.h"
#include "tests/support/test.h"

static void check_words(const uint32_t counter[4], const uint32_t key[2], const uint32_t expected[4]) {
    Philox x = philox4x32(counter, key);
    for (int i = 0; i < 4; i++) assert_int_equal(x.word[i], expected[i]);
}

/* The known answers from the library of the paper's authors. */
static void philox_known_answers(void **state) {
    (void)state;
    check_words((uint32_t[4]){0}, (uint32_t[2]){0}, (uint32_t[4]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    check_words((uint32_t[4]){~0u, ~0u, ~0u, ~0u}, (uint32_t[2]){~0u, ~0u},
                (uint32_t[4]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    check_words((uint32_t[4]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, (uint32_t[2]){0xa4093822, 0x299f31d0},
                (uint32_t[4]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

static void uniform_is_the_first_word(void **state) {
    (void)state;
    double expected = (0x6627e8d5u + 0.5) / 4294967296.0;
    assert_that(noise_uniform(0, 0, 0, 0, NOISE_DRAW), ==, expected);
    assert_that(noise_gumbel(0, 0, 0, 0, NOISE_DRAW), ==, -log(-log(expected)));
    /* Counter (token, position, sequence, stage) and key (low, high half of the seed), as the third known answer has
     * them. */
    expected = (0xd16cfe09u + 0.5) / 4294967296.0;
    assert_that(noise_uniform(0x299f31d0a4093822u, 0x243f6a88, (int)0x85a308d3, 0x13198a2e, (NoiseStage)0x03707344), ==,
                expected);
}

static void every_argument_matters(void **state) {
    (void)state;
    double base = noise_uniform(7, 1, 2, 3, NOISE_DRAW);
    assert_that(noise_uniform(8, 1, 2, 3, NOISE_DRAW), !=, base);
    assert_that(noise_uniform(7 + ((uint64_t)1 << 32), 1, 2, 3, NOISE_DRAW), !=, base);
    assert_that(noise_uniform(7, 2, 2, 3, NOISE_DRAW), !=, base);
    assert_that(noise_uniform(7, 1, 3, 3, NOISE_DRAW), !=, base);
    assert_that(noise_uniform(7, 1, 2, 4, NOISE_DRAW), !=, base);
    assert_that(noise_uniform(7, 1, 2, 3, (NoiseStage)1), !=, base);
}

/* Mean and variance of a standard Gumbel: Euler's constant and pi^2 / 6. */
static void gumbel_moments(void **state) {
    (void)state;
    enum { N = 200000 };
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double g = noise_gumbel(42, i % 1000, i / 1000, 0, NOISE_DRAW);
        assert_true(isfinite(g));
        sum += g;
        squares += g * g;
    }
    double mean = sum / N, variance = squares / N - mean * mean;
    assert_that(fabs(mean - 0.5772156649), <, 0.015);
    assert_that(fabs(variance - 1.6449340668), <, 0.03);
}

static void many_words_are_those_of_each(void **state) {
    (void)state;
    enum { MOST = 70 };
    int tokens[MOST];
    uint32_t words[MOST];
    for (int n = 1; n <= MOST; n++) {
        uint64_t seed = (uint64_t)n * 0x9E3779B97F4A7C15u;
        for (int i = 0; i < n; i++) tokens[i] = i * 7919 % 128000;
        noise_words(words, tokens, n, seed, n, n % 4, (NoiseStage)(n % 2));
        for (int i = 0; i < n; i++) {
            double u = noise_uniform(seed, tokens[i], n, n % 4, (NoiseStage)(n % 2));
            assert_that((words[i] + 0.5) / 4294967296.0, ==, u);
        }
    }
}

static void check_bound(uint32_t x) {
    double noise = -log(-log((x + 0.5) / 4294967296.0)), bound = noise_bound(x);
    assert_that(noise, <=, bound + 1e-4);
    if (noise > 2 && noise < 12) assert_that(bound, <, noise + .14);
}

/* All of the ends, where rounding is worst, and some of the middle. */
static void bounds_are_above_the_noise(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 300000; i++) {
        check_bound(i);
        check_bound(~i);
        check_bound(i * 14321 + 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),         cmocka_unit_test(uniform_is_the_first_word),
        cmocka_unit_test(every_argument_matters),       cmocka_unit_test(gumbel_moments),
        cmocka_unit_test(many_words_are_those_of_each), cmocka_unit_test(bounds_are_above_the_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

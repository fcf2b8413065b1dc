/* The draw: greedy, independent of order, and distributed as it says. */
#include <math.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/noise.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static Candidates open(const float *logits, int n) {
    Error error;
    Candidates candidates;
    must(candidates_open(&candidates, n, &error), &error);
    candidates_from_logits(&candidates, logits, n);
    return candidates;
}

static void no_temperature_takes_the_likeliest(void **state) {
    (void)state;
    Candidates c = open((float[]){0, 1, 3, 3, 2}, 5);
    for (int position = 0; position < 100; position++) {
        assert_int_equal(c.items[draw_candidate(&c, 0, 0, position, 0)].token, 2);
        assert_int_equal(c.items[draw_candidate(&c, 0.00009, 0, position, 0)].token, 2);
    }
    candidates_close(&c);
}

static void a_draw_does_not_depend_on_order(void **state) {
    (void)state;
    enum { N = 30 };
    float logits[N];
    for (int i = 0; i < N; i++) logits[i] = (float)(i * 7 % 5) / 2;
    Candidates c = open(logits, N);
    for (int position = 0; position < 500; position++) {
        candidates_from_logits(&c, logits, N);
        int token = c.items[draw_candidate(&c, 0.8, 7, position, 1)].token;
        for (int i = 0; i < N / 2; i++) {
            Candidate old = c.items[i];
            c.items[i] = c.items[N - 1 - i];
            c.items[N - 1 - i] = old;
        }
        assert_int_equal(c.items[draw_candidate(&c, 0.8, 7, position, 1)].token, token);
        candidates_sort(&c);
        assert_int_equal(c.items[draw_candidate(&c, 0.8, 7, position, 1)].token, token);
    }
    candidates_close(&c);
}

/* Chi-square over 100 000 draws, 7 degrees of freedom: 24.3 is passed by chance once in a thousand; the seeds are
 * fixed. */
static void draws_follow_the_softmax(void **state) {
    (void)state;
    enum { N = 9, DRAWS = 100000 };
    const float logits[N] = {0, 1, -1, .5f, 2, -.5f, 1.5f, 0, -INFINITY};
    const double temperatures[] = {0.5, 1, 2};
    for (int t = 0; t < 3; t++) {
        Candidates c = open(logits, N);
        double temperature = temperatures[t], weights[N], sum = 0, chi_square = 0;
        int counts[N] = {0};
        for (int i = 0; i < N; i++) sum += weights[i] = exp(logits[i] / temperature);
        for (int i = 0; i < DRAWS; i++)
            counts[c.items[draw_candidate(&c, temperature, 1234 + (uint64_t)t, i % 1000, i / 1000)].token]++;
        for (int i = 0; i < N - 1; i++) {
            double expected = DRAWS * weights[i] / sum;
            chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
        }
        assert_int_equal(counts[N - 1], 0);
        assert_that(chi_square, <, 24.3);
        candidates_close(&c);
    }
}

/* The definition: the noise of every candidate, whatever its logit. */
static int naive_draw(const Candidates *c, double temperature, uint64_t seed, int position, int sequence) {
    int best = candidates_argmax(c);
    double best_key = -INFINITY;
    for (int i = 0; i < c->count; i++) {
        const Candidate *item = &c->items[i];
        double key = item->logit / temperature + noise_gumbel(seed, item->token, position, sequence, NOISE_DRAW);
        if (key > best_key || (key == best_key && item->token < c->items[best].token)) best = i, best_key = key;
    }
    return best;
}

static void fill_logits(Random *random, float *logits, int n) {
    float spread = (float)pow(10, 4 * random_unit(random) - 2), level = random_chance(random, 0.3) ? 3e4f : 0;
    bool ties = random_chance(random, 0.3), huge = random_chance(random, 0.05);
    for (int i = 0; i < n; i++) {
        double z = random_unit(random) + random_unit(random) + random_unit(random) - 1.5;
        logits[i] = level + spread * (float)(ties ? round(4 * z) : z);
        if (huge) logits[i] *= 1e30f;
        if (random_chance(random, 0.05)) logits[i] = -INFINITY;
    }
    logits[random_int(random, 0, n - 1)] = level;
}

static void most_noise_is_not_needed(void **state) {
    (void)state;
    enum { MOST = 3000, CASES = 6000 };
    static float logits[MOST];
    static const double temperatures[] = {1.01e-4, 1e-3, .1, .7, 1, 1, 1.5, 10, 1e4, 1e30, 1e300};
    Random random = random_from(5);
    Candidates c;
    Error error;
    must(candidates_open(&c, MOST, &error), &error);
    for (int i = 0; i < CASES; i++) {
        int n = random_int(&random, 1, random_chance(&random, 0.1) ? MOST : 200);
        double temperature = temperatures[random_int(&random, 0, 10)];
        uint64_t seed = random_u64(&random);
        fill_logits(&random, logits, n);
        candidates_from_logits(&c, logits, n);
        if (random_chance(&random, 0.3)) candidates_top_k(&c, random_int(&random, 1, n));
        int expected = naive_draw(&c, temperature, seed, i, i % 3);
        assert_int_equal(draw_candidate(&c, temperature, seed, i, i % 3), expected);
    }
    candidates_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_temperature_takes_the_likeliest),
        cmocka_unit_test(a_draw_does_not_depend_on_order),
        cmocka_unit_test(draws_follow_the_softmax),
        cmocka_unit_test(most_noise_is_not_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

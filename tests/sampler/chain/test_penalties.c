#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sampler/chain/penalties.h"
#include "tests/support/logits.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/test.h"

enum { VOCABULARY = 40, MAX_TEXT = 160 };

static const DryPenalty usual_dry = {.multiplier = .8f, .base = 1.75f, .allowed = 2};

static Candidates from(const float *logits, int n) {
    Candidates c = open_candidates(n);
    candidates_from_logits(&c, logits, n);
    return c;
}

static void check_logits(const Candidates *c, const float *expected) {
    for (int i = 0; i < c->count; i++) {
        assert_int_equal(c->items[i].token, i);
        if (!(c->items[i].logit == expected[i])) fail_msg("token %d: %g, not %g", i, c->items[i].logit, expected[i]);
    }
}

static void repeat_by_hand(void **state) {
    (void)state;
    Candidates c = from((float[]){2, -2, 0, 4, -INFINITY}, 5);
    const int text[] = {3, 0, 1, 0, 4, 0};
    penalties_repeat(&c, text, 6, (RepeatPenalty){.last_n = 5, .repeat = 2, .frequency = .5f, .presence = .25f});
    /* 0: three times, 2 / 2 - 1.5 - .25; 1: once, -2 * 2 - .5 - .25; 3 is further back */
    check_logits(&c, (float[]){-.75f, -4.75f, 0, 4, -INFINITY});
    assert_false(c.sorted);
    candidates_from_logits(&c, (float[]){2, -2, 0, 4, -INFINITY}, 5);
    penalties_repeat(&c, text, 6, (RepeatPenalty){.last_n = -1, .repeat = 1, .frequency = 1});
    check_logits(&c, (float[]){-1, -3, 0, 3, -INFINITY});
    candidates_close(&c);
}

static void dry_by_hand(void **state) {
    (void)state;
    enum { A, B, C, D, E, STOP };
    float zero[6] = {0};
    Candidates c = from(zero, 6);
    int scratch[16];
    /* A B C occurs at the end and before D; B C also before E. */
    const int text[] = {A, B, C, D, E, B, C, E, A, B, C};
    penalties_dry(&c, text, 11, usual_dry, NULL, scratch);
    check_logits(&c, (float[]){0, 0, 0, -.8f * 1.75f, -.8f, 0});
    /* a breaker in the match: what is left of it, C, is shorter than allowed */
    bool breakers[6] = {[B] = true};
    candidates_from_logits(&c, zero, 6);
    penalties_dry(&c, text, 11, usual_dry, breakers, scratch);
    check_logits(&c, zero);
    /* a breaker that would follow may follow */
    candidates_from_logits(&c, zero, 6);
    penalties_dry(&c, text, 11, usual_dry, (bool[6]){[D] = true}, scratch);
    check_logits(&c, (float[]){0, 0, 0, 0, -.8f, 0});
    /* matches may overlap what they match: A A A A at lengths 1, 2, 3; the longest counts, once */
    candidates_from_logits(&c, zero, 6);
    penalties_dry(&c, (int[]){A, A, A, A}, 4, usual_dry, NULL, scratch);
    check_logits(&c, (float[]){-.8f * 1.75f, 0, 0, 0, 0, 0});
    candidates_close(&c);
}

static void a_long_repetition_stays_finite(void **state) {
    (void)state;
    enum { N = 3000 };
    static int text[N], scratch[N]; /* all zeros */
    Candidates c = from((float[]){5, 1}, 2);
    penalties_dry(&c, text, N, usual_dry, NULL, scratch);
    assert_true(isfinite(c.items[0].logit));
    assert_that(c.items[0].logit, <, -1e29f);
    assert_that(c.items[1].logit, ==, 1);
    candidates_refresh(&c);
    assert_that(c.items[0].prob, ==, 0);
    assert_that(c.items[1].prob, ==, 1);
    assert_that(c.entropy, ==, 0);
    candidates_close(&c);
}

/* The largest and the smallest floats, under the largest penalties: finite logits stay finite, excluded ones excluded.
 * */
static void extreme_logits_stay_finite(void **state) {
    (void)state;
    const float extreme[] = {FLT_MAX, -FLT_MAX, 1e-45f, 0, -INFINITY};
    const int text[] = {0, 1, 2, 3, 4};
    int scratch[5];
    const float numbers[] = {-100, -1e-45f, 0, 1e-45f, 100};
    Candidates c = open_candidates(5);
    for (int i = 0; i < 5 * 5 * 3; i++) {
        RepeatPenalty repeat = {-1, (float[]){0.01f, 1, 100}[i % 3], numbers[i / 3 % 5], numbers[i / 15]};
        candidates_from_logits(&c, extreme, 5);
        penalties_repeat(&c, text, 5, repeat);
        penalties_dry(&c, text, 5, (DryPenalty){1e-45f, 10, 1}, NULL, scratch);
        penalties_dry(&c, (int[]){1, 1, 1}, 3, (DryPenalty){100, 10, 1}, NULL, scratch);
        assert_true(penalties_bias(&c, (LogitBias[]){{0, 1e30f}, {1, -1e30f}, {0, 1e30f}, {1, -1e30f}}, 4));
        for (int t = 0; t < 4; t++) assert_true(isfinite(c.items[t].logit));
        assert_that(c.items[4].logit, ==, -INFINITY);
        candidates_refresh(&c);
        assert_true(isfinite(c.entropy) && isfinite(c.varentropy) && isfinite(c.logit_sigma));
    }
    candidates_close(&c);
}

static void ngram_by_hand(void **state) {
    (void)state;
    float zero[5] = {0};
    const int text[] = {0, 1, 2, 0, 1, 3, 0, 1};
    Candidates c = from(zero, 5);
    assert_true(penalties_no_repeat_ngram(&c, text, 8, 3));
    check_logits(&c, (float[]){0, 0, -INFINITY, -INFINITY, 0});
    candidates_from_logits(&c, zero, 5);
    assert_true(penalties_no_repeat_ngram(&c, text, 8, 4)); /* 3 0 1 is new */
    check_logits(&c, zero);
    assert_true(penalties_no_repeat_ngram(&c, text, 8, 9)); /* longer than the text */
    assert_true(penalties_no_repeat_ngram(&c, text, 0, 1));
    check_logits(&c, zero);
    assert_true(penalties_no_repeat_ngram(&c, text, 8, 1));
    check_logits(&c, (float[]){-INFINITY, -INFINITY, -INFINITY, -INFINITY, 0});
    assert_false(penalties_no_repeat_ngram(&c, (int[]){4}, 1, 1)); /* and now nothing is left */
    candidates_close(&c);
}

static void bias_by_hand(void **state) {
    (void)state;
    Candidates c = from((float[]){1, 2, 3}, 3);
    assert_true(penalties_bias(&c, (LogitBias[]){{2, -.5f}, {0, 4}, {2, -1}}, 3));
    check_logits(&c, (float[]){5, 2, 1.5f});
    assert_true(penalties_bias(&c, (LogitBias[]){{0, -INFINITY}, {1, -INFINITY}}, 2));
    check_logits(&c, (float[]){-INFINITY, -INFINITY, 1.5f});
    candidates_refresh(&c);
    assert_that(c.items[2].prob, ==, 1);
    assert_that(c.items[0].prob, ==, 0);
    assert_that(c.entropy, ==, 0);
    assert_true(penalties_bias(&c, (LogitBias[]){{0, 100}}, 1)); /* banned is banned */
    check_logits(&c, (float[]){-INFINITY, -INFINITY, 1.5f});
    assert_false(penalties_bias(&c, (LogitBias[]){{2, -INFINITY}}, 1));
    candidates_close(&c);
}

/* The plain twins look at every token of the vocabulary and at every place in the text. */
static int count_of(const int *tokens, int first, int n, int token) {
    int count = 0;
    for (int i = first; i < n; i++) count += tokens[i] == token;
    return count;
}

static void twin_repeat(float *z, const int *tokens, int n, RepeatPenalty penalty) {
    int first = penalty.last_n < 0 || penalty.last_n > n ? 0 : n - penalty.last_n;
    for (int token = 0; token < VOCABULARY; token++) {
        int count = count_of(tokens, first, n, token);
        if (count == 0) continue;
        z[token] = z[token] > 0 ? z[token] / penalty.repeat : z[token] * penalty.repeat;
        z[token] -= (float)count * penalty.frequency + penalty.presence;
    }
}

/* The longest run before `token`, somewhere in the text, that also ends the text and holds no breaker. */
static int longest_match(const int *tokens, int n, int token, const bool *breakers) {
    int longest = 0;
    for (int i = 0; i < n; i++) {
        if (tokens[i] != token) continue;
        int length = 0;
        while (length < i && tokens[i - 1 - length] == tokens[n - 1 - length] && !breakers[tokens[i - 1 - length]])
            length++;
        if (length > longest) longest = length;
    }
    return longest;
}

static void twin_dry(float *z, const int *tokens, int n, DryPenalty penalty, const bool *breakers) {
    for (int token = 0; token < VOCABULARY; token++) {
        int length = longest_match(tokens, n, token, breakers);
        if (length < penalty.allowed || breakers[token]) continue;
        z[token] -= (float)fmin(penalty.multiplier * pow(penalty.base, length - penalty.allowed), 1e30);
    }
}

static void twin_ngram(float *z, const int *tokens, int n, int size) {
    int *extended = malloc((size_t)(n + 1) * sizeof *extended);
    assert_non_null(extended);
    if (n > 0) memcpy(extended, tokens, (size_t)n * sizeof *tokens);
    for (int token = 0; token < VOCABULARY && size > 0; token++) {
        extended[n] = token;
        for (int i = 0; i + size <= n; i++)
            if (memcmp(tokens + i, extended + n + 1 - size, (size_t)size * sizeof *tokens) == 0) z[token] = -INFINITY;
    }
    free(extended);
}

/* Few distinct tokens in some texts, many in others; some repeat a stretch of themselves. */
static int random_text(Random *random, int *tokens) {
    int n = random_int(random, 0, MAX_TEXT),
        distinct = random_int(random, 1, random_chance(random, .5) ? 3 : VOCABULARY);
    for (int i = 0; i < n; i++) {
        tokens[i] = random_int(random, 0, distinct - 1);
        if (i > 20 && random_chance(random, .1)) {
            int from_there = random_int(random, 0, i - 1);
            for (int j = 0; j < 8 && i + 1 < n; j++, i++) tokens[i + 1] = tokens[from_there + j];
        }
    }
    return n;
}

static void each_equals_its_twin(void **state) {
    (void)state;
    int text[MAX_TEXT], scratch[MAX_TEXT];
    float logits[VOCABULARY];
    Random random = random_from(31);
    Candidates c = open_candidates(VOCABULARY);
    int penalised = 0;
    for (int round = 0; round < 4000; round++) {
        int n = random_text(&random, text), size = random_int(&random, -1, 6);
        RepeatPenalty repeat = {random_int(&random, -1, 200), (float)random_unit(&random) + .5f,
                                (float)random_unit(&random), (float)random_unit(&random)};
        DryPenalty dry = {(float)random_unit(&random), 1 + (float)random_unit(&random), random_int(&random, 1, 5)};
        bool breakers[VOCABULARY];
        for (int i = 0; i < VOCABULARY; i++) breakers[i] = round % 2 && random_chance(&random, .2);
        random_logits(&random, logits, VOCABULARY);
        candidates_from_logits(&c, logits, VOCABULARY);
        for (int i = 0; i < VOCABULARY; i++) c.scratch[i] = 1e9f; /* nothing relies on what is in there */

        penalties_repeat(&c, text, n, repeat);
        twin_repeat(logits, text, n, repeat);
        check_logits(&c, logits);
        float before[VOCABULARY];
        memcpy(before, logits, sizeof before);
        penalties_dry(&c, text, n, dry, round % 2 ? breakers : NULL, scratch);
        twin_dry(logits, text, n, dry, breakers);
        check_logits(&c, logits);
        penalised += memcmp(before, logits, sizeof before) != 0;
        bool left = penalties_no_repeat_ngram(&c, text, n, size), expected = false;
        twin_ngram(logits, text, n, size);
        check_logits(&c, logits);
        for (int i = 0; i < VOCABULARY; i++) expected |= logits[i] > -INFINITY;
        assert_int_equal(left, expected);
    }
    assert_that(penalised, >, 1000); /* the texts do repeat themselves */
    candidates_close(&c);
}

static void off_values_change_nothing(void **state) {
    (void)state;
    int text[MAX_TEXT], scratch[MAX_TEXT];
    float logits[VOCABULARY];
    Random random = random_from(32);
    Candidates c = open_candidates(VOCABULARY);
    for (int round = 0; round < 300; round++) {
        int n = random_text(&random, text);
        random_logits(&random, logits, VOCABULARY);
        candidates_from_logits(&c, logits, VOCABULARY);
        penalties_repeat(&c, text, n, (RepeatPenalty){.last_n = -1, .repeat = 1});
        penalties_repeat(&c, text, n, (RepeatPenalty){.last_n = 0, .repeat = 3, .frequency = 1, .presence = 1});
        penalties_dry(&c, text, n, (DryPenalty){.multiplier = 0, .base = 2, .allowed = 1}, NULL, scratch);
        assert_true(penalties_no_repeat_ngram(&c, text, n, 0));
        assert_true(penalties_bias(&c, NULL, 0));
        check_logits(&c, logits);
    }
    candidates_close(&c);
}

/* What only subtracts does not care for a constant: logits and penalties are multiples of 1/8 here, so exact. */
static void a_constant_changes_nothing(void **state) {
    (void)state;
    int text[MAX_TEXT], scratch[MAX_TEXT];
    float logits[VOCABULARY], shifted[VOCABULARY];
    Random random = random_from(33);
    Candidates c = open_candidates(VOCABULARY), d = open_candidates(VOCABULARY);
    RepeatPenalty repeat = {.last_n = 64, .repeat = 1, .frequency = .125f, .presence = .5f};
    DryPenalty dry = {.multiplier = .5f, .base = 1, .allowed = 2};
    for (int round = 0; round < 300; round++) {
        int n = random_text(&random, text);
        for (int i = 0; i < VOCABULARY; i++) shifted[i] = (logits[i] = (float)random_int(&random, 0, 80) / 8) + 16;
        candidates_from_logits(&c, logits, VOCABULARY);
        candidates_from_logits(&d, shifted, VOCABULARY);
        Candidates *both[] = {&c, &d};
        for (int i = 0; i < 2; i++) {
            penalties_repeat(both[i], text, n, repeat);
            penalties_dry(both[i], text, n, dry, NULL, scratch);
            candidates_refresh(both[i]);
        }
        for (int i = 0; i < VOCABULARY; i++) assert_that(c.items[i].prob, ==, d.items[i].prob);
        assert_that(c.entropy, ==, d.entropy);
    }
    candidates_close(&c);
    candidates_close(&d);
}

/* A text of one repeated token is the worst case of a search that compares from each position: 10^10 comparisons. */
static void the_worst_text_takes_linear_time(void **state) {
    (void)state;
    enum { N = 200000 };
    int *text = calloc(N, sizeof *text), *scratch = calloc(N, sizeof *scratch);
    assert_true(text && scratch);
    Candidates c = from((float[]){0, 0, 0}, 3);
    long alive = memory_hooks_alive();
    memory_hooks_fail_at(1); /* and nothing is allocated */
    clock_t begin = clock();
    for (int i = 0; i < 5; i++) penalties_dry(&c, text, N, usual_dry, NULL, scratch);
    penalties_repeat(&c, text, N, (RepeatPenalty){.last_n = -1, .repeat = 1.1f});
    penalties_no_repeat_ngram(&c, text, N, 4);
    assert_that((double)(clock() - begin) / CLOCKS_PER_SEC, <, 2);
    assert_int_equal(memory_hooks_count(), 0);
    assert_int_equal(memory_hooks_alive(), alive);
    memory_hooks_fail_at(0);
    candidates_close(&c);
    free(text);
    free(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeat_by_hand),
        cmocka_unit_test(dry_by_hand),
        cmocka_unit_test(a_long_repetition_stays_finite),
        cmocka_unit_test(extreme_logits_stay_finite),
        cmocka_unit_test(ngram_by_hand),
        cmocka_unit_test(bias_by_hand),
        cmocka_unit_test(each_equals_its_twin),
        cmocka_unit_test(off_values_change_nothing),
        cmocka_unit_test(a_constant_changes_nothing),
        cmocka_unit_test(the_worst_text_takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

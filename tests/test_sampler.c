#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sampler/sampler.h"

static void set(Sampler *sampler, const char *name, const char *value) {
    Error error;
    assert_true(sampler_set(sampler, name, value, &error));
}

static void prints_the_chain(void **state) {
    (void)state;
    char text[200];
    Sampler sampler = sampler_default();
    sampler.seed = 42;
    int length = sampler_print(&sampler, text, sizeof text);
    assert_string_equal(text, "top-k 40 -> top-p 0.95 -> min-p 0.05 -> temp 0.8 -> draw, seed 42");
    assert_int_equal(length, strlen(text));

    char whole[200];
    strcpy(whole, text);
    for (size_t capacity = 0; capacity <= strlen(whole) + 1; capacity++) {
        memset(text, '#', sizeof text);
        assert_int_equal(sampler_print(&sampler, text, capacity), length);
        size_t cut = capacity ? capacity - 1 : 0;
        assert_memory_equal(text, whole, cut);
        assert_int_equal(text[cut], capacity ? '\0' : '#');
        assert_int_equal(text[cut + 1], '#');
    }

    set(&sampler, "top-k", "0");
    set(&sampler, "top-p", "1");
    set(&sampler, "temp", "1");
    sampler.seed = UINT64_MAX;
    sampler_print(&sampler, text, sizeof text);
    assert_string_equal(text, "min-p 0.05 -> draw, seed 18446744073709551615");
    set(&sampler, "min-p", "0");
    set(&sampler, "temp", "0");
    sampler_print(&sampler, text, sizeof text);
    assert_string_equal(text, "greedy, seed 18446744073709551615");
}

static void refuses(const char *name, const char *value, const char *message) {
    Error error;
    Sampler sampler = sampler_default(), before = sampler;
    assert_false(sampler_set(&sampler, name, value, &error));
    assert_string_equal(error.message, message);
    assert_memory_equal(&sampler, &before, sizeof sampler);
}

static void parses_strictly(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    set(&sampler, "top-k", "1000000");
    set(&sampler, "temp", "1e-1");
    assert_true(sampler.value[0] == 1000000 && sampler_temperature(&sampler) == 0.1f);
    refuses("top-q", "1", "--top-q: no such sampler stage: expected one of top-k, top-p, min-p, temp");
    refuses("top-p", "1.5", "--top-p: expected a number from 0 to 1, got '1.5'");
    refuses("top-p", "", "--top-p: expected a number from 0 to 1, got ''");
    refuses("top-p", ".5x", "--top-p: expected a number from 0 to 1, got '.5x'");
    refuses("top-p", " .5", "--top-p: expected a number from 0 to 1, got ' .5'");
    refuses("min-p", "nan", "--min-p: expected a number from 0 to 1, got 'nan'");
    refuses("min-p", "-0.1", "--min-p: expected a number from 0 to 1, got '-0.1'");
    refuses("temp", "inf", "--temp: expected a number from 0 to 100, got 'inf'");
    refuses("top-k", "1.5", "--top-k: expected a whole number from 0 to 1000000, got '1.5'");
    refuses("top-k", "1000001", "--top-k: expected a whole number from 0 to 1000000, got '1000001'");
}

static Candidates open(const float *logits, int n) {
    Error error;
    Candidates candidates;
    assert_true(candidates_open(&candidates, n, &error));
    candidates_from_logits(&candidates, logits, n);
    return candidates;
}

static void applies_in_order(void **state) {
    (void)state;
    /* p = .5 .25 .125 .125: top-k 3 keeps 0 1 2; top-p .8 needs all of them; min-p .3 then drops 2. */
    Candidates c = open((float[]){logf(4), logf(2), 0, 0}, 4);
    Sampler sampler = sampler_default();
    set(&sampler, "top-k", "3");
    set(&sampler, "top-p", ".8");
    set(&sampler, "min-p", ".3");
    sampler_apply(&sampler, &c);
    assert_int_equal(c.count, 2);
    assert_int_equal(c.items[1].token, 1);
    candidates_close(&c);
}

static void no_temperature_takes_the_likeliest(void **state) {
    (void)state;
    Candidates c = open((float[]){0, 1, 3, 3, 2}, 5);
    Sampler sampler = sampler_default();
    for (int position = 0; position < 100; position++) {
        set(&sampler, "temp", "0");
        assert_int_equal(c.items[sampler_draw(&sampler, &c, position, 0)].token, 2);
        set(&sampler, "temp", "0.00009");
        assert_int_equal(c.items[sampler_draw(&sampler, &c, position, 0)].token, 2);
    }
    candidates_close(&c);
}

static void a_draw_does_not_depend_on_order(void **state) {
    (void)state;
    enum { N = 30 };
    float logits[N];
    for (int i = 0; i < N; i++) logits[i] = (float)(i * 7 % 5) / 2;
    Candidates c = open(logits, N);
    Sampler sampler = sampler_default();
    for (int position = 0; position < 500; position++) {
        candidates_from_logits(&c, logits, N);
        int token = c.items[sampler_draw(&sampler, &c, position, 1)].token;
        for (int i = 0; i < N / 2; i++) {
            Candidate old = c.items[i];
            c.items[i] = c.items[N - 1 - i];
            c.items[N - 1 - i] = old;
        }
        assert_int_equal(c.items[sampler_draw(&sampler, &c, position, 1)].token, token);
        candidates_sort(&c);
        assert_int_equal(c.items[sampler_draw(&sampler, &c, position, 1)].token, token);
    }
    candidates_close(&c);
}

/* Chi-square over 100 000 draws, 7 degrees of freedom: 24.3 is passed by chance once in a thousand; the seeds are fixed. */
static void draws_follow_the_softmax(void **state) {
    (void)state;
    enum { N = 9, DRAWS = 100000 };
    const float logits[N] = {0, 1, -1, .5f, 2, -.5f, 1.5f, 0, -INFINITY};
    const char *temperatures[] = {"0.5", "1", "2"};
    for (int t = 0; t < 3; t++) {
        Candidates c = open(logits, N);
        Sampler sampler = sampler_default();
        sampler.seed = 1234 + (uint64_t)t;
        set(&sampler, "temp", temperatures[t]);
        double temperature = sampler_temperature(&sampler), weights[N], sum = 0, chi_square = 0;
        int counts[N] = {0};
        for (int i = 0; i < N; i++) sum += weights[i] = exp(logits[i] / temperature);
        for (int i = 0; i < DRAWS; i++) counts[c.items[sampler_draw(&sampler, &c, i % 1000, i / 1000)].token]++;
        for (int i = 0; i < N - 1; i++) {
            double expected = DRAWS * weights[i] / sum;
            chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
        }
        assert_int_equal(counts[N - 1], 0);
        assert_true(chi_square < 24.3);
        candidates_close(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_the_chain),
        cmocka_unit_test(parses_strictly),
        cmocka_unit_test(applies_in_order),
        cmocka_unit_test(no_temperature_takes_the_likeliest),
        cmocka_unit_test(a_draw_does_not_depend_on_order),
        cmocka_unit_test(draws_follow_the_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

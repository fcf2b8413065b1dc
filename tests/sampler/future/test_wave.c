#include <math.h>
#include <string.h>

#include "sampler/sampler.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static Wave parsed(const char *text) {
    Wave wave = wave_default();
    Error error = {.message = ""};
    must(wave_parse(&wave, text, &error), &error);
    return wave;
}

static void check_parse(const char *text, const char *expected) {
    char out[160];
    Wave wave = parsed(text), again;
    assert_int_equal(wave_print(&wave, out, sizeof out), strlen(expected));
    assert_string_equal(out, expected);
    again = parsed(out);
    assert_memory_equal(&again, &wave, sizeof wave);
}

static void printed_waves_read_back(void **state) {
    (void)state;
    check_parse("sine:1:60", "sine:1:60:0:0");
    check_parse("triangle:.5:12.5:3", "triangle:0.5:12.5:3:0");
    check_parse("square:-1:1e3:-0.1:.25", "square:-1:1000:-0.1:0.25");
    check_parse("ramp:0.3333333333333333:7:0.1:1", "ramp:0.3333333333333333:7:0.1:1");
    Wave usual = wave_default(), wave = parsed("sine:1:60:0:0");
    assert_memory_equal(&usual, &wave, sizeof wave);
    char cut[5];
    assert_int_equal(wave_print(&wave, cut, sizeof cut), 13);
    assert_string_equal(cut, "sine");
}

static void check_refused(const char *text, const char *message) {
    Wave wave = wave_default(), before = wave;
    Error error = {.message = ""};
    assert_false(wave_parse(&wave, text, &error));
    assert_string_equal(error.message, message);
    assert_memory_equal(&wave, &before, sizeof wave);
}

static void wrong_waves_are_refused(void **state) {
    (void)state;
#define FORM "wave: expected SHAPE:AMPLITUDE:PERIOD[:PHASE[:BIAS]], got "
    check_refused("", FORM "''");
    check_refused("sine", FORM "'sine'");
    check_refused("sine:1", FORM "'sine:1'");
    check_refused("sine:1:2:3:4:5", FORM "'sine:1:2:3:4:5'");
    check_refused("saw:1:60", "wave: no such shape 'saw': expected sine, triangle, square or ramp");
    check_refused("sin:1:60", "wave: no such shape 'sin': expected sine, triangle, square or ramp");
    check_refused("sine:1:0", "wave: period: expected a number above 0 and at most 1000000, got '0'");
    check_refused("sine:1:-6", "wave: period: expected a number above 0 and at most 1000000, got '-6'");
    check_refused("sine:1:nan", "wave: period: expected a number above 0 and at most 1000000, got 'nan'");
    check_refused("sine:11:60", "wave: amplitude: expected a number from -10 to 10, got '11'");
    check_refused("sine::60", "wave: amplitude: expected a number from -10 to 10, got ''");
    check_refused("sine:0x1:60", "wave: amplitude: expected a number from -10 to 10, got '0x1'");
    check_refused("sine: 1:60", "wave: amplitude: expected a number from -10 to 10, got ' 1'");
    check_refused("sine:1:60:1e7", "wave: phase: expected a number from -1000000 to 1000000, got '1e7'");
    check_refused("sine:1:60:", "wave: phase: expected a number from -1000000 to 1000000, got ''");
    check_refused("sine:1:60:0:1-", "wave: bias: expected a number from -10 to 10, got '1-'");
}

static void the_clock_is_read(void **state) {
    (void)state;
    const char *const units[WAVE_UNITS] = {"token", "word", "sentence", "line"};
    const char *const shapes[WAVE_SHAPES] = {"sine", "triangle", "square", "ramp"};
    Sampler sampler = sampler_default();
    Error error = {.message = ""};
    for (int i = 0; i < WAVE_UNITS; i++) {
        must_set(&sampler, "wave-clock", units[i]);
        assert_int_equal(sampler.wave.clock, i);
    }
    must_set(&sampler, "wave", "sine:1:9"); /* settings may come in any order */
    assert_int_equal(sampler.wave.clock, WAVE_LINE);
    assert_false(sampler_set(&sampler, "wave-clock", "words", &error));
    assert_string_equal(error.message, "wave-clock: expected one of token|word|sentence|line, got 'words'");
    for (int i = 0; i < WAVE_SHAPES; i++) {
        char text[32] = "";
        strcat(strcat(text, shapes[i]), ":1:2");
        assert_int_equal(parsed(text).shape, i);
    }
}

/* The table of the header, exactly. */
static void quarters_of_the_period_have_their_values(void **state) {
    (void)state;
    double expected[WAVE_SHAPES][4] = {{0, 1, 0, -1}, {0, 1, 0, -1}, {1, 1, -1, -1}, {-1, -.5, 0, .5}};
    for (int shape = 0; shape < WAVE_SHAPES; shape++)
        for (int i = 0; i < 4; i++) {
            Wave wave = {.shape = (WaveShape)shape, .amplitude = 1, .period = 60};
            assert_that(wave_alpha(&wave, 15 * i), ==, expected[shape][i]);
            wave.phase = 15;
            assert_that(wave_alpha(&wave, 15 * i), ==, expected[shape][(i + 1) % 4]);
            wave.phase = -15;
            assert_that(wave_alpha(&wave, 15 * i), ==, expected[shape][(i + 3) % 4]);
        }
}

/* The formula as it is written, without any folding. */
static double twin_alpha(const Wave *wave, double t) {
    double x = (t + wave->phase) / wave->period, shape;
    x -= floor(x);
    if (wave->shape == WAVE_SINE) {
        shape = sin(2 * 3.14159265358979323846 * x);
    } else if (wave->shape == WAVE_TRIANGLE) {
        shape = x < .25 ? 4 * x : x < .75 ? 2 - 4 * x : 4 * x - 4;
    } else if (wave->shape == WAVE_SQUARE) {
        shape = x < .5 ? 1 : -1;
    } else {
        shape = 2 * x - 1;
    }
    double alpha = wave->bias + wave->amplitude * shape;
    return alpha < -1 ? -1 : alpha > 1 ? 1 : alpha;
}

static void equals_its_twin_and_repeats(void **state) {
    (void)state;
    Random random = random_from(5);
    for (int round = 0; round < 20000; round++) {
        int period = random_int(&random, 1, 100), t = random_int(&random, 0, 5000);
        Wave wave = {.shape = (WaveShape)random_int(&random, 0, WAVE_SHAPES - 1),
                     .amplitude = 4 * random_unit(&random) - 2,
                     .period = period,
                     .phase = 40 * random_unit(&random) - 20,
                     .bias = 2 * random_unit(&random) - 1};
        double alpha = wave_alpha(&wave, t);
        assert_that(alpha, >=, -1);
        assert_that(alpha, <=, 1);
        assert_that(fabs(alpha - twin_alpha(&wave, t)), <, 1e-9);
        assert_that(wave_alpha(&wave, t + period * random_int(&random, 1, 100000)), ==, alpha);
    }
}

static void bias_and_clamp(void **state) {
    (void)state;
    Wave wave = parsed("sine:1:60:0:.5");
    assert_that(wave_alpha(&wave, 0), ==, .5);
    assert_that(wave_alpha(&wave, 15), ==, 1);
    assert_that(wave_alpha(&wave, 45), ==, -.5);
    wave = parsed("square:5:4");
    assert_that(wave_alpha(&wave, 0), ==, 1);
    assert_that(wave_alpha(&wave, 2), ==, -1);
    wave = parsed("ramp:0:4:0:.25");
    for (int t = 0; t < 9; t++) assert_that(wave_alpha(&wave, t), ==, .25);
    wave = parsed("ramp:1:10:-1e-300"); /* a rest that rounds to a whole period starts the next one */
    assert_that(wave_alpha(&wave, 0), ==, -1);
}

static void check_counts(const WaveClock *clock, int tokens, int words, int sentences, int lines) {
    int expected[WAVE_UNITS] = {tokens, words, sentences, lines};
    for (int i = 0; i < WAVE_UNITS; i++) assert_int_equal(clock->count[i], expected[i]);
}

/* " He| sa|id|:| no|?|!|\n|\n| Why|.|\n|</s>" */
static void the_clock_counts(void **state) {
    (void)state;
    enum { WORD = TOKEN_BEGINS_WORD, END = TOKEN_BEGINS_WORD | TOKEN_ENDS_SENTENCE };
    enum { LINE = TOKEN_BEGINS_WORD | TOKEN_HAS_NEWLINE | TOKEN_BREAKS_DRY };
    WaveClock clock = {0};
    check_counts(&clock, 0, 0, 0, 0);
    wave_clock_count(&clock, WORD);
    wave_clock_count(&clock, WORD);
    wave_clock_count(&clock, 0);
    check_counts(&clock, 3, 2, 0, 0);
    wave_clock_count(&clock, WORD | TOKEN_BREAKS_DRY);
    wave_clock_count(&clock, WORD);
    wave_clock_count(&clock, END);
    check_counts(&clock, 6, 5, 1, 0);
    WaveClock fork = clock;
    wave_clock_count(&clock, END);
    check_counts(&clock, 7, 6, 1, 0);
    wave_clock_count(&clock, LINE);
    wave_clock_count(&clock, LINE);
    check_counts(&clock, 9, 8, 1, 1);
    wave_clock_count(&clock, WORD);
    wave_clock_count(&clock, END);
    wave_clock_count(&clock, LINE);
    wave_clock_count(&clock, TOKEN_ENDS_TEXT | TOKEN_IS_CONTROL);
    check_counts(&clock, 13, 11, 2, 2);
    check_counts(&fork, 6, 5, 1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_waves_read_back),
        cmocka_unit_test(wrong_waves_are_refused),
        cmocka_unit_test(the_clock_is_read),
        cmocka_unit_test(quarters_of_the_period_have_their_values),
        cmocka_unit_test(equals_its_twin_and_repeats),
        cmocka_unit_test(bias_and_clamp),
        cmocka_unit_test(the_clock_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The chain as data: what it parses, prints, compares. */
#include <math.h>
#include <string.h>

#include "sampler/sampler.h"
#include "tests/support/test.h"

static void prints(const Sampler *sampler, const char *expected) {
    char text[1024];
    assert_int_equal(sampler_print(sampler, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
}

static void prints_the_chain(void **state) {
    (void)state;
    char text[200], whole[] = "top-k 40 -> top-p 0.95 -> min-p 0.05 -> temp 0.8 -> draw, seed 42";
    Sampler sampler = sampler_default();
    sampler.seed = 42;
    prints(&sampler, whole);
    for (size_t capacity = 0; capacity <= sizeof whole; capacity++) {
        memset(text, '#', sizeof text);
        assert_int_equal(sampler_print(&sampler, text, capacity), strlen(whole));
        size_t cut = capacity ? capacity - 1 : 0;
        if (cut > strlen(whole)) cut = strlen(whole);
        assert_memory_equal(text, whole, cut);
        assert_int_equal(text[cut], capacity ? '\0' : '#');
        assert_int_equal(text[cut + 1], '#');
    }
    must_set(&sampler, "top-k", "0");
    must_set(&sampler, "top-p", "1");
    must_set(&sampler, "temp", "1");
    sampler.seed = UINT64_MAX;
    prints(&sampler, "min-p 0.05 -> draw, seed 18446744073709551615");
    must_set(&sampler, "min-p", "0");
    must_set(&sampler, "temp", "0");
    prints(&sampler, "greedy, seed 18446744073709551615");
}

static void prints_every_stage(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    must_set(&sampler, "repeat-penalty", "1.1");
    must_set(&sampler, "dry-multiplier", "0.8");
    must_set(&sampler, "no-repeat-ngram", "4");
    must_set(&sampler, "logit-bias", "13-2.5");
    must_set(&sampler, "top-nsigma", "1");
    must_set(&sampler, "top-k", "10:60@entropy");
    must_set(&sampler, "typical", "0.9");
    must_set(&sampler, "epsilon", "0.001");
    must_set(&sampler, "eta", "0.002");
    must_set(&sampler, "top-h", "0.4");
    must_set(&sampler, "xtc-probability", "0.5");
    must_set(&sampler, "mirostat-tau", "5");
    must_set(&sampler, "temp-policy", "dynatemp");
    prints(&sampler,
           "repeat-penalty 1.1 frequency-penalty 0 presence-penalty 0 repeat-last-n 64 -> dry-multiplier 0.8 "
           "dry-base 1.75 dry-allowed-length 2 -> no-repeat-ngram 4 -> logit-bias on 1 -> top-nsigma 1 -> top-k "
           "10:60@entropy -> typical 0.9 -> top-p 0.95 -> min-p 0.05 -> epsilon 0.001 -> eta 0.002 -> top-h 0.4 "
           "-> xtc-probability 0.5 xtc-threshold 0.1 -> mirostat-tau 5 mirostat-eta 0.1 -> --temp-policy dynatemp "
           "--temp 0.8 --dynatemp-range 0.5 --dynatemp-exp 1 -> draw, seed 0");
}

static void stages_follow_the_order_given(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    must_set(&sampler, "samplers", "min-p,top-k");
    prints(&sampler, "min-p 0.05 -> top-k 40 -> temp 0.8 -> draw, seed 0");
    must_set(&sampler, "temp-first", NULL);
    prints(&sampler, "temp 0.8 -> min-p 0.05 -> top-k 40 -> draw, seed 0");
}

static void presets_can_be_overridden(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    sampler.seed = 9;
    must_set(&sampler, "typical", "0.5"); /* a preset begins anew, but for the seed */
    must_set(&sampler, "preset", "precise");
    must_set(&sampler, "temp", "0.5");
    prints(&sampler, "top-k 20 -> top-p 0.9 -> min-p 0.1 -> temp 0.5 -> draw, seed 9");
    must_set(&sampler, "preset", "wave");
    prints(&sampler,
           "top-k 40 -> top-p 0.95 -> min-p 0.05 -> future entropy wave sine:1:60:0:0 by the token fe-k 20 fe-n 20 "
           "fe-curve article fe-at word fe-eog neutral fe-depth 1 -> draw, seed 9");
    const SamplerPreset *preset;
    Error error;
    for (int i = 0; (preset = sampler_preset(i)); i++) {
        must_set(&sampler, "preset", preset->name);
        must(sampler_check(&sampler, &error), &error);
    }
}

/* What a setting shows is what sets it. */
static void refuses_list(const char *list, const char *expected) {
    Sampler sampler = sampler_default(), before = sampler;
    Error error;
    assert_false(sampler_set_list(&sampler, list, &error));
    assert_string_equal(error.message, expected);
    assert_true(sampler_equal(&sampler, &before));
}

static void lists_hold_several_settings(void **state) {
    (void)state;
    static const char *const same[] = {"temp 0.3, top-p 0.9, fe", "temp=0.3,top-p=0.9,fe",
                                       " temp  0.3 ,fe, top-p=0.9 "};
    Error error;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        Sampler sampler = sampler_default();
        must(sampler_set_list(&sampler, same[i], &error), &error);
        assert_true(sampler.future);
        assert_that(sampler.temperature.base, ==, 0.3);
        assert_that(sampler.top_p.low, ==, 0.9);
    }
    Sampler sampler = sampler_default();
    const char *commas = "temp-policy=table,temp-table=0:0.2,2:1,samplers=top-k,min-p,top-k=7,fe";
    must(sampler_set_list(&sampler, commas, &error), &error);
    assert_int_equal(sampler.temperature.n_knots, 2);
    assert_int_equal(sampler.n_order, 2);
    assert_int_equal(sampler.top_k.low, 7);
    assert_true(sampler.future);
    must(sampler_set_list(&sampler, "", &error), &error);
    refuses_list("temp 0.3, tmp 4", "temp: expected a number from 0 to 100, got '0.3, tmp 4'");
    refuses_list("fe on", "fe: expected no value, got 'on'");
    refuses_list("top-k", "top-k: expected a value");
    refuses_list("min-p 0.1, , fe", ": no such setting of the sampler");
}

static void settings_show_what_they_take(void **state) {
    (void)state;
    SamplerSetting setting;
    char shown[1024], again[1024];
    for (int i = 0; sampler_setting(i, &setting); i++) {
        Sampler sampler = sampler_default();
        if (sampler_show(&sampler, setting.name, shown, sizeof shown) == 0) continue;
        Sampler before = sampler;
        must_set(&sampler, setting.name, shown);
        sampler_show(&sampler, setting.name, again, sizeof again);
        assert_string_equal(shown, again);
        if (strcmp(setting.name, "alpha") == 0) before.future = true;
        assert_true(sampler_equal(&sampler, &before));
    }
}

/* Every number, at both ends of its range and close to them, is refused or shows itself as it can be set again. */
static void what_is_taken_can_be_taken_again(void **state) {
    (void)state;
    static const char *const values[] = {"0",
                                         "-0",
                                         "1e-400",
                                         "5e-324",
                                         "1e-320",
                                         "1e-46",
                                         "1e-45",
                                         "1e-40",
                                         "0.01",
                                         "1",
                                         "0.9999999999999999",
                                         "1.0000000000000002",
                                         "0.99999999",
                                         "100",
                                         "1e6",
                                         "1e30",
                                         "1e300",
                                         "-1",
                                         "-100",
                                         "-1e-320"};
    SamplerSetting setting;
    char shown[1024], again[1024];
    int taken = 0;
    for (int i = 0; sampler_setting(i, &setting); i++) {
        for (size_t j = 0; setting.metavar && j < sizeof values / sizeof values[0]; j++) {
            Error error;
            Sampler sampler = sampler_default(), other = sampler_default();
            if (!sampler_set(&sampler, setting.name, values[j], &error)) continue;
            sampler_show(&sampler, setting.name, shown, sizeof shown);
            must_set(&other, setting.name, shown);
            sampler_show(&other, setting.name, again, sizeof again);
            assert_string_equal(shown, again);
            taken++;
        }
    }
    assert_that(taken, >, 200);
}

/* All that a sampler shows, set on the default one, is that sampler, to the last bit of every number. */
static void a_sampler_is_made_again_from_what_it_shows(void **state) {
    (void)state;
    static const char *const given[][2] = {{"temp", "0.123456789012345"},
                                           {"top-k", "5:40@entropy"},
                                           {"top-p", "0.1:0.987654321@entropy"},
                                           {"min-p", "0.0123456789"},
                                           {"mirostat-tau", "3.3333333333"},
                                           {"samplers", "min-p,top-k"},
                                           {"temp-first", NULL},
                                           {"temp-policy", "table"},
                                           {"temp-table", "0.1:1.7,2.123456789:0.3"},
                                           {"temp-range", "0.31:1.7"},
                                           {"entropy-range", "0.5:2.25"},
                                           {"udt-measure", "margin"},
                                           {"fe-eog", "exclude"},
                                           {"fe-curve", "crossfade"},
                                           {"fe-eager", NULL},
                                           {"alpha", "-0.987654321012"},
                                           {"wave", "square:0.7:33.3:1:-0.25"},
                                           {"wave-clock", "line"}};
    Sampler sampler = sampler_default(), again = sampler_default();
    SamplerSetting setting;
    char shown[1024], now[1024];
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) must_set(&sampler, given[i][0], given[i][1]);
    for (int i = 0; sampler_setting(i, &setting); i++)
        if (sampler_show(&sampler, setting.name, shown, sizeof shown) > 0) must_set(&again, setting.name, shown);
    for (int i = 0; sampler_setting(i, &setting); i++) {
        sampler_show(&sampler, setting.name, shown, sizeof shown);
        sampler_show(&again, setting.name, now, sizeof now);
        assert_string_equal(shown, now);
    }
    assert_that(again.temperature.base, ==, 0.123456789012345);
    assert_that(again.min_p, ==, 0.0123456789f);
    assert_that(again.top_p.high, ==, 0.987654321);
    assert_that(again.top_k.low, ==, 5);
    assert_that(again.mirostat_tau, ==, 3.3333333333);
    assert_that(again.temperature.knots[1].entropy, ==, 2.123456789);
    assert_that(again.temperature.n_knots, ==, 2);
    assert_true(again.future);
    assert_true(again.waves);
    assert_that(again.wave.bias, ==, -0.25);
    assert_that(again.wave.clock, ==, WAVE_LINE);
    assert_that(again.n_order, ==, 2);
    assert_that(again.order[0], ==, STAGE_MIN_P);
    assert_true(again.temperature_first);
    for (int i = 0; i < 2; i++) {
        must_set(&sampler, "samplers", i == 0 ? "" : "none");
        sampler_show(&sampler, "samplers", shown, sizeof shown);
        assert_string_equal(shown, "none");
        assert_int_equal(sampler.n_order, 0);
    }
    assert_true(again.lookahead.eager);
    assert_that(again.lookahead.alpha, ==, -0.987654321012);
}

static void refuses(const char *name, const char *value, const char *message) {
    Error error;
    Sampler sampler = sampler_default(), before = sampler;
    assert_false(sampler_set(&sampler, name, value, &error));
    assert_string_equal(error.message, message);
    assert_true(sampler_equal(&sampler, &before));
}

static void parses_strictly(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    must_set(&sampler, "top-k", "1000000");
    must_set(&sampler, "temp", "1e-1");
    assert_that(sampler.top_k.high, ==, 1000000);
    assert_that(sampler.temperature.base, ==, 0.1);
    refuses("top-q", "1", "top-q: no such setting of the sampler");
    refuses("top-p", "1.5", "top-p: expected a number from 0 to 1, got '1.5'");
    refuses("min-p", "", "min-p: expected a number from 0 to 1, got ''");
    refuses("min-p", ".5x", "min-p: expected a number from 0 to 1, got '.5x'");
    refuses("min-p", "nan", "min-p: expected a number from 0 to 1, got 'nan'");
    refuses("typical", "0", "typical: expected a number above 0 and at most 1, got '0'");
    refuses("typical", "1e-320",
            "typical: expected a number above 0 and at most 1, got '1e-320', which is stored as 0");
    refuses("repeat-penalty", "1e-46", "repeat-penalty: expected a number from 0.01 to 100, got '1e-46'");
    refuses("repeat-penalty", "1e-40", "repeat-penalty: expected a number from 0.01 to 100, got '1e-40'");
    refuses("logit-bias", "1+1e31", "logit-bias: expected a number from -1e+30 to 1e+30, got '1e31'");
    refuses("dry-allowed-length", "1.5", "dry-allowed-length: expected a whole number from 1 to 1000, got '1.5'");
    refuses("fe-k", "65", "fe-k: expected a whole number from 1 to 64, got '65'");
    refuses("fe-n", "1", "fe-n: expected a whole number from 2 to 1000000, got '1'");
    refuses("alpha", "-1.1", "alpha: expected a number from -1 to 1, got '-1.1'");
    refuses("fe-at", "letter", "fe-at: expected one of token|word|sentence, got 'letter'");
    refuses("samplers", "top-k,dry",
            "samplers: expected stages that drop candidates (top-nsigma, top-k, typical, top-p, min-p, epsilon, eta, "
            "top-h, "
            "xtc, mirostat), got 'dry'");
    refuses("samplers", "top-k;top-k", "samplers: top-k is there twice");
    refuses("logit-bias", "13", "logit-bias: expected ID+X or ID-X, got '13'");
    refuses("logit-bias", "+1", "logit-bias: expected ID+X or ID-X, got '+1'");
    refuses("preset", "wild", "preset: expected precise, balanced, creative, future-entropy, wave or code, got 'wild'");
    refuses("temp", NULL, "temp: expected a value");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_the_chain),
        cmocka_unit_test(prints_every_stage),
        cmocka_unit_test(stages_follow_the_order_given),
        cmocka_unit_test(presets_can_be_overridden),
        cmocka_unit_test(lists_hold_several_settings),
        cmocka_unit_test(settings_show_what_they_take),
        cmocka_unit_test(what_is_taken_can_be_taken_again),
        cmocka_unit_test(a_sampler_is_made_again_from_what_it_shows),
        cmocka_unit_test(parses_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

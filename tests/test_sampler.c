/* The chain as data: what it parses, prints, compares; and its stages put together. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sampler/draw.h"
#include "sampler/sampler.h"
#include "sampler/target.h"

static void set(Sampler *sampler, const char *name, const char *value) {
    Error error;
    if (!sampler_set(sampler, name, value, &error)) fail_msg("%s", error.message);
}

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
    set(&sampler, "top-k", "0");
    set(&sampler, "top-p", "1");
    set(&sampler, "temp", "1");
    sampler.seed = UINT64_MAX;
    prints(&sampler, "min-p 0.05 -> draw, seed 18446744073709551615");
    set(&sampler, "min-p", "0");
    set(&sampler, "temp", "0");
    prints(&sampler, "greedy, seed 18446744073709551615");
}

static void prints_every_stage(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    set(&sampler, "repeat-penalty", "1.1");
    set(&sampler, "dry-multiplier", "0.8");
    set(&sampler, "no-repeat-ngram", "4");
    set(&sampler, "logit-bias", "13-2.5");
    set(&sampler, "top-nsigma", "1");
    set(&sampler, "top-k", "10:60@entropy");
    set(&sampler, "typical", "0.9");
    set(&sampler, "epsilon", "0.001");
    set(&sampler, "eta", "0.002");
    set(&sampler, "top-h", "0.4");
    set(&sampler, "xtc-probability", "0.5");
    set(&sampler, "mirostat-tau", "5");
    set(&sampler, "temp-policy", "dynatemp");
    prints(&sampler,
           "repeat-penalty 1.1 frequency-penalty 0 presence-penalty 0 repeat-last-n 64 -> dry-multiplier 0.8 "
           "dry-base 1.75 dry-allowed-length 2 -> no-repeat-ngram 4 -> logit-bias on 1 -> top-nsigma 1 -> top-k "
           "10:60@entropy -> typical 0.9 -> top-p 0.95 -> min-p 0.05 -> epsilon 0.001 -> eta 0.002 -> top-h 0.4 "
           "-> xtc-probability 0.5 xtc-threshold 0.1 -> mirostat-tau 5 mirostat-eta 0.1 -> --temp-policy dynatemp "
           "--temp 0.8 --dynatemp-range 0.5 --dynatemp-exp 1 -> draw, seed 0");
}

static void another_order(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    set(&sampler, "samplers", "min-p,top-k");
    prints(&sampler, "min-p 0.05 -> top-k 40 -> temp 0.8 -> draw, seed 0");
    set(&sampler, "temp-first", NULL);
    prints(&sampler, "temp 0.8 -> min-p 0.05 -> top-k 40 -> draw, seed 0");
}

static void presets_can_be_overridden(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    sampler.seed = 9;
    set(&sampler, "typical", "0.5"); /* a preset begins anew, but for the seed */
    set(&sampler, "preset", "precise");
    set(&sampler, "temp", "0.5");
    prints(&sampler, "top-k 20 -> top-p 0.9 -> min-p 0.1 -> temp 0.5 -> draw, seed 9");
    set(&sampler, "preset", "wave");
    prints(&sampler,
           "top-k 40 -> top-p 0.95 -> min-p 0.05 -> future entropy wave sine:1:60:0:0 by the token fe-k 20 fe-n 20 "
           "fe-curve article fe-at word fe-eog neutral fe-depth 1 -> draw, seed 9");
    const SamplerPreset *preset;
    Error error;
    for (int i = 0; (preset = sampler_preset(i)); i++) {
        set(&sampler, "preset", preset->name);
        assert_true(sampler_check(&sampler, &error));
    }
}

/* What a setting shows is what sets it. */
static void refuses_list(const char *list, const char *expected) {
    Sampler sampler = sampler_default(), before = sampler;
    Error error;
    assert_false(sampler_set_list(&sampler, list, &error));
    assert_string_equal(error.message, expected);
    assert_memory_equal(&sampler, &before, sizeof sampler);
}

static void lists_hold_several_settings(void **state) {
    (void)state;
    static const char *const same[] = {"temp 0.3, top-p 0.9, fe", "temp=0.3,top-p=0.9,fe",
                                       " temp  0.3 ,fe, top-p=0.9 "};
    Error error;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        Sampler sampler = sampler_default();
        assert_true(sampler_set_list(&sampler, same[i], &error));
        assert_true(sampler.future && sampler.temperature.base == 0.3 && sampler.top_p.low == 0.9);
    }
    Sampler sampler = sampler_default();
    const char *commas = "temp-policy=table,temp-table=0:0.2,2:1,samplers=top-k,min-p,top-k=7,fe";
    if (!sampler_set_list(&sampler, commas, &error)) fail_msg("%s", error.message);
    assert_int_equal(sampler.temperature.n_knots, 2);
    assert_int_equal(sampler.n_order, 2);
    assert_int_equal(sampler.top_k.low, 7);
    assert_true(sampler.future);
    assert_true(sampler_set_list(&sampler, "", &error));
    refuses_list("temp 0.3, tmp 4", "--temp: expected a number from 0 to 100, got '0.3, tmp 4'");
    refuses_list("fe on", "--fe: expected no value, got 'on'");
    refuses_list("top-k", "--top-k: expected a value");
    refuses_list("min-p 0.1, , fe", "--: no such setting of the sampler");
}

static void settings_show_what_they_take(void **state) {
    (void)state;
    const SamplerSetting *setting;
    char shown[1024], again[1024];
    for (int i = 0; (setting = sampler_setting(i)); i++) {
        Sampler sampler = sampler_default();
        if (sampler_show(&sampler, setting->name, shown, sizeof shown) == 0) continue;
        Sampler before = sampler;
        set(&sampler, setting->name, shown);
        sampler_show(&sampler, setting->name, again, sizeof again);
        assert_string_equal(shown, again);
        if (strcmp(setting->name, "alpha") == 0) before.future = true;
        assert_memory_equal(&sampler, &before, sizeof sampler);
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
    const SamplerSetting *setting;
    char shown[1024], again[1024];
    int taken = 0;
    for (int i = 0; (setting = sampler_setting(i)); i++) {
        for (size_t j = 0; setting->metavar && j < sizeof values / sizeof values[0]; j++) {
            Error error;
            Sampler sampler = sampler_default(), other = sampler_default();
            if (!sampler_set(&sampler, setting->name, values[j], &error)) continue;
            sampler_show(&sampler, setting->name, shown, sizeof shown);
            set(&other, setting->name, shown);
            sampler_show(&other, setting->name, again, sizeof again);
            assert_string_equal(shown, again);
            taken++;
        }
    }
    assert_true(taken > 200);
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
    const SamplerSetting *setting;
    char shown[1024], now[1024];
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) set(&sampler, given[i][0], given[i][1]);
    for (int i = 0; (setting = sampler_setting(i)); i++)
        if (sampler_show(&sampler, setting->name, shown, sizeof shown) > 0) set(&again, setting->name, shown);
    for (int i = 0; (setting = sampler_setting(i)); i++) {
        sampler_show(&sampler, setting->name, shown, sizeof shown);
        sampler_show(&again, setting->name, now, sizeof now);
        assert_string_equal(shown, now);
    }
    assert_true(again.temperature.base == 0.123456789012345 && again.min_p == 0.0123456789f);
    assert_true(again.top_p.high == 0.987654321 && again.top_k.low == 5 && again.mirostat_tau == 3.3333333333);
    assert_true(again.temperature.knots[1].entropy == 2.123456789 && again.temperature.n_knots == 2);
    assert_true(again.future && again.waves && again.wave.bias == -0.25 && again.wave.clock == WAVE_LINE);
    assert_true(again.n_order == 2 && again.order[0] == STAGE_MIN_P && again.temperature_first);
    for (int i = 0; i < 2; i++) {
        set(&sampler, "samplers", i == 0 ? "" : "none");
        sampler_show(&sampler, "samplers", shown, sizeof shown);
        assert_string_equal(shown, "none");
        assert_int_equal(sampler.n_order, 0);
    }
    assert_true(again.lookahead.eager && again.lookahead.alpha == -0.987654321012);
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
    assert_true(sampler.top_k.high == 1000000 && sampler.temperature.base == 0.1);
    refuses("top-q", "1", "--top-q: no such setting of the sampler");
    refuses("top-p", "1.5", "--top-p: expected a number from 0 to 1, got '1.5'");
    refuses("min-p", "", "--min-p: expected a number from 0 to 1, got ''");
    refuses("min-p", ".5x", "--min-p: expected a number from 0 to 1, got '.5x'");
    refuses("min-p", "nan", "--min-p: expected a number from 0 to 1, got 'nan'");
    refuses("typical", "0", "--typical: expected a number above 0 and at most 1, got '0'");
    refuses("typical", "1e-320",
            "--typical: expected a number above 0 and at most 1, got '1e-320', which is stored as 0");
    refuses("repeat-penalty", "1e-46", "--repeat-penalty: expected a number from 0.01 to 100, got '1e-46'");
    refuses("repeat-penalty", "1e-40", "--repeat-penalty: expected a number from 0.01 to 100, got '1e-40'");
    refuses("logit-bias", "1+1e31", "--logit-bias: expected a number from -1e+30 to 1e+30, got '1e31'");
    refuses("dry-allowed-length", "1.5", "--dry-allowed-length: expected a whole number from 1 to 1000, got '1.5'");
    refuses("fe-k", "65", "--fe-k: expected a number from 1 to 64, got '65'");
    refuses("fe-n", "1", "--fe-n: expected a number from 2 to 1000000, got '1'");
    refuses("alpha", "-1.1", "--alpha: expected a number from -1 to 1, got '-1.1'");
    refuses("fe-at", "letter", "--fe-at: expected one of token|word|sentence, got 'letter'");
    refuses("samplers", "top-k,dry", "--samplers: expected stages that drop candidates (--list-samplers), got 'dry'");
    refuses("samplers", "top-k;top-k", "--samplers: top-k is there twice");
    refuses("logit-bias", "13", "--logit-bias: expected ID+X or ID-X, got '13'");
    refuses("logit-bias", "+1", "--logit-bias: expected ID+X or ID-X, got '+1'");
    refuses("preset", "wild",
            "--preset: expected precise, balanced, creative, future-entropy, wave or code, got 'wild'");
    refuses("temp", NULL, "--temp: expected a value");
}

/* ---- Steps ---- */

enum { V = 5 };
static const TokenFlags flags[V];
static const bool none[V];
static int history[16], scratch[16];

static Candidates open(const float *logits) {
    Error error;
    Candidates candidates;
    assert_true(candidates_open(&candidates, V, &error));
    candidates_from_logits(&candidates, logits, V);
    return candidates;
}

static SamplerContext context_of(int n) {
    return (SamplerContext){
        .history = history, .n_history = n, .flags = flags, .breakers = none, .exempt = none, .scratch = scratch};
}

static void step(const Sampler *sampler, SamplerState *memory, Candidates *c, int n) {
    Error error;
    SamplerContext context = context_of(n);
    if (!sampler_apply(sampler, memory, &context, c, &error)) fail_msg("%s", error.message);
}

static void stages_work_on_what_the_last_one_left(void **state) {
    (void)state;
    /* p = .5 .25 .125 .125: top-k 3 keeps 0 1 2; top-p .8 needs all of them; min-p .3 then drops 2. */
    Candidates c = open((float[]){logf(4), logf(2), 0, 0, -INFINITY});
    Sampler sampler = sampler_default();
    SamplerState memory = sampler_start(&sampler);
    set(&sampler, "top-k", "3");
    set(&sampler, "top-p", ".8");
    set(&sampler, "min-p", ".3");
    step(&sampler, &memory, &c, 0);
    assert_int_equal(c.count, 2);
    assert_int_equal(c.items[1].token, 1);
    candidates_close(&c);
}

/* samplers.md: z = 3, 2, 1, top-p .8, T .5 keeps {0, 1} here, {0} with temperature first. */
static void temperature_first_keeps_another_set(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    set(&sampler, "temp", ".5");
    set(&sampler, "top-p", ".8");
    set(&sampler, "min-p", "0");
    for (int first = 0; first < 2; first++) {
        SamplerState memory = sampler_start(&sampler);
        Candidates c = open((float[]){3, 2, 1, -INFINITY, -INFINITY});
        sampler.temperature_first = first;
        step(&sampler, &memory, &c, 0);
        assert_int_equal(c.count, first ? 1 : 2);
        assert_true(sampler_temperature(&sampler, &memory, &c) == (first ? 1 : .5));
        candidates_close(&c);
    }
}

/* Logits of any size at the least T that is not argmax: a quotient beyond the floats is counted from the largest logit. */
static void temperature_first_stays_finite(void **state) {
    (void)state;
    static const float rows[][V] = {{3e38f, 2e38f, -3e38f, 0, -INFINITY},
                                    {-3e38f, -2e38f, -3.4e38f, -INFINITY, -3e38f}};
    Sampler sampler = sampler_default();
    set(&sampler, "temp", "1e-4");
    set(&sampler, "temp-first", NULL);
    for (int i = 0; i < 2; i++) {
        SamplerState memory = sampler_start(&sampler);
        Candidates c = open(rows[i]);
        step(&sampler, &memory, &c, 0);
        assert_true(c.count == 1 && c.items[0].token == i && isfinite(c.items[0].logit) && c.entropy == 0);
        candidates_close(&c);
    }
}

/* samplers.md, 2: the measures of udt are those of the whole vocabulary, whatever truncation drops. */
static void udt_reads_natural_probabilities(void **state) {
    (void)state;
    static const char *const measures[] = {"pmax", "margin"};
    const double u[] = {.5, .75};
    for (int i = 0; i < 2; i++) {
        /* p = .5 .25 .125 .125: XTC leaves the last two, and top-k 1 the first alone */
        for (int truncated = 0; truncated < 3; truncated++) {
            Sampler sampler = sampler_default();
            SamplerState memory = sampler_start(&sampler);
            Candidates c = open((float[]){logf(4), logf(2), 0, 0, -INFINITY});
            set(&sampler, "temp-policy", "udt");
            set(&sampler, "udt-measure", measures[i]);
            set(&sampler, "temp", "1");
            set(&sampler, "xtc-probability", truncated == 1 ? "1" : "0");
            set(&sampler, "top-k", truncated == 2 ? "1" : "0");
            step(&sampler, &memory, &c, 0);
            double t = sampler_temperature(&sampler, &memory, &c);
            assert_true(fabs(t - pow(.8, .2 / u[i])) < 1e-7);
            candidates_close(&c);
        }
    }
}

/* T by hand, from the natural distribution p = .5 .25 .125 .125 0 alone: H = 1.75 ln 2. */
static double natural_temperature(TemperatureKind kind, double prompt_entropy, double kl) {
    const double h = 1.75 * log(2);
    switch (kind) {
    case TEMPERATURE_LINEAR:
        return .3 + 1.5 * (h - 1) / 2; /* --entropy-range 1:3 */
    case TEMPERATURE_SIGMOID:
        return .3 + 1.5 / (1 + exp(-(h - 3)));
    case TEMPERATURE_TABLE:
        return .2 + .8 * h / 2; /* --temp-table 0:.2,2:1 */
    case TEMPERATURE_EDT:
        return .8 * pow(.8, .2 / h);
    case TEMPERATURE_EDT_INSTANCE:
        return .8 * pow(.8, .2 / prompt_entropy);
    case TEMPERATURE_UDT:
        return .8 * pow(.8, .2 / (h / log(V)));
    case TEMPERATURE_KLD:
        return .8 * exp2(-kl);
    default:
        return .8;
    }
}

/* Penalties and XTC rewrite and drop; policies read what the model gave. dynatemp and target read what is left. */
static void policies_read_the_natural_distribution(void **state) {
    (void)state;
    for (int kind = 0; kind < TEMPERATURE_KINDS; kind++) {
        Sampler sampler = sampler_default();
        set(&sampler, "temp-table", "0:.2,2:1");
        set(&sampler, "entropy-target", "@.75");
        set(&sampler, "temp-policy", temperature_policies[kind].name);
        set(&sampler, "entropy-range", "1:3");
        set(&sampler, "udt-measure", "entropy");
        set(&sampler, "presence-penalty", "9");
        set(&sampler, "top-p", "1");
        set(&sampler, "min-p", "0");
        set(&sampler, "xtc-probability", "1");
        SamplerState memory = sampler_start(&sampler);
        memory.prompt_entropy = 2.5;
        memory.kl = .75;
        history[0] = 1;
        Candidates c = open((float[]){logf(4), logf(2), 0, 0, -INFINITY});
        step(&sampler, &memory, &c, 1);
        double t = sampler_temperature(&sampler, &memory, &c), h = 1.75 * log(2), expected;
        if (kind == TEMPERATURE_DYNATEMP) {
            /* left are 1, with its penalty, and 3, the least likely top choice */
            double odds = 2 * exp(-9), q = 1 / (1 + odds), left = -q * log(q) - (1 - q) * log(1 - q);
            assert_true(c.count == 2 && memory.input.n_survivors == 2);
            expected = .3 + left / log(2);
        } else if (kind == TEMPERATURE_TARGET) {
            double left = target_entropy(&c, t);
            assert_true(memory.input.n_survivors == 2 && !memory.input.survivors);
            assert_true(t == 1.8 && left < .75 * log(2)); /* as near as it gets */
            assert_true(fabs(memory.input.survivors_entropy - target_entropy(&c, 1)) < 1e-12);
            expected = t;
        } else {
            expected = natural_temperature((TemperatureKind)kind, 2.5, .75);
        }
        assert_true(fabs(t - expected) < 1e-6);
        assert_true(fabs(memory.input.entropy - h) < 1e-6 && fabs(memory.window.entropy[0] - h) < 1e-6);
        assert_true(fabs(c.entropy - h) > .1); /* that of the rewritten logits is another */
        candidates_close(&c);
    }
}

static void penalties_change_what_truncation_sees(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    SamplerState memory = sampler_start(&sampler);
    Candidates c = open((float[]){4, 3, 2, 1, 0});
    history[0] = history[1] = 0;
    set(&sampler, "presence-penalty", "9");
    set(&sampler, "top-k", "1");
    step(&sampler, &memory, &c, 2);
    assert_int_equal(c.items[0].token, 1);
    candidates_close(&c);
}

static void bans_that_leave_nothing_are_an_error(void **state) {
    (void)state;
    Error error;
    Sampler sampler = sampler_default();
    SamplerState memory = sampler_start(&sampler);
    SamplerContext context = context_of(3);
    for (int i = 0; i < V; i++)
        set(&sampler, "logit-bias", (const char *[]){"0-inf", "1-inf", "2-inf", "3-inf", "4-inf"}[i]);
    Candidates c = open((float[]){4, 3, 2, 1, 0});
    assert_false(sampler_apply(&sampler, &memory, &context, &c, &error));
    assert_string_equal(error.message, "position 3: logit-bias leaves no token possible");
    candidates_close(&c);
}

/* What a stage or a ban excludes is no survivor, and is counted as dropped: by dynatemp's ln m, too. */
static void banned_tokens_are_dropped(void **state) {
    (void)state;
    Error error;
    const TokenBan ban = {1, 0};
    for (int first = 0; first < 2; first++) {
        int dropped[SAMPLER_DROPS] = {0};
        Sampler sampler = sampler_default();
        set(&sampler, "logit-bias", "1-inf");
        set(&sampler, "no-repeat-ngram", "1");
        set(&sampler, "temp-policy", "dynatemp");
        set(&sampler, "min-p", "0");
        set(&sampler, "top-p", "1");
        if (first) set(&sampler, "temp-first", NULL);
        SamplerState memory = sampler_start(&sampler);
        SamplerContext context = context_of(1);
        context.bans = &ban;
        context.n_bans = 1;
        context.dropped = dropped;
        history[0] = 2;
        Candidates c = open((float[]){4, 3, 2, 0, 0});
        assert_true(sampler_apply(&sampler, &memory, &context, &c, &error));
        assert_int_equal(c.count, 2); /* two equals: the entropy is ln 2, so T is T0 + the range */
        assert_true(c.items[0].token == 3 && c.items[1].token == 4);
        double t = sampler_temperature(&sampler, &memory, &c);
        assert_true(first ? t == 1 : fabs(t - 1.3) < 1e-6);
        assert_true(memory.input.n_survivors == 2);
        assert_true(dropped[STAGE_NO_REPEAT_NGRAM] == 1 && dropped[STAGE_BIAS] == 1 && dropped[SAMPLER_BAN] == 1);
        candidates_close(&c);
    }
}

/* --temp-first drops all but the likeliest at T = 0: with the stages' counts, all add up to the vocabulary. */
static void tempering_to_zero_counts_what_it_drops(void **state) {
    (void)state;
    Error error;
    int dropped[SAMPLER_DROPS] = {0}, sum = 0;
    Sampler sampler = sampler_default();
    set(&sampler, "logit-bias", "1-inf");
    set(&sampler, "temp", "0");
    set(&sampler, "temp-first", NULL);
    SamplerState memory = sampler_start(&sampler);
    SamplerContext context = context_of(1);
    context.dropped = dropped;
    Candidates c = open((float[]){3, 4, 2, 0, 0});
    assert_true(sampler_apply(&sampler, &memory, &context, &c, &error));
    assert_true(c.count == 1 && c.items[0].token == 0);
    for (int i = 0; i < SAMPLER_DROPS; i++) sum += dropped[i];
    assert_true(dropped[STAGE_BIAS] == 1 && dropped[SAMPLER_TEMPER] == V - 2 && sum == V - 1);
    candidates_close(&c);
}

static void bans_hold_at_their_position(void **state) {
    (void)state;
    Error error;
    Sampler sampler = sampler_default();
    SamplerState memory = sampler_start(&sampler);
    const TokenBan bans[] = {{3, 0}, {4, 1}, {3, 2}, {4, 0}, {4, 2}, {4, 3}, {4, 4}};
    for (int n = 2; n <= 4; n++) {
        SamplerContext context = context_of(n);
        context.bans = bans;
        context.n_bans = (int)(sizeof bans / sizeof bans[0]);
        Candidates c = open((float[]){4, 3, 2, 1, 0});
        assert_int_equal(sampler_apply(&sampler, &memory, &context, &c, &error), n < 4);
        if (n < 4) assert_int_equal(c.items[0].token, n == 3);
        if (n == 3) assert_int_equal(c.items[1].token, 3);
        candidates_close(&c);
    }
    assert_string_equal(error.message, "position 4: --ban leaves no token possible");
}

/* State is plain data: a copy goes its own way, and both come to the same where they see the same. */
static void state_forks_by_assignment(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    set(&sampler, "mirostat-tau", "1");
    set(&sampler, "wave", "sine:1:8");
    SamplerState memory = sampler_start(&sampler), fork = memory;
    SamplerContext context = context_of(0);
    for (int i = 0; i < 20; i++) {
        if (i == 10) fork = memory;
        for (int which = 0; which < (i < 10 ? 1 : 2); which++) {
            SamplerState *at = which ? &fork : &memory;
            Candidates c = open((float[]){(float)(i % 3), 1, 2, (float)(i % 5), 0});
            step(&sampler, at, &c, 0);
            sampler_accept(&sampler, at, &context, &c, draw_candidate(&c, 1, 3, i, 0));
            candidates_close(&c);
        }
    }
    assert_memory_equal(&memory, &fork, sizeof memory);
    assert_true(memory.mirostat.mu != 2);
    assert_true(fabs(sampler_alpha(&sampler, &memory)) < 1e-12); /* 20 tokens: two and a half periods of 8 */
}

/* Chi-square of how often XTC acts, one degree of freedom: 10.8 is passed by chance once in a thousand; fixed seeds. */
static void xtc_acts_as_often_as_it_says(void **state) {
    (void)state;
    enum { STEPS = 20000 };
    Error error;
    Sampler sampler = sampler_default();
    SamplerState memory = sampler_start(&sampler);
    set(&sampler, "xtc-probability", "0.3");
    set(&sampler, "min-p", "0");
    int acted = 0;
    for (int position = 0; position < STEPS; position++) {
        SamplerContext context = context_of(position);
        Candidates c = open((float[]){logf(4), logf(2), 0, 0, -INFINITY});
        assert_true(sampler_apply(&sampler, &memory, &context, &c, &error));
        acted += c.items[0].token != 0;
        candidates_close(&c);
    }
    double expected = 0.3 * STEPS, difference = acted - expected;
    assert_true(difference * difference / expected + difference * difference / (STEPS - expected) < 10.8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_the_chain),
        cmocka_unit_test(prints_every_stage),
        cmocka_unit_test(another_order),
        cmocka_unit_test(presets_can_be_overridden),
        cmocka_unit_test(lists_hold_several_settings),
        cmocka_unit_test(settings_show_what_they_take),
        cmocka_unit_test(what_is_taken_can_be_taken_again),
        cmocka_unit_test(a_sampler_is_made_again_from_what_it_shows),
        cmocka_unit_test(parses_strictly),
        cmocka_unit_test(stages_work_on_what_the_last_one_left),
        cmocka_unit_test(temperature_first_keeps_another_set),
        cmocka_unit_test(temperature_first_stays_finite),
        cmocka_unit_test(udt_reads_natural_probabilities),
        cmocka_unit_test(policies_read_the_natural_distribution),
        cmocka_unit_test(penalties_change_what_truncation_sees),
        cmocka_unit_test(bans_that_leave_nothing_are_an_error),
        cmocka_unit_test(banned_tokens_are_dropped),
        cmocka_unit_test(tempering_to_zero_counts_what_it_drops),
        cmocka_unit_test(bans_hold_at_their_position),
        cmocka_unit_test(state_forks_by_assignment),
        cmocka_unit_test(xtc_acts_as_often_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

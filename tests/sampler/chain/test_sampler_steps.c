/* The steps of the chain: its stages put together. */
#include <math.h>
#include <string.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/target.h"
#include "sampler/sampler.h"
#include "tests/support/continuations.h"
#include "tests/support/test.h"

enum { V = 5 };
static const TokenFlags flags[V];
static const bool none[V];
static int history[16], scratch[16];

static Candidates open(const float *logits) {
    Error error;
    Candidates candidates;
    must(candidates_open(&candidates, V, &error), &error);
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
    must(sampler_apply(sampler, memory, &context, c, &error), &error);
}

static void stages_work_on_what_the_last_one_left(void **state) {
    (void)state;
    /* p = .5 .25 .125 .125: top-k 3 keeps 0 1 2; top-p .8 needs all of them; min-p .3 then drops 2. */
    Candidates c = open((float[]){logf(4), logf(2), 0, 0, -INFINITY});
    Sampler sampler = sampler_default();
    SamplerState memory = sampler_start(&sampler);
    must_set(&sampler, "top-k", "3");
    must_set(&sampler, "top-p", ".8");
    must_set(&sampler, "min-p", ".3");
    step(&sampler, &memory, &c, 0);
    assert_int_equal(c.count, 2);
    assert_int_equal(c.items[1].token, 1);
    candidates_close(&c);
}

/* samplers.md: z = 3, 2, 1, top-p .8, T .5 keeps {0, 1} here, {0} with temperature first. */
static void temperature_first_keeps_another_set(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    must_set(&sampler, "temp", ".5");
    must_set(&sampler, "top-p", ".8");
    must_set(&sampler, "min-p", "0");
    for (int first = 0; first < 2; first++) {
        SamplerState memory = sampler_start(&sampler);
        Candidates c = open((float[]){3, 2, 1, -INFINITY, -INFINITY});
        sampler.temperature_first = first;
        step(&sampler, &memory, &c, 0);
        assert_int_equal(c.count, first ? 1 : 2);
        assert_that(sampler_temperature(&sampler, &memory, &c), ==, (first ? 1 : .5));
        candidates_close(&c);
    }
}

/* Logits of any size at the least T that is not argmax: if a quotient overflows, differences to the largest logit are
 * divided. */
static void temperature_first_stays_finite(void **state) {
    (void)state;
    static const float rows[][V] = {{3e38f, 2e38f, -3e38f, 0, -INFINITY},
                                    {-3e38f, -2e38f, -3.4e38f, -INFINITY, -3e38f}};
    Sampler sampler = sampler_default();
    must_set(&sampler, "temp", "1e-4");
    must_set(&sampler, "temp-first", NULL);
    for (int i = 0; i < 2; i++) {
        SamplerState memory = sampler_start(&sampler);
        Candidates c = open(rows[i]);
        step(&sampler, &memory, &c, 0);
        assert_that(c.count, ==, 1);
        assert_that(c.items[0].token, ==, i);
        assert_true(isfinite(c.items[0].logit));
        assert_that(c.entropy, ==, 0);
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
            must_set(&sampler, "temp-policy", "udt");
            must_set(&sampler, "udt-measure", measures[i]);
            must_set(&sampler, "temp", "1");
            must_set(&sampler, "xtc-probability", truncated == 1 ? "1" : "0");
            must_set(&sampler, "top-k", truncated == 2 ? "1" : "0");
            step(&sampler, &memory, &c, 0);
            double t = sampler_temperature(&sampler, &memory, &c);
            assert_that(fabs(t - pow(.8, .2 / u[i])), <, 1e-7);
            candidates_close(&c);
        }
    }
}

/* T computed by hand, from the natural distribution p = .5 .25 .125 .125 0 alone: H = 1.75 ln 2. */
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

/* Penalties and XTC rewrite and drop; policies read the model's own distribution, dynatemp and target the survivors. */
static void policies_read_the_natural_distribution(void **state) {
    (void)state;
    for (int kind = 0; kind < TEMPERATURE_KINDS; kind++) {
        Sampler sampler = sampler_default();
        must_set(&sampler, "temp-table", "0:.2,2:1");
        must_set(&sampler, "entropy-target", "@.75");
        must_set(&sampler, "temp-policy", temperature_policies[kind].name);
        must_set(&sampler, "entropy-range", "1:3");
        must_set(&sampler, "udt-measure", "entropy");
        must_set(&sampler, "presence-penalty", "9");
        must_set(&sampler, "top-p", "1");
        must_set(&sampler, "min-p", "0");
        must_set(&sampler, "xtc-probability", "1");
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
            assert_that(c.count, ==, 2);
            assert_that(memory.input.n_survivors, ==, 2);
            expected = .3 + left / log(2);
        } else if (kind == TEMPERATURE_TARGET) {
            double left = target_entropy(&c, t);
            assert_that(memory.input.n_survivors, ==, 2);
            assert_false(memory.input.survivors);
            assert_that(t, ==, 1.8);
            assert_that(left, <, .75 * log(2)); /* as near as it gets */
            assert_that(fabs(memory.input.survivors_entropy - target_entropy(&c, 1)), <, 1e-12);
            expected = t;
        } else {
            expected = natural_temperature((TemperatureKind)kind, 2.5, .75);
        }
        assert_that(fabs(t - expected), <, 1e-6);
        assert_that(fabs(memory.input.entropy - h), <, 1e-6);
        assert_that(fabs(memory.window.entropy[0] - h), <, 1e-6);
        assert_that(fabs(c.entropy - h), >, .1); /* that of the rewritten logits is another */
        candidates_close(&c);
    }
}

static void penalties_change_what_truncation_sees(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    SamplerState memory = sampler_start(&sampler);
    Candidates c = open((float[]){4, 3, 2, 1, 0});
    history[0] = history[1] = 0;
    must_set(&sampler, "presence-penalty", "9");
    must_set(&sampler, "top-k", "1");
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
    static const char *const bans[V] = {"0-inf", "1-inf", "2-inf", "3-inf", "4-inf"};
    for (int i = 0; i < V; i++) must_set(&sampler, "logit-bias", bans[i]);
    Candidates c = open((float[]){4, 3, 2, 1, 0});
    assert_false(sampler_apply(&sampler, &memory, &context, &c, &error));
    assert_string_equal(error.message, "position 3: logit-bias leaves no token possible");
    candidates_close(&c);
}

/* A token that a stage or a ban excludes is not a survivor and counts as dropped, also in dynatemp's ln m. */
static void banned_tokens_are_dropped(void **state) {
    (void)state;
    Error error;
    const TokenBan ban = {1, 0};
    for (int first = 0; first < 2; first++) {
        int dropped[SAMPLER_DROPS] = {0};
        Sampler sampler = sampler_default();
        must_set(&sampler, "logit-bias", "1-inf");
        must_set(&sampler, "no-repeat-ngram", "1");
        must_set(&sampler, "temp-policy", "dynatemp");
        must_set(&sampler, "min-p", "0");
        must_set(&sampler, "top-p", "1");
        if (first) must_set(&sampler, "temp-first", NULL);
        SamplerState memory = sampler_start(&sampler);
        SamplerContext context = context_of(1);
        context.bans = &ban;
        context.n_bans = 1;
        context.dropped = dropped;
        history[0] = 2;
        Candidates c = open((float[]){4, 3, 2, 0, 0});
        must(sampler_apply(&sampler, &memory, &context, &c, &error), &error);
        assert_int_equal(c.count, 2); /* two equals: the entropy is ln 2, so T is T0 + the range */
        assert_that(c.items[0].token, ==, 3);
        assert_that(c.items[1].token, ==, 4);
        double t = sampler_temperature(&sampler, &memory, &c);
        assert_true(first ? t == 1 : fabs(t - 1.3) < 1e-6);
        assert_that(memory.input.n_survivors, ==, 2);
        assert_that(dropped[STAGE_NO_REPEAT_NGRAM], ==, 1);
        assert_that(dropped[STAGE_BIAS], ==, 1);
        assert_that(dropped[SAMPLER_BAN], ==, 1);
        candidates_close(&c);
    }
}

/* --temp-first drops all but the likeliest at T = 0: with the stages' counts, all add up to the vocabulary. */
static void tempering_to_zero_counts_what_it_drops(void **state) {
    (void)state;
    Error error;
    int dropped[SAMPLER_DROPS] = {0}, sum = 0;
    Sampler sampler = sampler_default();
    must_set(&sampler, "logit-bias", "1-inf");
    must_set(&sampler, "temp", "0");
    must_set(&sampler, "temp-first", NULL);
    SamplerState memory = sampler_start(&sampler);
    SamplerContext context = context_of(1);
    context.dropped = dropped;
    Candidates c = open((float[]){3, 4, 2, 0, 0});
    must(sampler_apply(&sampler, &memory, &context, &c, &error), &error);
    assert_that(c.count, ==, 1);
    assert_that(c.items[0].token, ==, 0);
    for (int i = 0; i < SAMPLER_DROPS; i++) sum += dropped[i];
    assert_that(dropped[STAGE_BIAS], ==, 1);
    assert_that(dropped[SAMPLER_TEMPER], ==, V - 2);
    assert_that(sum, ==, V - 1);
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
    assert_string_equal(error.message, "position 4: the banned phrases leave no token possible");
}

/* State is plain data: a copy is independent, and the same steps lead both to the same state. */
static void state_forks_by_assignment(void **state) {
    (void)state;
    Sampler sampler = sampler_default();
    must_set(&sampler, "mirostat-tau", "1");
    must_set(&sampler, "wave", "sine:1:8");
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
    assert_same_state(&memory, &fork);
    assert_that(memory.kl, ==, fork.kl);
    assert_that(memory.mirostat.mu, !=, 2);
    assert_that(fabs(sampler_alpha(&sampler, &memory)), <, 1e-12); /* 20 tokens: two and a half periods of 8 */
}

/* Chi-square of how often XTC acts, one degree of freedom: 10.8 is passed by chance once in a thousand; fixed seeds. */
static void xtc_acts_as_often_as_it_says(void **state) {
    (void)state;
    enum { STEPS = 20000 };
    Error error;
    Sampler sampler = sampler_default();
    SamplerState memory = sampler_start(&sampler);
    must_set(&sampler, "xtc-probability", "0.3");
    must_set(&sampler, "min-p", "0");
    int acted = 0;
    for (int position = 0; position < STEPS; position++) {
        SamplerContext context = context_of(position);
        Candidates c = open((float[]){logf(4), logf(2), 0, 0, -INFINITY});
        must(sampler_apply(&sampler, &memory, &context, &c, &error), &error);
        acted += c.items[0].token != 0;
        candidates_close(&c);
    }
    double expected = 0.3 * STEPS, difference = acted - expected;
    assert_that(difference * difference / expected + difference * difference / (STEPS - expected), <, 10.8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
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

/* Which settings matter: what sampler_matters calls idle changes nothing that is drawn. */
#include <math.h>
#include <string.h>

#include "sampler/chain/draw.h"
#include "sampler/sampler.h"
#include "tests/support/logits.h"
#include "tests/support/test.h"

enum { V = 40, STEPS = 3 };

/* Values that switch things on, off, and to their ends. */
static const char *const values[][5] = {{"temp", "0", ".5", "1", "2"},
                                        {"top-k", "0", "1", "5", "2:9@entropy"},
                                        {"top-p", "1", ".3", ".9", ".2:.9@entropy"},
                                        {"min-p", "0", ".05", ".3", "1"},
                                        {"typical", "1", ".2", ".8", ".5"},
                                        {"epsilon", "0", ".01", ".2", "1"},
                                        {"eta", "0", ".01", ".2", "1"},
                                        {"top-nsigma", "0", ".5", "1", "2"},
                                        {"top-h", "1", ".2", ".4", ".8"},
                                        {"xtc-probability", "0", ".5", "1", "1"},
                                        {"xtc-threshold", "0", ".1", ".5", ".51"},
                                        {"mirostat-tau", "0", "1", "3", "5"},
                                        {"mirostat-eta", "0", ".1", ".5", "1"},
                                        {"repeat-penalty", "1", "1.3", ".5", "2"},
                                        {"frequency-penalty", "0", ".3", "-1", "2"},
                                        {"presence-penalty", "0", ".3", "-1", "2"},
                                        {"repeat-last-n", "0", "1", "3", "-1"},
                                        {"dry-multiplier", "0", ".8", "2", "5"},
                                        {"dry-base", "1", "1.75", "3", "10"},
                                        {"dry-allowed-length", "1", "2", "3", "5"},
                                        {"temp-policy", "fixed", "linear", "sigmoid", "edt"},
                                        {"temp-policy", "udt", "kld", "dynatemp", "table"},
                                        {"temp-policy", "target", "target", "edt-instance", "fixed"},
                                        {"entropy-target", "0", "1", "@.5", "2@.8"},
                                        {"temp-range", "0:1", ".5:.9", "0:5", "1:2"},
                                        {"temp-table", "0:.2", "0:.2,2:1", "1:2,3:.1", "0:0"},
                                        {"entropy-range", "0:1", "1:3", "2:6", "0:6"},
                                        {"entropy-cap", ".5", "1", "6", "9"},
                                        {"sigmoid-k", "0", "1", "-3", "9"},
                                        {"sigmoid-mid", "0", "1", "3", "9"},
                                        {"edt-theta", "0", ".2", "1", "5"},
                                        {"edt-n", ".1", ".5", ".8", ".99"},
                                        {"udt-measure", "pmax", "margin", "entropy", "pmax"},
                                        {"kld-sigma", ".1", "1", "2", "9"},
                                        {"dynatemp-range", "0", ".3", "1", "2"},
                                        {"dynatemp-exp", "0", ".5", "1", "3"},
                                        {"samplers", "top-k", "min-p,xtc", "typical,top-k", "xtc,top-p,mirostat"}};
enum { SETTINGS = sizeof values / sizeof values[0] };

static Sampler random_sampler(Random *random) {
    Sampler sampler = sampler_default();
    sampler.seed = random_u64(random);
    must_set(&sampler, "temp-table", "0:.3,3:1");
    must_set(&sampler, "entropy-target", "1.5");
    for (int i = random_int(random, 0, 12); i > 0; i--) {
        const char *const *row = values[random_int(random, 0, SETTINGS - 1)];
        must_set(&sampler, row[0], row[random_int(random, 1, 4)]);
    }
    sampler.temperature_first = random_chance(random, .3);
    return sampler;
}

/* The tokens of a few steps; all logits come from the seed. */
static void write(const Sampler *sampler, Candidates *c, uint64_t seed, int *tokens) {
    static const TokenFlags flags[V];
    static const bool none[V];
    int history[8] = {1, 2, 1, 2}, scratch[8];
    float logits[V];
    Random random = random_from(seed);
    SamplerState state = sampler_start(sampler);
    state.prompt_entropy = 1.25;
    for (int i = 0; i < STEPS; i++) {
        Error error;
        SamplerContext context = {.history = history,
                                  .n_history = 4 + i,
                                  .flags = flags,
                                  .breakers = none,
                                  .exempt = none,
                                  .scratch = scratch};
        random_logits(&random, logits, V);
        state.kl = random_unit(&random);
        candidates_from_logits(c, logits, V);
        must(sampler_apply(sampler, &state, &context, c, &error), &error);
        int chosen = draw_candidate(c, sampler_temperature(sampler, &state, c), sampler->seed, 4 + i, 0);
        tokens[i] = history[4 + i] = c->items[chosen].token;
        sampler_accept(sampler, &state, &context, c, chosen);
    }
}

static bool is_valid(const Sampler *sampler) {
    Error error;
    return sampler_check(sampler, &error);
}

/* Whatever an idle setting is changed to, the text is the same; where it stays idle is the library's to say. */
static void idle_settings_change_nothing(void **state) {
    (void)state;
    Random random = random_from(77);
    Candidates c = open_candidates(V);
    int idle[SETTINGS] = {0}, changed = 0;
    for (int round = 0; round < 40000; round++) {
        Error why = {0};
        Sampler sampler = random_sampler(&random);
        int at = random_int(&random, 0, SETTINGS - 1);
        const char *const *row = values[at];
        if (strcmp(row[0], "samplers") == 0 || strcmp(row[0], "temp-policy") == 0) continue;
        must_set(&sampler, row[0], row[random_int(&random, 1, 4)]);
        bool matters = sampler_matters(&sampler, row[0], &why);
        if (!is_valid(&sampler)) continue;
        Sampler other = sampler;
        must_set(&other, row[0], row[random_int(&random, 1, 4)]);
        if (!is_valid(&other) || (!matters && sampler_matters(&other, row[0], &why))) continue;
        int tokens[STEPS], again[STEPS];
        uint64_t seed = random_u64(&random);
        write(&sampler, &c, seed, tokens);
        write(&other, &c, seed, again);
        bool same = memcmp(tokens, again, sizeof tokens) == 0;
        if (!matters && !same) fail_msg("--%s (%s) changes the text", row[0], why.message);
        idle[at] += !matters;
        changed += matters && !same;
    }
    for (int i = 0; i < SETTINGS; i++) {
        bool may_be_idle = strcmp(values[i][0], "samplers") != 0 && strcmp(values[i][0], "temp-policy") != 0 &&
                           strcmp(values[i][0], "dry-multiplier") != 0;
        if (may_be_idle && idle[i] < 5) fail_msg("--%s was idle %d times", values[i][0], idle[i]);
    }
    assert_that(changed, >, 2000);
    candidates_close(&c);
}

static void needs(const char *list, const char *name, const char *expected) {
    Error error, why;
    Sampler sampler = sampler_default();
    must(sampler_set_list(&sampler, list, &error), &error);
    bool matters = sampler_matters(&sampler, name, &why);
    if (matters != !expected) fail_msg("%s in '%s': %s", name, list, matters ? "matters" : why.message);
    if (expected) assert_string_equal(why.message, expected);
}

static void each_says_what_it_needs(void **state) {
    (void)state;
    needs("fe-k 5", "fe-k", "needs fe");
    needs("fe-k 5, alpha 0.5", "fe-k", NULL);
    needs("fe, alpha -1", "fe-n", "needs alpha above -1");
    needs("fe, alpha -1", "fe", "needs alpha above -1");
    needs("fe, alpha -1", "alpha", NULL);
    needs("wave sine:1:9, alpha 0.5", "alpha", "wave sets alpha");
    needs("wave-clock word", "wave-clock", "needs wave");
    needs("fe, fe-discount 0.5", "fe-discount", "needs fe-depth above 1");
    needs("fe, fe-depth 2, fe-discount 0.5", "fe-discount", NULL);
    needs("fe, fe-eager, fe-chunk 3", "fe-chunk", "all candidates are evaluated at once");
    needs("edt-n 0.5", "edt-n", "needs temp-policy edt, edt-instance or udt");
    needs("temp 0.5, temp-policy linear", "temp", "needs temp-policy fixed, edt, edt-instance, udt, kld or dynatemp");
    needs("temp-policy dynatemp, temp 0, dynatemp-exp 2", "dynatemp-exp", NULL);
    needs("temp-policy kld, temp 0, kld-sigma 2", "kld-sigma", "needs temp above 0");
    needs("entropy-target 1", "entropy-target", "needs temp-policy target");
    needs("temp-policy target, entropy-target 1, temp-range 0.5:1", "temp-range", NULL);
    needs("mirostat-eta 0.2", "mirostat-eta", "needs mirostat-tau");
    needs("xtc-threshold 0.2", "xtc-threshold", "needs xtc-probability");
    needs("temp 0, top-p 0.5", "top-p", "needs temp above 0");
    needs("temp 0, top-p 0.5, fe", "top-p", NULL);
    needs("temp 0, top-p 0.5, typical 0.5", "top-p", NULL);
    needs("temp 0, top-p 1", "top-p", NULL);
    needs("temp 0, top-k 1", "top-k", NULL);
    needs("temp 0, fe", "fe", NULL);
    needs("top-k 1, temp 0.5", "temp", "top-k 1 leaves one candidate");
    needs("top-k 1, fe", "fe", "top-k 1 leaves one candidate");
    needs("samplers top-k, top-p 0.5", "top-p", "not among samplers");
    needs("xtc-probability 0.5, xtc-threshold 0.6", "xtc-probability",
          "no two candidates reach an xtc-threshold above 0.5");
    needs("xtc-probability 0.5, xtc-threshold 0.6", "xtc-threshold", NULL); /* without it XTC is on */
    needs("fe-discount 0.5, at line-start:fe", "fe-discount", "needs fe");
    needs("fe-discount 0.5, at line-start:fe, at number:fe-depth=3", "fe-discount", NULL); /* where both hold */
    needs("fe-k 5, at line-start:temp=1, at number:temp=1", "fe-k", "needs fe");
    needs("repeat-last-n 0, repeat-penalty 1.1", "repeat-penalty", "needs repeat-last-n other than 0");
}

/* A setting inside a rule, at the places where the rule holds. */
static void needs_in_rule(const char *list, int rule, const char *name, const char *expected) {
    Error error, why;
    Sampler sampler = sampler_default();
    if (!sampler_set_list(&sampler, list, &error)) fail_msg("%s", error.message);
    bool matters = sampler_matters_in_rule(&sampler, rule, name, &why);
    if (matters != !expected) fail_msg("%s in '%s': %s", name, list, matters ? "matters" : why.message);
    if (expected) assert_string_equal(why.message, expected);
}

static void rules_say_what_they_need(void **state) {
    (void)state;
    needs_in_rule("at speech:fe-k=5", 0, "fe-k", "needs fe");
    needs_in_rule("at speech:fe-k=5, at number:fe", 0, "fe-k", NULL); /* where both hold */
    needs_in_rule("at speech:fe-k=5, fe", 0, "fe-k", NULL);
    needs_in_rule("at speech:temp=0.5, temp-policy linear", 0, "temp",
                  "needs temp-policy fixed, edt, edt-instance, udt, kld or dynatemp");
    needs_in_rule("at speech:{temp=0.5,temp-policy=edt}, temp-policy linear", 0, "temp", NULL);
    needs_in_rule("at speech:{temp=0,top-p=0.5}", 0, "top-p", "needs temp above 0");
    char name[64];
    const char *names[] = {"temp-table", "at", "fe", "top-k"},
               *list = "temp-table 0:1,2:3, at=number:{temp=1,fe},fe, top-k=3";
    for (int i = 0; i < 4; i++) {
        assert_true(sampler_next_setting(&list, name, sizeof name));
        assert_string_equal(name, names[i]);
    }
    assert_false(sampler_next_setting(&list, name, sizeof name));
}

/* Equality reads the settings, not the bytes: padding may hold anything. */
static void samplers_are_equal_by_their_settings(void **state) {
    (void)state;
    static const char *const changes[] = {"temp 0.3",          "fe",
                                          "top-k 5",           "fe-n 50",
                                          "wave sine:0:20",    "samplers top-p",
                                          "logit-bias 5+1",    "logit-bias 5+2",
                                          "at number:temp=.2", "at number:temp=.3",
                                          "mirostat-tau 3"};
    enum { N = sizeof changes / sizeof changes[0] };
    Sampler samplers[N + 1];
    Error error;
    memset(samplers, 0x55, sizeof samplers);
    for (int i = 0; i <= N; i++) {
        samplers[i] = sampler_default();
        if (i < N && !sampler_set_list(&samplers[i], changes[i], &error)) fail_msg("%s: %s", changes[i], error.message);
    }
    for (int i = 0; i <= N; i++)
        for (int j = 0; j <= N; j++) {
            Sampler other;
            memset(&other, 0xaa, sizeof other);
            other = samplers[j];
            assert_int_equal(sampler_equal(&samplers[i], &other), i == j);
        }
    samplers[0] = samplers[1] = sampler_default();
    samplers[1].seed = 1;
    assert_false(sampler_equal(&samplers[0], &samplers[1]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_settings_change_nothing),
        cmocka_unit_test(samplers_are_equal_by_their_settings),
        cmocka_unit_test(each_says_what_it_needs),
        cmocka_unit_test(rules_say_what_they_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

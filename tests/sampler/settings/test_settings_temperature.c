/* The settings of the temperature policies: values refused, contradictions, and how they are shown. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/sampler.h"
#include "tests/support/logits.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static void check_refused(const char *name, const char *text, const char *message) {
    Sampler sampler = sampler_default(), before;
    memcpy(&before, &sampler, sizeof sampler);
    Error error = {.message = ""};
    assert_false(sampler_set(&sampler, name, text, &error));
    assert_string_equal(error.message, message);
    assert_memory_equal(&sampler, &before, sizeof sampler);
}

static void refuses_values(void **state) {
    (void)state;
    check_refused("edt-n", "1", "edt-n: expected a number above 0 and below 1, got '1'");
    check_refused("edt-n", "0", "edt-n: expected a number above 0 and below 1, got '0'");
    check_refused("edt-n", "nan", "edt-n: expected a number above 0 and below 1, got 'nan'");
    check_refused("edt-theta", "-.1", "edt-theta: expected a number from 0 to 100, got '-.1'");
    check_refused("edt-theta", "inf", "edt-theta: expected a number from 0 to 100, got 'inf'");
    check_refused("temp", "", "temp: expected a number from 0 to 100, got ''");
    check_refused("temp", "1x", "temp: expected a number from 0 to 100, got '1x'");
    check_refused("kld-sigma", "0", "kld-sigma: expected a number above 0 and at most 1000, got '0'");
    check_refused("entropy-cap", "0", "entropy-cap: expected a number above 0 and at most 100, got '0'");
    check_refused("sigmoid-k", "101", "sigmoid-k: expected a number from -100 to 100, got '101'");
    check_refused("sigmoid-mid", "-1", "sigmoid-mid: expected a number from 0 to 100, got '-1'");
    check_refused("dynatemp-range", "101", "dynatemp-range: expected a number from 0 to 100, got '101'");
    check_refused("dynatemp-exp", "-1", "dynatemp-exp: expected a number from 0 to 100, got '-1'");
    check_refused("temp-range", "1", "temp-range: expected LO:HI, got '1'");
    check_refused("temp-range", "1:", "temp-range: expected a number from 0 to 100, got ''");
    check_refused("temp-range", "1:2:3", "temp-range: expected a number from 0 to 100, got '2:3'");
    check_refused("temp-range", "2:1", "temp-range: expected LO below HI, got 2:1");
    check_refused("entropy-range", "0:0", "entropy-range: expected LO below HI, got 0:0");
    check_refused("entropy-range", "-1:2", "entropy-range: expected a number from 0 to 100, got '-1'");
    check_refused("udt-measure", "p", "udt-measure: expected one of pmax|margin|entropy, got 'p'");
    check_refused("temp-policy", "EDT",
                  "temp-policy: expected one of fixed|linear|sigmoid|table|edt|edt-instance|udt|kld|dynatemp|target, "
                  "got 'EDT'");
    check_refused("edt", "1", "edt: no such setting of the sampler");
}

static void refuses_tables(void **state) {
    (void)state;
    check_refused("temp-table", "", "temp-table: knot 1: expected H:T, got ''");
    check_refused("temp-table", "1", "temp-table: knot 1: expected H:T, got '1'");
    check_refused("temp-table", "1:1,", "temp-table: knot 2: expected H:T, got ''");
    check_refused("temp-table", "1:1,2,3:1", "temp-table: knot 2: expected H:T, got '2'");
    check_refused("temp-table", "1:1,2:x", "temp-table: knot 2: T: expected a number from 0 to 100, got 'x'");
    check_refused("temp-table", "1:1,x:2", "temp-table: knot 2: H: expected a number from 0 to 100, got 'x'");
    check_refused("temp-table", "1:1:1", "temp-table: knot 1: T: expected a number from 0 to 100, got '1:1'");
    check_refused("temp-table", "1:-1", "temp-table: knot 1: T: expected a number from 0 to 100, got '-1'");
    check_refused("temp-table", "1:1,1:2", "temp-table: knot 2: expected H above the 1 of the knot before, got 1");
    check_refused("temp-table", "1:1,2:1,.5:2",
                  "temp-table: knot 3: expected H above the 2 of the knot before, got 0.5");
    check_refused("temp-table", "0:1,1:1,2:1,3:1,4:1,5:1,6:1,7:1,8:1,9:1,10:1,11:1,12:1,13:1,14:1,15:1,16:1",
                  "temp-table: expected at most 16 knots, got more");
    Sampler sampler = sampler_default();
    must_set(&sampler, "temp-table", "0:1,1:1,2:1,3:1,4:1,5:1,6:1,7:1,8:1,9:1,10:1,11:1,12:1,13:1,14:1,15:2");
    assert_int_equal(sampler.temperature.n_knots, 16);
    assert_that(sampler.temperature.knots[15].entropy, ==, 15);
    assert_that(sampler.temperature.knots[15].temperature, ==, 2);
}

static bool check(const TemperaturePolicy *policy, Error *error) {
    Sampler sampler = sampler_default();
    sampler.temperature = *policy;
    return sampler_check(&sampler, error);
}

static void check_invalid(const TemperaturePolicy *policy, const char *message) {
    Error error = {.message = ""};
    assert_false(check(policy, &error));
    assert_string_equal(error.message, message);
}

static void checks_the_whole(void **state) {
    (void)state;
    Error error;
    TemperaturePolicy usual = temperature_default(), policy = usual;
    for (int i = 0; i < TEMPERATURE_KINDS; i++) {
        policy.kind = (TemperatureKind)i;
        if (i == TEMPERATURE_TABLE || i == TEMPERATURE_TARGET) continue; /* which want a table, a target */
        must(check(&policy, &error), &error);
    }
    policy.kind = TEMPERATURE_TABLE;
    check_invalid(&policy, "temp-policy table: expected temp-table with 1 to 16 knots");
    policy.n_knots = 2;
    policy.knots[0] = policy.knots[1] = (TemperatureKnot){1, 1};
    check_invalid(&policy, "temp-table: knot 2: expected H above the 1 of the knot before, got 1");
    policy.knots[1] = (TemperatureKnot){2, NAN};
    check_invalid(&policy, "temp-table: T: expected a number from 0 to 100, got 'nan'");
    policy.knots[1] = (TemperatureKnot){200, 1};
    check_invalid(&policy, "temp-table: H: expected a number from 0 to 100, got '200'");
    policy.n_knots = 17;
    check_invalid(&policy, "temp-table: expected at most 16 knots, got 17");
    policy = usual, policy.kind = TEMPERATURE_TARGET;
    check_invalid(&policy, "temp-policy target: expected entropy-target with it");
    policy.target_fraction = 1.5;
    check_invalid(&policy, "entropy-target: fraction: expected a number from 0 to 1, got '1.5'");
    policy.target_fraction = .5, policy.target_nats = 101;
    check_invalid(&policy, "entropy-target: expected a number from 0 to 100, got '101'");
    policy = usual, policy.edt_n = 1;
    check_invalid(&policy, "edt-n: expected a number above 0 and below 1, got '1'");
    policy = usual, policy.low = 1.8;
    check_invalid(&policy, "temp-range: expected LO below HI, got 1.8:1.8");
    policy = usual, policy.high = INFINITY;
    check_invalid(&policy, "temp-range: expected a number from 0 to 100, got 'inf'");
    policy = usual, policy.entropy_low = 3;
    check_invalid(&policy, "entropy-range: expected LO below HI, got 3:0");
    policy = usual, policy.kind = TEMPERATURE_LINEAR, policy.entropy_low = 6, policy.entropy_high = 8;
    check_invalid(&policy, "entropy-cap: expected a number above the LO of entropy-range, 6, got 6");
    policy.kind = TEMPERATURE_EDT; /* which has no cap */
    must(check(&policy, &error), &error);
}

/* The policy as the chain shows it. */
static void check_print(const Sampler *sampler, const char *expected) {
    char out[SAMPLER_CHAIN_BYTES], chain[512];
    snprintf(chain, sizeof chain, "top-k 40 -> top-p 0.95 -> min-p 0.05 -> %s -> draw, seed 0", expected);
    sampler_print(sampler, out, sizeof out);
    assert_string_equal(out, chain);
}

static void prints_what_matters(void **state) {
    (void)state;
    const char *expected[] = {
        "temp 0.8",
        "--temp-policy linear --temp-range 0.3:1.8 --entropy-cap 6",
        "--temp-policy sigmoid --temp-range 0.3:1.8 --sigmoid-k 1 --sigmoid-mid 3",
        "--temp-policy table --temp-table 0.5:1,2:0.25",
        "--temp-policy edt --temp 0.8 --edt-theta 0.2 --edt-n 0.8",
        "--temp-policy edt-instance --temp 0.8 --edt-theta 0.2 --edt-n 0.8",
        "--temp-policy udt --temp 0.8 --edt-theta 0.2 --edt-n 0.8 --udt-measure pmax",
        "--temp-policy kld --temp 0.8 --kld-sigma 1",
        "--temp-policy dynatemp --temp 0.8 --dynatemp-range 0.5 --dynatemp-exp 1",
        "--temp-policy target --temp-range 0.3:1.8 --entropy-target 1.5@0.25",
    };
    Sampler sampler = sampler_default();
    must_set(&sampler, "temp-table", ".5:1,2:.25");
    must_set(&sampler, "entropy-target", "1.5@.25");
    for (int i = 0; i < TEMPERATURE_KINDS; i++) {
        sampler.temperature.kind = (TemperatureKind)i;
        check_print(&sampler, expected[i]);
    }
    sampler.temperature.kind = TEMPERATURE_LINEAR;
    must_set(&sampler, "entropy-range", "0:2.5");
    check_print(&sampler, "--temp-policy linear --temp-range 0.3:1.8 --entropy-range 0:2.5 --entropy-cap 6");
}

/* Reads back what is shown, setting by setting. */
static void shown_values_read_back(void **state) {
    (void)state;
    Random random = random_from(7);
    Candidates survivors = open_candidates(20);
    float logits[20];
    for (int i = 0; i < 20; i++) logits[i] = (float)i / 4;
    candidates_from_logits(&survivors, logits, 20);
    for (int round = 0; round < 2000; round++) {
        TemperaturePolicy policy = temperature_default();
        policy.kind = (TemperatureKind)random_int(&random, 0, TEMPERATURE_KINDS - 1);
        policy.base = random_unit(&random), policy.low = random_unit(&random), policy.high = 1 + random_unit(&random);
        policy.edt_n = .1 + .8 * random_unit(&random), policy.edt_theta = random_unit(&random);
        policy.udt_measure = (UdtMeasure)random_int(&random, 0, UDT_MEASURES - 1);
        policy.n_knots = random_int(&random, 1, TEMPERATURE_KNOTS);
        for (int i = 0; i < policy.n_knots; i++)
            policy.knots[i] = (TemperatureKnot){i + random_unit(&random), random_unit(&random)};
        bool both = random_chance(&random, .5);
        if (both || round % 2) policy.target_nats = random_unit(&random);
        if (both || round % 2 == 0) policy.target_fraction = random_unit(&random);
        Sampler sampler = sampler_default(), other = sampler_default();
        sampler.temperature = policy;
        const TemperatureRow *row = &temperature_policies[policy.kind];
        must_set(&other, "temp-policy", row->name);
        for (int i = 0; row->settings[i]; i++) {
            char value[2000];
            assert_that(sampler_show(&sampler, row->settings[i], value, sizeof value), <, (int)sizeof value);
            if (*value) must_set(&other, row->settings[i], value);
        }
        Error error;
        must(sampler_check(&other, &error), &error);
        TemperatureInput input = {8 * random_unit(&random), 1, 2, 100, .5, .25, 1, .5, 2, 20, &survivors};
        assert_that(temperature_of(&policy, &input), ==, temperature_of(&other.temperature, &input));
    }
    candidates_close(&survivors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_values),         cmocka_unit_test(refuses_tables),
        cmocka_unit_test(checks_the_whole),       cmocka_unit_test(prints_what_matters),
        cmocka_unit_test(shown_values_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/chain/temperature.h"
#include "tests/support/logits.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static TemperaturePolicy policy_of(TemperatureKind kind) {
    TemperaturePolicy policy = temperature_default();
    policy.kind = kind;
    return policy;
}

static double at_entropy(const TemperaturePolicy *policy, double entropy) {
    TemperatureInput input = {.entropy = entropy, .vocab_size = 32000};
    return temperature_of(policy, &input);
}

/* p = [.5, .25, .125, .125], as logits. */
static const float quarters[] = {1.38629436111989f, .693147180559945f, 0, 0};
#define QUARTERS_ENTROPY 1.2130075659799042

static void fixed_is_always_the_base(void **state) {
    (void)state;
    TemperaturePolicy policy = temperature_default();
    assert_that(at_entropy(&policy, 0), ==, .8);
    assert_that(at_entropy(&policy, 9), ==, .8);
}

static void linear_between_its_ends(void **state) {
    (void)state;
    TemperaturePolicy policy = policy_of(TEMPERATURE_LINEAR);
    policy.entropy_low = 1, policy.entropy_high = 4;
    double expected[][2] = {{0, .3}, {1, .3}, {2, .8}, {2.5, 1.05}, {4, 1.8}, {5, 1.8}, {7, 1.8}};
    for (int i = 0; i < 7; i++) assert_near(at_entropy(&policy, expected[i][0]), expected[i][1], 1e-15);
    policy.entropy_high = 11; /* the cap keeps H at 6: half way */
    assert_near(at_entropy(&policy, 6), .3 + 1.5, 1e-15);
    policy.entropy_cap = 20;
    assert_near(at_entropy(&policy, 6), 1.05, 1e-15);
}

static void linear_by_what_was_observed(void **state) {
    (void)state;
    TemperaturePolicy policy = policy_of(TEMPERATURE_LINEAR);
    TemperatureInput input = {.entropy = 2, .observed_low = 1, .observed_high = 4};
    assert_near(temperature_of(&policy, &input), .8, 1e-15);
    input = (TemperatureInput){.entropy = 2, .observed_low = 2, .observed_high = 2}; /* the first step */
    assert_near(temperature_of(&policy, &input), 1.05, 1e-15);
    input.entropy = 1.9;
    assert_that(temperature_of(&policy, &input), ==, .3);
    input.entropy = 2.1;
    assert_near(temperature_of(&policy, &input), 1.8, 1e-15);
    input = (TemperatureInput){.entropy = 9, .observed_low = 7, .observed_high = 8}; /* all above the cap */
    assert_near(temperature_of(&policy, &input), 1.05, 1e-15);
    input.entropy = 5;
    assert_that(temperature_of(&policy, &input), ==, .3);
}

static void sigmoid_turns_at_its_middle(void **state) {
    (void)state;
    TemperaturePolicy policy = policy_of(TEMPERATURE_SIGMOID);
    assert_near(at_entropy(&policy, 3), 1.05, 1e-15);
    assert_near(at_entropy(&policy, 3 + log(3)), .3 + 1.5 * .75, 1e-14);
    assert_near(at_entropy(&policy, 3 - log(3)), .3 + 1.5 * .25, 1e-14);
    policy.sigmoid_k = 100, policy.sigmoid_mid = 12;
    assert_that(at_entropy(&policy, 0), ==, .3); /* exp overflows: the limit is right */
    assert_near(at_entropy(&policy, 40), 1.8, 1e-15);
    policy.sigmoid_k = -1, policy.sigmoid_mid = 3;
    assert_that(at_entropy(&policy, 4), <, at_entropy(&policy, 2));
}

static void table_goes_through_its_knots(void **state) {
    (void)state;
    TemperaturePolicy policy = policy_of(TEMPERATURE_TABLE);
    Error error;
    must(temperature_set(&policy, "temp-table", "1:.5,2:1.5,4:0.5", &error), &error);
    double expected[][2] = {{0, .5}, {1, .5}, {1.25, .75}, {2, 1.5}, {3, 1}, {4, .5}, {9, .5}};
    for (int i = 0; i < 7; i++) assert_that(at_entropy(&policy, expected[i][0]), ==, expected[i][1]);
    must(temperature_set(&policy, "temp-table", "1:.2,2:.9,3:1", &error), &error);
    assert_that(at_entropy(&policy, 2), ==, .9); /* .2 + (.9 - .2) is a bit less */
    must(temperature_set(&policy, "temp-table", "3:.7", &error), &error);
    assert_that(at_entropy(&policy, 0), ==, .7);
    assert_that(at_entropy(&policy, 3), ==, .7);
    assert_that(at_entropy(&policy, 8), ==, .7);
}

static void edt_golden(void **state) {
    (void)state;
    TemperaturePolicy policy = policy_of(TEMPERATURE_EDT);
    assert_near(at_entropy(&policy, QUARTERS_ENTROPY), .771101448556024, 1e-14);
    double rows[][2] = {{.01, .00922337}, {.05, .32768}, {.1, .512},     {.25, .66920931},
                        {.5, .73168808},  {1, .7650820}, {2, .78234621}, {4, .79112387}};
    for (int i = 0; i < 8; i++) assert_near(at_entropy(&policy, rows[i][0]), rows[i][1], 5e-8);
    policy.base = 1, policy.edt_theta = 1.5;
    assert_near(at_entropy(&policy, QUARTERS_ENTROPY), .7588597000847129, 1e-14);
    assert_near(at_entropy(&policy, 1.5 * log(.8) / log(.5)), .5, 1e-14); /* half of T0 at .3219 theta */
}

static void edt_stays_within_its_limits(void **state) {
    (void)state;
    TemperaturePolicy policy = policy_of(TEMPERATURE_EDT);
    assert_that(at_entropy(&policy, 0), ==, 0);
    assert_that(at_entropy(&policy, -1e-18), ==, 0);
    assert_that(at_entropy(&policy, 1e-300), ==, 0);
    assert_that(at_entropy(&policy, INFINITY), ==, .8);
    assert_near(at_entropy(&policy, 1e12), .8, 1e-12);
    policy.edt_theta = 0;
    assert_that(at_entropy(&policy, 0), ==, .8);
    assert_that(at_entropy(&policy, 3), ==, .8);
}

static void edt_instance_reads_the_prompt_alone(void **state) {
    (void)state;
    TemperaturePolicy policy = policy_of(TEMPERATURE_EDT_INSTANCE);
    TemperatureInput input = {.entropy = 5, .prompt_entropy = .1};
    assert_near(temperature_of(&policy, &input), .512, 1e-15);
    input.entropy = .01;
    assert_near(temperature_of(&policy, &input), .512, 1e-15);
}

static void udt_measures(void **state) {
    (void)state;
    TemperaturePolicy policy = policy_of(TEMPERATURE_UDT);
    TemperatureInput input = {.entropy = QUARTERS_ENTROPY, .vocab_size = 4, .p1 = .5, .p2 = .25};
    double uncertainty[UDT_MEASURES] = {.5, .75, .875};
    for (int i = 0; i < UDT_MEASURES; i++) {
        policy.udt_measure = (UdtMeasure)i;
        assert_near(temperature_of(&policy, &input), .8 * pow(.8, .2 / uncertainty[i]), 1e-14);
    }
    TemperatureInput sure = {.entropy = 0, .vocab_size = 4, .p1 = 1}, one = {.vocab_size = 1, .p1 = 1};
    TemperatureInput even = {.entropy = log(4), .vocab_size = 4, .p1 = .25, .p2 = .25};
    for (int i = 0; i < UDT_MEASURES; i++) {
        policy.udt_measure = (UdtMeasure)i;
        assert_that(temperature_of(&policy, &sure), ==, 0);
        assert_that(temperature_of(&policy, &one), ==, 0);
        assert_near(temperature_of(&policy, &even), .8 * pow(.8, i == UDT_PMAX ? .2 / .75 : .2), 1e-14);
    }
}

static void kld_golden_and_limits(void **state) {
    (void)state;
    float uniform[4] = {2, 2, 2, 2};
    TemperatureInput input = {.kl = temperature_kl(quarters, uniform, 4)};
    assert_near(input.kl, .1732867951399863, 1e-7); /* the logits are floats */
    input.kl = .1732867951399863;
    TemperaturePolicy policy = policy_of(TEMPERATURE_KLD);
    policy.base = 1;
    assert_near(temperature_of(&policy, &input), .8868199955793765, 1e-15);
    input.kl = 0;
    assert_that(temperature_of(&policy, &input), ==, 1);
    input.kl = INFINITY;
    assert_that(temperature_of(&policy, &input), ==, 0);
    input.kl = 3, policy.kld_sigma = 1.5;
    assert_that(temperature_of(&policy, &input), ==, .25);
}

static void dynatemp_golden_and_limits(void **state) {
    (void)state;
    TemperaturePolicy policy = policy_of(TEMPERATURE_DYNATEMP); /* 0.8 -/+ 0.5 */
    TemperatureInput input = {.survivors_entropy = QUARTERS_ENTROPY, .n_survivors = 4};
    assert_near(temperature_of(&policy, &input), 1.175, 1e-14);
    policy.dynatemp_exp = 2;
    assert_near(temperature_of(&policy, &input), .3 + .875 * .875, 1e-14);
    policy.dynatemp_exp = 0;
    assert_near(temperature_of(&policy, &input), 1.3, 1e-15);
    policy.dynatemp_exp = 1;
    input.survivors_entropy = log(4) * (1 + 1e-12); /* rounded up */
    assert_that(temperature_of(&policy, &input), <=, 1.3);
    input = (TemperatureInput){.n_survivors = 1};
    assert_near(temperature_of(&policy, &input), .3, 1e-15);
    policy.dynatemp_range = 2; /* the lower end stops at 0 */
    assert_that(temperature_of(&policy, &input), ==, 0);
}

/* T never falls where H rises, and stays within its ends. */
static void more_entropy_is_never_cooler(void **state) {
    (void)state;
    TemperatureKind kinds[] = {TEMPERATURE_LINEAR, TEMPERATURE_SIGMOID, TEMPERATURE_EDT, TEMPERATURE_UDT,
                               TEMPERATURE_DYNATEMP};
    double lowest[] = {.3, .3, 0, 0, .3}, highest[] = {1.8, 1.8, .8, .8, 1.3};
    for (int i = 0; i < 5; i++) {
        TemperaturePolicy policy = policy_of(kinds[i]);
        policy.udt_measure = UDT_ENTROPY;
        double before = 0;
        for (double entropy = 0; entropy <= log(32000); entropy += .01) {
            TemperatureInput input = {entropy, .observed_low = 1, .observed_high = 3, .vocab_size = 32000};
            input.survivors_entropy = entropy, input.n_survivors = 32000;
            double temperature = temperature_of(&policy, &input);
            assert_that(temperature, >=, before);
            assert_that(temperature, >=, lowest[i] - 1e-12);
            assert_that(temperature, <=, highest[i] + 1e-12);
            before = temperature;
        }
    }
}

/* The table of policies is in the order of the enum, and complete. */
static void policies_have_their_names(void **state) {
    (void)state;
    const char *names[] = {"fixed",        "linear", "sigmoid", "table",    "edt",
                           "edt-instance", "udt",    "kld",     "dynatemp", "target"};
    TemperaturePolicy policy = temperature_default();
    Error error;
    for (int i = 0; i < TEMPERATURE_KINDS; i++) {
        assert_string_equal(temperature_policies[i].name, names[i]);
        assert_true(temperature_policies[i].formula[0] && temperature_policies[i].source);
        must(temperature_set(&policy, "temp-policy", names[i], &error), &error);
        assert_int_equal(policy.kind, i);
    }
}

static double twin_kl(const float *p, const float *q, int n) {
    double sum_p = 0, sum_q = 0, kl = 0;
    for (int i = 0; i < n; i++) sum_p += exp((double)p[i]), sum_q += exp((double)q[i]);
    for (int i = 0; i < n; i++)
        if (p[i] > -INFINITY)
            kl += exp((double)p[i]) / sum_p * log(exp((double)p[i]) / sum_p / (exp((double)q[i]) / sum_q));
    return kl;
}

static void kl_equals_its_twin(void **state) {
    (void)state;
    Random random = random_from(6);
    float p[200], q[200], shifted[200];
    for (int round = 0; round < 500; round++) {
        int n = random_int(&random, 1, 200);
        for (int i = 0; i < n; i++) {
            p[i] = random_chance(&random, .1) ? -INFINITY : (float)random_int(&random, -40, 40) / 4;
            q[i] = (float)random_int(&random, -40, 40) / 4;
            shifted[i] = q[i] + 1024;
        }
        p[random_int(&random, 0, n - 1)] = 1;
        double kl = temperature_kl(p, q, n);
        assert_that(kl, >=, 0);
        assert_near(kl, twin_kl(p, q, n), 1e-11);
        assert_that(temperature_kl(p, shifted, n), ==, kl);
        assert_that(temperature_kl(q, q, n), ==, 0);
        for (int i = 0; i < n; i++) p[i] = nextafterf(q[i], round % 2 ? 100 : -100);
        assert_that(temperature_kl(p, q, n), >=, 0);
    }
}

static void kl_of_what_is_excluded(void **state) {
    (void)state;
    float all[] = {0, 0, -2000}, two[] = {0, 0, -INFINITY}, far[] = {0, -2000, -2000};
    assert_that(temperature_kl(two, two, 3), ==, 0);
    assert_that(temperature_kl(all, two, 3), ==, INFINITY); /* e^-2000 underflows, but it is not nothing */
    assert_that(temperature_kl(two, all, 3), ==, 0);
    assert_near(temperature_kl(two, far, 3), 1000 - log(2), 1e-9);
}

static void check_refused(const char *flag, const char *text, const char *message) {
    TemperaturePolicy policy = temperature_default(), before;
    memset(policy.knots, 0, sizeof policy.knots);
    memcpy(&before, &policy, sizeof policy);
    Error error = {""};
    assert_false(temperature_set(&policy, flag, text, &error));
    assert_string_equal(error.message, message);
    assert_memory_equal(&policy, &before, sizeof policy);
}

static void wrong_values_are_refused(void **state) {
    (void)state;
    check_refused("edt-n", "1", "--edt-n: expected a number above 0 and below 1, got '1'");
    check_refused("edt-n", "0", "--edt-n: expected a number above 0 and below 1, got '0'");
    check_refused("edt-n", "nan", "--edt-n: expected a number above 0 and below 1, got 'nan'");
    check_refused("edt-theta", "-.1", "--edt-theta: expected a number from 0 to 100, got '-.1'");
    check_refused("edt-theta", "inf", "--edt-theta: expected a number from 0 to 100, got 'inf'");
    check_refused("temp", "", "--temp: expected a number from 0 to 100, got ''");
    check_refused("temp", "1x", "--temp: expected a number from 0 to 100, got '1x'");
    check_refused("kld-sigma", "0", "--kld-sigma: expected a number above 0 and at most 1000, got '0'");
    check_refused("entropy-cap", "0", "--entropy-cap: expected a number above 0 and at most 100, got '0'");
    check_refused("sigmoid-k", "101", "--sigmoid-k: expected a number from -100 to 100, got '101'");
    check_refused("sigmoid-mid", "-1", "--sigmoid-mid: expected a number from 0 to 100, got '-1'");
    check_refused("dynatemp-range", "101", "--dynatemp-range: expected a number from 0 to 100, got '101'");
    check_refused("dynatemp-exp", "-1", "--dynatemp-exp: expected a number from 0 to 100, got '-1'");
    check_refused("temp-range", "1", "--temp-range: expected LO:HI, got '1'");
    check_refused("temp-range", "1:", "--temp-range: expected a number from 0 to 100, got ''");
    check_refused("temp-range", "1:2:3", "--temp-range: expected a number from 0 to 100, got '2:3'");
    check_refused("temp-range", "2:1", "--temp-range: expected LO below HI, got 2:1");
    check_refused("entropy-range", "0:0", "--entropy-range: expected LO below HI, got 0:0");
    check_refused("entropy-range", "-1:2", "--entropy-range: expected a number from 0 to 100, got '-1'");
    check_refused("udt-measure", "p", "--udt-measure: no such measure 'p': expected pmax, margin or entropy");
    check_refused(
        "temp-policy", "EDT",
        "--temp-policy: no such policy 'EDT': expected one of fixed, linear, sigmoid, table, edt, edt-instance, "
        "udt, kld, dynatemp, target");
    check_refused("edt", "1", "--edt: no such parameter of a temperature policy");
}

static void wrong_tables_are_refused(void **state) {
    (void)state;
    check_refused("temp-table", "", "--temp-table: knot 1: expected H:T, got ''");
    check_refused("temp-table", "1", "--temp-table: knot 1: expected H:T, got '1'");
    check_refused("temp-table", "1:1,", "--temp-table: knot 2: expected H:T, got ''");
    check_refused("temp-table", "1:1,2,3:1", "--temp-table: knot 2: expected H:T, got '2'");
    check_refused("temp-table", "1:1,2:x", "--temp-table: knot 2: T: expected a number from 0 to 100, got 'x'");
    check_refused("temp-table", "1:1,x:2", "--temp-table: knot 2: H: expected a number from 0 to 100, got 'x'");
    check_refused("temp-table", "1:1:1", "--temp-table: knot 1: T: expected a number from 0 to 100, got '1:1'");
    check_refused("temp-table", "1:-1", "--temp-table: knot 1: T: expected a number from 0 to 100, got '-1'");
    check_refused("temp-table", "1:1,1:2", "--temp-table: knot 2: expected H above the 1 of the knot before, got 1");
    check_refused("temp-table", "1:1,2:1,.5:2",
                  "--temp-table: knot 3: expected H above the 2 of the knot before, got 0.5");
    check_refused("temp-table", "0:1,1:1,2:1,3:1,4:1,5:1,6:1,7:1,8:1,9:1,10:1,11:1,12:1,13:1,14:1,15:1,16:1",
                  "--temp-table: expected at most 16 knots, got more");
    TemperaturePolicy policy = temperature_default();
    Error error;
    must(temperature_set(&policy, "temp-table", "0:1,1:1,2:1,3:1,4:1,5:1,6:1,7:1,8:1,9:1,10:1,11:1,12:1,13:1,14:1,15:2",
                         &error),
         &error);
    assert_int_equal(policy.n_knots, 16);
    assert_that(policy.knots[15].entropy, ==, 15);
    assert_that(policy.knots[15].temperature, ==, 2);
}

static void check_invalid(const TemperaturePolicy *policy, const char *message) {
    Error error = {""};
    assert_false(temperature_check(policy, &error));
    assert_string_equal(error.message, message);
}

static void contradictions_are_refused(void **state) {
    (void)state;
    Error error;
    TemperaturePolicy usual = temperature_default(), policy = usual;
    for (int i = 0; i < TEMPERATURE_KINDS; i++) {
        policy.kind = (TemperatureKind)i;
        if (i == TEMPERATURE_TABLE || i == TEMPERATURE_TARGET) continue; /* which want a table, a target */
        must(temperature_check(&policy, &error), &error);
    }
    policy.kind = TEMPERATURE_TABLE;
    check_invalid(&policy, "--temp-policy table: expected --temp-table with 1 to 16 knots");
    policy.n_knots = 2;
    policy.knots[0] = policy.knots[1] = (TemperatureKnot){1, 1};
    check_invalid(&policy, "--temp-table: knot 2: expected H above the 1 of the knot before, got 1");
    policy.knots[1] = (TemperatureKnot){2, NAN};
    check_invalid(&policy, "--temp-table: T: expected a number from 0 to 100, got 'nan'");
    policy.knots[1] = (TemperatureKnot){200, 1};
    check_invalid(&policy, "--temp-table: H: expected a number from 0 to 100, got '200'");
    policy.n_knots = 17;
    check_invalid(&policy, "--temp-table: expected at most 16 knots, got 17");
    policy = usual, policy.kind = TEMPERATURE_TARGET;
    check_invalid(&policy, "--temp-policy target: expected --entropy-target with it");
    policy.target_fraction = 1.5;
    check_invalid(&policy, "--entropy-target: fraction: expected a number from 0 to 1, got '1.5'");
    policy.target_fraction = .5, policy.target_nats = 101;
    check_invalid(&policy, "--entropy-target: expected a number from 0 to 100, got '101'");
    policy = usual, policy.edt_n = 1;
    check_invalid(&policy, "--edt-n: expected a number above 0 and below 1, got '1'");
    policy = usual, policy.low = 1.8;
    check_invalid(&policy, "--temp-range: expected LO below HI, got 1.8:1.8");
    policy = usual, policy.high = INFINITY;
    check_invalid(&policy, "--temp-range: expected a number from 0 to 100, got 'inf'");
    policy = usual, policy.entropy_low = 3;
    check_invalid(&policy, "--entropy-range: expected LO below HI, got 3:0");
    policy = usual, policy.kind = TEMPERATURE_LINEAR, policy.entropy_low = 6, policy.entropy_high = 8;
    check_invalid(&policy, "--entropy-cap: expected a number above the LO of --entropy-range, 6, got 6");
    policy.kind = TEMPERATURE_EDT; /* which has no cap */
    must(temperature_check(&policy, &error), &error);
}

static void check_print(const TemperaturePolicy *policy, const char *expected) {
    char out[512];
    assert_int_equal(temperature_print(policy, out, sizeof out), strlen(expected));
    assert_string_equal(out, expected);
}

static void only_the_settings_of_the_policy_are_printed(void **state) {
    (void)state;
    const char *expected[] = {
        "--temp-policy fixed --temp 0.8",
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
    TemperaturePolicy policy = temperature_default();
    Error error;
    must(temperature_set(&policy, "temp-table", ".5:1,2:.25", &error), &error);
    must(temperature_set(&policy, "entropy-target", "1.5@.25", &error), &error);
    for (int i = 0; i < TEMPERATURE_KINDS; i++) {
        policy.kind = (TemperatureKind)i;
        check_print(&policy, expected[i]);
    }
    policy.kind = TEMPERATURE_LINEAR;
    must(temperature_set(&policy, "entropy-range", "0:2.5", &error), &error);
    check_print(&policy, "--temp-policy linear --temp-range 0.3:1.8 --entropy-range 0:2.5 --entropy-cap 6");
    char cut[8];
    assert_int_equal(temperature_print(&policy, cut, sizeof cut), 79);
    assert_string_equal(cut, "--temp-");
    assert_int_equal(temperature_print(&policy, NULL, 0), 79);
}

/* Reads back what was printed, flag by flag. */
static void printed_text_reads_back(void **state) {
    (void)state;
    Random random = random_from(7);
    Candidates survivors = open_candidates(20);
    float logits[20];
    for (int i = 0; i < 20; i++) logits[i] = (float)i / 4;
    candidates_from_logits(&survivors, logits, 20);
    for (int round = 0; round < 2000; round++) {
        TemperaturePolicy policy = temperature_default(), again = temperature_default();
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
        char out[2000], printed[2000];
        assert_that(temperature_print(&policy, out, sizeof out), <, (int)sizeof out);
        memcpy(printed, out, sizeof out);
        Error error;
        for (char *rest = out, *flag; (flag = strtok_r(rest, " ", &rest));)
            must(temperature_set(&again, flag + 2, strtok_r(NULL, " ", &rest), &error), &error);
        must(temperature_check(&again, &error), &error);
        temperature_print(&again, out, sizeof out);
        assert_string_equal(out, printed);
        TemperatureInput input = {8 * random_unit(&random), 1, 2, 100, .5, .25, 1, .5, 2, 20, &survivors};
        assert_that(temperature_of(&policy, &input), ==, temperature_of(&again, &input));
    }
    candidates_close(&survivors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_is_always_the_base),
        cmocka_unit_test(linear_between_its_ends),
        cmocka_unit_test(linear_by_what_was_observed),
        cmocka_unit_test(sigmoid_turns_at_its_middle),
        cmocka_unit_test(table_goes_through_its_knots),
        cmocka_unit_test(edt_golden),
        cmocka_unit_test(edt_stays_within_its_limits),
        cmocka_unit_test(edt_instance_reads_the_prompt_alone),
        cmocka_unit_test(udt_measures),
        cmocka_unit_test(kld_golden_and_limits),
        cmocka_unit_test(dynatemp_golden_and_limits),
        cmocka_unit_test(more_entropy_is_never_cooler),
        cmocka_unit_test(policies_have_their_names),
        cmocka_unit_test(kl_equals_its_twin),
        cmocka_unit_test(kl_of_what_is_excluded),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(wrong_tables_are_refused),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(only_the_settings_of_the_policy_are_printed),
        cmocka_unit_test(printed_text_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

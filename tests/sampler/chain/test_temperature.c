#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/sampler.h"
#include "tests/support/logits.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static TemperaturePolicy policy_of(TemperatureKind kind) {
    TemperaturePolicy policy = temperature_default();
    policy.kind = kind;
    return policy;
}

static void set_table(TemperaturePolicy *policy, const char *text) {
    Sampler sampler = sampler_default();
    must_set(&sampler, "temp-table", text);
    policy->n_knots = sampler.temperature.n_knots;
    memcpy(policy->knots, sampler.temperature.knots, sizeof policy->knots);
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
    set_table(&policy, "1:.5,2:1.5,4:0.5");
    double expected[][2] = {{0, .5}, {1, .5}, {1.25, .75}, {2, 1.5}, {3, 1}, {4, .5}, {9, .5}};
    for (int i = 0; i < 7; i++) assert_that(at_entropy(&policy, expected[i][0]), ==, expected[i][1]);
    set_table(&policy, "1:.2,2:.9,3:1");
    assert_that(at_entropy(&policy, 2), ==, .9); /* .2 + (.9 - .2) is a bit less */
    set_table(&policy, "3:.7");
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

/* The table of policies and the words of temp-policy are in the order of the enum, and complete. */
static void policies_have_their_names(void **state) {
    (void)state;
    const char *names[] = {"fixed",        "linear", "sigmoid", "table",    "edt",
                           "edt-instance", "udt",    "kld",     "dynatemp", "target"};
    Sampler sampler = sampler_default();
    for (int i = 0; i < TEMPERATURE_KINDS; i++) {
        assert_string_equal(temperature_policies[i].name, names[i]);
        assert_true(temperature_policies[i].formula[0] && temperature_policies[i].source);
        must_set(&sampler, "temp-policy", names[i]);
        assert_int_equal(sampler.temperature.kind, i);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

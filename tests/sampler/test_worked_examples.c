/* sampler/SAMPLERS.md, section by section up to "The future": every figure that the page prints is computed here by the
 * functions that the page names, and compared with the page itself at the precision printed. The last test fails if a
 * figure of three decimals or more was not compared. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/entropy.h"
#include "sampler/chain/noise.h"
#include "sampler/chain/truncate.h"
#include "sampler/sampler.h"
#include "tests/support/doc_page.h"
#include "tests/support/logits.h"
#include "tests/support/test.h"

/* "{0, 2}": the remaining tokens. */
static void print_set(char *out, size_t capacity, const Candidates *candidates) {
    int n = snprintf(out, capacity, "{");
    for (int token = 0; token < candidates->capacity; token++)
        for (int i = 0; i < candidates->count; i++)
            if (candidates->items[i].token == token && candidates->items[i].logit > -INFINITY)
                n += snprintf(out + n, capacity - (size_t)n, n > 1 ? ", %d" : "%d", token);
    snprintf(out + n, capacity - (size_t)n, "}");
}

/* The first set after the anchor is that of the remaining tokens. */
static void keeps(const char *anchor, const Candidates *candidates) {
    char set[64];
    print_set(set, sizeof set, candidates);
    doc_page_set(anchor, set);
}

/* ---- The example ---- */

static const double eighths[4] = {.5, .25, .125, .125};
enum { FOUR = 4 };

static Candidates candidates_of(const double *p, int n) {
    float logits[8];
    Candidates candidates = open_candidates(n);
    for (int i = 0; i < n; i++) logits[i] = (float)log(p[i]);
    candidates_from_logits(&candidates, logits, n);
    return candidates;
}

static void the_example(void **state) {
    (void)state;
    doc_page_section("The example");
    double entropy = entropy_of(eighths, FOUR);
    FIGURES("the softmax of z = ", log(8 * eighths[0]), log(8 * eighths[1]), log(8 * eighths[2]), log(8 * eighths[3]));
    FIGURES("`entropy_of` |", entropy, entropy / log(2));
    FIGURES("`normalized_entropy_of` |", normalized_entropy_of(eighths, FOUR));
    FIGURES("`varentropy_of` |", varentropy_of(eighths, FOUR));
}

/* ---- Penalties ---- */

static void repeat_frequency_presence(void **state) {
    (void)state;
    doc_page_section("Penalties");
    const float z[FOUR] = {2, 1, -1, .5f};
    const int text[] = {1, 0, 2, 0}, counts[FOUR] = {2, 0, 1, 0};
    Candidates first = open_candidates(FOUR), all = open_candidates(FOUR);
    candidates_from_logits(&first, z, FOUR);
    candidates_from_logits(&all, z, FOUR);
    penalties_repeat(&first, text, 4, (RepeatPenalty){3, 1.25f, 0, 0});
    penalties_repeat(&all, text, 4, (RepeatPenalty){3, 1.25f, .1f, .2f});
    const char *anchors[FOUR] = {"\n| 0 |", "\n| 1 |", "\n| 2 |", "\n| 3 |"};
    for (int i = 0; i < FOUR; i++)
        FIGURES(anchors[i], (double)z[i], counts[i], (double)first.items[i].logit, (double)all.items[i].logit);
    candidates_close(&first);
    candidates_close(&all);
}

/* The penalty of token 9 after w1 .. wL 9 w1 .. wL. */
static double dry_loss(int length) {
    int text[16], n = 0, scratch[16];
    float z[10] = {0};
    for (int i = 0; i < length; i++) text[n++] = i;
    text[n++] = 9;
    for (int i = 0; i < length; i++) text[n++] = i;
    Candidates candidates = open_candidates(10);
    candidates_from_logits(&candidates, z, 10);
    penalties_dry(&candidates, text, n, (DryPenalty){.8f, 1.75f, 2}, NULL, scratch);
    double loss = -(double)candidates.items[9].logit;
    candidates_close(&candidates);
    return loss;
}

static void dry(void **state) {
    (void)state;
    doc_page_section("Penalties");
    FIGURES("| penalty |", dry_loss(1), dry_loss(2), dry_loss(3), dry_loss(4), dry_loss(5));
    const int text[] = {3, 0, 1, 2, 3, 0, 1};
    const float z[FOUR] = {0};
    const bool breakers[FOUR] = {false, false, false, true};
    const bool *kinds[] = {NULL, breakers};
    const char *anchors[] = {"token 2 loses ", "and the penalty "};
    for (int i = 0; i < 2; i++) {
        int scratch[7];
        Candidates candidates = open_candidates(FOUR);
        candidates_from_logits(&candidates, z, FOUR);
        penalties_dry(&candidates, text, 7, (DryPenalty){.8f, 1.75f, 2}, kinds[i], scratch);
        FIGURES(anchors[i], -(double)candidates.items[2].logit);
        for (int token = 0; token < FOUR; token++) assert_true(token == 2 || candidates.items[token].logit == 0);
        candidates_close(&candidates);
    }
}

static void no_repeat_ngram(void **state) {
    (void)state;
    doc_page_section("Penalties");
    const int text[] = {0, 1, 2, 0, 1};
    const float z[FOUR] = {0};
    const struct {
        int size;
        const char *anchor;
    } rows[] = {{3, "N = 3 bans"}, {1, "N = 1 bans"}, {4, "N = 4 bans"}};
    for (int i = 0; i < 3; i++) {
        char set[64];
        Candidates candidates = open_candidates(FOUR);
        candidates_from_logits(&candidates, z, FOUR);
        assert_true(penalties_no_repeat_ngram(&candidates, text, 5, rows[i].size));
        for (int token = 0; token < FOUR; token++)
            candidates.items[token].logit = candidates.items[token].logit == 0 ? -INFINITY : 0; /* the banned ones */
        print_set(set, sizeof set, &candidates);
        doc_page_set(rows[i].anchor, set);
        candidates_close(&candidates);
    }
}

static void bias(void **state) {
    (void)state;
    doc_page_section("Penalties");
    Candidates candidates = candidates_of(eighths, FOUR);
    const LogitBias biases[] = {{1, .6931f}};
    FIGURES("Bias ", log(2));
    assert_true(penalties_bias(&candidates, biases, 1));
    candidates_refresh(&candidates);
    const Candidate *items = candidates.items;
    FIGURES("p becomes", (double)items[0].prob, (double)items[1].prob, (double)items[2].prob, (double)items[3].prob);
    candidates_close(&candidates);
}

/* ---- Truncation ---- */

static void truncation(void **state) {
    (void)state;
    doc_page_section("Truncation");
    Candidates c = candidates_of(eighths, FOUR);
    candidates_top_nsigma(&c, 1);
    FIGURES("n 1: sigma ", c.logit_sigma, log(4) - c.logit_sigma); /* z as ln 4, ln 2, 0, 0 */
    keeps("n 1: sigma ", &c);
    candidates_close(&c);

    double surprisals[FOUR];
    const struct {
        const char *anchor;
        void (*stage)(Candidates *, float);
        float value;
    } rows[] = {
        {"order 1, 0, 2, 3; P .2 |", candidates_typical, .2f},
        {"| P .6 |", candidates_typical, .6f},
        {"| P .8 |", candidates_top_p, .8f},
        {"| P .3: floor", candidates_min_p, .3f},
        {"| e .2 |", candidates_epsilon, .2f},
        {"| e .09: floor", candidates_eta, .09f},
        {"| e .3: floor", candidates_eta, .3f},
        {"| a .6: H(q)", candidates_top_h, .6f},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        c = candidates_of(eighths, FOUR);
        for (int token = 0; token < FOUR; token++) surprisals[token] = candidates_surprisal(&c, token);
        rows[i].stage(&c, rows[i].value);
        keeps(rows[i].anchor, &c);
        candidates_close(&c);
    }
    c = candidates_of(eighths, FOUR);
    candidates_top_k(&c, 2);
    keeps("| k 2 |", &c);
    candidates_close(&c);
    double entropy = entropy_of(eighths, FOUR);
    FIGURES("| distances ", fabs(surprisals[0] - entropy), fabs(surprisals[1] - entropy), fabs(surprisals[2] - entropy),
            fabs(surprisals[3] - entropy));
    FIGURES("| P .3: floor ", .3 * eighths[0]);
    FIGURES("| e .09: floor ", candidates_eta_floor(.09, entropy));
    FIGURES("| e .3: floor ", candidates_eta_floor(.3, entropy));
}

/* H of the prefix of n, renormalised. */
static double prefix_entropy(const double *p, int n) {
    double sum = 0, q[8];
    for (int i = 0; i < n; i++) sum += p[i];
    for (int i = 0; i < n; i++) q[i] = p[i] / sum;
    return entropy_of(q, n);
}

static void top_h(void **state) {
    (void)state;
    doc_page_section("Truncation");
    FIGURES("| a .6: H(q) ", prefix_entropy(eighths, 2), .6 * entropy_of(eighths, FOUR), prefix_entropy(eighths, 3));
    const double sure[] = {.9, .05, .05};
    Candidates c = candidates_of(sure, 3);
    candidates_top_h(&c, .55f);
    keeps("a .55: H(q)", &c);
    FIGURES("a .55: H(q) ", prefix_entropy(sure, 2), .55 * entropy_of(sure, 3), entropy_of(sure, 3));
    candidates_close(&c);
}

static void xtc(void **state) {
    (void)state;
    doc_page_section("Truncation");
    const char *anchors[] = {"| t .1 |", "| t .2 |"};
    for (int i = 0; i < 2; i++) {
        Candidates c = candidates_of(eighths, FOUR);
        candidates_xtc(&c, 1, i ? .2f : .1f, .5, NULL);
        keeps(anchors[i], &c);
        candidates_close(&c);
    }
}

/* What top-p .8 keeps of z = 3 2 1 where T is .5. */
static void temper_first(void **state) {
    (void)state;
    doc_page_section("Truncation");
    const float z[] = {3, 2, 1};
    for (int first = 0; first < 2; first++) {
        Error error;
        Sampler sampler = sampler_default();
        SamplerState sampler_state = sampler_start(&sampler);
        SamplerContext context = {0};
        Candidates c = open_candidates(3);
        must(sampler_set_list(&sampler, "top-k 0, min-p 0, top-p 0.8, temp 0.5", &error), &error);
        if (first) must(sampler_set(&sampler, "temp-first", NULL, &error), &error);
        candidates_from_logits(&c, z, 3);
        must(sampler_apply(&sampler, &sampler_state, &context, &c, &error), &error);
        keeps(first ? "top-p .8 keeps" : "with it and", &c);
        candidates_close(&c);
    }
}

static void mirostat(void **state) {
    (void)state;
    doc_page_section("Truncation");
    const int drawn[] = {1, 0, 0};
    const char *anchors[] = {"\n| 1 |", "\n| 2 |", "\n| 3 |"};
    Mirostat mirostat = mirostat_start(1);
    Candidates c = candidates_of(eighths, FOUR);
    mirostat_truncate(mirostat, &c);
    FIGURES("| mu ", mirostat.mu);
    keeps("| mu ", &c);
    candidates_close(&c);
    for (int i = 0; i < 3; i++) {
        c = candidates_of(eighths, FOUR);
        FIGURES(anchors[i], mirostat.mu, exp2(-mirostat.mu));
        mirostat_truncate(mirostat, &c);
        keeps(anchors[i], &c);
        double surprisal = mirostat_update(&mirostat, 1, .1, &c, drawn[i]);
        FIGURES(c.count == 1 ? "{0}: 1 |"
                : i == 0     ? "{0, 1}: 2/3, 1/3 |"
                             : "| .2429 | {0, 1}: 2/3, 1/3 |",
                drawn[i], surprisal, mirostat.mu);
        candidates_close(&c);
    }
    FIGURES("With the usual tau 5, mu begins at ", mirostat_start(5).mu);
    FIGURES("only tokens below 2^-10 = ", exp2(-mirostat_start(5).mu));
}

static void steering(void **state) {
    (void)state;
    doc_page_section("Truncation");
    double openness = normalized_entropy_of(eighths, FOUR);
    Error error;
    Steer top_p = {0}, top_k = {.whole = true};
    must(steer_parse(&top_p, ".7:.98@entropy", (NumberRange){.low = 0, .high = 1}, "top-p", &error), &error);
    must(steer_parse(&top_k, "10:50@entropy", (NumberRange){.low = 0, .high = 1e6}, "top-k", &error), &error);
    FIGURES("At H / ln V = ", openness);
    FIGURES("`--top-p .7:.98@entropy` is ", steer_value(top_p, openness));
    FIGURES("`--top-k 10:50@entropy` is ", steer_value(top_k, openness));
}

/* ---- The draw ---- */

static void the_draw(void **state) {
    (void)state;
    doc_page_section("The draw");
    const char *anchors[] = {"\n| 0 |", "\n| 1 |", "\n| 2 |", "\n| 3 |"};
    Candidates c = candidates_of(eighths, FOUR);
    for (int i = 0; i < FOUR; i++) {
        double z = log(eighths[i]), g = noise_gumbel(7, i, 5, 0, NOISE_DRAW);
        FIGURES(anchors[i], noise_uniform(7, i, 5, 0, NOISE_DRAW), g, z + g, z / .25 + g);
    }
    FIGURES("| drawn |", draw_candidate(&c, 1, 7, 5, 0), draw_candidate(&c, .25, 7, 5, 0));
    candidates_close(&c);
}

/* ---- Temperature from entropy ---- */

/* The policy of a list of settings, "temp-policy edt, edt-theta 0.2". */
static TemperaturePolicy policy_of(const char *settings) {
    Error error;
    Sampler sampler = sampler_default();
    must(sampler_set_list(&sampler, settings, &error), &error);
    return sampler.temperature;
}

static double temperature(const char *settings, TemperatureInput input) {
    TemperaturePolicy policy = policy_of(settings);
    return temperature_of(&policy, &input);
}

static void policies(void **state) {
    (void)state;
    doc_page_section("Temperature from entropy");
    const float uniform[FOUR] = {0},
                logits[FOUR] = {(float)log(.5), (float)log(.25), (float)log(.125), (float)log(.125)};
    double kl = temperature_kl(logits, uniform, FOUR), entropy = entropy_of(eighths, FOUR);
    TemperatureInput one = {.entropy = 1}, all = {.entropy = entropy,
                                                  .vocab_size = FOUR,
                                                  .p1 = .5,
                                                  .p2 = .25,
                                                  .prompt_entropy = .5,
                                                  .kl = kl,
                                                  .survivors_entropy = entropy,
                                                  .n_survivors = FOUR};
    FIGURES("| fixed | T0 | |", temperature("temp 0.8", one));
    FIGURES("Hlo 0, Hhi 2 |", temperature("temp-policy linear, temp-range 0.3:1.8, entropy-range 0:2", one));
    FIGURES("k 1, Hmid 3 |", temperature("temp-policy sigmoid, temp-range 0.3:1.8, sigmoid-k 1, sigmoid-mid 3", one));
    FIGURES("knots 0:.2,2:1 |", temperature("temp-policy table, temp-table 0:.2,2:1", one));
    FIGURES("H 1, N .8, theta .2 |", temperature("temp-policy edt", one));
    FIGURES("| Hprompt .5 |", temperature("temp-policy edt-instance", all));
    FIGURES("| pmax: u = 1 - p1 |", 1 - all.p1, temperature("temp-policy udt, udt-measure pmax", all));
    FIGURES("| margin: u = 1 - (p1 - p2) |", 1 - (all.p1 - all.p2),
            temperature("temp-policy udt, udt-measure margin", all));
    FIGURES("| entropy: u = H / ln V |", normalized_entropy_of(eighths, FOUR),
            temperature("temp-policy udt, udt-measure entropy", all));
    FIGURES("p0 uniform: KL ", kl);
    FIGURES(", sigma 1 |", temperature("temp-policy kld, kld-sigma 1", all));
    FIGURES("all 4 survive: Hs/ln m ", normalized_entropy_of(eighths, FOUR));
    FIGURES("range .5, e 1 |", temperature("temp-policy dynatemp, dynatemp-range 0.5, dynatemp-exp 1", all));
}

static void edt(void **state) {
    (void)state;
    doc_page_section("Temperature from entropy");
    const double entropies[] = {.01, .1, .5, 1, 4};
    double temperatures[5];
    for (int i = 0; i < 5; i++)
        temperatures[i] = temperature("temp-policy edt, edt-theta 0.2", (TemperatureInput){.entropy = entropies[i]});
    doc_page_figures("\n| H |", entropies, 5);
    doc_page_figures("\n| T |", temperatures, 5);
    double half = log(.8) / log(.5); /* N^(theta/H) = 1/2 */
    FIGURES("T is half of T0 at H = ", half);
    assert_that(fabs(temperature("temp-policy edt", (TemperatureInput){.entropy = .2 * half}) - .4), <, 1e-12);
}

/* H of p^(1/T), renormalised. */
static double tempered_entropy(double t) {
    double q[FOUR], sum = 0;
    for (int i = 0; i < FOUR; i++) sum += q[i] = pow(eighths[i], 1 / t);
    for (int i = 0; i < FOUR; i++) q[i] /= sum;
    return entropy_of(q, FOUR);
}

/* The T of the policy, and by its definition: there the tempered survivors have the entropy printed. */
static void target(void **state) {
    (void)state;
    doc_page_section("Temperature from entropy");
    const char *const settings[] = {"0.5", "@0.6", "1", "1.5@0.8", "1.3"};
    const double most = log(FOUR), targets[] = {.5, .6 * most, 1, fmin(1.5, .8 * most), 1.3};
    double temperatures[5];
    Candidates survivors = candidates_of(eighths, FOUR);
    for (int i = 0; i < 5; i++) {
        char list[64];
        snprintf(list, sizeof list, "temp-policy target, entropy-target %s", settings[i]);
        temperatures[i] = temperature(list, (TemperatureInput){.n_survivors = FOUR, .survivors = &survivors});
        assert_that(tempered_entropy(temperatures[i] - 5e-5), <, targets[i]);
        assert_that(tempered_entropy(temperatures[i] + 5e-5), >, targets[i]);
    }
    doc_page_skip("`@0.6` means .6 ln m.");
    FIGURES("ln m is ", most);
    doc_page_figures("\n| nats |", targets, 5);
    doc_page_figures("\n| T |", temperatures, 5);
    candidates_close(&survivors);
}

/* ---- Settings by place ---- */

/* The rules that hold after these pieces, and the sampler's T there. */
static double temperature_after(const Sampler *sampler, const char *const *pieces, int n, PlaceSet *held) {
    Error error;
    Sampler under;
    PlaceState place = {0};
    for (int i = 0; i < n; i++) place_read(&place, (Bytes){(const uint8_t *)pieces[i], strlen(pieces[i])});
    *held = place_find(sampler->rules, sampler->n_rules, &place, NULL, (PlaceText){0});
    must(sampler_under(sampler, *held, &under, &error), &error);
    return temperature_of(&under.temperature, &(TemperatureInput){0});
}

static void places(void **state) {
    (void)state;
    doc_page_section("Settings by place");
    const char *const text[] = {"The bill was $3", ",", "0", "0", "0", ",", " and", " the", " paper"};
    Error error;
    PlaceSet held;
    Sampler sampler = sampler_default();
    double temperatures[8];
    must(sampler_add_rule(&sampler, "number:temp=0.2", &error), &error);
    must(sampler_add_rule(&sampler, "speech:temp=0.6", &error), &error);
    must(sampler_add_rule(&sampler, "sentence-start:temp=1.3", &error), &error);
    for (int i = 0; i < 8; i++) {
        temperatures[i] = temperature_after(&sampler, text, i + 1, &held);
        assert_int_equal(held, i < 6 ? 1 : 0);
    }
    FIGURES("the base T is ", sampler.temperature.base);
    FIGURES("\n| rule |", 0, 0, 0, 0, 0, 0);
    doc_page_figures("\n| T |", temperatures, 8);
    FIGURES("hold, and T is ", temperature_after(&sampler, (const char *const[]){"\"In 19"}, 1, &held));
    assert_int_equal(held, 3);
    must(sampler_set(&sampler, "preset", "code", &error), &error);
    double code = temperature_after(&sampler, (const char *const[]){"`x"}, 1, &held);
    FIGURES("the settings of `precise` at T ", code);
}

/* ---- All of it ---- */

static void every_figure_was_compared(void **state) {
    (void)state;
    assert_that(doc_page_count_compared(3, NULL, "The future"), >, 80);
}

static int read_page(void **state) {
    (void)state;
    return doc_page_read("sampler/SAMPLERS.md") ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example),
        cmocka_unit_test(repeat_frequency_presence),
        cmocka_unit_test(dry),
        cmocka_unit_test(no_repeat_ngram),
        cmocka_unit_test(bias),
        cmocka_unit_test(truncation),
        cmocka_unit_test(top_h),
        cmocka_unit_test(xtc),
        cmocka_unit_test(temper_first),
        cmocka_unit_test(mirostat),
        cmocka_unit_test(steering),
        cmocka_unit_test(the_draw),
        cmocka_unit_test(policies),
        cmocka_unit_test(edt),
        cmocka_unit_test(target),
        cmocka_unit_test(places),
        cmocka_unit_test(every_figure_was_compared),
    };
    return cmocka_run_group_tests(tests, read_page, NULL);
}

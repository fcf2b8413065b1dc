/* sampler/SAMPLERS.md, section by section from "The future" on, in the way of test_worked_examples.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/sampler.h"
#include "sampler/text/beam.h"
#include "tests/support/doc_page.h"
#include "tests/support/test.h"

/* ---- The future ---- */

static void scores(void **state) {
    (void)state;
    doc_page_section("The future");
    const double p[] = {.6, .3, .1}, hhat[] = {.1, .8, .95}, alphas[] = {-1, -.5, 0, .5, 1, 0};
    const char *anchors[] = {"\n| -1 |", "\n| -.5 |", "\n| 0 |", "\n| .5 |", "\n| 1 |", "\n| 0, crossfade |"};
    for (int i = 0; i < 6; i++) {
        FutureExponents exponents = future_exponents(i == 5 ? FUTURE_CROSSFADE : FUTURE_ARTICLE, alphas[i]);
        double s[3], sum = 0;
        for (int w = 0; w < 3; w++) sum += s[w] = exp(future_log_score(exponents, log(p[w]), hhat[w]));
        FIGURES(anchors[i], s[0] / sum, s[1] / sum, s[2] / sum);
    }
    const float equals[10] = {0, 0, 0, 0, 0, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY};
    float scratch[10];
    FIGURES("over n = 10 is ", future_entropy(equals, 10, 10, scratch));
}

static void depth(void **state) {
    (void)state;
    doc_page_section("The future");
    const double hhat[] = {.8, .6, .2};
    FIGURES("\n| Hhat |", future_depth_mean(hhat, 3, 0), future_depth_mean(hhat, 3, .5), future_depth_mean(hhat, 3, 1));
}

static void bounds(void **state) {
    (void)state;
    doc_page_section("The future");
    const double p[] = {.6, .3, .1}, hhat[] = {.1, .8, .95}, g[] = {.2, 1, -.3};
    FutureExponents exponents = future_exponents(FUTURE_ARTICLE, 0);
    double bound[3], value[3];
    for (int w = 0; w < 3; w++) {
        bound[w] = future_log_score(exponents, log(p[w]), 1) + g[w];
        value[w] = future_log_score(exponents, log(p[w]), hhat[w]) + g[w];
    }
    FIGURES("| 0 | .6 | .2 |", bound[0], 2, .1, value[0]);
    FIGURES("| 1 | .3 | 1.0 |", bound[1], 1, .8, value[1]);
    FIGURES("| 2 | .1 | -.3 |", bound[2]);
    FIGURES("could still win, since ", bound[0], value[1]);
    FIGURES("cannot win, since ", bound[2], value[1]);
    assert_that(bound[1], >, bound[0]);
    assert_that(bound[0], >, value[1]);
    assert_that(value[1], >, value[0]);
    assert_that(value[1], >, bound[2]);
}

static void wave(void **state) {
    (void)state;
    doc_page_section("The future");
    const char *const waves[] = {"sine:1:60", "triangle:1:60",     "square:1:60",
                                 "ramp:1:60", "sine:.5:60:15:.25", "sine:2:60"};
    const double times[] = {0, 5, 15, 30, 45, 60};
    doc_page_figures("\n| t |", times, 6);
    for (int i = 0; i < 6; i++) {
        char anchor[64];
        Error error;
        Wave swing = wave_default();
        double alphas[6];
        must(wave_parse(&swing, waves[i], &error), &error);
        for (int t = 0; t < 6; t++) alphas[t] = wave_alpha(&swing, times[t]);
        snprintf(anchor, sizeof anchor, "\n| %s |", waves[i]);
        doc_page_figures(anchor, alphas, 6);
    }
}

/* ---- Ranking ---- */

static double score(const char *metric, const Figures *text) {
    Error error;
    Ranking ranking;
    must(ranking_parse(&ranking, metric, "rank", &error), &error);
    return ranking_score(&ranking, text);
}

static void rankings(void **state) {
    (void)state;
    doc_page_section("Ranking");
    const double p[] = {.5, .25, .5, .125};
    const Reading readings[] = {{1, .5}, {2, .8}, {1.5, .4}, {.5, .6}};
    const int tokens[] = {0, 1, 0, 1};
    const char *anchors[] = {"| 1 | 1/2 |", "| 2 | 1/4 |", "| 3 | 1/2 |", "| 4 | 1/8 |"};
    Figures text = {0};
    for (int i = 0; i < 4; i++) {
        FIGURES(anchors[i], log(p[i]), readings[i].entropy, readings[i].hhat);
        ranking_count_step(&text, readings[i], -log(p[i]));
        ranking_count_token(&text, tokens, i + 1);
    }
    const char *const metrics[] = {"logprob", "entropy:1", "future", "distinct2", "logprob,0.5*distinct2"};
    doc_page_skip("| ranking | score | how |");
    for (int i = 0; i < 5; i++) {
        char anchor[64];
        snprintf(anchor, sizeof anchor, "\n| %s |", metrics[i]);
        FIGURES(anchor, score(metrics[i], &text));
    }
    FIGURES("the sum is ", text.log_prob);
    FIGURES("mean H ", ranking_figure(&text, METRIC_ENTROPY));
}

/* ---- Beam search ---- */

/* Of a text whose tokens had these probabilities. */
static double beam_score_of(const double *p, int n, double penalty) {
    Beam beam = {.length_penalty = penalty};
    Figures text = {0};
    for (int i = 0; i < n; i++) ranking_count_step(&text, (Reading){0}, -log(p[i]));
    return beam_score(&beam, &text);
}

static void beams(void **state) {
    (void)state;
    doc_page_section("Beam search");
    const double a[] = {.6, .5}, b[] = {.4, .9};
    FIGURES("| a, then either | .30 |", beam_score_of(a, 2, 0));
    FIGURES("| b, then the likelier | .36 |", beam_score_of(b, 2, 0));
    FIGURES("| a, then either |", a[0] * a[1]);
    FIGURES("| b, then the likelier |", b[0] * b[1]);
    const double penalties[] = {0, .5, 1};
    const char *anchors[] = {"\n| 0 |", "\n| .5 |", "\n| 1 |"}, *best[] = {"X |", "Y |", "Y |"};
    for (int i = 0; i < 3; i++) {
        Beam beam = {.length_penalty = penalties[i]};
        double x = beam_score(&beam, &(Figures){.steps = 2, .log_prob = -1.5});
        double y = beam_score(&beam, &(Figures){.steps = 4, .log_prob = -2});
        FIGURES(anchors[i], x, y);
        const char *winner = strchr(doc_page_after(anchors[i]), '\n') - 3;
        assert_memory_equal(winner, best[i], 3);
        assert_that((x > y), ==, (best[i][0] == 'X'));
    }
    Beam beam = {.length_penalty = 1};
    FIGURES("A 1 may still become ", beam_score(&beam, &(Figures){.steps = 10, .log_prob = -3}));
}

/* ---- All of it ---- */

static void every_figure_was_compared(void **state) {
    (void)state;
    assert_that(doc_page_count_compared(3, "The future", NULL), >, 70);
}

static int read_page(void **state) {
    (void)state;
    return doc_page_read("sampler/SAMPLERS.md") ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores),
        cmocka_unit_test(depth),
        cmocka_unit_test(bounds),
        cmocka_unit_test(wave),
        cmocka_unit_test(rankings),
        cmocka_unit_test(beams),
        cmocka_unit_test(every_figure_was_compared),
    };
    return cmocka_run_group_tests(tests, read_page, NULL);
}

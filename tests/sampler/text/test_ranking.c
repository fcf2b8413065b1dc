/* Ranking: figures computed by hand, parsing of rankings, and the order that they give. */
#include <math.h>
#include <string.h>

#include "sampler/text/ranking.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/test.h"

static void figures_are_means(void **state) {
    (void)state;
    Gauge gauge;
    Error error;
    Figures figures = {0};
    must(ranking_open(&gauge, 4, 20, &error), &error);
    /* p = .5 .25 .125 .125: H = 1.75 bits, H / ln 4 = .875 */
    const float logits[] = {(float)log(.5), (float)log(.25), (float)log(.125), (float)log(.125)}, flat[4] = {0};
    for (int i = 0; i < METRICS; i++) assert_that(ranking_figure(&figures, (Metric)i), ==, 0);
    Reading reading = ranking_read(&gauge, flat);
    ranking_count_step(&figures, reading, candidates_surprisal(&gauge.natural, 2));
    assert_that(ranking_figure(&figures, METRIC_FUTURE), ==, 0); /* no step behind it yet */
    reading = ranking_read(&gauge, logits);
    ranking_count_step(&figures, reading, candidates_surprisal(&gauge.natural, 1));
    assert_that(fabs(ranking_figure(&figures, METRIC_LOGPROB) - log(.25)), <, 1e-6);
    assert_that(fabs(ranking_figure(&figures, METRIC_ENTROPY) - (log(4) + 1.2130075659799042) / 2), <, 1e-6);
    assert_that(fabs(ranking_figure(&figures, METRIC_FUTURE) - .875), <, 1e-6);
    ranking_close(&gauge);
}

static void distinct_pairs_are_counted(void **state) {
    (void)state;
    const int tokens[] = {1, 2, 1, 2, 2, 2}; /* 12 21 12 22 22 */
    Figures figures = {0};
    for (int n = 1; n <= 6; n++) ranking_count_token(&figures, tokens, n);
    assert_int_equal(figures.pairs, 5);
    assert_int_equal(figures.distinct, 3);
    assert_that(ranking_figure(&figures, METRIC_DISTINCT2), ==, 3.0 / 5);
}

static void rankings_are_read(void **state) {
    (void)state;
    Error error;
    Ranking ranking;
    must(ranking_parse(&ranking, "entropy:2.5,-0.5*distinct2", "rank", &error), &error);
    assert_that(ranking.weight[METRIC_ENTROPY], ==, 1);
    assert_that(ranking.target, ==, 2.5);
    assert_that(ranking.weight[METRIC_DISTINCT2], ==, -0.5);
    assert_that(ranking.weight[METRIC_LOGPROB], ==, 0);
    assert_that(ranking.weight[METRIC_FUTURE], ==, 0);
    Figures figures = {.steps = 2, .entropy = 3, .pairs = 4, .distinct = 2};
    assert_that(ranking_score(&ranking, &figures), ==, -1.0 - 0.25);
    figures.entropy = 7;
    assert_that(ranking_score(&ranking, &figures), ==, -1.0 - 0.25);
    must(ranking_parse(&ranking, "2*future,logprob", "rank", &error), &error);
    figures.future = 0.75;
    figures.log_prob = -5;
    assert_that(ranking_score(&ranking, &figures), ==, 1.5 - 2.5);
}

static void wrong_rankings_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "rank: expected logprob, entropy:TARGET, future or distinct2, got ''"},
        {"logprob,", "rank: expected logprob, entropy:TARGET, future or distinct2, got ''"},
        {"beauty", "rank: expected logprob, entropy:TARGET, future or distinct2, got 'beauty'"},
        {"logprobs", "rank: expected logprob, entropy:TARGET, future or distinct2, got 'logprobs'"},
        {"entropy", "rank: expected logprob, entropy:TARGET, future or distinct2, got 'entropy'"},
        {"future:1", "rank: expected logprob, entropy:TARGET, future or distinct2, got 'future:1'"},
        {"entropy:", "rank: expected a number from 0 to 100, got ''"},
        {"entropy:-1", "rank: expected a number from 0 to 100, got '-1'"},
        {"0*future", "rank: expected a weight that is not 0, got '0*future'"},
        {"x*future", "rank: expected a number from -1000000 to 1000000, got 'x'"},
        {"future,2*future", "rank: expected each metric once, got future twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error error = {.message = ""};
        Ranking ranking = {.target = 7};
        assert_false(ranking_parse(&ranking, cases[i].text, "rank", &error));
        assert_string_equal(error.message, cases[i].message);
        assert_that(ranking.target, ==, 7);
    }
}

static void the_best_text_comes_first(void **state) {
    (void)state;
    const double scores[] = {1, 3, -2, 3, 1, 4};
    const int expected[] = {5, 1, 3, 0, 4, 2};
    int order[6];
    ranking_order(order, scores, 6);
    assert_memory_equal(order, expected, sizeof order);
}

static void allocations_may_fail(void **state) {
    (void)state;
    Gauge gauge;
    Error error;
    long alive = memory_hooks_alive();
    for (int n = 1;; n++) {
        memory_hooks_fail_at(n);
        bool opened = ranking_open(&gauge, 9, 4, &error);
        memory_hooks_fail_at(0);
        if (opened) break;
        assert_int_equal(memory_hooks_alive(), alive);
    }
    ranking_close(&gauge);
    assert_int_equal(memory_hooks_alive(), alive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_means),         cmocka_unit_test(distinct_pairs_are_counted),
        cmocka_unit_test(rankings_are_read),         cmocka_unit_test(wrong_rankings_are_refused),
        cmocka_unit_test(the_best_text_comes_first), cmocka_unit_test(allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

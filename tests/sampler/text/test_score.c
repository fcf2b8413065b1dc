/* Score: the figures of given tokens beside naive ones, in double precision, of the logits after each prefix. */
#include <math.h>
#include <stdlib.h>

#include "sampler/text/score.h"
#include "tests/support/logits.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"

static Score naive_score(const float *logits, int n, int token) {
    double *p = malloc((size_t)n * sizeof *p);
    Score score = {.rank = 1};
    assert_non_null(p);
    naive_softmax(p, logits, n);
    for (int i = 0; i < n; i++) score.entropy -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    for (int i = 0; i < n; i++) score.varentropy += p[i] > 0 ? p[i] * pow(-log(p[i]) - score.entropy, 2) : 0;
    for (int i = 0; i < n; i++) score.rank += logits[i] > logits[token] || (logits[i] == logits[token] && i < token);
    score.logprob = log(p[token]);
    free(p);
    return score;
}

static void check_score(Score got, Score expected) {
    assert_true(fabs(got.logprob - expected.logprob) < 1e-5);
    assert_true(fabs(got.entropy - expected.entropy) < 1e-5);
    assert_true(fabs(got.varentropy - expected.varentropy) < 1e-4);
    assert_int_equal(got.rank, expected.rank);
}

static void equal_logits_rank_by_id(void **state) {
    (void)state;
    const float logits[] = {1, 3, 3, -INFINITY, 1};
    Candidates natural = open_candidates(5);
    const int ranks[] = {3, 1, 2, 5, 4};
    for (int i = 0; i < 5; i++) assert_int_equal(score_token(&natural, logits, i).rank, ranks[i]);
    assert_true(score_token(&natural, logits, 3).logprob == -INFINITY);
    candidates_close(&natural);
}

/* The second half of a text is scored after the first was read. Batches of 3 rows. */
static void each_token_is_scored_after_those_before_it(void **state) {
    (void)state;
    enum { N = 12, HALF = 5 };
    for (uint64_t seed = 1; seed <= 10; seed++) {
        Model *model = random_model(seed, DTYPE_F32, false);
        int v = model->config.vocab_size, tokens[N];
        Random random = random_from(seed);
        Session *session;
        Score scores[N];
        Error error;
        Candidates natural = open_candidates(v);
        for (int i = 0; i < N; i++) tokens[i] = random_int(&random, 0, v - 1);
        must(session_open(&session, model, (SessionOptions){.branches = 2, .batch = 3, .threads = 1}, &error), &error);
        must(session_prefill(session, TRUNK, tokens, HALF, &error), &error);
        scores[HALF] = score_token(&natural, session_logits(session, TRUNK), tokens[HALF]);
        must(score_tokens(session, TRUNK, tokens + HALF, N - HALF, tokens + HALF + 1, N - HALF - 1, scores + HALF + 1,
                          &natural, &error),
             &error);
        assert_int_equal(session_length(session, TRUNK), N);
        int branch;
        must(session_root(session, &branch, &error), &error);
        for (int i = 0; i < N; i++) {
            if (i >= HALF) check_score(scores[i], naive_score(session_logits(session, branch), v, tokens[i]));
            must(session_decode(session, &(BranchToken){branch, tokens[i]}, 1, &error), &error);
        }
        tokens[N - 1] = v;
        session_drop(session, TRUNK);
        assert_false(score_tokens(session, TRUNK, tokens, N, tokens, 0, scores, &natural, &error));
        assert_int_equal(session_length(session, TRUNK), 0);
        session_close(session);
        candidates_close(&natural);
        random_model_free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_logits_rank_by_id),
        cmocka_unit_test(each_token_is_scored_after_those_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

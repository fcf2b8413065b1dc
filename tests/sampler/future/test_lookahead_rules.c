/* Future entropy's rules: gates, the end of a text, and the report. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/looker.h"
#include "tests/support/random_model.h"

static const int prompt[] = {1, 3, 2, 4};
enum { PROMPT = 4, SEED = 8 };

static Model *model; /* SEED's: an untied one */

static int open_model(void **state) {
    (void)state;
    model = random_model(SEED, DTYPE_F32, false);
    return 0;
}

static int close_model(void **state) {
    (void)state;
    random_model_free(model);
    return 0;
}

static Looker open_looker(void) { return looker_open(model, (SessionOptions){0}, prompt, PROMPT); }

/* The tokens by probability. */
static void tokens_by_p(const Looker *looker, int *tokens, int n) {
    Candidates all;
    Error error;
    assert_true(candidates_open(&all, looker->candidates.capacity, &error));
    candidates_from_logits(&all, session_logits(looker->session, TRUNK), all.capacity);
    candidates_top_k(&all, n);
    for (int i = 0; i < n; i++) tokens[i] = all.items[i].token;
    candidates_close(&all);
}

/* ---- the end of a text ---- */

enum { K = 6 };

static Lookahead settings(LookaheadEog eog, LookaheadGate gate) {
    Lookahead lookahead = lookahead_default();
    lookahead.k = K;
    lookahead.alpha = 0.5;
    lookahead.eog = eog;
    lookahead.gate = gate;
    return lookahead;
}

/* The mean over those that are not neutral, and that it is used for those that are. */
static void check_neutral(const LookaheadReport *report, unsigned neutral) {
    double mass = 0, sum = 0;
    for (int i = 0; i < report->count; i++) {
        assert_int_equal(report->candidates[i].neutral, neutral >> i & 1);
        if (report->candidates[i].neutral) continue;
        mass += report->candidates[i].p;
        sum += report->candidates[i].p * report->candidates[i].worth;
    }
    for (int i = 0; i < report->count; i++)
        if (report->candidates[i].neutral) assert_true(fabs(report->candidates[i].worth - sum / mass) < 1e-12);
}

static void ends_of_text_are_neutral(void **state) {
    (void)state;
    Looker looker = open_looker();
    int tokens[K];
    tokens_by_p(&looker, tokens, K);
    Lookahead lookahead = settings(LOOKAHEAD_RAW, LOOKAHEAD_AT_TOKEN);
    lookahead.eager = true;
    looker.flags[tokens[1]] = TOKEN_ENDS_TEXT;
    looker.flags[tokens[4]] = TOKEN_IS_CONTROL;
    looker_draw(&looker, &lookahead);
    LookaheadReport raw = looker.report;
    check_neutral(&raw, 0);
    looker_undo(&looker);

    lookahead.eog = LOOKAHEAD_NEUTRAL;
    looker_draw(&looker, &lookahead);
    check_neutral(&looker.report, 0x12);
    assert_int_equal(looker.report.rows, K);
    assert_true(looker.report.candidates[1].worth != raw.candidates[1].worth);
    assert_true(looker.report.candidates[2].worth == raw.candidates[2].worth);
    looker_undo(&looker);
    looker_close(&looker);
}

/* Lazy: all others are computed once the end of the text could win; its own row is the caller's. */
static void neutral_candidates_may_win(void **state) {
    (void)state;
    Looker looker = open_looker();
    int tokens[K], won = 0, skipped = 0;
    tokens_by_p(&looker, tokens, K);
    Lookahead lookahead = settings(LOOKAHEAD_NEUTRAL, LOOKAHEAD_AT_TOKEN);
    looker.flags[tokens[0]] = TOKEN_ENDS_TEXT;
    for (looker.seed = 0; looker.seed < 100; looker.seed++) {
        looker_draw(&looker, &lookahead);
        const LookaheadCandidate *end = &looker.report.candidates[0];
        bool wins = end->chosen;
        assert_true(end->neutral && !end->evaluated);
        if (!end->skipped) assert_int_equal(looker.report.rows, K - 1);
        if (!end->skipped) check_neutral(&looker.report, 1);
        assert_true((looker.candidates.items[looker.chosen].branch < 0) == wins);
        won += wins;
        skipped += end->skipped;
        looker_undo(&looker);
    }
    assert_true(won > 10 && won < 90 && skipped > 0 && skipped < 100);
    lookahead.eager = true;
    for (looker.seed = 0; looker.seed < 20; looker.seed++) {
        looker_draw(&looker, &lookahead);
        assert_true(looker.candidates.items[looker.chosen].branch >= 0);
        looker_undo(&looker);
    }
    looker_close(&looker);
}

static void ends_of_text_are_excluded(void **state) {
    (void)state;
    Looker looker = open_looker();
    int tokens[K + 2];
    tokens_by_p(&looker, tokens, K + 2);
    Lookahead lookahead = settings(LOOKAHEAD_EXCLUDE, LOOKAHEAD_AT_TOKEN);
    looker.flags[tokens[0]] = TOKEN_ENDS_TEXT;
    looker.flags[tokens[3]] = TOKEN_IS_CONTROL;
    looker_draw(&looker, &lookahead);
    const int expected[K] = {tokens[1], tokens[2], tokens[4], tokens[5], tokens[6], tokens[7]};
    double left = 1 - looker.report.candidates[0].p;
    for (int i = 0; i < K; i++) {
        assert_int_equal(looker.report.candidates[i].token, expected[i]);
        left -= i ? looker.report.candidates[i].p : 0;
    }
    assert_true(left > 0); /* p is that of all that survive, though only k are looked at */
    looker_undo(&looker);

    for (int t = 0; t < looker.candidates.capacity; t++) looker.flags[t] = TOKEN_ENDS_TEXT;
    looker.flags[tokens[5]] = 0; /* one is left: nothing to look for */
    looker_draw(&looker, &lookahead);
    assert_int_equal(looker.report.outcome, LOOKAHEAD_ALONE);
    assert_int_equal(looker.candidates.items[looker.chosen].token, tokens[5]);
    assert_int_equal(looker.report.rows, 0);

    looker.flags[tokens[5]] = TOKEN_ENDS_TEXT; /* none is left: they stay, and have no others to be like */
    looker_draw(&looker, &lookahead);
    assert_int_equal(looker.report.count, K);
    assert_int_equal(looker.report.rows, 0);
    assert_true(looker.report.candidates[0].neutral && looker.report.candidates[0].worth == 1);
    looker_close(&looker);
}

/* ---- gates ---- */

static void inside_a_word_p_decides(void **state) {
    (void)state;
    Looker looker = open_looker();
    Lookahead lookahead = settings(LOOKAHEAD_NEUTRAL, LOOKAHEAD_AT_WORD);
    for (looker.seed = 0; looker.seed < 50; looker.seed++) {
        looker_draw(&looker, &lookahead); /* no token begins a word */
        assert_int_equal(looker.report.outcome, LOOKAHEAD_NOT_HERE);
        assert_int_equal(looker.candidates.items[looker.chosen].token, looker.report.ghost_plain);
        assert_int_equal(looker.candidates.count, looker.candidates.capacity); /* no cut to k */
        assert_int_equal(looker.candidates.items[looker.chosen].branch, -1);
    }
    /* The gate opens at half of the mass: one token more or less. */
    int n = looker.candidates.capacity, *tokens = malloc((size_t)n * sizeof *tokens), opened = -1;
    double mass = 0;
    tokens_by_p(&looker, tokens, n);
    for (int i = 0; i < n && opened < 0; i++) {
        looker.flags[tokens[i]] = TOKEN_BEGINS_WORD;
        mass += (double)looker.candidates.items[tokens[i]].prob;
        assert_int_equal(looker.candidates.items[tokens[i]].token, tokens[i]); /* still in token order */
        looker_draw(&looker, &lookahead);
        assert_true((looker.report.outcome == LOOKAHEAD_DONE) == (mass >= 0.5));
        if (looker.report.outcome == LOOKAHEAD_DONE) opened = i;
        looker_undo(&looker);
    }
    assert_true(opened > 0);
    free(tokens);
    looker_close(&looker);
}

static void pieces_that_continue_a_word_are_neutral(void **state) {
    (void)state;
    Looker looker = open_looker();
    int tokens[K];
    tokens_by_p(&looker, tokens, K);
    Lookahead lookahead = settings(LOOKAHEAD_RAW, LOOKAHEAD_AT_WORD);
    lookahead.eager = true;
    for (int t = 0; t < looker.candidates.capacity; t++) looker.flags[t] = TOKEN_BEGINS_WORD;
    looker.flags[tokens[2]] = 0;
    looker.flags[tokens[3]] = TOKEN_ENDS_TEXT; /* raw: by itself, though it begins no word */
    looker.flags[tokens[5]] = TOKEN_HAS_NEWLINE;
    looker_draw(&looker, &lookahead);
    check_neutral(&looker.report, 0x24);
    looker_undo(&looker);
    looker_close(&looker);
}

static void the_sentence_gate_opens_behind_a_sentence(void **state) {
    (void)state;
    Looker looker = open_looker();
    Lookahead lookahead = settings(LOOKAHEAD_NEUTRAL, LOOKAHEAD_AT_SENTENCE);
    for (int t = 0; t < looker.candidates.capacity; t++) looker.flags[t] = TOKEN_BEGINS_WORD;
    for (int bit = -1; bit < 6; bit++) {
        looker.flags[looker.previous] = (TokenFlags)(TOKEN_BEGINS_WORD | (bit < 0 ? 0 : 1 << bit));
        looker_draw(&looker, &lookahead);
        bool ends =
            bit >= 0 && (1 << bit & (TOKEN_ENDS_SENTENCE | TOKEN_HAS_NEWLINE | TOKEN_ENDS_TEXT | TOKEN_IS_CONTROL));
        assert_int_equal(looker.report.outcome, ends ? LOOKAHEAD_DONE : LOOKAHEAD_NOT_HERE);
        looker_undo(&looker);
    }
    looker.previous = -1;
    looker_draw(&looker, &lookahead);
    assert_int_equal(looker.report.outcome, LOOKAHEAD_DONE);
    looker_undo(&looker);
    for (int t = 0; t < looker.candidates.capacity; t++) looker.flags[t] = 0;
    looker_draw(&looker, &lookahead); /* the word has to be whole, too */
    assert_int_equal(looker.report.outcome, LOOKAHEAD_NOT_HERE);
    looker_close(&looker);
}

/* ---- odd candidates ---- */

static void one_candidate_needs_no_lookahead(void **state) {
    (void)state;
    Looker looker = open_looker();
    int likeliest;
    tokens_by_p(&looker, &likeliest, 1);
    Lookahead lookahead = lookahead_default();
    for (int k = 0; k < 2; k++) {
        looker.min_p = k ? 0 : 1; /* one survives; or one is looked at */
        lookahead.k = k ? 1 : 20;
        looker_draw(&looker, &lookahead);
        assert_int_equal(looker.report.outcome, LOOKAHEAD_ALONE);
        assert_int_equal(looker.candidates.items[looker.chosen].token, likeliest);
        assert_int_equal(looker.candidates.items[looker.chosen].branch, -1);
        assert_int_equal(looker.report.rows, 0);
    }
    looker_close(&looker);
}

/* At alpha = 1 p has no weight, but what has none at all must not come back. */
static void banned_tokens_stay_banned(void **state) {
    (void)state;
    Looker looker = open_looker();
    Lookahead lookahead = lookahead_default();
    lookahead.alpha = 1;
    LookaheadStep step = looker_where(&looker);
    Error error;
    for (step.seed = 0; step.seed < 50; step.seed++) {
        candidates_from_logits(&looker.candidates, session_logits(looker.session, TRUNK), looker.candidates.capacity);
        for (int i = 3; i < looker.candidates.count; i++) looker.candidates.items[i].logit = -INFINITY;
        if (!lookahead_draw(&lookahead, &step, &looker.candidates, &looker.chosen, &looker.report, &error))
            fail_msg("%s", error.message);
        assert_int_equal(looker.report.count, 3);
        looker_undo(&looker);
    }
    looker_close(&looker);
}

/* Futures of one token: the output is so large that a softmax in double precision leaves nothing to the second. */
static void where_all_scores_are_zero_p_decides(void **state) {
    (void)state;
    Model *sharp = random_model(SEED, DTYPE_F32, false);
    float *output = (float *)sharp->output.data;
    for (int i = 0; i < sharp->output.rows * sharp->output.cols; i++) output[i] *= 1e6f;
    Looker looker = looker_open(sharp, (SessionOptions){0}, prompt, PROMPT);
    for (int setting = 0; setting < 12; setting++) {
        Lookahead lookahead = settings(LOOKAHEAD_NEUTRAL, LOOKAHEAD_AT_TOKEN);
        lookahead.alpha = setting % 3 * 0.5;
        lookahead.eager = setting % 2;
        lookahead.n = 2;
        looker.temperature = setting < 6 ? 0 : 1;
        LookaheadStep step = looker_where(&looker);
        candidates_from_logits(&looker.candidates, session_logits(looker.session, TRUNK), looker.candidates.capacity);
        for (int i = 0; i < looker.candidates.count; i++)
            looker.candidates.items[i].logit = (float)(i % 5) / 2; /* all of them likely */
        Error error;
        step.seed = (uint64_t)setting;
        step.futures = true;
        lookahead.k = looker.candidates.count;
        if (!lookahead_draw(&lookahead, &step, &looker.candidates, &looker.chosen, &looker.report, &error))
            fail_msg("%s", error.message);
        assert_true(looker.report.all_closed);
        for (int i = 0; i < looker.report.count; i++) assert_true(looker.report.candidates[i].worth == 0);
        assert_int_equal(looker.candidates.items[looker.chosen].token, looker.report.ghost_plain);
        looker_undo(&looker);
    }
    looker_close(&looker);
    random_model_free(sharp);
}

/* A model that knows nothing: every logit is 0, every future wide open, every s the same. */
static void the_lower_token_wins_ties(void **state) {
    (void)state;
    Model *blind = random_model(SEED, DTYPE_F32, false);
    memset((void *)blind->output.data, 0, tensor_bytes(&blind->output));
    Looker looker = looker_open(blind, (SessionOptions){0}, prompt, PROMPT);
    looker.temperature = 0;
    for (int setting = 0; setting < 6; setting++) {
        Lookahead lookahead = settings(LOOKAHEAD_NEUTRAL, LOOKAHEAD_AT_TOKEN);
        lookahead.alpha = setting % 2;
        lookahead.chunk = 1 + setting / 2;
        LookaheadStep step = looker_where(&looker);
        step.futures = true;
        candidates_from_logits(&looker.candidates, session_logits(looker.session, TRUNK), looker.candidates.capacity);
        for (int i = 0; i < looker.candidates.count; i++)
            looker.candidates.items[i].token = looker.candidates.count - 1 - i;
        Error error;
        if (!lookahead_draw(&lookahead, &step, &looker.candidates, &looker.chosen, &looker.report, &error))
            fail_msg("%s", error.message);
        assert_int_equal(looker.candidates.items[looker.chosen].token, 0);
        assert_int_equal(looker.report.rows,
                         lookahead.chunk); /* those with the same bound come later, and cannot win */
        for (int i = 0; i < LOOKAHEAD_FUTURES; i++)
            assert_int_equal(looker.report.candidates[looker.chosen].futures[i].token, i);
        looker_undo(&looker);
    }
    looker_close(&looker);
    random_model_free(blind);
}

/* ---- the report ---- */

static void futures_and_ghosts_are_reported(void **state) {
    (void)state;
    Error error;
    Looker looker = open_looker();
    Candidates next;
    assert_true(candidates_open(&next, looker.candidates.capacity, &error));
    Lookahead lookahead = lookahead_default();
    lookahead.eager = true;
    LookaheadStep step = looker_where(&looker);
    step.futures = true;
    candidates_from_logits(&looker.candidates, session_logits(looker.session, TRUNK), looker.candidates.capacity);
    if (!lookahead_draw(&lookahead, &step, &looker.candidates, &looker.chosen, &looker.report, &error))
        fail_msg("%s", error.message);
    looker_undo(&looker);
    for (int i = 0; i < looker.report.count; i++) {
        const LookaheadCandidate *item = &looker.report.candidates[i];
        int fork;
        assert_true(session_fork(looker.session, TRUNK, &fork, &error));
        assert_true(session_decode(looker.session, &(BranchToken){fork, item->token}, 1, &error));
        candidates_from_logits(&next, session_logits(looker.session, fork), next.capacity);
        candidates_sort(&next);
        assert_int_equal(item->n_futures, LOOKAHEAD_FUTURES);
        for (int j = 0; j < LOOKAHEAD_FUTURES; j++) {
            assert_int_equal(item->futures[j].token, next.items[j].token);
            assert_true(item->futures[j].prob == next.items[j].prob);
        }
        session_drop(looker.session, fork);
    }
    assert_int_equal(looker.report.ghost_argmax, looker.report.candidates[0].token);
    assert_true(looker.report.candidates[looker.report.chosen].chosen && looker.report.chosen == looker.chosen);
    looker_draw(&looker, &lookahead); /* not asked for */
    assert_int_equal(looker.report.candidates[0].n_futures, 0);
    looker_undo(&looker);
    candidates_close(&next);
    looker_close(&looker);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_of_text_are_neutral),
        cmocka_unit_test(neutral_candidates_may_win),
        cmocka_unit_test(ends_of_text_are_excluded),
        cmocka_unit_test(inside_a_word_p_decides),
        cmocka_unit_test(pieces_that_continue_a_word_are_neutral),
        cmocka_unit_test(the_sentence_gate_opens_behind_a_sentence),
        cmocka_unit_test(one_candidate_needs_no_lookahead),
        cmocka_unit_test(banned_tokens_stay_banned),
        cmocka_unit_test(where_all_scores_are_zero_p_decides),
        cmocka_unit_test(the_lower_token_wins_ties),
        cmocka_unit_test(futures_and_ghosts_are_reported),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

/* What a lookahead refuses: settings out of range, forks that have no room, logits that are not numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sampler/sampler.h"
#include "tests/support/looker.h"
#include "tests/support/memory_hooks.h"
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

enum { K = 6 };

static Lookahead settings(LookaheadEog eog) {
    Lookahead lookahead = lookahead_default();
    lookahead.k = K;
    lookahead.alpha = 0.5;
    lookahead.eog = eog;
    return lookahead;
}

static void refuses(Lookahead lookahead, const char *message) {
    Error error = {.message = ""};
    Sampler sampler = sampler_default();
    sampler.lookahead = lookahead;
    assert_false(sampler_check(&sampler, &error));
    assert_string_equal(error.message, message);
}

static void settings_out_of_range_are_refused_by_name(void **state) {
    (void)state;
    Lookahead good = lookahead_default(), bad;
    bad = good, bad.k = 0;
    refuses(bad, "fe-k: expected a whole number from 1 to 64, got '0'");
    bad.k = 65;
    refuses(bad, "fe-k: expected a whole number from 1 to 64, got '65'");
    bad = good, bad.n = 1;
    refuses(bad, "fe-n: expected a whole number from 2 to 1000000, got '1'");
    bad = good, bad.depth = 17;
    refuses(bad, "fe-depth: expected a whole number from 1 to 16, got '17'");
    bad = good, bad.chunk = -1;
    refuses(bad, "fe-chunk: expected a whole number from 1 to 64, got '-1'");
    bad = good, bad.alpha = 1.5;
    refuses(bad, "alpha: expected a number from -1 to 1, got '1.5'");
    bad.alpha = (double)NAN;
    refuses(bad, "alpha: expected a number from -1 to 1, got 'nan'");
    bad = good, bad.discount = -0.5;
    refuses(bad, "fe-discount: expected a number from 0 to 1, got '-0.5'");
}

static int by_token(const void *a, const void *b) {
    return ((const Candidate *)a)->token - ((const Candidate *)b)->token;
}

/* Fails with the message; session and survivors are as they were. Then the same draw, with alpha = -1, goes through. */
static void check_failure(Looker *looker, Lookahead lookahead, const char *message) {
    Error error = {.message = ""};
    int free_branches = session_free_branches(looker->session), free_rows = session_free_rows(looker->session);
    size_t bytes = (size_t)looker->candidates.capacity * sizeof(float);
    float *logits = malloc(bytes);
    memcpy(logits, session_logits(looker->session, TRUNK), bytes);
    for (int eager = 0; eager < 2; eager++) {
        lookahead.eager = eager;
        assert_false(looker_try(looker, &lookahead, &error));
        if (!strstr(error.message, message)) fail_msg("expected '%s', got '%s'", message, error.message);
        assert_memory_equal(session_logits(looker->session, TRUNK), logits, bytes);
        assert_int_equal(session_free_branches(looker->session), free_branches);
        assert_int_equal(session_free_rows(looker->session), free_rows);
        assert_int_equal(looker->candidates.count, looker->candidates.capacity);
        qsort(looker->candidates.items, (size_t)looker->candidates.count, sizeof(Candidate), by_token);
        for (int t = 0; t < looker->candidates.count; t++) {
            assert_int_equal(looker->candidates.items[t].token, t);
            assert_true(looker->candidates.items[t].logit == logits[t] && looker->candidates.items[t].branch == -1);
        }
    }
    lookahead.alpha = -1;
    assert_true(looker_try(looker, &lookahead, &error));
    free(logits);
}

static void no_room_for_the_forks_is_an_error(void **state) {
    (void)state;
    Lookahead lookahead = settings(LOOKAHEAD_EXCLUDE);
    Lookahead deep = lookahead;
    deep.depth = 4;
    assert_int_equal(lookahead_branches(&lookahead), K);
    assert_int_equal(lookahead_branches(&deep), 2 * K);
    assert_int_equal(lookahead_rows(&lookahead, 5), 5 * K);
    assert_int_equal(lookahead_rows(&deep, 2), 6 * K);

    Looker looker = looker_open(model, (SessionOptions){.branches = K}, prompt, PROMPT);
    check_failure(
        &looker, lookahead,
        "lookahead from branch 0 at position 4: 6 free branches are needed for 6 candidates, 5 of 6 are free");
    looker_close(&looker);
    looker = looker_open(model, (SessionOptions){.branches = 2 * K}, prompt, PROMPT);
    check_failure(&looker, deep, "12 free branches are needed for 6 candidates, 11 of 12 are free");
    looker_close(&looker);

    looker =
        looker_open(model, (SessionOptions){.branches = K + 1, .rows = 16 + 2 * 5, .block_rows = 2}, prompt, PROMPT);
    looker_draw(&looker, &lookahead); /* 22 rows are left */
    looker_undo(&looker);
    looker_close(&looker);
    looker = looker_open(model, (SessionOptions){.branches = K + 1, .rows = 14, .block_rows = 2}, prompt, PROMPT);
    check_failure(&looker, lookahead, "at position 4: 12 key/value rows are needed for 6 candidates, 10 are free");
    looker_close(&looker);

    looker = looker_open(model, (SessionOptions){.branches = 2 * K + 1, .context = PROMPT + 3}, prompt, PROMPT);
    check_failure(&looker, deep, "at position 4: context full: 4 more positions are needed, 3 of 7 are left");
    deep.depth = 3;
    looker_draw(&looker, &deep);
    looker_undo(&looker);
    looker_close(&looker);
    looker = looker_open(model, (SessionOptions){.branches = K + 1, .context = PROMPT}, prompt, PROMPT);
    check_failure(&looker, lookahead, "context full: 1 more positions are needed, 0 of 4 are left");
    looker_close(&looker);
}

/* What lookahead_branches and lookahead_rows ask for is just enough. */
static void what_is_asked_for_is_enough(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        Random random = random_from(seed);
        Lookahead lookahead = random_lookahead(&random);
        lookahead.k = random_int(&random, 1, 12);
        SessionOptions options = {.branches = 1 + lookahead_branches(&lookahead),
                                  .block_rows = random_int(&random, 1, 5)};
        int context = random_int(&random, PROMPT, 20);
        options.context = context;
        options.rows = (context + options.block_rows - 1) / options.block_rows * options.block_rows +
                       lookahead_rows(&lookahead, options.block_rows);
        Looker looker = looker_open(model, options, prompt, PROMPT);
        lookahead.eager = seed % 2;
        while (!looker_is_full(&looker, &lookahead)) looker_step(&looker, &lookahead);
        looker_close(&looker);
    }
}

/* As in test_session_limits.c: nothing but the last token's embedding reaches the output, and token POISON's is the only one
 * with a first component, which output row 0 multiplies by the largest float. greedy: what is likeliest behind any other. */
enum { POISON = 5, BEFORE = 7 };

static void zero(const Tensor *tensor) { memset((void *)tensor->data, 0, tensor_bytes(tensor)); }

static Model *poisoned_model(bool greedy) {
    Model *poisoned = random_model(SEED, DTYPE_F32, false);
    for (int i = 0; i < poisoned->config.n_layers; i++) {
        zero(&poisoned->layers[i].w_output);
        zero(&poisoned->layers[i].w_down);
    }
    for (int t = 0; t < poisoned->config.vocab_size; t++) {
        const Tensor *embedding = &poisoned->token_embedding;
        for (int i = 0; t == POISON && i < poisoned->config.dim; i++) *weight_at(embedding, t, i) = 0;
        *weight_at(embedding, t, 0) = t == POISON;
        *weight_at(&poisoned->output, t, 0) = 0;
        if (t == POISON && greedy) *weight_at(&poisoned->output, t, 1) = 100;
        *weight_at(embedding, t, 1) = t == BEFORE ? 1 : t == POISON ? 0 : -1;
    }
    for (int i = 1; i < poisoned->config.dim; i++) *weight_at(&poisoned->output, 0, i) = 0;
    *weight_at(&poisoned->output, 0, 0) = 3.4e38f;
    return poisoned;
}

static void logits_that_are_not_finite_are_refused(void **state) {
    (void)state;
    for (int greedy = 0; greedy < 2; greedy++) {
        Model *poisoned = poisoned_model(greedy);
        Looker looker = looker_open(poisoned, (SessionOptions){0}, prompt, PROMPT);
        Lookahead lookahead = settings(LOOKAHEAD_RAW);
        lookahead.k = greedy ? poisoned->config.vocab_size - 2 : poisoned->config.vocab_size;
        lookahead.depth = 1 + greedy;
        lookahead.chunk = lookahead.k;
        check_failure(&looker, lookahead,
                      greedy ? "position 5: logit of token 0: expected a finite number, got inf"
                             : "position 4: logit of token 0: expected a finite number, got inf");
        lookahead.k = 2; /* and it goes on as if nothing had been */
        lookahead.depth = 1;
        for (int i = 0; i < 5; i++) looker_step(&looker, &lookahead);
        looker_close(&looker);
        random_model_free(poisoned);
    }
}

static void nothing_is_allocated_after_opening(void **state) {
    (void)state;
    Looker looker = looker_open(model, (SessionOptions){0}, prompt, PROMPT);
    Lookahead lookahead = settings(LOOKAHEAD_NEUTRAL);
    lookahead.depth = 2;
    memory_hooks_fail_at(1);
    for (int i = 0; i < 5; i++) looker_step(&looker, &lookahead);
    assert_int_equal(memory_hooks_count(), 0);
    memory_hooks_fail_at(0);
    looker_close(&looker);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_out_of_range_are_refused_by_name),
        cmocka_unit_test(no_room_for_the_forks_is_an_error),
        cmocka_unit_test(what_is_asked_for_is_enough),
        cmocka_unit_test(logits_that_are_not_finite_are_refused),
        cmocka_unit_test(nothing_is_allocated_after_opening),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

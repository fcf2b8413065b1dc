/* The writer does what its header says: the prompt's entropy, the second root, and the number of passes. */
#include <math.h>
#include <string.h>

#include "sampler/text/writer.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"

enum { CONTEXT = 40, PROMPT = 9, OTHER = 5, VOCAB_MAX = 67 };

static const TokenFlags flags[VOCAB_MAX];
static const bool none[VOCAB_MAX];

typedef struct {
    Model *model;
    Session *session;
    Sampler sampler;
    Writer writer;
    Sequence sequence;
    int history[CONTEXT + 1], other[OTHER];
} Desk;

static void desk_open(Desk *desk, uint64_t seed, const char *policy) {
    Error error;
    Random random = random_from(seed);
    Config config = random_config(&random, DTYPE_F32);
    config.context_length = CONTEXT;
    *desk = (Desk){.model = random_model_of(&config, DTYPE_F32, false, seed), .sampler = sampler_default()};
    must(sampler_set(&desk->sampler, "temp-policy", policy, &error), &error);
    must(sampler_set(&desk->sampler, "kld-sigma", "0.5", &error), &error);
    for (int i = 0; i < PROMPT; i++) desk->history[i] = random_int(&random, 0, config.vocab_size - 1);
    for (int i = 0; i < OTHER; i++) desk->other[i] = random_int(&random, 0, config.vocab_size - 1);
    SessionOptions options = {.threads = 1, .branches = 30, .rows = 1000};
    must(session_open(&desk->session, desk->model, options, &error), &error);
    must(writer_open(&desk->writer, desk->session, config.vocab_size, &desk->sampler, flags, none, none, NULL, &error),
         &error);
    desk->sequence = (Sequence){.history = desk->history, .length = PROMPT, .state = sampler_start(&desk->sampler)};
}

static void desk_close(Desk *desk) {
    writer_close(&desk->writer);
    session_close(desk->session);
    random_model_free(desk->model);
}

static double naive_entropy(const float *logits, int n) {
    double sum = 0, entropy = 0;
    for (int i = 0; i < n; i++) sum += exp(logits[i]);
    for (int i = 0; i < n; i++) entropy -= exp(logits[i]) / sum * (logits[i] - log(sum));
    return entropy;
}

static void prompt_entropy_is_the_mean(void **state) {
    (void)state;
    Error error;
    Desk desk, plain;
    desk_open(&desk, 3, "edt-instance");
    desk_open(&plain, 3, "edt");
    must(writer_read(&desk.writer, &desk.sequence, 4, &error), &error);
    must(writer_read(&desk.writer, &desk.sequence, PROMPT - 4, &error), &error);
    must(writer_read(&plain.writer, &plain.sequence, PROMPT, &error), &error);
    double sum = 0;
    for (int i = 0; i < PROMPT; i++) {
        int root;
        must(session_root(plain.session, &root, &error), &error);
        must(session_prefill(plain.session, root, plain.history, i + 1, &error), &error);
        sum += naive_entropy(session_logits(plain.session, root), plain.model->config.vocab_size);
        session_drop(plain.session, root);
    }
    assert_float_equal(desk.sequence.state.prompt_entropy, sum / PROMPT, 1e-5);
    assert_that(plain.sequence.state.prompt_entropy, ==, 0); /* nobody asked for it */
    must(writer_draw(&desk.writer, &desk.sequence, &error), &error);
    const TemperaturePolicy *policy = &desk.sampler.temperature;
    double expected = policy->base * pow(policy->edt_n, policy->edt_theta / (sum / PROMPT));
    assert_float_equal(desk.writer.temperature, expected, 1e-6);
    desk_close(&desk);
    desk_close(&plain);
}

/* Both branches get the same tokens, in one pass if the trunk needs a pass. */
static void second_root_is_decoded_in_step(void **state) {
    (void)state;
    for (int future = 0; future < 2; future++) {
        Error error;
        Desk desk;
        desk_open(&desk, 4, "kld");
        desk.sampler.future = future;
        int vocab = desk.model->config.vocab_size, *without = &desk.sequence.without, promoted = 0;
        must(writer_read(&desk.writer, &desk.sequence, PROMPT, &error), &error);
        must(session_root(desk.session, without, &error) &&
                 session_prefill(desk.session, *without, desk.other, OTHER, &error),
             &error);
        for (int step = 0; step < 20; step++) {
            double kl =
                temperature_kl(session_logits(desk.session, TRUNK), session_logits(desk.session, *without), vocab);
            must(writer_draw(&desk.writer, &desk.sequence, &error), &error);
            assert_float_equal(desk.writer.temperature, (0.8 * exp2(-kl / 0.5)), 1e-9);
            assert_that(kl, >, 1e-4);
            bool has_pass = writer_drawn(&desk.writer).branch >= 0;
            SessionCounts before = session_counts(desk.session);
            must(writer_advance(&desk.writer, &desk.sequence, &error), &error);
            SessionCounts after = session_counts(desk.session);
            assert_int_equal(after.passes - before.passes, 1);
            assert_int_equal(after.rows - before.rows, has_pass ? 1 : 2);
            assert_int_equal(session_length(desk.session, *without), OTHER + step + 1);
            promoted += has_pass;
        }
        assert_true(future ? promoted > 10 : promoted == 0);
        int root;
        must(session_root(desk.session, &root, &error) &&
                 session_prefill(desk.session, root, desk.other, OTHER, &error),
             &error);
        for (int i = PROMPT; i < desk.sequence.length; i++)
            must(session_decode(desk.session, &(BranchToken){root, desk.history[i]}, 1, &error), &error);
        assert_memory_equal(session_logits(desk.session, root), session_logits(desk.session, *without),
                            (size_t)vocab * sizeof(float));
        desk_close(&desk);
    }
}

/* Rewinding also drops the fork that lookahead left after the rewound token. */
static void rewinding_leaves_no_branch(void **state) {
    (void)state;
    Error error;
    Desk desk;
    desk_open(&desk, 5, "fixed");
    desk.sampler.future = true;
    must(writer_read(&desk.writer, &desk.sequence, PROMPT, &error), &error);
    must(writer_mark(&desk.writer, &desk.sequence, &error), &error);
    int n_free = session_free_branches(desk.session);
    for (int to = PROMPT; to < PROMPT + 4; to++) {
        for (;;) {
            must(writer_draw(&desk.writer, &desk.sequence, &error), &error);
            if (desk.sequence.length == PROMPT + 4) break;
            must(writer_advance(&desk.writer, &desk.sequence, &error), &error);
            must(writer_rewind(&desk.writer, &desk.sequence, desk.sequence.length, &error), &error); /* does nothing */
        }
        must(writer_rewind(&desk.writer, &desk.sequence, to, &error), &error);
        assert_int_equal(session_free_branches(desk.session), n_free);
        assert_int_equal(session_length(desk.session, desk.sequence.branch), to);
        assert_non_null(session_logits(desk.session, desk.sequence.branch));
    }
    desk_close(&desk);
}

static double same_for_all(void *context, const LookaheadCandidate *candidate, const float *logits, int n,
                           float *scratch) {
    (void)candidate, (void)logits, (void)n, (void)scratch;
    ++*(int *)context;
    return 0.25;
}

/* One writer, two texts: one with a scorer, which makes s = p / 4, and one that draws from p. */
static void each_sequence_has_a_scorer_of_its_own(void **state) {
    (void)state;
    Error error;
    Desk desk, plain;
    int calls = 0;
    Scorer scorer = {.worth = same_for_all, .context = &calls};
    desk_open(&desk, 5, "fixed");
    desk_open(&plain, 5, "fixed");
    desk.sampler.future = true;
    must(sampler_set(&desk.sampler, "top-k", "8", &error) && sampler_set(&plain.sampler, "top-k", "8", &error), &error);
    must(writer_read(&desk.writer, &desk.sequence, PROMPT, &error), &error);
    must(writer_read(&plain.writer, &plain.sequence, PROMPT, &error), &error);
    for (int step = 0; step < 20; step++) {
        Sequence entropy = desk.sequence; /* draws by future entropy; nothing of it is kept */
        must(writer_draw(&desk.writer, &entropy, &error), &error);
        assert_int_equal(calls, 0);
        int fork = writer_drawn(&desk.writer).branch;
        if (fork >= 0) session_drop(desk.session, fork);
        desk.sequence.scorer = &scorer;
        must(writer_draw(&desk.writer, &desk.sequence, &error), &error);
        must(writer_draw(&plain.writer, &plain.sequence, &error), &error);
        assert_int_equal(writer_drawn(&desk.writer).token, writer_drawn(&plain.writer).token);
        assert_int_equal(calls, desk.writer.report.rows);
        must(writer_advance(&desk.writer, &desk.sequence, &error), &error);
        must(writer_advance(&plain.writer, &plain.sequence, &error), &error);
        desk.sequence.scorer = NULL;
        calls = 0;
    }
    desk_close(&desk);
    desk_close(&plain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompt_entropy_is_the_mean),
        cmocka_unit_test(second_root_is_decoded_in_step),
        cmocka_unit_test(each_sequence_has_a_scorer_of_its_own),
        cmocka_unit_test(rewinding_leaves_no_branch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

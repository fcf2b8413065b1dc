/* What a session refuses: options out of range, memory that cannot be allocated, logits that are not finite. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/session.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"

/* Requests beyond what the sanitizer's allocator has must return NULL there too, as they do elsewhere. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

static Session *open_or_fail(const Model *model, SessionOptions options) {
    Session *session;
    Error error;
    must(session_open(&session, model, options, &error), &error);
    return session;
}

/* ---- options ---- */

static void defaults_are_as_documented(void **state) {
    (void)state;
    Model *model = random_model(1, DTYPE_F32, true);
    Session *session = open_or_fail(model, (SessionOptions){0});
    SessionOptions options = session_options(session);
    assert_int_equal(options.context, model->config.context_length);
    assert_int_equal(options.branches, 1);
    assert_int_equal(options.rows, options.context);
    assert_int_equal(options.batch, 256);
    assert_int_equal(options.block_rows, 16);
    assert_int_equal(options.kv, KV_F16);
    assert_that(options.threads, >=, 1);
    session_close(session);
    session = open_or_fail(model, (SessionOptions){.context = 20, .branches = 4, .block_rows = 5});
    assert_int_equal(session_options(session).rows, 20 + 3 * 5);
    assert_true(session_alive(session, TRUNK));
    assert_int_equal(session_length(session, TRUNK), 0);
    assert_null(session_logits(session, TRUNK));
    assert_int_equal(session_free_branches(session), 3);
    session_close(session);
    session_close(NULL);
    random_model_free(model);
}

/* Each option alone at the given value. */
static SessionOptions with_option(int which, int value) {
    SessionOptions options = {.threads = 1};
    int *const fields[] = {&options.context, &options.branches, &options.rows,
                           &options.batch,   &options.threads,  &options.block_rows};
    *fields[which] = value;
    return options;
}

static const char *const option_names[] = {"context", "branches", "rows", "batch", "threads", "block_rows"};

static void negative_options_are_refused_by_name(void **state) {
    (void)state;
    Model *model = random_model(1, DTYPE_F32, true);
    for (int which = 0; which < 6; which++) {
        for (int value = -1; value < 0; value = value == -1 ? INT_MIN : 0) {
            Session *session;
            Error error = {.message = ""};
            size_t bytes;
            assert_false(session_open(&session, model, with_option(which, value), &error));
            if (!strstr(error.message, option_names[which])) fail_msg("%s: %s", option_names[which], error.message);
            assert_false(session_bytes(model, with_option(which, value), &bytes, &error));
        }
    }
    random_model_free(model);
}

/* Absurd values are refused or served. They never overflow, and no memory is lost. */
static void huge_options_fail_cleanly(void **state) {
    (void)state;
    Random random = random_from(2);
    Config config = random_config(&random, DTYPE_F32);
    config.n_layers = 3, config.n_kv_heads = 3, config.n_heads = 12, config.head_dim = 32, config.rope_dim = 32;
    Model *model = random_model_of(&config, DTYPE_F32, true, 1);
    long alive = memory_hooks_alive();
    static const int values[] = {INT_MAX, INT_MAX - 1, 1 << 30, 1 << 29};
    for (int which = 0; which < 6; which++) {
        for (int i = 0; i < 4; i++) {
            Session *session;
            Error error = {.message = ""};
            if (session_open(&session, model, with_option(which, values[i]), &error))
                session_close(session);
            else
                assert_that(strlen(error.message), >, 0);
            assert_int_equal(memory_hooks_alive(), alive);
        }
    }
    SessionOptions all = {INT_MAX, INT_MAX, INT_MAX, INT_MAX, INT_MAX, KV_F32, INT_MAX};
    Session *session;
    Error error;
    assert_false(session_open(&session, model, all, &error));
    all = (SessionOptions){.context = 1 << 20, .branches = 1 << 10, .rows = 1 << 30, .block_rows = 1, .kv = KV_F32};
    size_t bytes;
    if (session_bytes(model, all, &bytes, &error)) assert_that(bytes, >, (size_t)2304 << 30);
    assert_int_equal(memory_hooks_alive(), alive);
    random_model_free(model);
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **state) {
    (void)state;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        Model *model = random_model((uint64_t)dtype, (Dtype)dtype, false);
        SessionOptions options = {.branches = 3, .threads = 2};
        long alive = memory_hooks_alive(), n_failed = 0;
        for (bool opened = false; !opened; n_failed++) {
            Session *session;
            Error error = {.message = ""};
            memory_hooks_fail_at(n_failed + 1);
            opened = session_open(&session, model, options, &error);
            if (opened)
                session_close(session);
            else
                must(strstr(error.message, "out of memory"), &error);
            assert_int_equal(memory_hooks_alive(), alive);
        }
        assert_that(n_failed, >, 1);
        memory_hooks_fail_at(0);
        random_model_free(model);
    }
}

static void session_bytes_is_what_is_taken(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        Random random = random_from(seed);
        Model *model = random_model(seed, (Dtype)(seed % DTYPE_COUNT), false);
        SessionOptions options = {.context = random_int(&random, 1, 300),
                                  .branches = random_int(&random, 1, 9),
                                  .rows = random_int(&random, 0, 500),
                                  .batch = random_int(&random, 0, 50),
                                  .threads = random_int(&random, 1, 4),
                                  .kv = random_chance(&random, 0.5) ? KV_F16 : KV_F32,
                                  .block_rows = random_int(&random, 0, 20)};
        size_t bytes;
        Error error;
        must(session_bytes(model, options, &bytes, &error), &error);
        memory_hooks_fail_at(0);
        session_close(open_or_fail(model, options));
        /* The only other allocation is the Session itself, a few hundred bytes. */
        assert_in_range(memory_hooks_total(), bytes, bytes + 4096);
        random_model_free(model);
    }
}

/* ---- logits that are not finite ----
 * All matrices inside the layers that write to the residual stream are zero, so it is the last token's embedding. Only
 * token POISON has a first component, and output row 0 multiplies that by the largest float: infinite. */

#define POISON 4

static void zero_matrix(const Tensor *tensor) { memset((void *)tensor->data, 0, tensor_bytes(tensor)); }

static Model *poisoned_model(void) {
    Model *model = random_model(7, DTYPE_F32, false);
    for (int i = 0; i < model->config.n_layers; i++) {
        zero_matrix(&model->layers[i].w_output);
        zero_matrix(&model->layers[i].w_down);
    }
    for (int token = 0; token < model->config.vocab_size; token++) {
        *weight_at(&model->token_embedding, token, 0) =
            token == POISON; /* normalised: sqrt(dim), times a norm near 1 */
    }
    for (int i = 1; i < model->config.dim; i++) {
        *weight_at(&model->token_embedding, POISON, i) = 0;
        *weight_at(&model->output, 0, i) = 0;
    }
    *weight_at(&model->output, 0, 0) = 3.4e38f;
    return model;
}

static void assert_names(const Error *error, int branch, int position) {
    char expected[64];
    snprintf(expected, sizeof expected, "branch %d, position %d", branch, position);
    if (!strstr(error->message, expected)) fail_msg("expected %s: %s", expected, error->message);
}

typedef struct {
    const Session *session;
    int branches[3], lengths[3], free_rows;
    float *logits[3];
    size_t bytes;
} Snapshot;

static Snapshot snapshot_take(const Session *session, const Model *model, const int *branches, int n) {
    Snapshot s = {.session = session, .free_rows = session_free_rows(session)};
    s.bytes = (size_t)model->config.vocab_size * sizeof(float);
    for (int i = 0; i < n; i++) {
        s.branches[i] = branches[i];
        s.lengths[i] = session_length(session, branches[i]);
        s.logits[i] = malloc(s.bytes);
        memcpy(s.logits[i], session_logits(session, branches[i]), s.bytes);
    }
    return s;
}

static void snapshot_check(const Snapshot *s, int n) {
    assert_int_equal(session_free_rows(s->session), s->free_rows);
    for (int i = 0; i < n; i++) {
        assert_int_equal(session_length(s->session, s->branches[i]), s->lengths[i]);
        assert_memory_equal(session_logits(s->session, s->branches[i]), s->logits[i], s->bytes);
    }
}

static void snapshot_free(Snapshot *s, int n) {
    for (int i = 0; i < n; i++) free(s->logits[i]);
}

static void count_visit(void *context, int position, const float *logits) {
    (void)position, (void)logits;
    ++*(int *)context;
}

static void infinite_logits_are_refused(void **state) {
    (void)state;
    Model *model = poisoned_model();
    SessionOptions options = {.branches = 3, .threads = 1, .block_rows = 2, .batch = 4, .kv = KV_F32};
    Session *session = open_or_fail(model, options);
    Error error;
    int branches[3] = {TRUNK}, n_visits = 0;
    must(session_prefill(session, TRUNK, (int[]){1, 2, 3}, 3, &error), &error);
    must(session_fork(session, TRUNK, &branches[1], &error), &error);
    must(session_fork(session, TRUNK, &branches[2], &error), &error);
    must(session_decode(session, &(BranchToken){branches[2], 2}, 1, &error), &error);
    Snapshot before = snapshot_take(session, model, branches, 3);

    assert_false(session_decode(session, &(BranchToken){TRUNK, POISON}, 1, &error));
    assert_names(&error, TRUNK, 3);
    snapshot_check(&before, 3);

    BranchToken steps[] = {{TRUNK, 1}, {branches[2], POISON}, {branches[1], 2}};
    assert_false(session_decode(session, steps, 3, &error));
    assert_names(&error, branches[2], 4);
    snapshot_check(&before, 3);

    assert_false(session_prefill(session, branches[1], (int[]){1, 2, 3, 1, 2, POISON}, 6, &error));
    assert_names(&error, branches[1], 8);
    snapshot_check(&before, 3);

    assert_false(session_score(session, TRUNK, (int[]){1, 2, 3, 1, 2, POISON, 1}, 7, count_visit, &n_visits, &error));
    assert_names(&error, TRUNK, 8);
    assert_in_range(n_visits, 0, 5);
    snapshot_check(&before, 3);

    steps[1].token = 1; /* and it goes on as if nothing had been */
    must(session_decode(session, steps, 3, &error), &error);
    snapshot_free(&before, 3);
    session_close(session);
    random_model_free(model);
}

/* A token id or a length out of range: the message names the branch, which does not change. */
static void refusals_name_branch_and_position(void **state) {
    (void)state;
    Model *model = random_model(8, DTYPE_F32, false);
    Session *session = open_or_fail(model, (SessionOptions){.context = 6, .branches = 2, .threads = 1});
    Error error;
    int child, vocab = model->config.vocab_size;
    must(session_prefill(session, TRUNK, (int[]){1, 2, 3}, 3, &error), &error);
    must(session_fork(session, TRUNK, &child, &error), &error);
    int branches[] = {TRUNK, child};
    Snapshot before = snapshot_take(session, model, branches, 2);
    assert_false(session_prefill(session, TRUNK, (int[]){1, vocab}, 2, &error));
    assert_names(&error, TRUNK, 4);
    assert_false(session_prefill(session, child, (int[]){-1}, 1, &error));
    assert_names(&error, child, 3);
    assert_false(session_decode(session, (BranchToken[]){{TRUNK, 1}, {child, INT_MAX}}, 2, &error));
    assert_names(&error, child, 3);
    assert_false(session_prefill(session, child, (int[]){1, 1, 1, 1}, 4, &error));
    assert_non_null(strstr(error.message, "context"));
    snapshot_check(&before, 2);
    must(session_prefill(session, child, (int[]){1, 1, 1}, 3, &error), &error);
    assert_false(session_decode(session, (BranchToken[]){{TRUNK, 1}, {child, 1}}, 2, &error));
    assert_non_null(strstr(error.message, "context"));
    assert_int_equal(session_length(session, TRUNK), 3);
    snapshot_free(&before, 2);
    session_close(session);
    random_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_as_documented),        cmocka_unit_test(negative_options_are_refused_by_name),
        cmocka_unit_test(huge_options_fail_cleanly),         cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(session_bytes_is_what_is_taken),    cmocka_unit_test(infinite_logits_are_refused),
        cmocka_unit_test(refusals_name_branch_and_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

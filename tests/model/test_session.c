/* The engine under random operations, compared with the naive forward pass and with itself.
 *
 * Tolerances, relative to the largest exact logit, over texts of up to 80 tokens and 3 layers:
 *   float weights, F32 cache   rounding alone: 2^-24 a step over a few thousand steps; seen 2e-6, allowed 1e-4
 *   F16 cache                  keys and values lose 2^-12 each, sharp attention multiplies that; seen 3e-3, allowed
 * 1e-2
 *   Q8_0, Q4_0                 inputs are rounded to int8, by both sides. Where the two round alike the rest is as
 * above
 *                              (seen in 80 to 99 of 100 texts; half must be within 1e-5); where a value lies
 *                              so near the middle of two steps that they do not, it moves by a whole step, 1/127 of
 *                              the largest of 32, and others after it; seen 8e-2, allowed 0.15
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/kernels.h"
#include "tensor/row.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"
#include "tests/support/twin.h"

static double tolerance_of(Dtype dtype, KvType kv) {
    if (dtype_info[dtype].int8_input) return 0.15;
    return kv == KV_F16 ? 1e-2 : 1e-4;
}

typedef struct {
    Model *model;
    Naive *naive;
    TwinSetup setup;
} Case;

static Case case_of(Model *model, uint64_t seed, Dtype dtype, KvType kv, int steps) {
    static const int batches[] = {0, 7, 40}; /* 40: prompts may go through sgemm, but not in one batch */
    Case c = {model, naive_open(model, true), {0}};
    SessionOptions options = {.branches = TWIN_HELD, .threads = 1, .kv = kv, .batch = batches[seed % 3]};
    options.rows = 2 * TWIN_HELD * model->config.context_length; /* never short */
    c.setup = (TwinSetup){.model = model,
                          .naive = c.naive,
                          .tolerance = tolerance_of(dtype, kv),
                          .options = options,
                          .seed = seed,
                          .steps = steps};
    return c;
}

static Case case_open(uint64_t seed, Dtype dtype, KvType kv) {
    return case_of(random_model(seed, dtype, seed % 2 == 0), seed, dtype, kv, 60);
}

/* Wide enough for the kernels' unrolled loops: heads of 64, columns of a few hundred. */
static Case case_open_wide(uint64_t seed, Dtype dtype, KvType kv) {
    Config config = {.dim = 224,
                     .hidden_dim = 288,
                     .n_layers = 2,
                     .n_heads = 4,
                     .n_kv_heads = 2,
                     .head_dim = 64,
                     .rope_dim = 64,
                     .vocab_size = 67,
                     .context_length = 70,
                     .rope_theta = 5e5f,
                     .rms_epsilon = 1e-5f};
    return case_of(random_model_of(&config, dtype, false, seed), seed, dtype, kv, 25);
}

static void case_close(Case *c) {
    naive_close(c->naive);
    random_model_free(c->model);
}

/* ---- against the naive forward pass, under each kernel table ---- */

/* With QUICK in the environment (an emulator is slow) only the table that this processor chooses. */
static int first_table(void) {
    int n = 0;
    while (kernels_available(n)) n++;
    return getenv("QUICK") ? n - 1 : 0;
}

static void check_forms(KvType kv, int n_seeds) {
    for (int t = first_table(); kernels_available(t); t++) {
        kernels_use(kernels_available(t));
        for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
            double worst = 0;
            int compared = 0, close = 0;
            for (int seed = 0; seed < n_seeds; seed++) {
                Case c = case_open((uint64_t)(100 * dtype + seed), (Dtype)dtype, kv);
                TwinResult result = twin_run(&c.setup);
                worst = fmax(worst, result.worst);
                compared += result.compared;
                close += result.close;
                twin_result_free(&result);
                case_close(&c);
            }
            print_message("%s, %s, cache %s: %d texts, largest difference %.2g, %d within 1e-5\n", kernels()->name,
                          dtype_info[dtype].name, kv == KV_F16 ? "F16" : "F32", compared, worst, close);
            assert_that(compared, >, 30);
            assert_true((kv == KV_F16 || 2 * close > compared));
        }
    }
    kernels_use(kernels_available(0));
}

static void random_operations_give_the_naive_logits(void **state) {
    (void)state;
    check_forms(KV_F32, 3);
}

static void random_operations_on_a_half_precision_cache(void **state) {
    (void)state;
    check_forms(KV_F16, 2);
}

/* ---- the same bits in any setting ---- */

static void check_same_bits(const Case *c, SessionOptions options, const TwinResult *expected) {
    TwinSetup setup = c->setup;
    setup.naive = NULL;
    setup.options = options;
    TwinResult result = twin_run(&setup);
    assert_int_equal(result.count, expected->count);
    if (memcmp(result.logits, expected->logits, expected->count * sizeof(float)) != 0)
        fail_msg("%s, seed %llu: other logits with %d threads, blocks of %d rows, %d branches", kernels()->name,
                 (unsigned long long)setup.seed, options.threads, options.block_rows, options.branches);
    twin_result_free(&result);
}

static void check_settings(const Case *c, int n_settings) {
    static const struct {
        int threads, block_rows, more_branches;
    } settings[] = {{2, 3, 1}, {3, 16, 0}, {1, 1, 2}, {3, 5, 4}, {2, 64, 0}};
    TwinSetup plain = c->setup;
    plain.naive = NULL;
    TwinResult expected = twin_run(&plain);
    for (int i = 0; i < n_settings; i++) {
        SessionOptions options = c->setup.options;
        options.threads = settings[i].threads;
        options.block_rows = settings[i].block_rows;
        options.branches += settings[i].more_branches;
        options.rows += options.branches * options.block_rows; /* each branch may have begun a block */
        check_same_bits(c, options, &expected);
    }
    twin_result_free(&expected);
}

static void threads_blocks_and_branches_do_not_change_a_bit(void **state) {
    (void)state;
    for (int t = first_table(); kernels_available(t); t++) {
        kernels_use(kernels_available(t));
        for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
            Case narrow = case_open((uint64_t)(1000 + dtype), (Dtype)dtype, dtype % 2 ? KV_F32 : KV_F16);
            Case wide = case_open_wide((uint64_t)(1102 + dtype), (Dtype)dtype, dtype % 2 ? KV_F16 : KV_F32);
            check_settings(&narrow, 5);
            check_settings(&wide, 2);
            TwinResult result = twin_run(&wide.setup); /* and once against the naive pass */
            twin_result_free(&result);
            case_close(&narrow);
            case_close(&wide);
        }
    }
    kernels_use(kernels_available(0));
}

/* ---- running out ---- */

typedef struct {
    float *logits; /* (n, vocab_size) */
    size_t vocab;
} Scores;

static void keep_scores(void *context, int position, const float *logits) {
    Scores *scores = context;
    memcpy(row(scores->logits, position, scores->vocab), logits, scores->vocab * sizeof *logits);
}

/* If no product goes to OpenBLAS, a prompt's rows have the bits of decoding it token by token, in any batch. */
static void a_prompt_is_its_tokens_one_by_one(void **state) {
    (void)state;
    Error error;
    for (int t = first_table(); kernels_available(t); t++) {
        kernels_use(kernels_available(t));
        if (kernels()->uses_blas) continue;
        for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
            Case c = case_open_wide((uint64_t)dtype, (Dtype)dtype, KV_F16);
            enum { N = 66 };
            size_t vocab = (size_t)c.model->config.vocab_size;
            Scores prompt = {malloc(N * vocab * sizeof(float)), vocab};
            int tokens[N], batches[] = {N, 37, 5};
            for (int i = 0; i < N; i++) tokens[i] = (i * 29 + dtype) % (int)vocab;
            for (int b = 0; b < 3; b++) {
                SessionOptions options = {.branches = 2, .rows = 256, .threads = 1 + b, .batch = batches[b]};
                Session *session;
                int alone;
                must(session_open(&session, c.model, options, &error), &error);
                must(session_root(session, &alone, &error), &error);
                must(session_score(session, TRUNK, tokens, N, keep_scores, &prompt, &error), &error);
                for (int i = 0; i < N; i++) {
                    must(session_decode(session, &(BranchToken){alone, tokens[i]}, 1, &error), &error);
                    assert_memory_equal(session_logits(session, alone), row(prompt.logits, i, vocab),
                                        vocab * sizeof(float));
                }
                session_close(session);
            }
            free(prompt.logits);
            case_close(&c);
        }
    }
    kernels_use(kernels_available(0));
}

static void too_few_rows_or_branches_are_refused(void **state) {
    (void)state;
    int failures = 0;
    for (uint64_t seed = 2000; seed < 2060; seed++) {
        Random random = random_from(seed);
        Case c = case_open(seed, DTYPE_F32, KV_F32);
        c.setup.steps = 100;
        if (seed % 4) c.setup.naive = NULL; /* the bits alone tell as much, sooner */
        c.setup.options.context = random_int(&random, 8, c.model->config.context_length);
        c.setup.options.rows = random_chance(&random, 0.3) ? 0 : random_int(&random, 1, 60);
        c.setup.options.branches = random_int(&random, 1, 6);
        c.setup.options.block_rows = random_int(&random, 1, 9);
        TwinResult result = twin_run(&c.setup);
        failures += result.failures;
        twin_result_free(&result);
        case_close(&c);
    }
    assert_that(failures, >, 500);
}

/* Fork, decode, promote one: with the default number of rows this must go on until the context is full, whichever
 * branch wins, and at once after a rewind to the beginning. */
static void the_lookahead_loop_never_runs_out_of_rows(void **state) {
    (void)state;
    Model *model = random_model(3, DTYPE_F32, true);
    Random random = random_from(4);
    Error error;
    for (int block_rows = 1; block_rows <= 17; block_rows += 4) {
        Session *session;
        SessionOptions options = {.branches = 5, .threads = 1, .block_rows = block_rows};
        must(session_open(&session, model, options, &error), &error);
        for (int round = 0; round < 3; round++) {
            must(session_rewind(session, TRUNK, 0, &error), &error);
            must(session_prefill(session, TRUNK, (int[]){1, 2, 3}, 3, &error), &error);
            while (session_length(session, TRUNK) < model->config.context_length) {
                BranchToken steps[4];
                int n = random_int(&random, 1, 4);
                for (int i = 0; i < n; i++) {
                    must(session_fork(session, TRUNK, &steps[i].branch, &error), &error);
                    steps[i].token = random_int(&random, 0, 4);
                }
                must(session_decode(session, steps, n, &error), &error);
                session_promote(session, steps[random_int(&random, 0, n - 1)].branch);
                assert_int_equal(session_free_branches(session), 4);
            }
            assert_false(session_decode(session, &(BranchToken){TRUNK, 1}, 1, &error));
        }
        session_close(session);
    }
    random_model_free(model);
}

/* ---- whose logits ---- */

static void assert_same_logits(const Session *session, int branch, const float *expected, int n) {
    const float *logits = session_logits(session, branch);
    assert_non_null(logits);
    assert_memory_equal(logits, expected, (size_t)n * sizeof(float));
}

/* A fork keeps its first logits until it is decoded itself; what happens to its ancestors does not matter. */
static void forks_keep_their_logits(void **state) {
    (void)state;
    Model *model = random_model(6, DTYPE_F32, false);
    int vocab = model->config.vocab_size, child, grandchild;
    float *expected = malloc((size_t)vocab * sizeof(float));
    for (int promote = 0; promote < 3; promote++) {
        Session *session;
        Error error;
        must(session_open(&session, model, (SessionOptions){.branches = 3}, &error), &error);
        must(session_prefill(session, TRUNK, (int[]){1, 2, 3}, 3, &error), &error);
        memcpy(expected, session_logits(session, TRUNK), (size_t)vocab * sizeof(float));
        must(session_fork(session, TRUNK, &child, &error), &error);
        must(session_fork(session, child, &grandchild, &error), &error);
        assert_same_logits(session, grandchild, expected, vocab);
        must(session_decode(session, &(BranchToken){child, 4}, 1, &error), &error);
        assert_same_logits(session, TRUNK, expected, vocab);
        assert_same_logits(session, grandchild, expected, vocab);
        if (promote == 1) must(session_decode(session, &(BranchToken){child, 3}, 1, &error), &error);
        if (promote == 1) must(session_rewind(session, child, 4, &error), &error);
        if (promote)
            session_promote(session, child);
        else
            must(session_decode(session, &(BranchToken){TRUNK, 4}, 1, &error), &error);
        assert_same_logits(session, grandchild, expected, vocab);
        session_close(session);
    }
    free(expected);
    random_model_free(model);
}

/* ---- what the counts count ---- */

static void counts_are_of_rows_and_passes(void **state) {
    (void)state;
    Model *model = random_model(5, DTYPE_F32, false);
    Session *session;
    Error error;
    int child, tokens[20] = {0};
    SessionOptions options = {.branches = 2, .threads = 1, .batch = 8};
    must(session_open(&session, model, options, &error), &error);
    assert_int_equal(session_counts(session).passes, 0);
    must(session_prefill(session, TRUNK, tokens, 20, &error), &error);
    assert_int_equal(session_counts(session).passes, 3);
    assert_int_equal(session_counts(session).rows, 20);
    must(session_fork(session, TRUNK, &child, &error), &error);
    must(session_decode(session, (BranchToken[]){{TRUNK, 1}, {child, 2}}, 2, &error), &error);
    assert_int_equal(session_counts(session).passes, 4);
    assert_int_equal(session_counts(session).rows, 22);
    session_close(session);
    random_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_give_the_naive_logits),
        cmocka_unit_test(random_operations_on_a_half_precision_cache),
        cmocka_unit_test(threads_blocks_and_branches_do_not_change_a_bit),
        cmocka_unit_test(a_prompt_is_its_tokens_one_by_one),
        cmocka_unit_test(too_few_rows_or_branches_are_refused),
        cmocka_unit_test(the_lookahead_loop_never_runs_out_of_rows),
        cmocka_unit_test(forks_keep_their_logits),
        cmocka_unit_test(counts_are_of_rows_and_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

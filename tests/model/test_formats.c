/* One model in every file format: llama2.c v0, v1 and v2, GGUF in every form, written by tests/support/write_model and
 * read by model_open. Bits where the weights are the same, bounds where they were rounded, a known text from a real
 * model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/session.h"
#include "tensor/quant.h"
#include "tests/support/folder.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"
#include "tests/support/twin.h"
#include "tests/support/write_model.h"
#include "tokenizer/tokenizer.h"

#define REAL    "../shared/models/stories260K/stories260K.bin"
#define REAL_V1 "../shared/models/stories260K/stories260K_v1.bin"
#define WORDS   "../shared/models/stories260K/tok512.bin"
#define GOLDEN  "tests/golden/stories260K.txt"
#define STEPS   220

static int n_files;

static void skip_without(const char *path) {
    if (access(path, R_OK) == 0) return;
    print_message("skipped: %s is not there\n", path);
    skip();
}

static Model *open_or_fail(const char *path) {
    Model *model;
    Error error;
    must(model_open(&model, path, &error), &error);
    return model;
}

static Session *session_or_fail(const Model *model, KvType kv) {
    Session *session;
    Error error;
    must(session_open(&session, model, (SessionOptions){.threads = 1, .kv = kv}, &error), &error);
    return session;
}

/* The files of this run are in a folder of their own, and are unlinked as soon as they are mapped. */
typedef struct {
    char path[96];
} Path;

static Path new_path(void) {
    Path path;
    snprintf(path.path, sizeof path.path, "%s/%d", folder_path, n_files++);
    return path;
}

static Model *through_llama2c(const Model *source, int version, int group) {
    Path path = new_path();
    Error error;
    must(write_llama2c(source, path.path, version, group, &error), &error);
    Model *model = open_or_fail(path.path);
    remove(path.path);
    return model;
}

static Model *through_gguf(const Model *source, Dtype dtype) {
    Path path = new_path();
    Error error;
    Vocabulary vocabulary = vocabulary_make(source->config.vocab_size);
    must(write_gguf(source, &vocabulary, path.path, dtype, &error), &error);
    vocabulary_free(&vocabulary);
    Model *model = open_or_fail(path.path);
    remove(path.path);
    return model;
}

/* Sizes that a llama2.c file can express, with columns that are multiples of 32. */
static Model *plain_random_model(bool tied) {
    Config config = {.dim = 64,
                     .hidden_dim = 96,
                     .n_layers = 3,
                     .n_heads = 8,
                     .n_kv_heads = 4,
                     .head_dim = 8,
                     .rope_dim = 8,
                     .vocab_size = 300,
                     .context_length = 256,
                     .rope_theta = 10000,
                     .rms_epsilon = 1e-5f};
    return random_model_of(&config, DTYPE_F32, tied, 1);
}

static int largest_logit(const float *logits, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* Greedy from token 1 (begin of text): tokens[0] = 1, ... */
static void greedy(const Model *model, int *tokens, int n) {
    Session *session = session_or_fail(model, KV_F16);
    Error error;
    tokens[0] = 1;
    for (int i = 0; i < n; i++) {
        must(session_decode(session, &(BranchToken){TRUNK, tokens[i]}, 1, &error), &error);
        if (i + 1 < n) tokens[i + 1] = largest_logit(session_logits(session, TRUNK), model->config.vocab_size);
    }
    session_close(session);
}

/* ---- the same weights, the same bits ---- */

static void check_same_bits(const Model *a, const Model *b) {
    Session *one = session_or_fail(a, KV_F16), *other = session_or_fail(b, KV_F16);
    size_t bytes = (size_t)a->config.vocab_size * sizeof(float);
    Error error;
    int token = 1;
    assert_memory_equal(&a->config, &b->config, sizeof a->config);
    for (int i = 0; i < STEPS; i++) {
        must(session_decode(one, &(BranchToken){TRUNK, token}, 1, &error), &error);
        must(session_decode(other, &(BranchToken){TRUNK, token}, 1, &error), &error);
        const float *logits = session_logits(one, TRUNK);
        if (memcmp(logits, session_logits(other, TRUNK), bytes) != 0)
            fail_msg("%s and %s differ at position %d", a->format, b->format, i);
        token = largest_logit(logits, a->config.vocab_size);
    }
    session_close(one);
    session_close(other);
}

static void check_file_against(const Model *source, Model *opened, const char *format) {
    assert_string_equal(opened->format, format);
    assert_int_equal(opened->tied, source->tied);
    check_same_bits(source, opened);
    model_close(opened);
}

static void float_files_give_the_same_bits(void **state) {
    (void)state;
    for (int tied = 0; tied < 2; tied++) {
        Model *source = plain_random_model(tied);
        check_file_against(source, through_llama2c(source, 0, 0), "llama2.c v0");
        check_file_against(source, through_llama2c(source, 1, 0), "llama2.c v1");
        check_file_against(source, through_gguf(source, DTYPE_F32), "GGUF v3");
        random_model_free(source);
    }
}

static void odd_sizes_survive_gguf(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        Model *source = random_model(seed, DTYPE_F32, seed % 2);
        Model *opened = through_gguf(source, DTYPE_F32);
        assert_memory_equal(&opened->config, &source->config, sizeof source->config);
        Naive *naive = naive_open(source, false), *other = naive_open(opened, false);
        int tokens[3] = {0, 4, 2}, vocab = source->config.vocab_size;
        double expected[3 * 67], got[3 * 67];
        naive_logits(naive, expected, tokens, 3);
        naive_logits(other, got, tokens, 3);
        for (int i = 0; i < 3 * vocab; i++) assert_that(fabs(expected[i] - got[i]), <, 1e-5); /* frequencies are f32 */
        naive_close(naive);
        naive_close(other);
        model_close(opened);
        random_model_free(source);
    }
}

static void real_v0_v1_and_gguf_give_the_same_bits(void **state) {
    (void)state;
    skip_without(REAL);
    skip_without(REAL_V1);
    Model *source = open_or_fail(REAL);
    check_file_against(source, open_or_fail(REAL_V1), "llama2.c v1");
    check_file_against(source, through_llama2c(source, 0, 0), "llama2.c v0");
    check_file_against(source, through_llama2c(source, 1, 0), "llama2.c v1");
    check_file_against(source, through_gguf(source, DTYPE_F32), "GGUF v3");
    model_close(source);
}

/* ---- rounded weights ----
 * Rounding to a step d adds an error of d / sqrt(12) to each weight (F16, BF16: about 0.4 of the last place). For
 * weights of size 1 the largest of 32 is about 2.1, of 4 about 1.3; inputs are rounded like Q8_0 where the kernel takes
 * int8. A product's relative error e (root of the mean square) is then
 *
 *   F16   0.4 * 2^-11     Q8_GROUP of 32  2.1 / 127 / sqrt(12)     Q8_0   that for weights and for inputs
 *   BF16  0.4 * 2^-8               of 4   1.3 / 127 / sqrt(12)     Q4_0   2.1 / 8 / sqrt(12), and Q8_0's for inputs
 *
 * If the errors of all 7 L + 1 products add up like independent ones, the logits' is e * sqrt(7 L + 1): allowed for the
 * real model, and twice that for random ones, whose sharp attention multiplies errors. The tolerance against the naive
 * pass on the rounded weights themselves is as in test_session.c. */
static double product_error(Dtype dtype, int group) {
    double eight_bits = (group == 4 ? 1.3 : 2.1) / 127 / sqrt(12), four_bits = 2.1 / 8 / sqrt(12);
    switch (dtype) {
    case DTYPE_F32:
        return 1e-6;
    case DTYPE_F16:
        return 0.4 * 0x1p-11;
    case DTYPE_BF16:
        return 0.4 * 0x1p-8;
    case DTYPE_Q8_0:
        return eight_bits * sqrt(2);
    case DTYPE_Q4_0:
        return hypot(four_bits, eight_bits);
    default:
        return eight_bits;
    }
}

typedef struct {
    const double *own, *exact; /* naive logits of these weights and of the unrounded ones */
    int vocab, close, n;
    double worst, squares, error_squares;
} Comparison;

static void compare_logits(void *context, int position, const float *logits) {
    Comparison *c = context;
    size_t at = (size_t)position * (size_t)c->vocab;
    double difference = logits_difference(logits, c->own + at, c->vocab);
    c->worst = fmax(c->worst, difference);
    c->close += difference < 1e-5;
    c->n++;
    for (int i = 0; i < c->vocab; i++) {
        double exact = c->exact[at + (size_t)i];
        c->squares += exact * exact;
        c->error_squares += (logits[i] - exact) * (logits[i] - exact);
    }
}

static void check_rounded(Model *model, const double *exact, const int *tokens, Dtype dtype, int group,
                          double sharpness) {
    int vocab = model->config.vocab_size;
    double *own = malloc((size_t)STEPS * (size_t)vocab * sizeof *own);
    Naive *naive = naive_open(model, true);
    naive_logits(naive, own, tokens, STEPS);
    Comparison c = {own, exact, vocab, 0, 0, 0, 0, 0};
    Session *session = session_or_fail(model, KV_F32);
    Error error;
    must(session_score(session, TRUNK, tokens, STEPS, compare_logits, &c, &error), &error);
    assert_int_equal(c.n, STEPS);
    double relative = sqrt(c.error_squares / c.squares);
    double allowed = sharpness * product_error(dtype, group) * sqrt(7 * model->config.n_layers + 1);
    print_message("%s %s: within %.2g of its own weights, %.2g of the unrounded ones (allowed %.2g)\n", model->format,
                  dtype_info[dtype].name, c.worst, relative, allowed);
    assert_that(c.worst, <, (dtype_info[dtype].int8_input ? 0.15 : 1e-4));
    assert_true(2 * c.close > c.n || dtype_info[dtype].int8_input);
    assert_that(relative, <, allowed);
    session_close(session);
    naive_close(naive);
    free(own);
    model_close(model);
}

static void check_all_forms(const Model *source, int group, double sharpness) {
    int tokens[STEPS], vocab = source->config.vocab_size;
    double *exact = malloc((size_t)STEPS * (size_t)vocab * sizeof *exact);
    Naive *naive = naive_open(source, false);
    greedy(source, tokens, STEPS);
    naive_logits(naive, exact, tokens, STEPS);
    check_rounded(through_llama2c(source, 0, 0), exact, tokens, DTYPE_F32, 0, sharpness);
    check_rounded(through_llama2c(source, 2, group), exact, tokens, DTYPE_Q8_GROUP, group, sharpness);
    for (int dtype = 0; dtype < DTYPE_Q8_GROUP; dtype++)
        check_rounded(through_gguf(source, (Dtype)dtype), exact, tokens, (Dtype)dtype, Q_BLOCK, sharpness);
    naive_close(naive);
    free(exact);
}

static void rounded_weights_stay_within_their_bounds(void **state) {
    (void)state;
    for (int tied = 0; tied < 2; tied++) {
        Model *source = plain_random_model(tied);
        check_all_forms(source, 32, 2);
        random_model_free(source);
    }
}

static void real_rounded_weights_stay_within_their_bounds(void **state) {
    (void)state;
    skip_without(REAL);
    Model *source = open_or_fail(REAL);
    check_all_forms(source, 4, 1); /* its hidden_dim is 172 */
    model_close(source);
}

/* A matrix whose columns are no multiple of 32 stays F16 in a Q4_0 file; norms stay F32. */
static void columns_that_make_no_blocks_stay_f16(void **state) {
    (void)state;
    skip_without(REAL);
    Model *source = open_or_fail(REAL), *opened = through_gguf(source, DTYPE_Q4_0);
    assert_int_equal(opened->layers[0].w_down.dtype, DTYPE_F16);
    assert_int_equal(opened->layers[0].w_up.dtype, DTYPE_Q4_0);
    assert_int_equal(opened->token_embedding.dtype, DTYPE_Q4_0);
    for (int i = 0; i < source->config.dim; i++) assert_that(opened->output_norm[i], ==, source->output_norm[i]);
    model_close(opened);
    model_close(source);
}

/* ---- the text that llama2.c prints for this model: run stories260K.bin -z tok512.bin -t 0 -n 300 ---- */

static void greedy_text_is_the_documented_one(void **state) {
    (void)state;
    skip_without(REAL);
    skip_without(WORDS);
    Bytes golden;
    Error error;
    Tokenizer *tokenizer;
    must(bytes_map(&golden, GOLDEN, &error), &error);
    must(tokenizer_open(&tokenizer, WORDS, &error), &error);
    Model *model = open_or_fail(REAL);
    enum { N = 1 + 300 };
    int tokens[N];
    greedy(model, tokens, N);
    TokenStream stream = token_stream_start(tokenizer, false, true);
    uint8_t *out = malloc(token_stream_bound(tokenizer));
    size_t at = 0;
    for (int i = 1; i < N; i++) {
        size_t n = token_stream_push(&stream, tokens[i], out);
        if (at + n > golden.size) n = golden.size - at;
        if (memcmp(golden.data + at, out, n) != 0)
            fail_msg("token %d, byte %zu: expected '%.*s', got '%.*s'", i, at, (int)n, (const char *)golden.data + at,
                     (int)n, (const char *)out);
        at += n;
    }
    assert_int_equal(at, golden.size - 1); /* the file ends with a newline of its own */
    free(out);
    model_close(model);
    tokenizer_close(tokenizer);
    bytes_unmap(&golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_files_give_the_same_bits),
        cmocka_unit_test(odd_sizes_survive_gguf),
        cmocka_unit_test(real_v0_v1_and_gguf_give_the_same_bits),
        cmocka_unit_test(rounded_weights_stay_within_their_bounds),
        cmocka_unit_test(real_rounded_weights_stay_within_their_bounds),
        cmocka_unit_test(columns_that_make_no_blocks_stay_f16),
        cmocka_unit_test(greedy_text_is_the_documented_one),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}

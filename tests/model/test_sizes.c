/* Models whose sizes are 1, alone and all together: a matrix of one row is a matrix, a vocabulary of one token is one.
 * In every form that fits and with every kernel table the logits are those of the naive forward pass, and the same bits
 * whether the file holds rows or packed matrices. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/part.h"
#include "model/session.h"
#include "tensor/kernels.h"
#include "tests/support/folder.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"
#include "tests/support/twin.h"
#include "tests/support/write_model.h"

enum { MAX_STEPS = 6, MAX_VOCAB = 32 };

/* dim 1 and head_dim 2 are the smallest: a head without a pair has no position. */
static const Config configs[] = {
    {.dim = 32, .hidden_dim = 1, .n_layers = 2, .n_heads = 4, .n_kv_heads = 2, .head_dim = 8, .vocab_size = 5},
    {.dim = 32, .hidden_dim = 33, .n_layers = 2, .n_heads = 2, .n_kv_heads = 1, .head_dim = 16, .vocab_size = 1},
    {.dim = 32, .hidden_dim = 32, .n_layers = 1, .n_heads = 1, .n_kv_heads = 1, .head_dim = 32, .vocab_size = 7},
    {.dim = 32, .hidden_dim = 64, .n_layers = 2, .n_heads = 1, .n_kv_heads = 1, .head_dim = 2, .vocab_size = 17},
    {.dim = 64, .hidden_dim = 32, .n_layers = 2, .n_heads = 32, .n_kv_heads = 1, .head_dim = 2, .vocab_size = 32},
    {.dim = 1, .hidden_dim = 32, .n_layers = 2, .n_heads = 3, .n_kv_heads = 3, .head_dim = 4, .vocab_size = 5},
    {.dim = 2, .hidden_dim = 1, .n_layers = 1, .n_heads = 1, .n_kv_heads = 1, .head_dim = 3, .vocab_size = 3},
    {.dim = 32, .hidden_dim = 1, .n_layers = 1, .n_heads = 1, .n_kv_heads = 1, .head_dim = 32, .vocab_size = 1},
    {.dim = 1, .hidden_dim = 1, .n_layers = 1, .n_heads = 1, .n_kv_heads = 1, .head_dim = 2, .vocab_size = 1},
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

static Model *make_source(int index, int context, bool tied) {
    Config config = configs[index];
    config.rope_dim = config.head_dim / 2 * 2;
    config.context_length = context;
    config.rope_theta = 10000;
    config.rms_epsilon = 1e-5f;
    return random_model_of(&config, DTYPE_F32, tied, (uint64_t)index);
}

typedef bool WriteGguf(const Model *model, const Vocabulary *vocabulary, const char *path, Dtype dtype, Error *error);

static Model *through(WriteGguf *write, const Model *source, Dtype dtype) {
    char path[96];
    Model *model;
    Error error;
    snprintf(path, sizeof path, "%s/model", folder_path);
    must(write(source, NULL, path, dtype, &error), &error);
    must(model_open(&model, path, &error), &error);
    remove(path);
    return model;
}

/* Logits after each of n tokens: decoded one by one in one branch, and given as a prompt to another. */
typedef struct {
    float decoded[MAX_STEPS][MAX_VOCAB], prompted[MAX_STEPS][MAX_VOCAB];
    int n;
} Logits;

static void keep_logits(void *context, int position, const float *logits) {
    Logits *out = context;
    memcpy(out->prompted[position], logits, (size_t)out->n * sizeof *logits);
}

static Logits compute(const Model *model, const int *tokens, int n) {
    Session *session;
    Error error;
    int other, vocab = model->config.vocab_size;
    Logits out = {.n = vocab};
    SessionOptions options = {.threads = 1, .branches = 2, .rows = 64, .kv = KV_F32};
    must(session_open(&session, model, options, &error), &error);
    for (int i = 0; i < n; i++) {
        must(session_decode(session, &(BranchToken){TRUNK, tokens[i]}, 1, &error), &error);
        memcpy(out.decoded[i], session_logits(session, TRUNK), (size_t)vocab * sizeof(float));
    }
    must(session_root(session, &other, &error), &error);
    must(session_score(session, other, tokens, n, keep_logits, &out, &error), &error);
    session_close(session);
    return out;
}

static void check_naive(const Model *model, const Logits *got, const int *tokens, int n, double tolerance) {
    double exact[MAX_STEPS * MAX_VOCAB];
    int vocab = model->config.vocab_size;
    Naive *naive = naive_open(model, true);
    naive_logits(naive, exact, tokens, n);
    for (int i = 0; i < n; i++) {
        double decoded = logits_difference(got->decoded[i], exact + i * vocab, vocab);
        double prompted = logits_difference(got->prompted[i], exact + i * vocab, vocab);
        if (!(decoded <= tolerance && prompted <= tolerance))
            fail_msg("position %d: logits differ by %g and %g of the largest", i, decoded, prompted);
    }
    naive_close(naive);
}

static void check(const Model *source, Dtype dtype, const int *tokens, int n) {
    Model *rows = through(write_gguf, source, dtype), *packed = through(write_gguf_packed, source, dtype);
    for (int i = 0; i < rows->n_tensors; i++)
        assert_that(rows->tensors[i].tensor.packed, !=, part_holds_vector(rows, &rows->tensors[i]));
    Logits expected = compute(packed, tokens, n), got = compute(rows, tokens, n);
    assert_memory_equal(&got, &expected, sizeof got);
    /* Differences of the int8 forms: test_session.c says where they come from. */
    check_naive(rows, &got, tokens, n, dtype_info[dtype].int8_input ? 0.15 : 1e-4);
    model_close(rows);
    model_close(packed);
}

static void sizes_of_one_in_gguf(void **state) {
    (void)state;
    for (int t = 0; kernels_available(t); t++) {
        kernels_use(kernels_available(t));
        for (int i = 0; i < 2 * N_CONFIGS; i++)
            for (int context = 1; context <= MAX_STEPS; context += MAX_STEPS - 1) {
                Model *source = make_source(i / 2, context, i % 2);
                int tokens[MAX_STEPS];
                for (int k = 0; k < context; k++) tokens[k] = 2 * k % source->config.vocab_size;
                for (int dtype = 0; dtype < DTYPE_Q8_GROUP; dtype++) check(source, (Dtype)dtype, tokens, context);
                random_model_free(source);
            }
    }
    kernels_use(kernels_available(0));
}

/* The llama2.c files know neither a head_dim of its own nor a rope_dim. */
static void check_llama2c(const Model *source, int version) {
    static const int tokens[MAX_STEPS] = {0};
    char path[96];
    Model *model;
    Error error;
    snprintf(path, sizeof path, "%s/model", folder_path);
    must(write_llama2c(source, path, version, 1, &error), &error);
    must(model_open(&model, path, &error), &error);
    remove(path);
    Logits got = compute(model, tokens, MAX_STEPS), expected = compute(source, tokens, MAX_STEPS);
    if (version < 2) assert_memory_equal(&got, &expected, sizeof got);
    check_naive(model, &got, tokens, MAX_STEPS, 1e-4);
    model_close(model);
}

static void sizes_of_one_in_llama2c(void **state) {
    (void)state;
    for (int t = 0; kernels_available(t); t++) {
        kernels_use(kernels_available(t));
        for (int i = 0; i < 2 * N_CONFIGS; i++) {
            const Config *config = &configs[i / 2];
            if (config->n_heads * config->head_dim != config->dim) continue;
            Model *source = make_source(i / 2, MAX_STEPS, i % 2);
            for (int version = 0; version < 3; version++) check_llama2c(source, version);
            random_model_free(source);
        }
    }
    kernels_use(kernels_available(0));
}

/* A matrix of one row gets random values like any other; only vectors are all ones. */
static void random_weights_of_one_row(void **state) {
    (void)state;
    for (int dtype = 0; dtype < DTYPE_Q8_GROUP; dtype++) {
        Config config = {.dim = 32, .hidden_dim = 32, .n_layers = 1, .n_heads = 1, .n_kv_heads = 1, .head_dim = 32};
        config.rope_dim = 32, config.context_length = 4, config.rope_theta = 10000, config.rms_epsilon = 1e-5f;
        config.vocab_size = 1;
        if (dtype_info[dtype].block == 1) config.hidden_dim = 1;
        Model *model;
        Error error;
        must(model_random(&model, &config, (Dtype)dtype, false, 1, &error), &error);
        for (int i = 0; i < model->n_tensors; i++) {
            float row[32];
            dequantize_row(row, &model->tensors[i].tensor, 0);
            for (int c = 0; c < model->tensors[i].tensor.cols; c++)
                assert_that((row[c] == 1), ==, part_holds_vector(model, &model->tensors[i]));
        }
        must(model_pack(model, NULL, NULL, &error), &error);
        static const int tokens[4] = {0};
        Logits got = compute(model, tokens, 4);
        check_naive(model, &got, tokens, 4, 0.15);
        model_close(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_of_one_in_gguf),
        cmocka_unit_test(sizes_of_one_in_llama2c),
        cmocka_unit_test(random_weights_of_one_row),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}

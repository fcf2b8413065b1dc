/* The observer of a pass: it changes no bit, and sees each value of each tensor exactly once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/session.h"
#include "tests/support/random_model.h"

enum { N_TOKENS = 11, LAYERS = 3 };

/* Sizes that no unit of work divides. */
static const Config config = {.dim = 48,
                              .hidden_dim = 352,
                              .n_layers = LAYERS,
                              .n_heads = 6,
                              .n_kv_heads = 2,
                              .head_dim = 10,
                              .rope_dim = 8,
                              .vocab_size = 67,
                              .context_length = 20,
                              .rope_theta = 1e4f,
                              .rms_epsilon = 1e-5f};

static int width_of(Activation what) {
    switch (what) {
    case ACTIVATION_QUERY:
    case ACTIVATION_QUERY_ROPE:
    case ACTIVATION_ATTENDED:
        return config.n_heads * config.head_dim;
    case ACTIVATION_KEY:
    case ACTIVATION_KEY_ROPE:
    case ACTIVATION_VALUE:
        return config.n_kv_heads * config.head_dim;
    case ACTIVATION_GATE:
    case ACTIVATION_UP:
    case ACTIVATION_SWIGLU:
        return config.hidden_dim;
    case ACTIVATION_LOGITS:
        return config.vocab_size;
    default:
        return config.dim;
    }
}

/* The last row is what belongs to no layer. A width is at most hidden_dim. */
typedef struct {
    float values[LAYERS + 1][ACTIVATION_COUNT][N_TOKENS][352];
    int seen[LAYERS + 1][ACTIVATION_COUNT][N_TOKENS][352];
} Seen;

static void observe(void *context, Activation what, int layer, int position, int first, int n, const float *values) {
    Seen *seen = context;
    int at = layer < 0 ? LAYERS : layer;
    for (int i = 0; i < n; i++) {
        seen->values[at][what][position][first + i] = values[i];
        seen->seen[at][what][position][first + i]++;
    }
}

static bool is_of_layer(Activation what) { return what > ACTIVATION_EMBEDDING && what < ACTIVATION_OUTPUT_NORM; }

static void check_seen(const Seen *seen, int first_with_logits) {
    for (int what = 0; what < ACTIVATION_COUNT; what++)
        for (int layer = 0; layer <= LAYERS; layer++)
            for (int p = 0; p < N_TOKENS; p++)
                for (int i = 0; i < 352; i++) {
                    bool here = is_of_layer((Activation)what) == (layer < LAYERS) && i < width_of((Activation)what) &&
                                (what < ACTIVATION_OUTPUT_NORM || p >= first_with_logits);
                    assert_int_equal(seen->seen[layer][what][p][i], here);
                }
}

/* Relations that hold bit for bit. */
static void check_sums(const Seen *seen) {
    for (int layer = 0; layer < LAYERS; layer++)
        for (int p = 0; p < N_TOKENS; p++)
            for (int i = 0; i < config.dim; i++) {
                float before = layer == 0 ? seen->values[LAYERS][ACTIVATION_EMBEDDING][p][i]
                                          : seen->values[layer - 1][ACTIVATION_FFN_RESIDUAL][p][i];
                float middle = seen->values[layer][ACTIVATION_ATTN_RESIDUAL][p][i];
                assert_true(middle == before + seen->values[layer][ACTIVATION_ATTN_OUTPUT][p][i]);
                assert_true(seen->values[layer][ACTIVATION_FFN_RESIDUAL][p][i] ==
                            middle + seen->values[layer][ACTIVATION_DOWN][p][i]);
            }
}

/* The prompt in one batch, or its tokens one by one. */
static void compute(float *logits, const Model *model, int threads, bool one_by_one, Seen *seen) {
    Session *session;
    Error error;
    int tokens[N_TOKENS];
    SessionOptions options = {.threads = threads, .batch = 4};
    for (int i = 0; i < N_TOKENS; i++) tokens[i] = (7 * i + 3) % config.vocab_size;
    if (!session_open(&session, model, options, &error)) fail_msg("%s", error.message);
    if (seen) session_observe(session, (Observer){observe, seen});
    for (int i = 0; one_by_one && i < N_TOKENS; i++)
        assert_true(session_decode(session, &(BranchToken){TRUNK, tokens[i]}, 1, &error));
    if (!one_by_one) assert_true(session_prefill(session, TRUNK, tokens, N_TOKENS, &error));
    memcpy(logits, session_logits(session, TRUNK), (size_t)config.vocab_size * sizeof *logits);
    if (seen) { /* and without an observer again */
        size_t bytes = sizeof *seen;
        Seen *before = malloc(bytes);
        memcpy(before, seen, bytes);
        session_observe(session, (Observer){0});
        assert_true(session_decode(session, &(BranchToken){TRUNK, 1}, 1, &error));
        assert_memory_equal(before->seen, seen->seen, sizeof seen->seen);
        free(before);
    }
    session_close(session);
}

static void observer_changes_nothing_and_sees_all(void **state) {
    (void)state;
    Seen *seen = malloc(sizeof *seen);
    for (int dtype = 0; dtype < 2; dtype++) {
        Model *model = random_model_of(&config, dtype ? DTYPE_F16 : DTYPE_F32, false, 5);
        for (int threads = 1; threads <= 3; threads++)
            for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
                float with[67], without[67];
                memset(seen, 0, sizeof *seen);
                compute(without, model, threads, one_by_one, NULL);
                compute(with, model, threads, one_by_one, seen);
                assert_memory_equal(with, without, sizeof with);
                assert_memory_equal(with, seen->values[LAYERS][ACTIVATION_LOGITS][N_TOKENS - 1], sizeof with);
                check_seen(seen, one_by_one ? 0 : N_TOKENS - 1);
                check_sums(seen);
            }
        random_model_free(model);
    }
    free(seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(observer_changes_nothing_and_sees_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Calls a session in any order that the input chooses: roots, forks, promotions, drops, rewinds, prompts, scores and
 * decodes of several branches. The sessions are so small that they often run out of branches, rows and context.
 * tests/support/twin.h says what is checked: the tree's rules, that a refusal changes nothing, and that a branch's
 * logits are, bit for bit, those of its tokens alone in a session of its own. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "tensor/kernels.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/random_model.h"
#include "tests/support/twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 120, POISON = 3, N_MODELS = DTYPE_COUNT + 1 };

/* As small as their form allows: thousands of calls per second. */
static Model *make_model(int which) {
    Dtype dtype = which < DTYPE_COUNT ? (Dtype)which : DTYPE_F32;
    int width = dtype_info[dtype].block > 1 ? dtype_info[dtype].block : 8;
    Config config = {.dim = width,
                     .hidden_dim = width,
                     .n_layers = dtype_info[dtype].block > 1 ? 1 : 2,
                     .n_heads = width / 4,
                     .n_kv_heads = which % 2 ? width / 8 : 1,
                     .head_dim = 4,
                     .rope_dim = 4,
                     .vocab_size = 5,
                     .context_length = 20,
                     .rope_theta = 10000,
                     .rms_epsilon = 1e-5f};
    Model *model = random_model_of(&config, dtype, false, (uint64_t)which);
    if (which == DTYPE_COUNT) *weight_at(&model->token_embedding, POISON, 0) = NAN;
    return model;
}

static void check_calls(int which, Random *random) {
    static Model *models[N_MODELS];
    if (!models[which]) models[which] = make_model(which);
    SessionOptions options = {.threads = 1,
                              .context = random_int(random, 1, 40),
                              .branches = random_int(random, 1, TWIN_HELD),
                              .rows = random_int(random, 1, 80),
                              .batch = random_int(random, 1, 40),
                              .block_rows = random_int(random, 1, 5),
                              .kv = random_chance(random, 0.5) ? KV_F16 : KV_F32};
    TwinSetup setup = {.model = models[which],
                       .options = options,
                       .steps = STEPS,
                       .choices = random->bytes,
                       .n_choices = random->n_bytes,
                       .poison = which == DTYPE_COUNT ? POISON : 0};
    TwinResult result = twin_run(&setup);
    twin_result_free(&result);
    if (memory_hooks_alive() != 0) abort();
}

/* The generic kernels would take most of the time, for the int8 forms; the tree is the same with every table. */
static void choose_kernels(int which, Random *random) {
    int n_tables = 0;
    while (kernels_available(n_tables)) n_tables++;
    int table = random_int(random, 0, n_tables - 1);
    bool int8 = which < DTYPE_COUNT && dtype_info[which].int8_input;
    kernels_use(kernels_available(int8 ? n_tables - 1 : table));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    Random random = random_from_bytes(data, size);
    omp_set_num_threads(1); /* one thread is enough for models this small */
    int which = random_int(&random, 0, N_MODELS - 1);
    choose_kernels(which, &random);
    check_calls(which, &random);
    return 0;
}

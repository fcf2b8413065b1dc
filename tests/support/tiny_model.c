#include "tests/support/tiny_model.h"

#include "tests/support/random_model.h"
#include "tests/support/test.h"
#include "tests/support/write_model.h"

void tiny_model_write(const char *path, uint64_t seed) {
    Error error;
    Config config = {.dim = 16,
                     .hidden_dim = 24,
                     .n_layers = 2,
                     .n_heads = 4,
                     .n_kv_heads = 2,
                     .head_dim = 4,
                     .rope_dim = 4,
                     .vocab_size = TINY_VOCAB,
                     .context_length = TINY_CONTEXT,
                     .rope_theta = 10000,
                     .rms_epsilon = 1e-5f};
    Model *model = random_model_of(&config, DTYPE_F32, false, seed);
    for (int word = TINY_WORDS; word < TINY_VOCAB; word++)
        for (int col = 0; col < config.dim; col++) *weight_at(&model->output, word, col) *= 4;
    Vocabulary vocabulary = vocabulary_make(TINY_VOCAB);
    must(write_gguf(model, &vocabulary, path, DTYPE_F32, &error), &error);
    vocabulary_free(&vocabulary);
    random_model_free(model);
}

/* Config: the sizes of a LLaMA model, and the checks that make their products safe.
 *
 *   dim             width of the residual stream
 *   hidden_dim      width of the feed-forward layer
 *   n_heads         query heads
 *   n_kv_heads      key/value heads; n_heads / n_kv_heads query heads share one
 *   head_dim        width of one head (dim / n_heads unless the file says)
 *   rope_dim        leading part of a head that is rotated, even
 *   vocab_size      token ids
 *   context_length  positions that the model was trained on
 *
 * To add a RoPE scaling, touch three files:
 *   model/config.h      its parameters, where 0 means none, so that other code that fills a Config stays as it is
 *   model/load_gguf.c   its keys, which check_supported refuses now
 *   model/model.c       the frequencies (fill_frequencies); the forward pass and its twin read only these
 * tests/bad/make.py makes files with such keys, which are refused until then.
 *
 * To add an architecture: what its sizes need here; its name and keys in model/load_gguf.c; its tensors in
 * model/part.h, .c; where they are bound in model/model.c; what it computes in model/transformer.c, and in
 * tests/support/naive.c, its twin. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include "tensor/error.h"

typedef struct {
    int dim, hidden_dim, n_layers, n_heads, n_kv_heads, head_dim, rope_dim, vocab_size, context_length;
    float rope_theta, rms_epsilon;
} Config;

/* The caps bound every product of sizes: a matrix has at most 2^44 values (vocabulary by dim), all weights
 * 2^57 bytes, a key/value cache of the whole context 2^12 * 2^24 * 2^20 * 2 values, 2^59 bytes: all fit in a
 * size_t. */
enum {
    CONFIG_MAX_DIM = 1 << 20, /* of dim, hidden_dim and n_heads * head_dim */
    CONFIG_MAX_LAYERS = 1 << 12,
    CONFIG_MAX_VOCAB = 1 << 24,
    CONFIG_MAX_CONTEXT = 1 << 24
};

/* Checks that every size is within 1 .. its cap, that heads divide, that rope_dim is even and <= head_dim, theta and
 * epsilon are finite and positive. Errors name the field, expected, got. */
bool config_check(const Config *config, Error *error);

#endif

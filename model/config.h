/* Config: the sizes of a LLaMA model, and the only place where their products are trusted.
 *
 *   dim          width of the residual stream              n_heads     query heads
 *   hidden_dim   width of the feed-forward layer           n_kv_heads  key/value heads; n_heads / n_kv_heads queries share one
 *   vocab_size   token ids                                 head_dim    width of one head (dim / n_heads unless the file says)
 *   context_length  positions the model was trained on     rope_dim    leading part of a head that is rotated, even
 */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include "tensor/error.h"

typedef struct {
    int dim, hidden_dim, n_layers, n_heads, n_kv_heads, head_dim, rope_dim, vocab_size, context_length;
    float rope_theta, rms_epsilon;
} Config;

/* Checks that every size is within 1 .. its cap, that heads divide, rope_dim is even and <= head_dim, theta and epsilon
 * are finite and positive. Errors name the field, expected, got. */
bool config_check(const Config *config, Error *error);

#endif

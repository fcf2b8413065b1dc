/* Random models: small ones, built in memory from a seed, as model_parse would have left them. */
#ifndef TESTS_SUPPORT_RANDOM_MODEL_H
#define TESTS_SUPPORT_RANDOM_MODEL_H

#include "model/model.h"
#include "tests/support/random.h"

/* Odd sizes on purpose, as far as the form allows: dim 8..96, head_dim 2..32, 1..4 query heads a key/value head,
 * 1..3 layers, 5..67 tokens, context 24..80; n_heads * head_dim need not be dim, rope_dim need not be head_dim. */
Config random_config(Random *random, Dtype dtype);

/* Every matrix in the given form (Q8_GROUP: group = the largest that divides all columns), norms near 1, logits of the
 * order of 1. Each tensor is a heap block of its own, aligned as little as a file may align it, so that the sanitizers
 * see every stray read. Packed, as a session requires. Not to be given to model_close. */
Model *random_model_of(const Config *config, Dtype dtype, bool tied, uint64_t seed);
Model *random_model(uint64_t seed, Dtype dtype, bool tied);
void random_model_free(Model *model);
/* One weight of a packed F32 matrix. */
float *weight_at(const Tensor *matrix, int row, int col);

/* llama2.c's quantisation: q = round(x / scale), scale = |x|max / 127 of each group; n values, a multiple of group. */
void quantize_groups(int8_t *q, float *scales, const float *x, int n, int group);

#endif

/* Writes any model as a file of any format that model_open reads, so that all formats can hold the same weights.
 * Source matrices may have any form; they are converted row by row. */
#ifndef TESTS_SUPPORT_WRITE_MODEL_H
#define TESTS_SUPPORT_WRITE_MODEL_H

#include "model/model.h"

/* The vocabulary of a GGUF file. */
typedef struct {
    Bytes *pieces;
    float *scores;
    int32_t *types;
    int size;
    int bos, eos, unknown;
} Vocabulary;

/* A made-up one: <unk>, <s>, </s>, then the 256 bytes if there is room, then short words. Needs size >= 3. */
Vocabulary vocabulary_make(int size);
void vocabulary_free(Vocabulary *vocabulary);

/* llama2.c: version 0 (no magic), 1 (both F32) or 2 (int8 in groups of `group`, which divides every number of columns).
 * These files know neither head_dim, rope_dim, theta nor epsilon: head_dim is dim / n_heads, the others as in
 * llama2.c (head_dim, 10000, 1e-5); asserts that the model agrees. */
bool write_llama2c(const Model *model, const char *path, int version, int group, Error *error);

/* GGUF version 3 with every matrix as dtype (not Q8_GROUP). Norms stay F32; a matrix whose columns are no multiple of
 * the form's block stays F16, as llama.cpp's quantize does. vocabulary may be NULL: then the file has none. */
bool write_gguf(const Model *model, const Vocabulary *vocabulary, const char *path, Dtype dtype, Error *error);
/* The same with the matrices packed, as `foretell quantize --packed` writes them. */
bool write_gguf_packed(const Model *model, const Vocabulary *vocabulary, const char *path, Dtype dtype, Error *error);

#endif

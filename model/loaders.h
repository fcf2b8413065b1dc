/* The loaders behind model_parse: each fills model->config, format, name and the table of named tensors, and nothing
 * else (model.c then binds names to layers). The table is allocated by memory_alloc; model_close frees it, also after a
 * failure.
 *
 * To add an architecture, touch these files:
 *   model/load_gguf.c           accept its name as general.architecture, read the keys under it
 *   model/config.h, config.c    the numbers in which it differs from LLaMA, and their ranges
 *   model/model.h, model.c      its tensors, if LLaMA has no such tensors
 *   model/transformer.c         where its forward pass differs; model/session.c if its cache does
 *   tokenizer/load_gguf.c       accept the kind of its vocabulary
 * tests/support/write_model.c writes such a file for the tests, tests/support/naive.c is the plain forward pass. */
#ifndef MODEL_LOADERS_H
#define MODEL_LOADERS_H

#include "model/model.h"

bool load_gguf(Model *model, Bytes bytes, Error *error);
/* Version 0 has no magic, so this function also rejects files that are not models. */
bool load_llama2c(Model *model, Bytes bytes, Error *error);

/* Binds the table of tensors to layers, checks shapes and numbers, and fills in the rest of the model. */
bool model_bind(Model *model, Error *error);

#endif

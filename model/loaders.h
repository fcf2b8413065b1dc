/* The loaders behind model_parse: each fills model->config, format, name and the table of named tensors, and nothing
 * else (model.c then binds names to layers). The table is memory_alloc'ed; on failure what was set is released by
 * model_close. */
#ifndef MODEL_LOADERS_H
#define MODEL_LOADERS_H

#include "model/model.h"

bool load_gguf(Model *model, Bytes bytes, Error *error);
/* Version 0 has no magic, so this function also rejects files that are not models. */
bool load_llama2c(Model *model, Bytes bytes, Error *error);

/* Binds the table of tensors to layers, checks shapes and numbers, and fills in the rest of the model. */
bool model_bind(Model *model, Error *error);

#endif

/* The loaders behind model_parse: each fills model->config, format, name and the table of named tensors, and nothing else
 * (model.c then binds names to layers). The table is memory_alloc'ed; on failure what was set is released by model_close. */
#ifndef MODEL_LOADERS_H
#define MODEL_LOADERS_H

#include "model/model.h"

bool load_gguf(Model *model, Bytes bytes, float **rope_factors /* (rope_dim / 2,) or NULL; memory_alloc'ed */,
               Error *error);
bool load_llama2c(Model *model, Bytes bytes, Error *error);

#endif

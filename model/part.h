/* Part: the tensors a LLaMA model is made of, their GGUF names and shapes. Loaders name them, model.c binds them. */
#ifndef MODEL_PART_H
#define MODEL_PART_H

#include "model/model.h"

typedef enum {
    /* of each layer N: "blk.N.<name>.weight" */
    PART_ATTN_NORM,
    PART_ATTN_Q,
    PART_ATTN_K,
    PART_ATTN_V,
    PART_ATTN_OUTPUT,
    PART_FFN_NORM,
    PART_FFN_GATE,
    PART_FFN_DOWN,
    PART_FFN_UP,
    PART_OF_LAYER, /* how many these are, not a part */
    /* of the model: "<name>.weight" */
    PART_TOKEN_EMBD = PART_OF_LAYER,
    PART_OUTPUT_NORM,
    PART_OUTPUT,     /* absent: the embedding again */
    PART_ROPE_FREQS, /* absent: ones; each frequency is divided by its factor */
    PART_COUNT
} Part;

void part_name(char name[MODEL_NAME_BYTES], Part part, int layer); /* layer is ignored for parts of the model */
/* The part and layer of a name; false if no layer 0 .. n_layers - 1 nor the model has such a part. */
bool part_find(const char *name, int n_layers, Part *part, int *layer);

bool part_is_vector(Part part); /* norms and factors: one row, small, read as f32 */
/* Whether a bound model's tensor is a vector. Every other tensor is a matrix, even if it has one row. Only the part
 * tells them apart; matrices are packed, vectors are not. */
bool part_holds_vector(const Model *model, const NamedTensor *named);
/* The shape a part has in a model of checked sizes. */
void part_shape(const Config *config, Part part, int *rows, int *cols);

#endif

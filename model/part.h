/* Part: the tensors of a LLaMA model, their GGUF names and shapes. The loaders name them, model.c binds them to
 * layers. */
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
    PART_OF_LAYER, /* the number of the parts above, not a part */
    /* of the model: "<name>.weight" */
    PART_TOKEN_EMBD = PART_OF_LAYER,
    PART_OUTPUT_NORM,
    PART_OUTPUT,     /* if absent, the embedding is used */
    PART_ROPE_FREQS, /* each frequency is divided by its factor; if absent, all factors are 1 */
    PART_COUNT
} Part;

void part_name(char name[MODEL_NAME_BYTES], Part part, int layer); /* layer is ignored for parts of the model */
/* Finds the part and the layer of a name; false if the name belongs to no layer 0 .. n_layers - 1 and not to the
 * model. */
bool part_find(const char *name, int n_layers, Part *part, int *layer);

bool part_is_vector(Part part); /* norms and factors: one row, read as f32 */
/* Whether a bound model's tensor is a vector. Every other tensor is a matrix, even if it has one row. Only the part
 * tells them apart; matrices are packed, vectors are not. */
bool part_holds_vector(const Model *model, const NamedTensor *named);
/* The shape of a part in a model whose config has been checked. */
void part_shape(const Config *config, Part part, int *rows, int *cols);

#endif

#include "model/part.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[PART_COUNT] = {
    [PART_ATTN_NORM] = "attn_norm",   [PART_ATTN_Q] = "attn_q",           [PART_ATTN_K] = "attn_k",
    [PART_ATTN_V] = "attn_v",         [PART_ATTN_OUTPUT] = "attn_output", [PART_FFN_NORM] = "ffn_norm",
    [PART_FFN_GATE] = "ffn_gate",     [PART_FFN_DOWN] = "ffn_down",       [PART_FFN_UP] = "ffn_up",
    [PART_TOKEN_EMBD] = "token_embd", [PART_OUTPUT_NORM] = "output_norm", [PART_OUTPUT] = "output",
    [PART_ROPE_FREQS] = "rope_freqs",
};

void part_name(char name[MODEL_NAME_BYTES], Part part, int layer) {
    if (part < PART_OF_LAYER)
        snprintf(name, MODEL_NAME_BYTES, "blk.%d.%s.weight", layer, names[part]);
    else
        snprintf(name, MODEL_NAME_BYTES, "%s.weight", names[part]);
}

/* Compares the whole name with the one that the layer's number gives, so that "blk.01." and "blk. 1." are not layer
 * 1. */
bool part_find(const char *name, int n_layers, Part *part, int *layer) {
    long number = strncmp(name, "blk.", 4) == 0 ? strtol(name + 4, NULL, 10) : 0;
    if (number < 0 || number >= n_layers) return false;
    *layer = (int)number;
    for (int i = 0; i < PART_COUNT; i++) {
        char spelled[MODEL_NAME_BYTES];
        *part = (Part)i;
        part_name(spelled, *part, *layer);
        if (strcmp(name, spelled) == 0) return true;
    }
    return false;
}

bool part_is_vector(Part part) {
    return part == PART_ATTN_NORM || part == PART_FFN_NORM || part == PART_OUTPUT_NORM || part == PART_ROPE_FREQS;
}

bool part_holds_vector(const Model *model, const NamedTensor *named) {
    Part part;
    int layer;
    return part_find(named->name, model->config.n_layers, &part, &layer) && part_is_vector(part);
}

void part_shape(const Config *config, Part part, int *rows, int *cols) {
    int query_dim = config->n_heads * config->head_dim, kv_dim = config->n_kv_heads * config->head_dim;
    int dim = config->dim, hidden_dim = config->hidden_dim;
    assert(part >= 0 && part < PART_COUNT);
    *cols = dim;
    switch (part) {
    case PART_ATTN_Q:
        *rows = query_dim;
        break;
    case PART_ATTN_K:
    case PART_ATTN_V:
        *rows = kv_dim;
        break;
    case PART_ATTN_OUTPUT:
        *rows = dim, *cols = query_dim;
        break;
    case PART_FFN_GATE:
    case PART_FFN_UP:
        *rows = hidden_dim;
        break;
    case PART_FFN_DOWN:
        *rows = dim, *cols = hidden_dim;
        break;
    case PART_TOKEN_EMBD:
    case PART_OUTPUT:
        *rows = config->vocab_size;
        break;
    case PART_ROPE_FREQS:
        *rows = 1, *cols = config->rope_dim / 2;
        break;
    default:
        *rows = 1;
    }
}

/* What the fuzz targets of models share: a parsed model is traversed and every weight is read. */
#ifndef TESTS_FUZZ_MODEL_H
#define TESTS_FUZZ_MODEL_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "tensor/quant.h"

static void require(bool condition) {
    if (!condition) abort();
}

/* The first and the last row of a matrix of the given shape. */
static void walk_matrix(const Tensor *tensor, int rows, int cols) {
    require(tensor->rows == rows && tensor->cols == cols);
    float *row = malloc((size_t)cols * sizeof *row);
    require(row != NULL);
    for (int r = 0; r<rows; r += rows> 1 ? rows - 1 : 1) {
        dequantize_row(row, tensor, r);
        for (int c = 0; c < cols; c++) require(!isnan(row[c]));
    }
    free(row);
}

static void walk_vector(const float *vector, int n) {
    for (int i = 0; i < n; i++) require(isfinite(vector[i]));
}

static void walk_weights(const Model *model) {
    const Config *c = &model->config;
    Error error;
    require(config_check(c, &error));
    int query_dim = c->n_heads * c->head_dim, kv_dim = c->n_kv_heads * c->head_dim;
    for (int i = 0; i < c->n_layers; i++) {
        const LayerWeights *layer = &model->layers[i];
        walk_vector(layer->attn_norm, c->dim);
        walk_matrix(&layer->w_query, query_dim, c->dim);
        walk_matrix(&layer->w_key, kv_dim, c->dim);
        walk_matrix(&layer->w_value, kv_dim, c->dim);
        walk_matrix(&layer->w_output, c->dim, query_dim);
        walk_vector(layer->ffn_norm, c->dim);
        walk_matrix(&layer->w_gate, c->hidden_dim, c->dim);
        walk_matrix(&layer->w_up, c->hidden_dim, c->dim);
        walk_matrix(&layer->w_down, c->dim, c->hidden_dim);
    }
    walk_vector(model->output_norm, c->dim);
    walk_vector(model->rope_frequencies, c->rope_dim / 2);
    walk_matrix(&model->token_embedding, c->vocab_size, c->dim);
    walk_matrix(&model->output, c->vocab_size, c->dim);
}

/* A model as model_parse leaves it: its weights are in the file. */
static void walk_model(const Model *model) {
    walk_weights(model);
    require(model_weight_bytes(model) <= model->file.size);
    require(model_bytes_per_token(model) <= model_weight_bytes(model));
}

/* Parses and traverses; a refusal must be one line. */
static inline void walk_bytes(const uint8_t *data, size_t size) {
    Model *model;
    Error error;
    if (model_parse(&model, (Bytes){data, size}, &error)) {
        walk_model(model);
    } else {
        require(model == NULL && error.message[0] && strlen(error.message) < sizeof error.message);
        require(!strpbrk(error.message, "\n\r\t\x1b"));
    }
    model_close(model);
}

#endif

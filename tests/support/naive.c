#include "tests/support/naive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/attention.h"
#include "tensor/quant.h"
#include "tensor/row.h"

typedef struct {
    int rows, cols;
    bool round_inputs;
    double *values; /* (rows, cols) */
} Matrix;

typedef struct {
    Matrix query, key, value, output, gate, up, down;
} NaiveLayer;

struct Naive {
    const Model *model;
    NaiveLayer *layers;
    Matrix embedding, output;
};

static double *doubles(int rows, int cols) { return calloc((size_t)rows * (size_t)cols, sizeof(double)); }

static Matrix matrix_from(const Tensor *tensor, bool round_inputs) {
    Matrix matrix = {tensor->rows, tensor->cols, round_inputs && dtype_info[tensor->dtype].int8_input,
                     doubles(tensor->rows, tensor->cols)};
    float *row = malloc((size_t)tensor->cols * sizeof *row);
    for (int r = 0; r < tensor->rows; r++) {
        dequantize_row(row, tensor, r);
        for (int c = 0; c < tensor->cols; c++) row(matrix.values, r, tensor->cols)[c] = row[c];
    }
    free(row);
    return matrix;
}

Naive *naive_open(const Model *model, bool round_inputs) {
    Naive *naive = calloc(1, sizeof *naive);
    naive->model = model;
    naive->embedding = matrix_from(&model->token_embedding, false);
    naive->output = matrix_from(&model->output, round_inputs);
    naive->layers = calloc((size_t)model->config.n_layers, sizeof *naive->layers);
    for (int i = 0; i < model->config.n_layers; i++) {
        const LayerWeights *w = &model->layers[i];
        bool round = round_inputs;
        naive->layers[i] = (NaiveLayer){matrix_from(&w->w_query, round), matrix_from(&w->w_key, round),
                                        matrix_from(&w->w_value, round), matrix_from(&w->w_output, round),
                                        matrix_from(&w->w_gate, round),  matrix_from(&w->w_up, round),
                                        matrix_from(&w->w_down, round)};
    }
    return naive;
}

void naive_close(Naive *naive) {
    for (int i = 0; i < naive->model->config.n_layers; i++) {
        NaiveLayer *w = &naive->layers[i];
        Matrix all[] = {w->query, w->key, w->value, w->output, w->gate, w->up, w->down};
        for (int m = 0; m < 7; m++) free(all[m].values);
    }
    free(naive->layers);
    free(naive->embedding.values);
    free(naive->output.values);
    free(naive);
}

static double *rounded(const double *x, int n) {
    float *single = calloc((size_t)n, sizeof *single);
    BlockQ8 *blocks = malloc((size_t)(n / Q_BLOCK) * sizeof *blocks);
    double *out = doubles(1, n);
    for (int i = 0; i < n; i++) single[i] = (float)x[i];
    quantize_input_row(blocks, single, n);
    for (int i = 0; i < n; i++) out[i] = (double)blocks[i / Q_BLOCK].scale * blocks[i / Q_BLOCK].q[i % Q_BLOCK];
    free(single);
    free(blocks);
    return out;
}

/* out = w x */
static void multiply(double *out, const Matrix *w, const double *exact) {
    double *own = w->round_inputs ? rounded(exact, w->cols) : NULL;
    const double *x = own ? own : exact;
    for (int r = 0; r < w->rows; r++) {
        const double *row = row(w->values, r, w->cols);
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int c = 0; c < w->cols; c++) sum += row[c] * x[c];
        out[r] = sum;
    }
    free(own);
}

/* out = x / rms(x) * weight */
static void normalise(double *out, const double *x, const float *weight, const Config *config) {
    double squares = 0;
    for (int i = 0; i < config->dim; i++) squares += x[i] * x[i];
    double rms = sqrt(squares / config->dim + config->rms_epsilon);
    for (int i = 0; i < config->dim; i++) out[i] = x[i] / rms * weight[i];
}

/* Turns each pair (2i, 2i + 1) of each head's first rope_dim values by position * frequency[i]. */
static void rotate(double *heads, int n_heads, const Model *model, int position) {
    for (int h = 0; h < n_heads; h++) {
        double *head = row(heads, h, model->config.head_dim);
        for (int i = 0; i < model->config.rope_dim / 2; i++) {
            double angle = (double)position * model->rope_frequencies[i];
            double a = head[2 * i], b = head[2 * i + 1];
            head[2 * i] = a * cos(angle) - b * sin(angle);
            head[2 * i + 1] = a * sin(angle) + b * cos(angle);
        }
    }
}

static void attention_layer(const Model *model, const NaiveLayer *w, const float *norm, double *residual, int n) {
    const Config *config = &model->config;
    int dim = config->dim, head_dim = config->head_dim, query_dim = w->query.rows, key_dim = w->key.rows;
    double *keys = doubles(n, key_dim), *values = doubles(n, key_dim);
    double *normed = doubles(1, dim), *queries = doubles(1, query_dim), *mixed = doubles(1, query_dim);
    double *weights = doubles(1, n);
    for (int p = 0; p < n; p++) {
        double *x = row(residual, p, dim);
        normalise(normed, x, norm, config);
        multiply(queries, &w->query, normed);
        multiply(row(keys, p, key_dim), &w->key, normed);
        multiply(row(values, p, key_dim), &w->value, normed);
        rotate(queries, config->n_heads, model, p);
        rotate(row(keys, p, key_dim), config->n_kv_heads, model, p);
        for (int h = 0; h < config->n_heads; h++) {
            int shared = h / (config->n_heads / config->n_kv_heads); /* the key/value head of this query head */
            attention_plain(mixed + h * head_dim, weights, queries + h * head_dim, keys + shared * head_dim,
                            values + shared * head_dim, (size_t)key_dim, p + 1, head_dim);
        }
        multiply(normed, &w->output, mixed);
        for (int i = 0; i < dim; i++) x[i] += normed[i];
    }
    double *all[] = {keys, values, normed, queries, mixed, weights};
    for (int i = 0; i < 6; i++) free(all[i]);
}

static void feed_forward_layer(const Config *config, const NaiveLayer *w, const float *norm, double *residual, int n) {
    double *normed = doubles(1, config->dim);
    double *gate = doubles(1, config->hidden_dim), *up = doubles(1, config->hidden_dim);
    for (int p = 0; p < n; p++) {
        double *x = row(residual, p, config->dim);
        normalise(normed, x, norm, config);
        multiply(gate, &w->gate, normed);
        multiply(up, &w->up, normed);
        for (int i = 0; i < config->hidden_dim; i++) gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
        multiply(normed, &w->down, gate);
        for (int i = 0; i < config->dim; i++) x[i] += normed[i];
    }
    free(normed);
    free(gate);
    free(up);
}

void naive_logits(const Naive *naive, double *logits, const int *tokens, int n) {
    const Model *model = naive->model;
    size_t dim = (size_t)model->config.dim;
    double *residual = doubles(n, model->config.dim), *normed = doubles(1, model->config.dim);
    for (int p = 0; p < n; p++)
        memcpy(row(residual, p, dim), naive->embedding.values + (size_t)tokens[p] * dim, dim * sizeof(double));
    for (int i = 0; i < model->config.n_layers; i++) {
        attention_layer(model, &naive->layers[i], model->layers[i].attn_norm, residual, n);
        feed_forward_layer(&model->config, &naive->layers[i], model->layers[i].ffn_norm, residual, n);
    }
    for (int p = 0; p < n; p++) {
        normalise(normed, row(residual, p, dim), model->output_norm, &model->config);
        multiply(row(logits, p, model->config.vocab_size), &naive->output, normed);
    }
    free(residual);
    free(normed);
}

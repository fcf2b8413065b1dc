#include "tests/support/random_model.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/part.h"
#include "tensor/packed.h"
#include "tensor/quant.h"
#include "tensor/row.h"

/* What every number of columns must be a multiple of. */
static int column_unit(Random *random, Dtype dtype) {
    static const int group_units[] = {2, 4, 6, 10, 16};
    if (dtype == DTYPE_Q8_GROUP) return group_units[random_int(random, 0, 4)];
    return dtype_info[dtype].block;
}

/* A random multiple of unit, at least one, between low and high. */
static int random_multiple(Random *random, int unit, int low, int high) {
    return unit * random_int(random, (low + unit - 1) / unit, high / unit);
}

static void choose_heads(Random *random, Config *config, int unit) {
    static const int head_dims[] = {2, 6, 10, 16, 32};
    do {
        config->head_dim = head_dims[random_int(random, 0, 4)];
        config->n_kv_heads = random_int(random, 1, 3);
        config->n_heads = config->n_kv_heads * random_int(random, 1, 4);
    } while (config->n_heads * config->head_dim % unit != 0 || config->n_heads * config->head_dim > 128);
    config->rope_dim = random_chance(random, 0.5) ? config->head_dim : 2 * random_int(random, 1, config->head_dim / 2);
}

Config random_config(Random *random, Dtype dtype) {
    Config config = {0};
    int unit = column_unit(random, dtype);
    choose_heads(random, &config, unit);
    config.dim = random_multiple(random, unit, 8, 96);
    config.hidden_dim = random_multiple(random, unit, 5, 96);
    config.n_layers = random_int(random, 1, 3);
    config.vocab_size = random_int(random, 5, 67);
    config.context_length = random_int(random, 24, 80);
    config.rope_theta = (float)exp(log(1e2) + random_unit(random) * log(1e4));
    config.rms_epsilon = random_chance(random, 0.5) ? 1e-5f : 1e-6f;
    return config;
}

static int greatest_divisor(int a, int b) { return b == 0 ? a : greatest_divisor(b, a % b); }

static int common_group(const Config *config) {
    return greatest_divisor(greatest_divisor(config->dim, config->hidden_dim), config->n_heads * config->head_dim);
}

void quantize_groups(int8_t *q, float *scales, const float *x, int n, int group) {
    for (int g = 0; g < n / group; g++) {
        float largest = 0;
        for (int i = 0; i < group; i++) largest = fmaxf(largest, fabsf(x[g * group + i]));
        float scale = largest / 127;
        memcpy(&scales[g], &scale, sizeof scale);
        for (int i = 0; i < group; i++)
            q[g * group + i] = scale > 0 ? (int8_t)lrintf(x[g * group + i] / scale) : (int8_t)0;
    }
}

/* Blocks begin this far into their heap block: no better aligned than their values need. */
static size_t alignment_of(Dtype dtype) {
    return dtype == DTYPE_F32 ? sizeof(float) : dtype == DTYPE_Q8_GROUP ? 1 : sizeof(uint16_t);
}

static void *misaligned_alloc(size_t bytes, size_t shift) { return (uint8_t *)malloc(bytes + shift) + shift; }
static void misaligned_free(const void *block, size_t shift) { free((void *)((const uint8_t *)block - shift)); }

static void store_row(const Tensor *tensor, int row, const float *values) {
    if (tensor->dtype != DTYPE_Q8_GROUP) {
        quantize_row((void *)tensor_row(tensor, row), values, tensor->cols, tensor->dtype);
        return;
    }
    int n_groups = tensor->cols / tensor->group;
    float *scales = malloc((size_t)n_groups * sizeof *scales);
    quantize_groups((int8_t *)tensor_row(tensor, row), scales, values, tensor->cols, tensor->group);
    memcpy((uint8_t *)tensor->scales + (size_t)row * (size_t)n_groups * sizeof *scales, scales,
           (size_t)n_groups * sizeof *scales);
    free(scales);
}

typedef struct {
    Model *model;
    Random random;
    Dtype dtype;
    int group;
} Builder;

static void add_name(Builder *builder, Tensor tensor, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void add_name(Builder *builder, Tensor tensor, const char *format, ...) {
    NamedTensor *named = &builder->model->tensors[builder->model->n_tensors++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(named->name, sizeof named->name, format, arguments);
    va_end(arguments);
    named->tensor = tensor;
}

static Tensor pack(Tensor rows) {
    if (!packed_can(rows.dtype)) return rows;
    Tensor packed = rows;
    packed.packed = true;
    uint8_t *data = misaligned_alloc(tensor_bytes(&packed), alignment_of(rows.dtype));
    packed_write(data, &rows);
    misaligned_free(rows.data, alignment_of(rows.dtype));
    packed.data = data;
    return packed;
}

float *weight_at(const Tensor *matrix, int row, int col) {
    assert(matrix->packed && matrix->dtype == DTYPE_F32);
    return (float *)packed_group(matrix, row / PACK_ROWS) + col * PACK_ROWS + row % PACK_ROWS;
}

/* Normal values of variance gain^2 / cols: an input of size 1 gives an output of size gain. */
static Tensor make_matrix(Builder *builder, int rows, int cols, double gain) {
    Tensor tensor = {builder->dtype, rows, cols, NULL, NULL, 0, false};
    if (builder->dtype == DTYPE_Q8_GROUP) {
        tensor.group = builder->group;
        tensor.scales = misaligned_alloc((size_t)rows * (size_t)(cols / tensor.group) * sizeof(float), 1);
    }
    tensor.data = misaligned_alloc((size_t)rows * tensor_row_bytes(&tensor), alignment_of(tensor.dtype));
    float *values = malloc((size_t)cols * sizeof *values);
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++) values[c] = (float)(gain * random_normal(&builder->random) / sqrt(cols));
        store_row(&tensor, r, values);
    }
    free(values);
    return pack(tensor);
}

static const float *make_norm(Builder *builder, int index, const char *name_format, int layer) {
    int dim = builder->model->config.dim;
    float *norm = row(builder->model->norms, index, dim);
    for (int i = 0; i < dim; i++) norm[i] = (float)(1 + 0.2 * random_normal(&builder->random));
    char name[MODEL_NAME_BYTES];
    if (layer < 0)
        snprintf(name, sizeof name, "%s.weight", name_format);
    else
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, name_format);
    add_name(builder, (Tensor){DTYPE_F32, 1, dim, norm, NULL, 0, false}, "%s", name);
    return norm;
}

static Tensor make_layer_matrix(Builder *builder, const char *name, int layer, int rows, int cols, double gain) {
    Tensor tensor = make_matrix(builder, rows, cols, gain);
    add_name(builder, tensor, "blk.%d.%s.weight", layer, name);
    return tensor;
}

static void make_layer(Builder *builder, int i) {
    const Config *config = &builder->model->config;
    LayerWeights *layer = &builder->model->layers[i];
    int dim = config->dim, hidden = config->hidden_dim;
    int query_dim = config->n_heads * config->head_dim, key_dim = config->n_kv_heads * config->head_dim;
    layer->attn_norm = make_norm(builder, 2 * i, "attn_norm", i);
    /* Sharp attention: a key that is off by a position, or missing, must show in the logits. */
    layer->w_query = make_layer_matrix(builder, "attn_q", i, query_dim, dim, 2);
    layer->w_key = make_layer_matrix(builder, "attn_k", i, key_dim, dim, 1);
    layer->w_value = make_layer_matrix(builder, "attn_v", i, key_dim, dim, 1);
    layer->w_output = make_layer_matrix(builder, "attn_output", i, dim, query_dim, 1);
    layer->ffn_norm = make_norm(builder, 2 * i + 1, "ffn_norm", i);
    layer->w_gate = make_layer_matrix(builder, "ffn_gate", i, hidden, dim, 1);
    layer->w_up = make_layer_matrix(builder, "ffn_up", i, hidden, dim, 1);
    layer->w_down = make_layer_matrix(builder, "ffn_down", i, dim, hidden, 1);
}

static float *make_frequencies(const Config *config) {
    float *frequencies = malloc((size_t)(config->rope_dim / 2) * sizeof *frequencies);
    for (int i = 0; i < config->rope_dim / 2; i++)
        frequencies[i] = (float)pow(config->rope_theta, -2.0 * i / config->rope_dim);
    return frequencies;
}

Model *random_model_of(const Config *config, Dtype dtype, bool tied, uint64_t seed) {
    Model *model = calloc(1, sizeof *model);
    Builder builder = {model, random_from(seed), dtype, dtype == DTYPE_Q8_GROUP ? common_group(config) : 0};
    model->config = *config;
    snprintf(model->format, sizeof model->format, "random %s", dtype_info[dtype].name);
    snprintf(model->name, sizeof model->name, "random-%llu", (unsigned long long)seed);
    model->tied = tied;
    model->tensors = calloc((size_t)(3 + 9 * config->n_layers), sizeof *model->tensors);
    model->layers = calloc((size_t)config->n_layers, sizeof *model->layers);
    model->norms = calloc((size_t)(2 * config->n_layers + 1) * (size_t)config->dim, sizeof *model->norms);
    model->rope_frequencies = make_frequencies(config);
    model->token_embedding = make_matrix(&builder, config->vocab_size, config->dim, tied ? 1 : 4);
    add_name(&builder, model->token_embedding, "token_embd.weight");
    for (int i = 0; i < config->n_layers; i++) make_layer(&builder, i);
    model->output_norm = make_norm(&builder, 2 * config->n_layers, "output_norm", -1);
    model->output = tied ? model->token_embedding : make_matrix(&builder, config->vocab_size, config->dim, 1);
    if (!tied) add_name(&builder, model->output, "output.weight");
    return model;
}

Model *random_model(uint64_t seed, Dtype dtype, bool tied) {
    Random random = random_from(seed);
    Config config = random_config(&random, dtype);
    return random_model_of(&config, dtype, tied, random_u64(&random));
}

void random_model_free(Model *model) {
    for (int i = 0; i < model->n_tensors; i++) {
        const Tensor *tensor = &model->tensors[i].tensor;
        if (part_holds_vector(model, &model->tensors[i])) continue; /* in model->norms */
        misaligned_free(tensor->data, alignment_of(tensor->dtype));
        if (tensor->scales) misaligned_free(tensor->scales, 1);
    }
    free(model->tensors);
    free(model->layers);
    free(model->norms);
    free(model->rope_frequencies);
    free(model);
}

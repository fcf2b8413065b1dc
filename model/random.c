/* Models with random weights, for benchmarks and exports for which only the shape matters. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/loaders.h"
#include "model/part.h"
#include "tensor/memory.h"
#include "tensor/quant.h"

/* xorshift64* (Vigna 2014, 1402.6246) */
static uint64_t next(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

/* Uniform in -1 .. 1, 24 bits. */
static float next_float(uint64_t *state) { return (float)(int64_t)(next(state) >> 39) / 16777216.0f - 1.0f; }

/* One row of uniform numbers in the tensor's form, scaled so that products keep the magnitude of their input. */
static void fill_row(void *out, float *row, const Tensor *tensor, uint64_t *state) {
    float size = sqrtf(3.0f / (float)tensor->cols);
    for (int i = 0; i < tensor->cols; i++) row[i] = size * next_float(state);
    quantize_row(out, row, tensor->cols, tensor->dtype);
}

static void fill_norm(float *out, int n) {
    for (int i = 0; i < n; i++) out[i] = 1;
}

static bool fill(const Model *model, uint64_t seed, Error *error) {
    float *row = memory_alloc(CONFIG_MAX_DIM, sizeof *row, "a row of weights", error);
    if (!row) return false;
    for (int i = 0; i < model->n_tensors; i++) {
        const Tensor *tensor = &model->tensors[i].tensor;
        uint64_t state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)i;
        if (part_holds_vector(model, &model->tensors[i])) {
            fill_norm((float *)tensor->data, tensor->cols);
            continue;
        }
        for (int r = 0; r < tensor->rows; r++) fill_row((void *)tensor_row(tensor, r), row, tensor, &state);
    }
    memory_free(row);
    return true;
}

/* Adds a tensor whose data begins at offset `at` of model->weights; returns the offset of the next one, on a cache
 * line. */
static size_t add(Model *model, Part part, int layer, Dtype dtype, size_t at) {
    NamedTensor *named = &model->tensors[model->n_tensors++];
    Tensor *tensor = &named->tensor;
    part_name(named->name, part, layer);
    part_shape(&model->config, part, &tensor->rows, &tensor->cols);
    tensor->dtype = part_is_vector(part) ? DTYPE_F32 : dtype;
    named->offset = at;
    return (at + tensor_bytes(tensor) + 63) & ~(size_t)63;
}

static bool build(Model *model, const Config *config, Dtype dtype, bool tied, uint64_t seed, Error *error) {
    size_t bytes = 0, most = (size_t)config->n_layers * PART_OF_LAYER + PART_COUNT;
    model->config = *config;
    snprintf(model->format, sizeof model->format, "random");
    model->tensors = memory_alloc(most, sizeof *model->tensors, "table of tensors", error);
    if (!model->tensors) return false;
    for (int layer = 0; layer < config->n_layers; layer++)
        for (int part = 0; part < PART_OF_LAYER; part++) bytes = add(model, (Part)part, layer, dtype, bytes);
    bytes = add(model, PART_TOKEN_EMBD, 0, dtype, bytes);
    bytes = add(model, PART_OUTPUT_NORM, 0, dtype, bytes);
    if (!tied) bytes = add(model, PART_OUTPUT, 0, dtype, bytes);
    model->weights = memory_alloc(bytes, 1, "random weights", error);
    if (!model->weights) return false;
    for (int i = 0; i < model->n_tensors; i++)
        model->tensors[i].tensor.data = (uint8_t *)model->weights + model->tensors[i].offset;
    return fill(model, seed, error) && model_bind(model, error);
}

/* The block sizes must divide; so must the rows of a Q8_GROUP, which has no quantize_row. */
static bool check(const Config *config, Dtype dtype, Error *error) {
    if (!config_check(config, error)) return false;
    int block = dtype_info[dtype].block;
    if (dtype == DTYPE_Q8_GROUP || config->dim % block || config->hidden_dim % block ||
        config->n_heads * config->head_dim % block)
        return error_set(error, "random model: %s does not fit dim %d, hidden_dim %d", dtype_info[dtype].name,
                         config->dim, config->hidden_dim);
    return true;
}

bool model_random(Model **model, const Config *config, Dtype dtype, bool tied, uint64_t seed, Error *error) {
    *model = NULL;
    if (!check(config, dtype, error)) return false;
    Model *built = memory_alloc(1, sizeof *built, "model", error);
    if (!built) return false;
    if (!build(built, config, dtype, tied, seed, error)) {
        model_close(built);
        return false;
    }
    *model = built;
    return true;
}

#include "model/model.h"

#include <float.h>
#include <math.h>

#include "model/loaders.h"
#include "model/part.h"
#include "tensor/gguf.h"
#include "tensor/memory.h"
#include "tensor/packed.h"
#include "tensor/quant.h"

/* ---- Binding names to layers ---- */

/* The table of parts: those of layer 0, of layer 1, ..., then those of the model; NULL if the file lacks a part. */
typedef struct {
    const NamedTensor **of;
    int n_layers;
} Parts;

static const NamedTensor **parts_at(const Parts *parts, Part part, int layer) {
    size_t first = (size_t)(part < PART_OF_LAYER ? layer : parts->n_layers) * PART_OF_LAYER;
    return &parts->of[first + (size_t)(part < PART_OF_LAYER ? part : part - PART_OF_LAYER)];
}

static bool check_shape(const NamedTensor *named, Part part, const Config *config, Error *error) {
    const Tensor *tensor = &named->tensor;
    int rows, cols;
    part_shape(config, part, &rows, &cols);
    if (tensor->rows != rows || tensor->cols != cols)
        return error_set(error, "%s: byte %zu: expected %d x %d values, got %d x %d", named->name, named->offset, rows,
                         cols, tensor->rows, tensor->cols);
    if (part_is_vector(part) && tensor->dtype != DTYPE_F32 && tensor->dtype != DTYPE_F16 && tensor->dtype != DTYPE_BF16)
        return error_set(error, "%s: byte %zu: expected F32, F16 or BF16, got %s", named->name, named->offset,
                         dtype_info[tensor->dtype].name);
    return true;
}

/* Assigns each tensor of the file to its part. An unknown tensor is an error: ignoring it would change the results. */
static bool assign_parts(const Model *model, Parts *parts, Error *error) {
    for (int i = 0; i < model->n_tensors; i++) {
        const NamedTensor *named = &model->tensors[i];
        Part part;
        int layer;
        if (!part_find(named->name, parts->n_layers, &part, &layer))
            return error_set(error, "%s: byte %zu: no LLaMA model of n_layers %d has such a tensor", named->name,
                             named->offset, parts->n_layers);
        if (!check_shape(named, part, &model->config, error)) return false;
        *parts_at(parts, part, layer) = named;
    }
    return true;
}

static bool check_complete(const Parts *parts, Error *error) {
    for (int i = 0; i < PART_COUNT; i++) {
        Part part = (Part)i;
        if (part == PART_OUTPUT || part == PART_ROPE_FREQS) continue;
        for (int layer = 0; layer < (part < PART_OF_LAYER ? parts->n_layers : 1); layer++) {
            if (*parts_at(parts, part, layer)) continue;
            char name[MODEL_NAME_BYTES];
            part_name(name, part, layer);
            return error_set(error, "%s: expected this tensor, got none of that name", name);
        }
    }
    return true;
}

/* ---- Filling in the model ---- */

static bool check_finite(const Model *model, Error *error) {
    for (int i = 0; i < model->n_tensors; i++) {
        const NamedTensor *named = &model->tensors[i];
        const Tensor *tensor = &named->tensor;
        size_t at;
        if (tensor_is_finite(tensor, &at)) continue;
        if (tensor->scales) at += (size_t)((const uint8_t *)tensor->scales - (const uint8_t *)tensor->data);
        bool values = tensor->dtype == DTYPE_F32 || tensor->dtype == DTYPE_F16 || tensor->dtype == DTYPE_BF16;
        return error_set(error, "%s: byte %zu: expected a finite %s, got NaN or infinity", named->name,
                         named->offset + at, values ? "value" : "scale");
    }
    return true;
}

static const float *take_norm(float **next, const NamedTensor *named) {
    const float *norm = *next;
    dequantize_row(*next, &named->tensor, 0);
    *next += named->tensor.cols;
    return norm;
}

static void set_matrices(Model *model, const Parts *parts) {
    for (int i = 0; i < parts->n_layers; i++) {
        LayerWeights *layer = &model->layers[i];
        layer->w_query = (*parts_at(parts, PART_ATTN_Q, i))->tensor;
        layer->w_key = (*parts_at(parts, PART_ATTN_K, i))->tensor;
        layer->w_value = (*parts_at(parts, PART_ATTN_V, i))->tensor;
        layer->w_output = (*parts_at(parts, PART_ATTN_OUTPUT, i))->tensor;
        layer->w_gate = (*parts_at(parts, PART_FFN_GATE, i))->tensor;
        layer->w_up = (*parts_at(parts, PART_FFN_UP, i))->tensor;
        layer->w_down = (*parts_at(parts, PART_FFN_DOWN, i))->tensor;
    }
    model->token_embedding = (*parts_at(parts, PART_TOKEN_EMBD, 0))->tensor;
    const NamedTensor *output = *parts_at(parts, PART_OUTPUT, 0);
    model->tied = output == NULL;
    model->output = output ? output->tensor : model->token_embedding;
}

static bool bind_layers(Model *model, const Parts *parts, Error *error) {
    size_t n_layers = (size_t)parts->n_layers;
    model->layers = memory_alloc(n_layers, sizeof *model->layers, "layers", error);
    if (!model->layers) return false;
    model->norms = memory_alloc((2 * n_layers + 1) * (size_t)model->config.dim, sizeof(float), "norms", error);
    if (!model->norms) return false;
    float *next = model->norms;
    for (int i = 0; i < parts->n_layers; i++) {
        model->layers[i].attn_norm = take_norm(&next, *parts_at(parts, PART_ATTN_NORM, i));
        model->layers[i].ffn_norm = take_norm(&next, *parts_at(parts, PART_FFN_NORM, i));
    }
    model->output_norm = take_norm(&next, *parts_at(parts, PART_OUTPUT_NORM, 0));
    set_matrices(model, parts);
    return true;
}

/* frequency i = theta^(-2i / rope_dim) (Su et al., 2104.09864, section 3.4.2), divided by the file's factor if any. */
static bool fill_frequencies(Model *model, const NamedTensor *factors, Error *error) {
    int n = model->config.rope_dim / 2;
    float *frequencies = memory_alloc((size_t)n, sizeof *frequencies, "rope frequencies", error);
    model->rope_frequencies = frequencies;
    if (!frequencies) return false;
    if (factors) dequantize_row(frequencies, &factors->tensor, 0);
    for (int i = 0; i < n; i++) {
        double factor = factors ? (double)frequencies[i] : 1;
        if (!(factor > 0))
            return error_set(error, "%s: byte %zu: factor %d: expected a positive number, got %g", factors->name,
                             factors->offset, i, factor);
        double frequency = pow((double)model->config.rope_theta, -2.0 * i / model->config.rope_dim) / factor;
        if (!(frequency <= FLT_MAX))
            return error_set(error, "rope frequency %d: expected a finite f32, got %g (theta %g, factor %g)", i,
                             frequency, (double)model->config.rope_theta, factor);
        frequencies[i] = (float)frequency;
    }
    return true;
}

static bool find_parts(const Model *model, Parts *parts, Error *error) {
    parts->n_layers = model->config.n_layers;
    size_t n_parts = (size_t)parts->n_layers * PART_OF_LAYER + (PART_COUNT - PART_OF_LAYER);
    parts->of = memory_alloc(n_parts, sizeof *parts->of, "table of parts", error);
    return parts->of && assign_parts(model, parts, error) && check_complete(parts, error);
}

bool model_bind(Model *model, Error *error) {
    Parts parts = {0};
    bool bound = find_parts(model, &parts, error) && check_finite(model, error) && bind_layers(model, &parts, error) &&
                 fill_frequencies(model, *parts_at(&parts, PART_ROPE_FREQS, 0), error);
    memory_free(parts.of);
    return bound;
}

/* ---- Packing ---- */

static bool wants_packing(const Model *model, const NamedTensor *named) {
    return !named->tensor.packed && packed_can(named->tensor.dtype) && !part_holds_vector(model, named);
}

static Tensor as_packed(const Tensor *rows, const void *data) {
    Tensor packed = *rows;
    packed.packed = true;
    packed.data = data;
    return packed;
}

static size_t bytes_to_pack(const Model *model) {
    size_t bytes = 0; /* little more than the model in memory, so the sum cannot overflow */
    for (int i = 0; i < model->n_tensors; i++) {
        Tensor packed = as_packed(&model->tensors[i].tensor, NULL);
        if (wants_packing(model, &model->tensors[i])) bytes += tensor_bytes(&packed);
    }
    return bytes;
}

static bool pack_all(Model *model, uint8_t *out, size_t total, ModelProgress *progress, void *context) {
    bool own_memory = model->owns_file || model->weights;
    for (size_t i = 0, done = 0; i < (size_t)model->n_tensors; i++) {
        Tensor *tensor = &model->tensors[i].tensor, rows = *tensor;
        if (!wants_packing(model, &model->tensors[i])) continue;
        packed_write(out + done, &rows);
        *tensor = as_packed(&rows, out + done);
        if (own_memory) memory_give_back(rows.data, tensor_bytes(&rows));
        done += tensor_bytes(tensor);
        if (progress && !progress(context, done, total)) return false;
    }
    return true;
}

bool model_pack(Model *model, ModelProgress *progress, void *context, Error *error) {
    size_t bytes = bytes_to_pack(model);
    Parts parts = {0};
    bool done = false;
    if (bytes == 0) return true;
    void *packed = find_parts(model, &parts, error) ? memory_alloc(bytes, 1, "packed weights", error) : NULL;
    if (packed) {
        model->packed = packed;
        memory_prefer_large_pages(packed, bytes);
        done = pack_all(model, packed, bytes, progress, context) ||
               error_set_kind(error, ERROR_CANCELLED, "opening the model was cancelled");
        set_matrices(model, &parts);
    }
    memory_free(parts.of);
    return done;
}

/* ---- Opening and closing ---- */

static bool parse(Model *model, Bytes bytes, Error *error) {
    model->file = bytes;
    return (gguf_is(bytes) ? load_gguf : load_llama2c)(model, bytes, error) && model_bind(model, error);
}

bool model_parse(Model **model, Bytes bytes, Error *error) {
    *model = NULL;
    Model *parsed = memory_alloc(1, sizeof *parsed, "model", error);
    if (!parsed) return false;
    if (!parse(parsed, bytes, error)) {
        model_close(parsed);
        return false;
    }
    *model = parsed;
    return true;
}

bool model_map(Model **model, const char *path, Error *error) {
    Bytes bytes;
    *model = NULL;
    if (!bytes_map(&bytes, path, error)) return false;
    if (!model_parse(model, bytes, error)) {
        bytes_unmap(&bytes);
        return error_prefix(error, "%s: ", path);
    }
    (*model)->owns_file = true;
    return true;
}

bool model_open(Model **model, const char *path, Error *error) {
    if (!model_map(model, path, error)) return false;
    if (model_pack(*model, NULL, NULL, error)) return true;
    model_close(*model);
    *model = NULL;
    return error_prefix(error, "%s: ", path);
}

void model_close(Model *model) {
    if (!model) return;
    if (model->owns_file) bytes_unmap(&model->file);
    memory_free(model->weights);
    memory_free(model->packed);
    memory_free(model->tensors);
    memory_free(model->layers);
    memory_free(model->norms);
    memory_free(model->rope_frequencies);
    memory_free(model);
}

size_t model_weight_bytes(const Model *model) {
    size_t bytes = 0;
    for (int i = 0; i < model->n_tensors; i++) bytes += tensor_bytes(&model->tensors[i].tensor);
    return bytes;
}

size_t model_bytes_per_token(const Model *model) {
    size_t embedding = tensor_bytes(&model->token_embedding);
    size_t unread = model->tied ? 0 : embedding - embedding / (size_t)model->config.vocab_size;
    return model_weight_bytes(model) - unread;
}

/* The exports of llama2.c (https://github.com/karpathy/llama2.c, export.py).
 *
 *   v0   seven i32 sizes, then f32 tensors; a negative vocab_size means that the classifier has a matrix of its own
 *   v1   "ak42" i32 version, seven i32 sizes, u8 shared classifier, zeros to byte 256, then f32 tensors
 *   v2   the same with i32 group_size after the flag; norms f32, matrices int8 followed by their f32 scales
 *
 * The tables below give the order of the tensors. A part of a layer stands for that part of all layers, in order. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "model/loaders.h"
#include "model/part.h"
#include "tensor/memory.h"

#define MAGIC        0x616b3432
#define HEADER_BYTES 256
#define SIZES_BYTES  28
#define FREQ_CIS     PART_ROPE_FREQS /* in v0: rotations for every position; ignored, because they are computed */

typedef struct {
    int version, group;
    bool shared;
    size_t start; /* of the tensors */
} Layout;

static const Part order_v0[] = {PART_TOKEN_EMBD,  PART_ATTN_NORM, PART_ATTN_Q,   PART_ATTN_K,   PART_ATTN_V,
                                PART_ATTN_OUTPUT, PART_FFN_NORM,  PART_FFN_GATE, PART_FFN_DOWN, PART_FFN_UP,
                                PART_OUTPUT_NORM, FREQ_CIS,       PART_OUTPUT};
static const Part order_v1[] = {PART_ATTN_NORM, PART_FFN_NORM, PART_OUTPUT_NORM, PART_TOKEN_EMBD,
                                PART_ATTN_Q,    PART_ATTN_K,   PART_ATTN_V,      PART_ATTN_OUTPUT,
                                PART_FFN_GATE,  PART_FFN_DOWN, PART_FFN_UP,      PART_OUTPUT};

static Tensor make_tensor(const Config *config, const Layout *layout, Part part) {
    Tensor tensor = {.dtype = DTYPE_F32};
    part_shape(config, part, &tensor.rows, &tensor.cols);
    if (layout->version == 2 && !part_is_vector(part)) {
        tensor.dtype = DTYPE_Q8_GROUP;
        tensor.group = layout->group;
    }
    return tensor;
}

static void append(Model *model, size_t offset, Tensor tensor, Part part, int layer) {
    NamedTensor *named = &model->tensors[model->n_tensors++];
    const uint8_t *data = model->file.data + offset;
    part_name(named->name, part, layer);
    named->offset = offset;
    named->tensor = tensor;
    named->tensor.data = data;
    if (tensor.dtype == DTYPE_Q8_GROUP) named->tensor.scales = data + (size_t)tensor.rows * (size_t)tensor.cols;
}

/* Goes through the tensors in the order of the file and returns where they end; fills model->tensors unless it is
 * NULL. */
static size_t lay_out(Model *model, const Layout *layout) {
    const Config *config = &model->config;
    const Part *order = layout->version == 0 ? order_v0 : order_v1;
    size_t n_parts = (layout->version == 0 ? sizeof order_v0 : sizeof order_v1) / sizeof *order;
    size_t at = layout->start;
    for (size_t i = 0; i < n_parts; i++) {
        if (order[i] == PART_OUTPUT && layout->shared) continue;
        if (order[i] == FREQ_CIS) {
            at += (size_t)config->context_length * (size_t)config->head_dim * sizeof(float);
            continue;
        }
        Tensor tensor = make_tensor(config, layout, order[i]);
        int copies = order[i] < PART_OF_LAYER ? config->n_layers : 1;
        for (int layer = 0; layer < copies; layer++) {
            if (model->tensors) append(model, at, tensor, order[i], layer);
            at += tensor_bytes(&tensor);
        }
    }
    return at;
}

static bool read_sizes(Cursor *cursor, Config *config, Error *error) {
    int *const fields[] = {&config->dim,        &config->hidden_dim, &config->n_layers,      &config->n_heads,
                           &config->n_kv_heads, &config->vocab_size, &config->context_length};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        int32_t value;
        if (!cursor_i32(cursor, &value, "sizes", error)) return false;
        *fields[i] = value;
    }
    return true;
}

/* Sets what these formats do not store, and checks the sizes. */
static bool complete(Config *config, Error *error) {
    bool in_range = config->n_heads >= 1 && config->dim >= 1 && config->dim <= CONFIG_MAX_DIM;
    if (in_range && config->dim % config->n_heads != 0)
        return error_set(error, "n_heads: expected a divisor of dim %d, got %d", config->dim, config->n_heads);
    config->head_dim = config->rope_dim = in_range ? config->dim / config->n_heads : 0;
    config->rope_theta = 10000;
    config->rms_epsilon = 1e-5f;
    return config_check(config, error);
}

static bool read_v0(Cursor *cursor, Config *config, Layout *layout, Error *error) {
    *layout = (Layout){.version = 0, .shared = true, .start = SIZES_BYTES};
    bool plausible = read_sizes(cursor, config, error);
    if (plausible && config->vocab_size < 0) {
        layout->shared = false;
        config->vocab_size = config->vocab_size == INT_MIN ? INT_MAX : -config->vocab_size; /* rejected in both cases */
    }
    if (plausible && complete(config, error)) return true;
    return error_prefix(error,
                        "not a model: expected GGUF, llama2.c \"ak42\" or llama2.c v0, whose sizes would be bad: ");
}

static bool read_flags(Cursor *cursor, const Config *config, Layout *layout, Error *error) {
    size_t at = cursor->at;
    Bytes shared;
    if (!cursor_bytes(cursor, 1, &shared, "shared classifier", error)) return false;
    if (shared.data[0] > 1)
        return error_set(error, "byte %zu: shared classifier: expected 0 or 1, got %u", at, shared.data[0]);
    layout->shared = shared.data[0] == 1;
    if (layout->version == 1) return true;
    at = cursor->at;
    if (!cursor_i32(cursor, &layout->group, "group size", error)) return false;
    if (layout->group > 0 && config->dim % layout->group == 0 && config->hidden_dim % layout->group == 0) return true;
    return error_set(error, "byte %zu: group size: expected a divisor of dim %d and hidden_dim %d, got %d", at,
                     config->dim, config->hidden_dim, layout->group);
}

static bool read_v1(Cursor *cursor, Config *config, Layout *layout, Error *error) {
    size_t at = cursor->at + 4;
    *layout = (Layout){.start = HEADER_BYTES};
    if (!cursor_skip(cursor, 4, "magic", error) || !cursor_i32(cursor, &layout->version, "version", error))
        return false;
    if (layout->version != 1 && layout->version != 2)
        return error_set(error, "byte %zu: version: expected 1 or 2, got %d", at, layout->version);
    at = cursor->at;
    if (!read_sizes(cursor, config, error)) return false;
    if (!complete(config, error)) return error_prefix(error, "byte %zu: sizes: ", at);
    return read_flags(cursor, config, layout, error);
}

bool load_llama2c(Model *model, Bytes bytes, Error *error) {
    uint32_t magic = 0;
    Cursor cursor = {bytes, 0};
    Config *config = &model->config;
    Layout layout;
    if (bytes.size >= sizeof magic) memcpy(&magic, bytes.data, sizeof magic);
    if (!(magic == MAGIC ? read_v1 : read_v0)(&cursor, config, &layout, error)) return false;
    snprintf(model->format, sizeof model->format, "llama2.c v%d", layout.version);
    size_t expected = lay_out(model, &layout);
    if (expected != bytes.size)
        return error_set(error,
                         "%s of dim %d, hidden_dim %d, n_layers %d, n_heads %d, n_kv_heads %d, vocab_size %d, "
                         "context_length %d: expected %zu bytes, got %zu",
                         model->format, config->dim, config->hidden_dim, config->n_layers, config->n_heads,
                         config->n_kv_heads, config->vocab_size, config->context_length, expected, bytes.size);
    size_t most = (size_t)config->n_layers * PART_OF_LAYER + PART_COUNT;
    model->tensors = memory_alloc(most, sizeof *model->tensors, "table of tensors", error);
    if (!model->tensors) return false;
    lay_out(model, &layout);
    return true;
}

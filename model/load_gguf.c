#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "model/loaders.h"
#include "model/part.h"
#include "tensor/gguf.h"
#include "tensor/memory.h"

/* Keys that change the computation. A file with a value other than the neutral one is rejected. */
static const struct {
    const char *key;
    float neutral;
} neutral_floats[] = {
    {"llama.rope.scale_linear", 1},
    {"llama.rope.scaling.factor", 1},
    {"llama.rope.scaling.attn_factor", 1},
    {"llama.attention.max_alibi_bias", 0},
    {"llama.attention.clamp_kqv", 0},
    {"llama.attention.scale", 0},
    {"llama.logit_scale", 1},
    {"llama.residual_scale", 1},
    {"llama.embedding_scale", 1},
};

static size_t offset_of(const Gguf *gguf, const char *key) { return gguf_find(gguf, key)->offset; }

static bool check_text(const Gguf *gguf, const char *key, bool required, const char *expected, Error *error) {
    Bytes text = {0};
    if (!gguf_get_string(gguf, key, required, &text, error)) return false;
    if (!text.data || bytes_equal(text, expected)) return true;
    return error_set(error, "%s: byte %zu: expected %s, got %.*s", key, offset_of(gguf, key), expected,
                     (int)(text.size < 64 ? text.size : 64), (const char *)text.data);
}

static bool check_bool(const Gguf *gguf, const char *key, bool expected, Error *error) {
    bool value = expected;
    if (!gguf_get_bool(gguf, key, false, &value, error)) return false;
    if (value == expected) return true;
    return error_set(error, "%s: byte %zu: expected %s, the only one supported, got %s", key, offset_of(gguf, key),
                     expected ? "true" : "false", value ? "true" : "false");
}

static bool check_supported(const Gguf *gguf, Error *error) {
    int experts = 0;
    if (!check_text(gguf, "general.architecture", true, "llama", error) ||
        !check_text(gguf, "llama.rope.scaling.type", false, "none", error) ||
        !gguf_get_int(gguf, "llama.expert_count", false, 0, 0, &experts, error) ||
        !check_bool(gguf, "llama.attention.causal", true, error) ||
        !check_bool(gguf, "llama.use_parallel_residual", false, error))
        return false;
    for (size_t i = 0; i < sizeof neutral_floats / sizeof *neutral_floats; i++) {
        const char *key = neutral_floats[i].key;
        float value = neutral_floats[i].neutral;
        if (!gguf_get_float(gguf, key, false, &value, error)) return false;
        if (value != neutral_floats[i].neutral)
            return error_set(error, "%s: byte %zu: expected %g, the only one supported, got %g", key,
                             offset_of(gguf, key), (double)neutral_floats[i].neutral, (double)value);
    }
    return true;
}

static bool get_positive(const Gguf *gguf, const char *key, bool required, float *out, Error *error) {
    if (!gguf_get_float(gguf, key, required, out, error)) return false;
    if (*out > 0) return true;
    return error_set(error, "%s: byte %zu: expected a positive number, got %g", key, offset_of(gguf, key),
                     (double)*out);
}

#define LAYERS   "llama.block_count"
#define DIM      "llama.embedding_length"
#define HEADS    "llama.attention.head_count"
#define KV_HEADS "llama.attention.head_count_kv"
#define ROPE_DIM "llama.rope.dimension_count"

static bool check_divisor(const Gguf *gguf, const char *key, int value, const char *of_key, int of, Error *error) {
    if (of % value == 0) return true;
    return error_set(error, "%s: byte %zu: expected a divisor of %s %d, got %d", key, offset_of(gguf, key), of_key, of,
                     value);
}

static bool read_head_dim(const Gguf *gguf, Config *config, Error *error) {
    const char *length = "llama.attention.key_length";
    if (!gguf_find(gguf, length) && !check_divisor(gguf, HEADS, config->n_heads, DIM, config->dim, error)) return false;
    config->head_dim = config->dim / config->n_heads;
    if (!gguf_get_int(gguf, length, false, 1, CONFIG_MAX_DIM, &config->head_dim, error)) return false;
    int same = config->rope_dim = config->head_dim;
    if (!gguf_get_int(gguf, "llama.attention.value_length", false, same, same, &same, error) ||
        !gguf_get_int(gguf, ROPE_DIM, false, 1, config->head_dim, &config->rope_dim, error))
        return false;
    if (!gguf_find(gguf, ROPE_DIM) || config->rope_dim % 2 == 0) return true;
    return error_set(error, "%s: byte %zu: expected an even number, got %d", ROPE_DIM, offset_of(gguf, ROPE_DIM),
                     config->rope_dim);
}

static bool read_config(const Gguf *gguf, Config *config, Error *error) {
    config->rope_theta = 10000;
    if (!gguf_get_int(gguf, LAYERS, true, 1, CONFIG_MAX_LAYERS, &config->n_layers, error) ||
        !gguf_get_int(gguf, "llama.context_length", true, 1, CONFIG_MAX_CONTEXT, &config->context_length, error) ||
        !gguf_get_int(gguf, DIM, true, 1, CONFIG_MAX_DIM, &config->dim, error) ||
        !gguf_get_int(gguf, "llama.feed_forward_length", true, 1, CONFIG_MAX_DIM, &config->hidden_dim, error) ||
        !gguf_get_int(gguf, HEADS, true, 1, CONFIG_MAX_DIM, &config->n_heads, error))
        return false;
    if ((size_t)config->n_layers > gguf->n_tensors) /* otherwise a small file could demand large tables */
        return error_set(error, "%s: byte %zu: expected at most %zu, the number of tensors, got %d", LAYERS,
                         offset_of(gguf, LAYERS), gguf->n_tensors, config->n_layers);
    config->n_kv_heads = config->n_heads;
    return gguf_get_int(gguf, KV_HEADS, false, 1, config->n_heads, &config->n_kv_heads, error) &&
           check_divisor(gguf, KV_HEADS, config->n_kv_heads, HEADS, config->n_heads, error) &&
           get_positive(gguf, "llama.attention.layer_norm_rms_epsilon", true, &config->rms_epsilon, error) &&
           get_positive(gguf, "llama.rope.freq_base", false, &config->rope_theta, error) &&
           read_head_dim(gguf, config, error);
}

static bool read_tensors(Model *model, const Gguf *gguf, Error *error) {
    model->tensors = memory_alloc(gguf->n_tensors, sizeof *model->tensors, "table of tensors", error);
    if (!model->tensors) return false;
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        const GgufTensor *from = &gguf->tensors[i];
        NamedTensor *to = &model->tensors[model->n_tensors++];
        if (from->name.size >= sizeof to->name)
            return error_set(error, "%.*s: expected a name of at most %zu bytes, got %zu", (int)from->name.size,
                             (const char *)from->name.data, sizeof to->name - 1, from->name.size);
        memcpy(to->name, from->name.data, from->name.size);
        to->tensor = from->tensor;
        to->offset = from->offset;
    }
    return true;
}

/* The embedding's rows are the vocabulary; a file may also say its size. */
static bool read_vocab_size(Model *model, const Gguf *gguf, Error *error) {
    char name[MODEL_NAME_BYTES];
    part_name(name, PART_TOKEN_EMBD, 0);
    for (int i = 0; i < model->n_tensors && model->config.vocab_size == 0; i++)
        if (strcmp(model->tensors[i].name, name) == 0) model->config.vocab_size = model->tensors[i].tensor.rows;
    int rows = model->config.vocab_size;
    if (rows == 0) return error_set(error, "%s: expected this tensor, got none of that name", name);
    return gguf_get_int(gguf, "llama.vocab_size", false, rows, rows, &rows, error);
}

/* Cuts the name to the available space, at a whole character, and replaces control characters, which could drive a
 * terminal. */
static bool read_name(Model *model, const Gguf *gguf, Error *error) {
    Bytes name = {0};
    if (!gguf_get_string(gguf, "general.name", false, &name, error)) return false;
    size_t length = name.size;
    if (length >= sizeof model->name)
        for (length = sizeof model->name - 1; length > 0 && (name.data[length] & 0xc0) == 0x80;) length--;
    for (size_t i = 0; i < length; i++)
        model->name[i] = (char)(name.data[i] < ' ' || name.data[i] == 0x7f ? '?' : name.data[i]);
    return true;
}

static bool load(Model *model, const Gguf *gguf, Error *error) {
    snprintf(model->format, sizeof model->format, "GGUF v%u", gguf->version);
    if (!check_supported(gguf, error)) return false;
    if (gguf->n_tensors == 0) return error_set(error, "expected a model, got a GGUF file without tensors");
    return read_config(gguf, &model->config, error) && read_name(model, gguf, error) &&
           read_tensors(model, gguf, error) && read_vocab_size(model, gguf, error) &&
           config_check(&model->config, error);
}

bool load_gguf(Model *model, Bytes bytes, Error *error) {
    Gguf gguf;
    if (!gguf_parse(&gguf, bytes, error)) return false;
    bool loaded = load(model, &gguf, error);
    gguf_release(&gguf);
    return loaded;
}

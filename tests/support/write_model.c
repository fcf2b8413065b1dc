#include "tests/support/write_model.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/part.h"
#include "tensor/gguf_writer.h"
#include "tensor/quant.h"
#include "tensor/row.h"
#include "tests/support/random_model.h"

/* ---- vocabulary ---- */

static Bytes copy_text(const char *text) {
    size_t n = strlen(text);
    uint8_t *copy = malloc(n + 1);
    memcpy(copy, text, n + 1);
    return (Bytes){copy, n};
}

/* word 0 is "a", 25 "z", 26 "aa", ... : all different. */
static Bytes word_piece(int word) {
    char text[16], *at = text + sizeof text - 1;
    *at = '\0';
    for (word++; word > 0; word = (word - 1) / 26) *--at = (char)('a' + (word - 1) % 26);
    return copy_text(at);
}

Vocabulary vocabulary_make(int size) {
    enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, BYTE = 6 }; /* as tokenizer.ggml.token_type numbers them */
    static const char *const special[] = {"<unk>", "<s>", "</s>"};
    Vocabulary vocabulary = {calloc((size_t)size, sizeof(Bytes)),
                             calloc((size_t)size, sizeof(float)),
                             calloc((size_t)size, sizeof(int32_t)),
                             size,
                             1,
                             2,
                             0};
    int first_word = size >= 3 + 256 ? 3 + 256 : 3;
    assert(size >= 3);
    for (int i = 0; i < size; i++) {
        char byte[16];
        snprintf(byte, sizeof byte, "<0x%02X>", (unsigned)(i - 3) & 0xff);
        vocabulary.pieces[i] = i < 3            ? copy_text(special[i])
                               : i < first_word ? copy_text(byte)
                                                : word_piece(i - first_word);
        vocabulary.types[i] = i == 0 ? UNKNOWN : i < 3 ? CONTROL : i < first_word ? BYTE : NORMAL;
        vocabulary.scores[i] = i < first_word ? 0 : (float)(first_word - i);
    }
    return vocabulary;
}

void vocabulary_free(Vocabulary *vocabulary) {
    for (int i = 0; i < vocabulary->size; i++) free((void *)vocabulary->pieces[i].data);
    free(vocabulary->pieces);
    free(vocabulary->scores);
    free(vocabulary->types);
}

/* ---- llama2.c ----
 *   version 0: 7 i32 (vocab_size negative where the output matrix is not the embedding), then F32
 *   version 1: "ak42" as a number, i32 1, 7 i32, u8 tied, zeros to 256, then F32 in another order
 *   version 2: the same with i32 2 and an i32 group size after u8 tied; norms F32; a matrix is its int8, then its
 * scales
 */

typedef struct {
    FILE *file;
    int group; /* 0: F32 */
} Llama2cWriter;

static void put(Llama2cWriter *out, const void *data, size_t bytes) { fwrite(data, 1, bytes, out->file); }
static void put_i32(Llama2cWriter *out, int32_t value) { put(out, &value, sizeof value); }
static void put_floats(Llama2cWriter *out, const float *values, int n) { put(out, values, (size_t)n * sizeof *values); }

static void put_matrix(Llama2cWriter *out, const Tensor *w) {
    int n_groups = out->group ? w->cols / out->group : 0;
    float *row = malloc((size_t)w->cols * sizeof *row);
    int8_t *q = malloc((size_t)w->cols);
    float *scales = calloc((size_t)w->rows * (size_t)n_groups + 1, sizeof *scales);
    for (int r = 0; r < w->rows; r++) {
        dequantize_row(row, w, r);
        if (out->group) {
            quantize_groups(q, row(scales, r, n_groups), row, w->cols, out->group);
            put(out, q, (size_t)w->cols);
        } else {
            put_floats(out, row, w->cols);
        }
    }
    put_floats(out, scales, w->rows * n_groups);
    free(row);
    free(q);
    free(scales);
}

/* The same matrix of every layer, one after the other; which: offsetof in LayerWeights. */
static void put_layers(Llama2cWriter *out, const Model *model, size_t which) {
    for (int i = 0; i < model->config.n_layers; i++)
        put_matrix(out, (const Tensor *)(const void *)((const char *)&model->layers[i] + which));
}

static void put_norms(Llama2cWriter *out, const Model *model, bool ffn) {
    for (int i = 0; i < model->config.n_layers; i++)
        put_floats(out, ffn ? model->layers[i].ffn_norm : model->layers[i].attn_norm, model->config.dim);
}

static void put_sizes(Llama2cWriter *out, const Config *c, int vocab_size) {
    const int sizes[] = {c->dim, c->hidden_dim, c->n_layers, c->n_heads, c->n_kv_heads, vocab_size, c->context_length};
    for (int i = 0; i < 7; i++) put_i32(out, sizes[i]);
}

/* Version 0 holds the cosines and sines of every position, which its readers skip. */
static void put_rotations(Llama2cWriter *out, const Model *model) {
    for (int sine = 0; sine < 2; sine++)
        for (int p = 0; p < model->config.context_length; p++)
            for (int i = 0; i < model->config.rope_dim / 2; i++) {
                double angle = (double)p * model->rope_frequencies[i];
                float value = (float)(sine ? sin(angle) : cos(angle));
                put_floats(out, &value, 1);
            }
}

static void put_version_0(Llama2cWriter *out, const Model *model) {
    put_sizes(out, &model->config, model->tied ? model->config.vocab_size : -model->config.vocab_size);
    put_matrix(out, &model->token_embedding);
    put_norms(out, model, false);
    put_layers(out, model, offsetof(LayerWeights, w_query));
    put_layers(out, model, offsetof(LayerWeights, w_key));
    put_layers(out, model, offsetof(LayerWeights, w_value));
    put_layers(out, model, offsetof(LayerWeights, w_output));
    put_norms(out, model, true);
    put_layers(out, model, offsetof(LayerWeights, w_gate));
    put_layers(out, model, offsetof(LayerWeights, w_down));
    put_layers(out, model, offsetof(LayerWeights, w_up));
    put_floats(out, model->output_norm, model->config.dim);
    put_rotations(out, model);
    if (!model->tied) put_matrix(out, &model->output);
}

static void put_version_1_or_2(Llama2cWriter *out, const Model *model, int version) {
    static const uint8_t zeros[256];
    uint8_t tied = model->tied;
    put_i32(out, 0x616b3432);
    put_i32(out, version);
    put_sizes(out, &model->config, model->config.vocab_size);
    put(out, &tied, 1);
    if (version == 2) put_i32(out, out->group);
    put(out, zeros, 256 - (size_t)ftell(out->file));
    put_norms(out, model, false);
    put_norms(out, model, true);
    put_floats(out, model->output_norm, model->config.dim);
    put_matrix(out, &model->token_embedding);
    put_layers(out, model, offsetof(LayerWeights, w_query));
    put_layers(out, model, offsetof(LayerWeights, w_key));
    put_layers(out, model, offsetof(LayerWeights, w_value));
    put_layers(out, model, offsetof(LayerWeights, w_output));
    put_layers(out, model, offsetof(LayerWeights, w_gate));
    put_layers(out, model, offsetof(LayerWeights, w_down));
    put_layers(out, model, offsetof(LayerWeights, w_up));
    if (!model->tied) put_matrix(out, &model->output);
}

bool write_llama2c(const Model *model, const char *path, int version, int group, Error *error) {
    const Config *config = &model->config;
    assert(config->head_dim * config->n_heads == config->dim && config->rope_dim == config->head_dim);
    assert(config->rope_theta == 10000.0f && config->rms_epsilon == 1e-5f);
    Llama2cWriter out = {fopen(path, "wb"), version == 2 ? group : 0};
    if (!out.file) return error_set(error, "%s: cannot create", path);
    if (version == 0)
        put_version_0(&out, model);
    else
        put_version_1_or_2(&out, model, version);
    bool written = !ferror(out.file);
    written = fclose(out.file) == 0 && written;
    return written || error_set(error, "%s: cannot write", path);
}

/* ---- GGUF ---- */

static void put_config(GgufWriter *writer, const Model *model) {
    const Config *config = &model->config;
    gguf_write_string(writer, "general.architecture", (Bytes){(const uint8_t *)"llama", 5});
    gguf_write_string(writer, "general.name", (Bytes){(const uint8_t *)model->name, strlen(model->name)});
    gguf_write_int(writer, "llama.context_length", (uint32_t)config->context_length);
    gguf_write_int(writer, "llama.embedding_length", (uint32_t)config->dim);
    gguf_write_int(writer, "llama.block_count", (uint32_t)config->n_layers);
    gguf_write_int(writer, "llama.feed_forward_length", (uint32_t)config->hidden_dim);
    gguf_write_int(writer, "llama.attention.head_count", (uint32_t)config->n_heads);
    gguf_write_int(writer, "llama.attention.head_count_kv", (uint32_t)config->n_kv_heads);
    gguf_write_int(writer, "llama.attention.key_length", (uint32_t)config->head_dim);
    gguf_write_int(writer, "llama.attention.value_length", (uint32_t)config->head_dim);
    gguf_write_int(writer, "llama.rope.dimension_count", (uint32_t)config->rope_dim);
    gguf_write_float(writer, "llama.rope.freq_base", config->rope_theta);
    gguf_write_float(writer, "llama.attention.layer_norm_rms_epsilon", config->rms_epsilon);
    gguf_write_int(writer, "llama.vocab_size", (uint32_t)config->vocab_size);
}

static void put_vocabulary(GgufWriter *writer, const Vocabulary *vocabulary) {
    size_t size = (size_t)vocabulary->size;
    gguf_write_string(writer, "tokenizer.ggml.model", (Bytes){(const uint8_t *)"llama", 5});
    gguf_write_strings(writer, "tokenizer.ggml.tokens", vocabulary->pieces, size);
    gguf_write_floats(writer, "tokenizer.ggml.scores", vocabulary->scores, size);
    gguf_write_ints(writer, "tokenizer.ggml.token_type", vocabulary->types, size);
    gguf_write_int(writer, "tokenizer.ggml.bos_token_id", (uint32_t)vocabulary->bos);
    gguf_write_int(writer, "tokenizer.ggml.eos_token_id", (uint32_t)vocabulary->eos);
    gguf_write_int(writer, "tokenizer.ggml.unknown_token_id", (uint32_t)vocabulary->unknown);
    gguf_write_bool(writer, "tokenizer.ggml.add_bos_token", true);
    gguf_write_bool(writer, "tokenizer.ggml.add_space_prefix", true);
}

static bool write_as(const Model *model, const Vocabulary *vocabulary, const char *path, Dtype dtype, bool packed,
                     Error *error) {
    GgufWriter *writer;
    assert(dtype != DTYPE_Q8_GROUP);
    if (!gguf_writer_open(&writer, path, error)) return false;
    put_config(writer, model);
    if (vocabulary) put_vocabulary(writer, vocabulary);
    if (packed) gguf_write_aligned(writer);
    for (int i = 0; i < model->n_tensors; i++) {
        const NamedTensor *named = &model->tensors[i];
        bool whole_blocks = named->tensor.cols % dtype_info[dtype].block == 0;
        if (part_holds_vector(model, named))
            gguf_write_tensor(writer, named->name, &named->tensor, 1, DTYPE_F32);
        else if (packed)
            gguf_write_packed(writer, named->name, &named->tensor, whole_blocks ? dtype : DTYPE_F16);
        else
            gguf_write_tensor(writer, named->name, &named->tensor, 2, whole_blocks ? dtype : DTYPE_F16);
    }
    return gguf_writer_close(writer, NULL, error);
}

bool write_gguf(const Model *model, const Vocabulary *vocabulary, const char *path, Dtype dtype, Error *error) {
    return write_as(model, vocabulary, path, dtype, false, error);
}

bool write_gguf_packed(const Model *model, const Vocabulary *vocabulary, const char *path, Dtype dtype, Error *error) {
    return write_as(model, vocabulary, path, dtype, true, error);
}

#include "tools/files/metadata.h"

#include <assert.h>
#include <string.h>

/* Without the NUL. */
static Bytes bytes_of(const char *text) { return (Bytes){(const uint8_t *)text, strlen(text)}; }

void metadata_write_config(GgufWriter *writer, const Config *c, const char *name) {
    gguf_write_string(writer, "general.architecture", bytes_of("llama"));
    if (name[0]) gguf_write_string(writer, "general.name", bytes_of(name));
    gguf_write_int(writer, "llama.context_length", (uint32_t)c->context_length);
    gguf_write_int(writer, "llama.embedding_length", (uint32_t)c->dim);
    gguf_write_int(writer, "llama.block_count", (uint32_t)c->n_layers);
    gguf_write_int(writer, "llama.feed_forward_length", (uint32_t)c->hidden_dim);
    gguf_write_int(writer, "llama.attention.head_count", (uint32_t)c->n_heads);
    gguf_write_int(writer, "llama.attention.head_count_kv", (uint32_t)c->n_kv_heads);
    gguf_write_int(writer, "llama.attention.key_length", (uint32_t)c->head_dim);
    gguf_write_int(writer, "llama.attention.value_length", (uint32_t)c->head_dim);
    gguf_write_float(writer, "llama.attention.layer_norm_rms_epsilon", c->rms_epsilon);
    gguf_write_int(writer, "llama.rope.dimension_count", (uint32_t)c->rope_dim);
    gguf_write_float(writer, "llama.rope.freq_base", c->rope_theta);
    gguf_write_int(writer, "llama.vocab_size", (uint32_t)c->vocab_size);
}

void metadata_write_file_type(GgufWriter *writer, Dtype dtype) {
    assert(dtype_info[dtype].gguf_file_type >= 0);
    gguf_write_int(writer, "general.file_type", (uint32_t)dtype_info[dtype].gguf_file_type);
}

void metadata_write_vocabulary(GgufWriter *writer, const MetadataVocabulary *v) {
    gguf_write_string(writer, "tokenizer.ggml.model", bytes_of("llama"));
    gguf_write_strings(writer, "tokenizer.ggml.tokens", v->texts, v->size);
    gguf_write_floats(writer, "tokenizer.ggml.scores", v->scores, v->size);
    gguf_write_ints(writer, "tokenizer.ggml.token_type", v->types, v->size);
    gguf_write_int(writer, "tokenizer.ggml.bos_token_id", (uint32_t)v->bos);
    gguf_write_int(writer, "tokenizer.ggml.eos_token_id", (uint32_t)v->eos);
    gguf_write_int(writer, "tokenizer.ggml.unknown_token_id", 0);
    gguf_write_bool(writer, "tokenizer.ggml.add_bos_token", v->adds_bos);
    gguf_write_bool(writer, "tokenizer.ggml.add_space_prefix", v->adds_space_prefix);
}

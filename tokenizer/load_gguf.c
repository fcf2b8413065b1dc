#include <math.h>
#include <string.h>

#include "tensor/gguf.h"
#include "tensor/memory.h"
#include "tokenizer/load.h"

#define KEY(name) "tokenizer.ggml." name

typedef struct {
    const GgufValue *tokens, *scores, *types; /* types: NULL if absent */
    int bos, eos, unknown, end_of_turn, end_of_message;
} Keys;

static bool check_model(const Gguf *gguf, Error *error) {
    Bytes model;
    if (!gguf_get_string(gguf, KEY("model"), true, &model, error)) return false;
    if (bytes_equal(model, "llama")) return true;
    return error_set(error, "%s: byte %zu: expected \"llama\", got \"%.*s\"", KEY("model"),
                     gguf_find(gguf, KEY("model"))->offset, (int)(model.size < 64 ? model.size : 64),
                     (const char *)model.data);
}

static bool get_items(const Gguf *gguf, const char *key, bool required, GgufType type, uint64_t n_tokens,
                      const GgufValue **out, Error *error) {
    if (!gguf_get_array(gguf, key, required, type, out, error)) return false;
    if (!*out || (*out)->count == n_tokens) return true;
    return error_set(error, "%s: byte %zu: expected %zu items, as many as there are tokens, got %zu", key,
                     (*out)->offset, (size_t)n_tokens, (size_t)(*out)->count);
}

static bool find_keys(const Gguf *gguf, Keys *keys, Error *error) {
    if (!check_model(gguf, error) || !gguf_get_array(gguf, KEY("tokens"), true, GGUF_STRING, &keys->tokens, error))
        return false;
    uint64_t n_tokens = keys->tokens->count;
    if (n_tokens < 256 || n_tokens > VOCABULARY_MAX_TOKENS)
        return error_set(error, "%s: byte %zu: expected 256 to %d tokens, got %zu", KEY("tokens"), keys->tokens->offset,
                         VOCABULARY_MAX_TOKENS, (size_t)n_tokens);
    int last = (int)n_tokens - 1;
    keys->bos = keys->eos = keys->unknown = keys->end_of_turn = keys->end_of_message = -1;
    return get_items(gguf, KEY("scores"), true, GGUF_F32, n_tokens, &keys->scores, error) &&
           get_items(gguf, KEY("token_type"), false, GGUF_I32, n_tokens, &keys->types, error) &&
           gguf_get_int(gguf, KEY("bos_token_id"), false, 0, last, &keys->bos, error) &&
           gguf_get_int(gguf, KEY("eos_token_id"), false, 0, last, &keys->eos, error) &&
           gguf_get_int(gguf, KEY("unknown_token_id"), false, 0, last, &keys->unknown, error) &&
           gguf_get_int(gguf, KEY("eot_token_id"), false, 0, last, &keys->end_of_turn, error) &&
           gguf_get_int(gguf, KEY("eom_token_id"), false, 0, last, &keys->end_of_message, error);
}

/* The type that the file states, or the one that a tokenizer.bin implies. Ordinary text must not encode to bos, eos, an
 * end-of-turn token or the unknown token, so these keep their own types even if the file calls them normal pieces. */
static bool get_type(const Keys *keys, int token, Bytes text, TokenType *out, Error *error) {
    int32_t type = vocabulary_spelled_byte(text) >= 0 ? TOKEN_BYTE : TOKEN_NORMAL;
    size_t at = (size_t)token * sizeof type;
    if (keys->types) {
        memcpy(&type, keys->types->payload.data + at, sizeof type);
        if (type < TOKEN_NORMAL || type > TOKEN_BYTE)
            return error_set(error, "%s: byte %zu: token %d: expected a type from %d to %d, got %d", KEY("token_type"),
                             keys->types->offset + at, token, TOKEN_NORMAL, TOKEN_BYTE, type);
    }
    if (type == TOKEN_NORMAL || type == TOKEN_USER_DEFINED) {
        if (token == keys->unknown) type = TOKEN_UNKNOWN;
        if (token == keys->bos || token == keys->eos || token == keys->end_of_turn || token == keys->end_of_message)
            type = TOKEN_CONTROL;
    }
    *out = (TokenType)type;
    return true;
}

static bool get_score(const Keys *keys, int token, float *score, Error *error) {
    size_t at = (size_t)token * sizeof *score;
    memcpy(score, keys->scores->payload.data + at, sizeof *score);
    if (isfinite(*score)) return true;
    return error_set(error, "%s: byte %zu: token %d: expected a number, got %g", KEY("scores"),
                     keys->scores->offset + at, token, *score);
}

/* Replaces each U+2581 by the space that it stands for. Returns a view of buffer. */
static Bytes with_plain_spaces(Bytes text, uint8_t *buffer) {
    size_t n = 0;
    for (size_t i = 0; i < text.size; n++) {
        bool mark = text.size - i >= 3 && memcmp(text.data + i, "\xe2\x96\x81", 3) == 0;
        buffer[n] = mark ? ' ' : text.data[i];
        i += mark ? 3 : 1;
    }
    return (Bytes){buffer, n};
}

static bool add_token(Vocabulary *vocabulary, const Keys *keys, Bytes text, size_t offset, Error *error) {
    int token = vocabulary->n_tokens;
    TokenType type = TOKEN_NORMAL;
    float score = 0;
    uint8_t buffer[VOCABULARY_MAX_PIECE];
    if (text.size > VOCABULARY_MAX_PIECE)
        return error_set(error, "%s: byte %zu: token %d: expected at most %d bytes, got %zu", KEY("tokens"), offset,
                         token, VOCABULARY_MAX_PIECE, text.size);
    if (!get_score(keys, token, &score, error) || !get_type(keys, token, text, &type, error)) return false;
    if (type == TOKEN_BYTE && vocabulary_spelled_byte(text) < 0)
        return error_set(error, "%s: byte %zu: token %d: expected a byte such as \"<0x0A>\", got \"%.*s\"",
                         KEY("tokens"), offset, token, (int)(text.size < 64 ? text.size : 64), (const char *)text.data);
    bool is_name = type == TOKEN_CONTROL || type == TOKEN_UNKNOWN;
    vocabulary_add(vocabulary, is_name ? text : with_plain_spaces(text, buffer), score, type);
    return true;
}

static bool add_tokens(Vocabulary *vocabulary, const Keys *keys, Error *error) {
    size_t n_text = keys->tokens->payload.size - keys->tokens->count * sizeof(uint64_t);
    if (!vocabulary_alloc(vocabulary, keys->tokens->count, n_text, error)) return false;
    Cursor cursor = {keys->tokens->payload, 0};
    for (uint64_t i = 0; i < keys->tokens->count; i++) {
        Bytes text = gguf_next_string(&cursor);
        if (!add_token(vocabulary, keys, text, keys->tokens->offset + cursor.at - text.size, error)) return false;
    }
    return vocabulary_index(vocabulary, error) ||
           error_prefix(error, "%s: byte %zu: ", KEY("tokens"), keys->tokens->offset);
}

static bool read_gguf(Tokenizer *tokenizer, const Gguf *gguf, Error *error) {
    Keys keys = {0};
    if (!find_keys(gguf, &keys, error)) return false;
    tokenizer->bos = keys.bos;
    tokenizer->eos = tokenizer->ends[0] = keys.eos;
    tokenizer->ends[1] = keys.end_of_turn;
    tokenizer->ends[2] = keys.end_of_message;
    tokenizer->adds_bos = tokenizer->adds_space_prefix = true; /* SentencePiece's default, if the file does not say */
    return gguf_get_bool(gguf, KEY("add_bos_token"), false, &tokenizer->adds_bos, error) &&
           gguf_get_bool(gguf, KEY("add_space_prefix"), false, &tokenizer->adds_space_prefix, error) &&
           add_tokens(&tokenizer->vocabulary, &keys, error);
}

bool tokenizer_load_gguf(Tokenizer *tokenizer, Bytes bytes, Error *error) {
    Gguf gguf;
    tokenizer->kind = "GGUF llama";
    if (!gguf_parse(&gguf, bytes, error)) return false;
    bool read = read_gguf(tokenizer, &gguf, error);
    gguf_release(&gguf);
    return read;
}

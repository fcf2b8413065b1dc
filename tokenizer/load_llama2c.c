#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tokenizer/load.h"

#define FIRST_BYTE  3
#define FIRST_PIECE (FIRST_BYTE + 256)

typedef struct {
    float score;
    Bytes text;
} Entry;

static TokenType type_of(size_t token) {
    if (token == 0) return TOKEN_UNKNOWN;
    if (token < FIRST_BYTE) return TOKEN_CONTROL;
    return token < FIRST_PIECE ? TOKEN_BYTE : TOKEN_NORMAL;
}

static bool read_entry(Cursor *cursor, Entry *entry, uint32_t longest, Error *error) {
    size_t at = cursor->at;
    uint32_t size;
    if (!cursor_f32(cursor, &entry->score, "score", error)) return false;
    if (!isfinite(entry->score))
        return error_set(error, "byte %zu: score: expected a number, got %g", at, entry->score);
    at = cursor->at;
    if (!cursor_u32(cursor, &size, "length", error)) return false;
    if (size > longest)
        return error_set(error, "byte %zu: length: expected at most %" PRIu32 ", the longest piece, got %" PRIu32, at,
                         longest, size);
    return cursor_bytes(cursor, size, &entry->text, "piece", error);
}

static bool check_byte(const Entry *entry, size_t token, size_t end, Error *error) {
    unsigned byte = (unsigned)(token - FIRST_BYTE);
    if (vocabulary_spelled_byte(entry->text) == (int)byte) return true;
    return error_set(error, "byte %zu: expected \"<0x%02X>\", got \"%.*s\"", end - entry->text.size, byte,
                     (int)(entry->text.size < 64 ? entry->text.size : 64), (const char *)entry->text.data);
}

/* Reads all entries once, to check them and to find the memory that the second reading needs. */
static bool measure(Cursor cursor, uint32_t longest, size_t *n_tokens, size_t *n_text, Error *error) {
    for (*n_tokens = *n_text = 0; cursor_left(&cursor) > 0; ++*n_tokens) {
        Entry entry;
        if (*n_tokens == VOCABULARY_MAX_TOKENS)
            return error_set(error, "byte %zu: expected at most %d tokens, got more", cursor.at, VOCABULARY_MAX_TOKENS);
        if (!read_entry(&cursor, &entry, longest, error) ||
            (type_of(*n_tokens) == TOKEN_BYTE && !check_byte(&entry, *n_tokens, cursor.at, error)))
            return error_prefix(error, "token %zu: ", *n_tokens);
        *n_text += entry.text.size;
    }
    if (*n_tokens >= FIRST_PIECE) return true;
    return error_set(error, "byte %zu: expected at least %d tokens, got %zu", cursor.at, FIRST_PIECE, *n_tokens);
}

/* llama2.c writes the names of bos and eos between newlines, for its own printing. */
static Bytes bare_name(Bytes text) {
    if (text.size < 2 || text.data[0] != '\n' || text.data[text.size - 1] != '\n') return text;
    return (Bytes){text.data + 1, text.size - 2};
}

bool tokenizer_load_llama2c(Tokenizer *tokenizer, Bytes bytes, Error *error) {
    Cursor cursor = {bytes, 0};
    uint32_t longest;
    size_t n_tokens, n_text;
    tokenizer->kind = "llama2.c tokenizer.bin";
    if (!cursor_u32(&cursor, &longest, "longest piece", error)) return false;
    if (longest < 1 || longest > VOCABULARY_MAX_PIECE)
        return error_set(error, "byte 0: longest piece: expected 1 to %d, got %" PRIu32 " (a tokenizer.bin or GGUF?)",
                         VOCABULARY_MAX_PIECE, longest);
    if (!measure(cursor, longest, &n_tokens, &n_text, error) ||
        !vocabulary_alloc(&tokenizer->vocabulary, n_tokens, n_text, error))
        return false;
    for (size_t i = 0; i < n_tokens; i++) {
        Entry entry;
        if (!read_entry(&cursor, &entry, longest, error)) return false;
        TokenType type = type_of(i);
        vocabulary_add(&tokenizer->vocabulary, type == TOKEN_CONTROL ? bare_name(entry.text) : entry.text, entry.score,
                       type);
    }
    tokenizer->bos = 1;
    tokenizer->eos = 2;
    for (int i = 0; i < TOKENIZER_MAX_ENDS; i++) tokenizer->ends[i] = tokenizer->eos;
    tokenizer->adds_bos = tokenizer->adds_space_prefix = true;
    return vocabulary_index(&tokenizer->vocabulary, error);
}

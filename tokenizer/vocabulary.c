#include "tokenizer/vocabulary.h"

#include <assert.h>
#include <string.h>

#include "tensor/memory.h"

bool vocabulary_alloc(Vocabulary *vocabulary, size_t n_tokens, size_t n_text, Error *error) {
    assert(n_tokens <= VOCABULARY_MAX_TOKENS);
    vocabulary->tokens = memory_alloc(n_tokens, sizeof *vocabulary->tokens, "tokens", error);
    vocabulary->text = vocabulary->tokens ? memory_alloc(n_text, 1, "text of tokens", error) : NULL;
    return vocabulary->text != NULL;
}

void vocabulary_release(Vocabulary *vocabulary) {
    memory_free(vocabulary->tokens);
    memory_free(vocabulary->text);
    memory_free(vocabulary->slots);
    names_release(&vocabulary->user_defined);
    names_release(&vocabulary->hidden);
    *vocabulary = (Vocabulary){0};
}

void vocabulary_add(Vocabulary *vocabulary, Bytes text, float score, TokenType type) {
    assert(text.size <= VOCABULARY_MAX_PIECE);
    Token *token = &vocabulary->tokens[vocabulary->n_tokens++];
    *token = (Token){vocabulary->n_text, (uint16_t)text.size, (uint8_t)type, 0, score};
    if (type == TOKEN_BYTE) {
        assert(vocabulary_spelled_byte(text) >= 0);
        token->byte = (uint8_t)vocabulary_spelled_byte(text);
    }
    if (text.size > 0) memcpy(vocabulary->text + vocabulary->n_text, text.data, text.size);
    vocabulary->n_text += text.size;
    if (text.size > vocabulary->longest) vocabulary->longest = text.size;
}

Bytes vocabulary_text(const Vocabulary *vocabulary, int token) {
    const Token *entry = &vocabulary->tokens[token];
    return (Bytes){vocabulary->text + entry->at, entry->size};
}

bool vocabulary_hides(const Vocabulary *vocabulary, int token) {
    TokenType type = vocabulary->tokens[token].type;
    return type == TOKEN_CONTROL || type == TOKEN_UNKNOWN;
}

static int hex_digit(uint8_t digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

int vocabulary_spelled_byte(Bytes text) {
    if (text.size != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>') return -1;
    int high = hex_digit(text.data[3]), low = hex_digit(text.data[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* ---- The tables ---- */

/* Takes the upper half of the hash, whose bits are mixed better. */
static uint32_t hash_piece(Bytes piece) { return (uint32_t)(bytes_hash(BYTES_HASH, piece) >> 32); }

/* The slot that holds the piece, or the empty slot for it. */
static VocabularySlot *find_slot(const Vocabulary *vocabulary, Bytes piece, uint32_t hash) {
    for (size_t at = hash;; at++) {
        VocabularySlot *slot = &vocabulary->slots[at & vocabulary->mask];
        if (slot->token == 0) return slot;
        if (slot->hash != hash) continue;
        Bytes text = vocabulary_text(vocabulary, (int)slot->token - 1);
        if (text.size == piece.size && memcmp(text.data, piece.data, piece.size) == 0) return slot;
    }
}

int vocabulary_find(const Vocabulary *vocabulary, Bytes piece) {
    return (int)find_slot(vocabulary, piece, hash_piece(piece))->token - 1;
}

bool vocabulary_joins(const Vocabulary *vocabulary, uint8_t left, uint8_t right) {
    return vocabulary->follows[left][right / 32] >> (right % 32) & 1;
}

/* Tokens come in ascending order, so that of equal pieces the lowest id stays. */
static void add_piece(Vocabulary *vocabulary, Bytes piece, int token) {
    uint32_t hash = hash_piece(piece);
    VocabularySlot *slot = find_slot(vocabulary, piece, hash);
    if (slot->token != 0) return;
    *slot = (VocabularySlot){hash, (uint32_t)token + 1};
    for (size_t i = 1; i < piece.size; i++) {
        uint8_t left = piece.data[i - 1], right = piece.data[i];
        vocabulary->follows[left][right / 32] |= (uint32_t)1 << (right % 32);
    }
}

static bool alloc_tables(Vocabulary *vocabulary, Error *error) {
    size_t n_slots = 2;
    int n_user_defined = 0, n_hidden = 0;
    while (n_slots < 2 * (size_t)vocabulary->n_tokens) n_slots *= 2;
    vocabulary->slots = memory_alloc(n_slots, sizeof *vocabulary->slots, "index of tokens", error);
    vocabulary->mask = n_slots - 1;
    for (int i = 0; i < vocabulary->n_tokens; i++) {
        n_user_defined += vocabulary->tokens[i].type == TOKEN_USER_DEFINED;
        n_hidden += vocabulary_hides(vocabulary, i);
    }
    return vocabulary->slots && names_alloc(&vocabulary->user_defined, n_user_defined, error) &&
           names_alloc(&vocabulary->hidden, n_hidden, error);
}

static void index_token(Vocabulary *vocabulary, int token) {
    const Token *entry = &vocabulary->tokens[token];
    Bytes text = vocabulary_text(vocabulary, token);
    if (entry->type == TOKEN_BYTE && vocabulary->byte_tokens[entry->byte] < 0)
        vocabulary->byte_tokens[entry->byte] = token;
    if (text.size == 0) return;
    if (entry->type == TOKEN_NORMAL) add_piece(vocabulary, text, token);
    if (entry->type == TOKEN_USER_DEFINED) names_add(&vocabulary->user_defined, text, token);
    if (vocabulary_hides(vocabulary, token)) names_add(&vocabulary->hidden, text, token);
}

bool vocabulary_index(Vocabulary *vocabulary, Error *error) {
    if (!alloc_tables(vocabulary, error)) return false;
    for (int byte = 0; byte < 256; byte++) vocabulary->byte_tokens[byte] = -1;
    for (int i = 0; i < vocabulary->n_tokens; i++) index_token(vocabulary, i);
    names_sort(&vocabulary->user_defined);
    names_sort(&vocabulary->hidden);
    for (int byte = 0; byte < 256; byte++)
        if (vocabulary->byte_tokens[byte] < 0)
            return error_set(error, "expected a byte token for each of the 256 bytes, got none for <0x%02X>",
                             (unsigned)byte);
    return true;
}

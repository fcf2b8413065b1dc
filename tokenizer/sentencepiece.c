/* Encoding. The text is cut at positions that no merge can cross, into islands (mostly words), and each island is
 * merged separately. The result is that of merging the whole text, because the order of the merges within an island
 * depends only on the pairs of that island. So the work stays in the cache, and memory is proportional to the longest
 * island. */
#include <stdlib.h>
#include <string.h>

#include "tensor/memory.h"
#include "tensor/utf8.h"
#include "tokenizer/load.h"

#define MAX_TEXT ((size_t)1 << 30)

/* A symbol is stored at the offset of its first byte in the island; the next symbol is at + size, and the entries in
 * between are not used. */
typedef struct {
    uint32_t size;     /* bytes; 0: merged into the previous symbol */
    uint32_t previous; /* offset of the previous symbol; unused for the first one, at offset 0 */
    int token;         /* -1: not a piece */
} Symbol;

/* A pair whose joined bytes are a piece. It is stale if the symbol at `left` or the next one has changed. */
typedef struct {
    float score;
    uint32_t left; /* offset of its left symbol */
    uint32_t size; /* bytes of both */
    int token;
} Candidate;

typedef struct {
    const Tokenizer *tokenizer;
    size_t capacity; /* entries of symbols, half of the entries of heap; bytes of an island */
    Symbol *symbols;
    Candidate *heap; /* heap[i] goes before heap[2 i + 1] and heap[2 i + 2] */
    size_t n_heap;
    uint8_t *segment; /* text between control tokens, with the inserted space */
    int *tokens;
    size_t n_tokens;
} Encoder;

/* ---- The heap of candidates ---- */

static bool goes_before(Candidate a, Candidate b) { return a.score != b.score ? a.score > b.score : a.left < b.left; }

static void heap_push(Encoder *encoder, Candidate candidate) {
    size_t at = encoder->n_heap++;
    while (at > 0 && goes_before(candidate, encoder->heap[(at - 1) / 2])) {
        encoder->heap[at] = encoder->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    encoder->heap[at] = candidate;
}

static Candidate heap_pop(Encoder *encoder) {
    Candidate *heap = encoder->heap, best = heap[0], last = heap[--encoder->n_heap];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < encoder->n_heap) {
        if (child + 1 < encoder->n_heap && goes_before(heap[child + 1], heap[child])) child++;
        if (!goes_before(heap[child], last)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return best;
}

/* ---- Merging an island ---- */

static size_t character_size(Bytes text, size_t at) {
    int length = utf8_length(text.data + at, text.size - at);
    return length > 0 ? (size_t)length : 1; /* a byte outside any valid character is a symbol, too */
}

static void emit(Encoder *encoder, int token) { encoder->tokens[encoder->n_tokens++] = token; }

/* The symbol at `left` and the next one, if there is one. */
static void consider(Encoder *encoder, Bytes island, size_t left) {
    const Vocabulary *vocabulary = &encoder->tokenizer->vocabulary;
    size_t right = left + encoder->symbols[left].size;
    if (right == island.size) return;
    size_t size = encoder->symbols[left].size + encoder->symbols[right].size;
    if (size > vocabulary->longest) return;
    int token = vocabulary_find(vocabulary, (Bytes){island.data + left, size});
    if (token >= 0)
        heap_push(encoder, (Candidate){vocabulary->tokens[token].score, (uint32_t)left, (uint32_t)size, token});
}

static void merge(Encoder *encoder, Bytes island, Candidate candidate) {
    Symbol *left = &encoder->symbols[candidate.left];
    if (left->size == 0 || left->size >= candidate.size) return;
    Symbol *right = left + left->size;
    if (left->size + right->size != candidate.size) return;
    left->size = candidate.size;
    left->token = candidate.token;
    right->size = 0;
    size_t behind = candidate.left + candidate.size;
    if (behind < island.size) encoder->symbols[behind].previous = candidate.left;
    if (candidate.left > 0) consider(encoder, island, left->previous);
    consider(encoder, island, candidate.left);
}

static void emit_symbol(Encoder *encoder, Symbol symbol, const uint8_t *bytes) {
    if (symbol.token >= 0)
        emit(encoder, symbol.token);
    else
        for (size_t i = 0; i < symbol.size; i++) emit(encoder, encoder->tokenizer->vocabulary.byte_tokens[bytes[i]]);
}

/* n symbols are merged at most n - 1 times, and a merge takes one candidate and gives at most two: 2 n are enough. */
static bool reserve(Encoder *encoder, size_t size, Error *error) {
    if (size <= encoder->capacity) return true;
    if (size < 2 * encoder->capacity)
        size = 2 * encoder->capacity; /* so that the cost of growing stays proportional to the text */
    memory_free(encoder->symbols);
    memory_free(encoder->heap);
    encoder->capacity = 0;
    encoder->symbols = memory_alloc(size, sizeof *encoder->symbols, "symbols", error);
    encoder->heap = encoder->symbols ? memory_alloc(2 * size, sizeof *encoder->heap, "merges", error) : NULL;
    if (!encoder->heap) return false;
    encoder->capacity = size;
    return true;
}

static bool encode_island(Encoder *encoder, Bytes island, Error *error) {
    if (!reserve(encoder, island.size, error)) return false;
    size_t previous = 0, size;
    for (size_t at = 0; at < island.size; previous = at, at += size) {
        size = character_size(island, at);
        int token = vocabulary_find(&encoder->tokenizer->vocabulary, (Bytes){island.data + at, size});
        encoder->symbols[at] = (Symbol){(uint32_t)size, (uint32_t)previous, token};
    }
    encoder->n_heap = 0;
    for (size_t at = 0; at < island.size; at += encoder->symbols[at].size) consider(encoder, island, at);
    while (encoder->n_heap > 0) merge(encoder, island, heap_pop(encoder));
    for (size_t at = 0; at < island.size; at += encoder->symbols[at].size)
        emit_symbol(encoder, encoder->symbols[at], island.data + at);
    return true;
}

/* ---- Cutting the text ---- */

static Bytes part(Bytes text, size_t from, size_t to) { return (Bytes){text.data + from, to - from}; }

/* Encodes text without control tokens: user-defined pieces are matched first, the rest is cut into islands. */
static bool encode_segment(Encoder *encoder, Bytes segment, Error *error) {
    const Vocabulary *vocabulary = &encoder->tokenizer->vocabulary;
    size_t start = 0, at = 0, size = 0;
    while (at < segment.size) {
        int token = names_match(&vocabulary->user_defined, part(segment, at, segment.size), &size);
        bool cut = token >= 0 || (at > start && !vocabulary_joins(vocabulary, segment.data[at - 1], segment.data[at]));
        if (cut && !encode_island(encoder, part(segment, start, at), error)) return false;
        if (cut) start = at;
        if (token >= 0) {
            emit(encoder, token);
            start = at += size;
        } else {
            at += character_size(segment, at);
        }
    }
    return encode_island(encoder, part(segment, start, at), error);
}

static bool encode_prefixed(Encoder *encoder, Bytes segment, Error *error) {
    if (segment.size == 0) return true;
    if (!encoder->tokenizer->adds_space_prefix) return encode_segment(encoder, segment, error);
    encoder->segment[0] = ' ';
    memcpy(encoder->segment + 1, segment.data, segment.size);
    return encode_segment(encoder, (Bytes){encoder->segment, segment.size + 1}, error);
}

static bool encode_text(Encoder *encoder, Bytes text, bool special, Error *error) {
    const Vocabulary *vocabulary = &encoder->tokenizer->vocabulary;
    size_t start = 0, at = 0, size = 0;
    while (special && at < text.size) {
        int token = names_match(&vocabulary->hidden, part(text, at, text.size), &size);
        if (token < 0) {
            at++;
            continue;
        }
        if (!encode_prefixed(encoder, part(text, start, at), error)) return false;
        emit(encoder, token);
        start = at += size;
    }
    return start == text.size || encode_prefixed(encoder, part(text, start, text.size), error);
}

bool tokenizer_encode(const Tokenizer *tokenizer, Bytes text, bool special, int **tokens, size_t *n_tokens,
                      Error *error) {
    if (text.size > MAX_TEXT)
        return error_set(error, "text to encode: expected at most %zu bytes, got %zu", MAX_TEXT, text.size);
    /* At most one token per byte, and one per inserted space; a segment has at least one byte. */
    size_t n_spaces = special ? text.size : 1;
    Encoder encoder = {.tokenizer = tokenizer};
    encoder.tokens = memory_alloc(text.size + n_spaces, sizeof *encoder.tokens, "tokens of the text", error);
    encoder.segment = encoder.tokens ? memory_alloc(text.size + 1, 1, "copy of the text", error) : NULL;
    bool encoded = encoder.segment && encode_text(&encoder, text, special, error);
    memory_free(encoder.segment);
    memory_free(encoder.symbols);
    memory_free(encoder.heap);
    if (!encoded) {
        memory_free(encoder.tokens);
        return false;
    }
    *tokens = encoder.tokens;
    *n_tokens = encoder.n_tokens;
    return true;
}

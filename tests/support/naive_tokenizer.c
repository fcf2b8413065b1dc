#include "tests/support/naive_tokenizer.h"

#include <assert.h>
#include <string.h>

typedef struct {
    Bytes text;
    int token; /* final: a user-defined piece, merges with nothing; -1: still to be found */
} NaiveSymbol;

size_t naive_character(Bytes text) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = text.data[0];
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    if (size == 1 || size > text.size || first >= 0xf8) return 1;
    uint32_t point = first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text.data[i] & 0xc0) != 0x80) return 1;
        point = point << 6 | (text.data[i] & 0x3f);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < smallest[size] || point > 0x10ffff || surrogate ? 1 : size;
}

static Bytes skip(Bytes text, size_t n) { return (Bytes){text.data + n, text.size - n}; }

/* The longest token of the type that the text begins with (exactly: that it is), lowest id first; -1: none. */
static int find(const MadeUpVocabulary *vocabulary, Bytes text, TokenType type, TokenType or_type, bool exactly) {
    int best = -1;
    for (int i = 0; i < vocabulary->n_tokens; i++) {
        const MadeUpToken *token = &vocabulary->tokens[i];
        if ((token->type != type && token->type != or_type) || token->size > text.size || token->size == 0) continue;
        if ((exactly && token->size != text.size) || memcmp(token->text, text.data, token->size) != 0) continue;
        if (best < 0 || token->size > vocabulary->tokens[best].size) best = i;
    }
    return best;
}

static int joined(const MadeUpVocabulary *vocabulary, const NaiveSymbol *pair) {
    if (pair[0].token >= 0 || pair[1].token >= 0) return -1;
    Bytes both = {pair[0].text.data, pair[0].text.size + pair[1].text.size};
    return find(vocabulary, both, TOKEN_NORMAL, TOKEN_NORMAL, true);
}

static size_t merge_all(const MadeUpVocabulary *vocabulary, NaiveSymbol *symbols, size_t n) {
    for (;;) {
        size_t best = n;
        float best_score = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            int token = joined(vocabulary, &symbols[i]);
            if (token < 0 || (best < n && vocabulary->tokens[token].score <= best_score)) continue;
            best = i;
            best_score = vocabulary->tokens[token].score;
        }
        if (best == n) return n;
        symbols[best].text.size += symbols[best + 1].text.size;
        memmove(&symbols[best + 1], &symbols[best + 2], (n - best - 2) * sizeof *symbols);
        n--;
    }
}

static size_t encode_segment(const MadeUpVocabulary *vocabulary, Bytes segment, int *tokens) {
    uint8_t text[NAIVE_MAX_TEXT + 1];
    NaiveSymbol symbols[NAIVE_MAX_TEXT + 1];
    size_t n = 0, n_tokens = 0;
    if (segment.size == 0) return 0;
    assert(segment.size <= NAIVE_MAX_TEXT);
    text[0] = ' ';
    memcpy(text + vocabulary->adds_space_prefix, segment.data, segment.size);
    Bytes rest = {text, segment.size + vocabulary->adds_space_prefix};
    while (rest.size > 0) {
        int token = find(vocabulary, rest, TOKEN_USER_DEFINED, TOKEN_USER_DEFINED, false);
        size_t size = token >= 0 ? vocabulary->tokens[token].size : naive_character(rest);
        symbols[n++] = (NaiveSymbol){{rest.data, size}, token};
        rest = skip(rest, size);
    }
    n = merge_all(vocabulary, symbols, n);
    for (size_t i = 0; i < n; i++) {
        int token = symbols[i].token;
        if (token < 0) token = find(vocabulary, symbols[i].text, TOKEN_NORMAL, TOKEN_NORMAL, true);
        if (token >= 0)
            tokens[n_tokens++] = token;
        else
            for (size_t j = 0; j < symbols[i].text.size; j++) tokens[n_tokens++] = 3 + symbols[i].text.data[j];
    }
    return n_tokens;
}

size_t naive_encode(const MadeUpVocabulary *vocabulary, Bytes text, bool special, int *tokens) {
    size_t n_tokens = 0, at = 0;
    while (at < text.size) {
        int token = special ? find(vocabulary, skip(text, at), TOKEN_CONTROL, TOKEN_UNKNOWN, false) : -1;
        if (token < 0) {
            at++;
            continue;
        }
        n_tokens += encode_segment(vocabulary, (Bytes){text.data, at}, tokens + n_tokens);
        tokens[n_tokens++] = token;
        text = skip(text, at + vocabulary->tokens[token].size);
        at = 0;
    }
    return n_tokens + encode_segment(vocabulary, text, tokens + n_tokens);
}

size_t naive_decode(const Tokenizer *tokenizer, const int *tokens, size_t n_tokens, bool special, uint8_t *out) {
    bool prefixed = tokenizer_adds_space_prefix(tokenizer), strip = prefixed;
    size_t n_out = 0;
    for (size_t i = 0; i < n_tokens; i++) {
        TokenType type = tokenizer_type(tokenizer, tokens[i]);
        Bytes piece = tokenizer_piece(tokenizer, tokens[i], special);
        bool mark = type == TOKEN_CONTROL || type == TOKEN_UNKNOWN;
        bool drop = strip && !mark && piece.size > 0 && piece.data[0] == ' ';
        if (mark)
            strip = prefixed;
        else if (piece.size > 0)
            strip = false;
        if (piece.size > 0) memcpy(out + n_out, piece.data + drop, piece.size - drop);
        n_out += piece.size - drop;
    }
    return n_out;
}

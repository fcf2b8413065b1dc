#include "tokenizer/tokenizer.h"

#include <assert.h>

#include "tensor/gguf.h"
#include "tensor/memory.h"
#include "tokenizer/load.h"

bool tokenizer_parse(Tokenizer **tokenizer, Bytes bytes, Error *error) {
    Tokenizer *parsed = memory_alloc(1, sizeof *parsed, "tokenizer", error);
    if (!parsed) return false;
    bool loaded =
        gguf_is(bytes) ? tokenizer_load_gguf(parsed, bytes, error) : tokenizer_load_llama2c(parsed, bytes, error);
    if (!loaded) {
        tokenizer_close(parsed);
        return false;
    }
    *tokenizer = parsed;
    return true;
}

bool tokenizer_open(Tokenizer **tokenizer, const char *path, Error *error) {
    Bytes bytes;
    if (!bytes_map(&bytes, path, error)) return false;
    bool parsed = tokenizer_parse(tokenizer, bytes, error) || error_prefix(error, "%s: ", path);
    bytes_unmap(&bytes);
    return parsed;
}

void tokenizer_close(Tokenizer *tokenizer) {
    if (tokenizer) vocabulary_release(&tokenizer->vocabulary);
    memory_free(tokenizer);
}

int tokenizer_size(const Tokenizer *tokenizer) { return tokenizer->vocabulary.n_tokens; }

int tokenizer_bos(const Tokenizer *tokenizer) { return tokenizer->bos; }

int tokenizer_eos(const Tokenizer *tokenizer) { return tokenizer->eos; }

bool tokenizer_adds_bos(const Tokenizer *tokenizer) { return tokenizer->adds_bos && tokenizer->bos >= 0; }

bool tokenizer_adds_space_prefix(const Tokenizer *tokenizer) { return tokenizer->adds_space_prefix; }

const char *tokenizer_kind(const Tokenizer *tokenizer) { return tokenizer->kind; }

static const Token *get_token(const Tokenizer *tokenizer, int token) {
    assert(token >= 0 && token < tokenizer->vocabulary.n_tokens);
    return &tokenizer->vocabulary.tokens[token];
}

TokenType tokenizer_type(const Tokenizer *tokenizer, int token) { return (TokenType)get_token(tokenizer, token)->type; }

float tokenizer_score(const Tokenizer *tokenizer, int token) { return get_token(tokenizer, token)->score; }

bool tokenizer_ends_text(const Tokenizer *tokenizer, int token) {
    assert(token >= 0 && token < tokenizer->vocabulary.n_tokens);
    for (int i = 0; i < TOKENIZER_MAX_ENDS; i++)
        if (token == tokenizer->ends[i]) return true;
    return token == tokenizer->bos;
}

Bytes tokenizer_piece(const Tokenizer *tokenizer, int token, bool special) {
    const Token *entry = get_token(tokenizer, token);
    if (entry->type == TOKEN_BYTE) return (Bytes){&entry->byte, 1};
    Bytes text = vocabulary_text(&tokenizer->vocabulary, token);
    if (!special && vocabulary_hides(&tokenizer->vocabulary, token)) text.size = 0;
    return text;
}

Bytes tokenizer_spelling(const Tokenizer *tokenizer, int token) {
    assert(token >= 0 && token < tokenizer->vocabulary.n_tokens);
    return vocabulary_text(&tokenizer->vocabulary, token);
}

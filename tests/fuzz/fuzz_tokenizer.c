/* Any bytes as a tokenizer file; where they are one, its own bytes must survive encoding and decoding. */
#include <stdlib.h>
#include <string.h>

#include "tensor/memory.h"
#include "tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) abort(); /* also where assert is compiled out */
}

static void check_round_trip(const Tokenizer *tokenizer, Bytes text, bool special) {
    int *tokens;
    size_t n_tokens, n_out = 0;
    Error error;
    require(tokenizer_encode(tokenizer, text, special, &tokens, &n_tokens, &error));
    uint8_t *out = malloc(2 * text.size + token_stream_bound(tokenizer));
    require(out != NULL);
    TokenStream stream = token_stream_start(tokenizer, special, true);
    for (size_t i = 0; i < n_tokens; i++) {
        require(tokens[i] >= 0 && tokens[i] < tokenizer_size(tokenizer));
        n_out += token_stream_push(&stream, tokens[i], out + n_out);
    }
    n_out += token_stream_finish(&stream, out + n_out);
    require(n_out == text.size && memcmp(out, text.data, n_out) == 0);
    free(out);
    memory_free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Tokenizer *tokenizer;
    Error error = {.message = ""};
    Bytes bytes = {data, size};
    if (!tokenizer_parse(&tokenizer, bytes, &error)) {
        require(error.message[0] != '\0');
        return 0;
    }
    size_t n_text = size < 1024 ? size : 1024; /* the file's end: pieces, mostly */
    Bytes text = {data + size - n_text, n_text};
    check_round_trip(tokenizer, text, false);
    check_round_trip(tokenizer, text, true);
    tokenizer_close(tokenizer);
    return 0;
}

#include <string.h>

#include "tensor/utf8.h"
#include "tokenizer/load.h"

TokenStream token_stream_start(const Tokenizer *tokenizer, bool special, bool at_start) {
    return (TokenStream){
        .tokenizer = tokenizer, .special = special, .strip_space = at_start && tokenizer->adds_space_prefix};
}

/* Omits the space that encode inserted before the first text and before text that follows a control token. */
Bytes token_stream_bytes(const TokenStream *stream, int token) {
    Bytes text = tokenizer_piece(stream->tokenizer, token, stream->special);
    bool hidden = vocabulary_hides(&stream->tokenizer->vocabulary, token);
    bool strips = stream->strip_space && !hidden && text.size > 0 && text.data[0] == ' ';
    return strips ? (Bytes){text.data + 1, text.size - 1} : text;
}

Bytes token_stream_next(TokenStream *stream, int token) {
    Bytes text = token_stream_bytes(stream, token);
    if (vocabulary_hides(&stream->tokenizer->vocabulary, token))
        stream->strip_space = stream->tokenizer->adds_space_prefix;
    else if (tokenizer_piece(stream->tokenizer, token, stream->special).size > 0)
        stream->strip_space = false;
    return text;
}

size_t token_stream_push(TokenStream *stream, int token, uint8_t *out) {
    Bytes text = token_stream_next(stream, token);
    size_t n_out = 0;
    for (size_t i = 0; i < text.size; i++) {
        stream->held[stream->n_held++] = text.data[i];
        int length;
        /* Gives out a whole character. If the bytes cannot become a character any more, gives out the first byte, and
         * examines the rest again. */
        while (stream->n_held > 0 && (length = utf8_length(stream->held, (size_t)stream->n_held)) != 0) {
            int n_done = length > 0 ? length : 1;
            memcpy(out + n_out, stream->held, (size_t)n_done);
            n_out += (size_t)n_done;
            stream->n_held -= n_done;
            memmove(stream->held, stream->held + n_done, (size_t)stream->n_held);
        }
    }
    return n_out;
}

size_t token_stream_finish(TokenStream *stream, uint8_t *out) {
    size_t n_held = (size_t)stream->n_held;
    memcpy(out, stream->held, n_held);
    stream->n_held = 0;
    return n_held;
}

/* At most three bytes are held back when a token is added. */
size_t token_stream_bound(const Tokenizer *tokenizer) { return tokenizer->vocabulary.longest + 3; }

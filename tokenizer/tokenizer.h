/* Tokenizer: text to token ids and back, exactly, for every string of bytes.
 *
 * SentencePiece-style byte-pair encoding by score (Kudo & Richardson 2018, 1808.06226): the text is cut into
 * characters; then the adjacent pair whose joined piece has the best score (of equal ones the leftmost) is merged,
 * until no pair is a piece; a symbol that still is not a piece becomes byte tokens. Pieces are kept with plain spaces
 * (U+2581 in a GGUF vocabulary becomes a space), so a U+2581 in the text is not changed. */
#ifndef TOKENIZER_TOKENIZER_H
#define TOKENIZER_TOKENIZER_H

#include "tensor/bytes.h"
#include "tensor/error.h"

typedef struct Tokenizer Tokenizer;

typedef enum {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN = 2,
    TOKEN_CONTROL = 3,
    TOKEN_USER_DEFINED = 4,
    TOKEN_UNUSED = 5,
    TOKEN_BYTE = 6
} TokenType; /* numbered as tokenizer.ggml.token_type */

/* Opens a tokenizer.bin of llama2.c or the vocabulary inside a GGUF file, recognised by content. The result is
 * immutable and owns its data: the file is closed again. Free with tokenizer_close. Errors begin with the path. */
bool tokenizer_open(Tokenizer **tokenizer, const char *path, Error *error);
/* The same from memory; errors name byte offsets. */
bool tokenizer_parse(Tokenizer **tokenizer, Bytes bytes, Error *error);
void tokenizer_close(Tokenizer *tokenizer);

int tokenizer_size(const Tokenizer *tokenizer);               /* number of ids */
int tokenizer_bos(const Tokenizer *tokenizer);                /* begin of text, -1 if none */
int tokenizer_eos(const Tokenizer *tokenizer);                /* end of text, -1 if none */
bool tokenizer_adds_bos(const Tokenizer *tokenizer);          /* true if a prompt begins with bos */
bool tokenizer_adds_space_prefix(const Tokenizer *tokenizer); /* true if encode puts a space before the text */
const char *tokenizer_kind(const Tokenizer *tokenizer);       /* "llama2.c tokenizer.bin", "GGUF llama", for inspect */
TokenType tokenizer_type(const Tokenizer *tokenizer, int token);
float tokenizer_score(const Tokenizer *tokenizer, int token);

/* True for tokens that end a text: eos, bos (a new document begins), and the file's other end-of-turn tokens. */
bool tokenizer_ends_text(const Tokenizer *tokenizer, int token);

/* The bytes that a token stands for: the byte of a byte token, a piece with plain spaces. For control tokens and the
 * unknown token: empty, or their name if `special`. Asserts 0 <= token < size. */
Bytes tokenizer_piece(const Tokenizer *tokenizer, int token, bool special);

/* The piece as the vocabulary spells it (byte tokens as <0x0A>), for display. */
Bytes tokenizer_spelling(const Tokenizer *tokenizer, int token);

/* Encodes text (any bytes, NUL included) without bos or eos. *tokens is allocated (memory_free), *n_tokens its length;
 * the empty text has none. If `special`, the names of control tokens (and of the unknown token) in the text become
 * those tokens; otherwise they are ordinary characters. User-defined pieces are always matched first, the longest at
 * each position. If the vocabulary adds a space prefix, one space is inserted before the text and before text that
 * follows a control token, but not before the empty text; TokenStream removes these spaces, so that decoding gives the
 * text back, byte for byte. O(n log n). Memory: 5 bytes per byte of the text (9 if special), and 44 bytes per byte
 * of the longest island, a part of the text that merges separately (mostly a word). Errors: out of memory, text beyond
 * 1 GiB. */
bool tokenizer_encode(const Tokenizer *tokenizer, Bytes text, bool special, int **tokens, size_t *n_tokens,
                      Error *error);

/* Turns a sequence of tokens into text, one token at a time, and holds back bytes that may still become a complete
 * UTF-8 character. Plain data; start from token_stream_start. The spaces that encode inserted are removed. */
typedef struct {
    const Tokenizer *tokenizer;
    bool special;
    bool strip_space; /* the next text is the first, or the first after a control token: drop its leading space */
    uint8_t held[4];  /* an incomplete character */
    int n_held;
} TokenStream;

/* at_start: the tokens begin a text (strip the space that encode adds); false: they continue another text. */
TokenStream token_stream_start(const Tokenizer *tokenizer, bool special, bool at_start);

/* The bytes that the token adds to the text, complete characters or not, without the space that is removed; valid as
 * long as the tokenizer. The stream does not change. */
Bytes token_stream_bytes(const TokenStream *stream, int token);
/* The same, and advances the stream, except for the bytes that it holds back. */
Bytes token_stream_next(TokenStream *stream, int token);
/* Adds one token. Writes at most token_stream_bound(tokenizer) bytes of finished text to out, returns their number. */
size_t token_stream_push(TokenStream *stream, int token, uint8_t *out);
/* Writes the bytes that are still held back, unchanged (at most 4). */
size_t token_stream_finish(TokenStream *stream, uint8_t *out);
size_t token_stream_bound(const Tokenizer *tokenizer);

#endif

/* Tokenizer: text to token ids and back, exactly, for every string of bytes.
 *
 * SentencePiece-style byte-pair encoding by score (Kudo & Richardson 2018, 1808.06226): the text is cut into
 * characters, then the adjacent pair whose joined piece has the best score (the leftmost of equals) is merged until no
 * pair is a piece; what is no piece even then falls back to bytes. Pieces are kept with plain spaces (U+2581 in a GGUF
 * vocabulary becomes a space), so a U+2581 in the text stays itself. */
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

/* Opens a tokenizer.bin of llama2.c or the vocabulary inside a GGUF file, told apart by content. The result is
 * immutable and owns what it needs: the file is closed again. Free with tokenizer_close. Errors begin with the path. */
bool tokenizer_open(Tokenizer **tokenizer, const char *path, Error *error);
/* The same without a file; errors name byte offsets. */
bool tokenizer_parse(Tokenizer **tokenizer, Bytes bytes, Error *error);
void tokenizer_close(Tokenizer *tokenizer);

int tokenizer_size(const Tokenizer *tokenizer);               /* number of ids */
int tokenizer_bos(const Tokenizer *tokenizer);                /* begin of text, -1 if none */
int tokenizer_eos(const Tokenizer *tokenizer);                /* end of text, -1 if none */
bool tokenizer_adds_bos(const Tokenizer *tokenizer);          /* whether a prompt begins with bos */
bool tokenizer_adds_space_prefix(const Tokenizer *tokenizer); /* whether encode puts a space before the text */
const char *tokenizer_kind(const Tokenizer *tokenizer);       /* "llama2.c tokenizer.bin", "GGUF llama", for inspect */
TokenType tokenizer_type(const Tokenizer *tokenizer, int token);
float tokenizer_score(const Tokenizer *tokenizer, int token);

/* True for tokens that end a text: eos, bos (a new document begins) and further end-of-turn ids the file names. */
bool tokenizer_ends_text(const Tokenizer *tokenizer, int token);

/* The bytes a token stands for: a byte token's byte, a piece with plain spaces; empty for control tokens and the unknown
 * one unless `special`, then their name. Asserts 0 <= token < size. */
Bytes tokenizer_piece(const Tokenizer *tokenizer, int token, bool special);

/* The piece as the vocabulary spells it (byte tokens as <0x0A>), for showing to people. */
Bytes tokenizer_spelling(const Tokenizer *tokenizer, int token);

/* Encodes text (any bytes, NUL included) without bos or eos. *tokens is allocated (memory_free), *n_tokens its length;
 * the empty text gives none. special: the names of control tokens (and the unknown one) in the text become those tokens;
 * without it they are ordinary characters. User-defined pieces are always matched first, the longest at each place.
 * A vocabulary that adds a space prefix gets one space before the text and before text that follows a control token,
 * never before nothing; TokenStream takes them away again, so that decoding gives the text back, byte for byte.
 * O(n log n). Memory: 5 bytes for each of the text (9 if special) and 44 for each of its longest stretch that could merge
 * into one (mostly a word). Errors: out of memory, text beyond 1 GiB. */
bool tokenizer_encode(const Tokenizer *tokenizer, Bytes text, bool special, int **tokens, size_t *n_tokens,
                      Error *error);

/* Turns a run of tokens into text as they come, holding back bytes that may still become a whole UTF-8 character.
 * Plain data; start from token_stream_start. Spaces that encode had put there are taken away again. */
typedef struct {
    const Tokenizer *tokenizer;
    bool special;
    bool strip_space; /* the next text is the first, or the first after a control token: drop its leading space */
    uint8_t held[4];  /* an incomplete character */
    int n_held;
} TokenStream;

/* at_start: the tokens begin a text (strip the space that encode adds); false where they go on from other text. */
TokenStream token_stream_start(const Tokenizer *tokenizer, bool special, bool at_start);

/* The bytes that the token adds to the text, complete characters or not, without the space that is taken away; valid as
 * long as the tokenizer. The stream stays as it is. */
Bytes token_stream_bytes(const TokenStream *stream, int token);
/* The same, and the stream goes on; what it holds back stays as it is. */
Bytes token_stream_next(TokenStream *stream, int token);
/* Adds one token. Writes at most token_stream_bound(tokenizer) bytes of finished text to out, returns their number. */
size_t token_stream_push(TokenStream *stream, int token, uint8_t *out);
/* What is still held back, as it is (at most 4 bytes). */
size_t token_stream_finish(TokenStream *stream, uint8_t *out);
size_t token_stream_bound(const Tokenizer *tokenizer);

#endif

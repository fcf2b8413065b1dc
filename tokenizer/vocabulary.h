/* Vocabulary: the tokens of a file, and the tables that encoding searches. Pieces have plain spaces. */
#ifndef TOKENIZER_VOCABULARY_H
#define TOKENIZER_VOCABULARY_H

#include "tokenizer/names.h"
#include "tokenizer/tokenizer.h"

#define VOCABULARY_MAX_TOKENS (1 << 24) /* real ones: below 300 thousand */
#define VOCABULARY_MAX_PIECE  4096      /* bytes; real ones: below 300. Bounds the work for a pair of symbols */

typedef struct {
    size_t at; /* its text is Vocabulary.text[at .. at + size) */
    uint16_t size;
    uint8_t type; /* TokenType */
    uint8_t byte; /* the byte of a TOKEN_BYTE */
    float score;
} Token;

/* The pieces that merging may produce (the normal ones), in a hash table with open addressing, at most half full:
 * slots[hash & mask], slots[(hash + 1) & mask] ... up to an empty one. */
typedef struct {
    uint32_t hash;
    uint32_t token; /* + 1; 0: empty */
} VocabularySlot;

typedef struct {
    Token *tokens;
    int n_tokens;
    uint8_t *text;
    size_t n_text;
    size_t longest; /* text of any token, bytes */
    int byte_tokens[256];
    VocabularySlot *slots;
    size_t mask;
    uint32_t follows[256][8]; /* bit y of follows[x]: some normal piece contains the bytes x y */
    Names user_defined, hidden;
} Vocabulary;

/* Allocates room for exactly n_tokens tokens with n_text bytes of text in total. Add all tokens, then index. Release it
 * even after an error. */
bool vocabulary_alloc(Vocabulary *vocabulary, size_t n_tokens, size_t n_text, Error *error);
void vocabulary_release(Vocabulary *vocabulary);

/* Adds the next token; its text is copied. A TOKEN_BYTE's text must be a byte's spelling. */
void vocabulary_add(Vocabulary *vocabulary, Bytes text, float score, TokenType type);

/* Builds the tables. Errors: a byte without a token (so that some text could not be encoded), out of memory. */
bool vocabulary_index(Vocabulary *vocabulary, Error *error);

Bytes vocabulary_text(const Vocabulary *vocabulary, int token);

/* True for control and unknown tokens: they are not part of a text, and are written only if their names are asked
 * for. */
bool vocabulary_hides(const Vocabulary *vocabulary, int token);

/* The normal piece with exactly these bytes; of equal pieces the lowest id; -1 if there is none. */
int vocabulary_find(const Vocabulary *vocabulary, Bytes piece);

/* True if some normal piece contains these two bytes in sequence. */
bool vocabulary_joins(const Vocabulary *vocabulary, uint8_t left, uint8_t right);

/* The byte that "<0x0A>" spells; -1 for any other text. */
int vocabulary_spelled_byte(Bytes text);

#endif

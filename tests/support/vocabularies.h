/* Vocabularies made up by the tests, written as either kind of tokenizer file. */
#ifndef TESTS_SUPPORT_VOCABULARIES_H
#define TESTS_SUPPORT_VOCABULARIES_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/bytes.h"
#include "tests/support/random.h"
#include "tokenizer/tokenizer.h"

enum { MADE_UP_TOKENS = 400, MADE_UP_PIECE = 16 };

typedef struct {
    uint8_t text[MADE_UP_PIECE]; /* with plain spaces */
    size_t size;
    float score;
    TokenType type;
} MadeUpToken;

typedef struct {
    MadeUpToken tokens[MADE_UP_TOKENS];
    int n_tokens;
    bool adds_space_prefix; /* tokenizer.bin: always */
    int end_of_turn;        /* 0: the file names none */
} MadeUpVocabulary;

/* A growing file in memory; freed by image_free. */
typedef struct {
    uint8_t *data;
    size_t size, capacity;
} Image;

void image_add(Image *image, const void *data, size_t size);
void image_add_u32(Image *image, uint32_t value);
void image_add_u64(Image *image, uint64_t value);
void image_add_f32(Image *image, float value);
void image_add_string(Image *image, const char *text); /* as in GGUF: u64 length, bytes */
void image_free(Image *image);
Bytes image_bytes(const Image *image);

/* The first three tokens and the 256 bytes, with which every vocabulary here begins. */
void made_up_start(MadeUpVocabulary *vocabulary);
int made_up_add(MadeUpVocabulary *vocabulary, const char *text, size_t size, float score, TokenType type);

/* A few words that can be merged, fixed. */
void made_up_words(MadeUpVocabulary *vocabulary);
/* Random pieces over few characters (made_up_characters), with equal scores and equal pieces among them; also control
 * and user-defined ones if `special`. */
void made_up_random(MadeUpVocabulary *vocabulary, Random *random, bool special);

extern const char *const made_up_characters[];
enum { MADE_UP_CHARACTERS = 10 };

void image_llama2c(Image *image, const MadeUpVocabulary *vocabulary);
/* with_types: writes token_type; else the reader has to find the types. */
void image_gguf(Image *image, const MadeUpVocabulary *vocabulary, bool with_types);

#endif

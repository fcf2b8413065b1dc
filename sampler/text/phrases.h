/* Phrases: strings looked for in a text that grows. Bytes, case and all; they are short, so each is simply compared. */
#ifndef SAMPLER_TEXT_PHRASES_H
#define SAMPLER_TEXT_PHRASES_H

#include "tensor/bytes.h"

#define PHRASES_MAX 64

typedef struct {
    Bytes items[PHRASES_MAX]; /* none is empty; the caller's memory */
    int count;
} Phrases;

/* Errors begin with `name`: an empty phrase, one too many. */
bool phrases_add(Phrases *phrases, const char *text, const char *name, Error *error);

size_t phrases_longest(const Phrases *phrases); /* bytes; 0: there are none */

/* The first that ends behind the byte `from`, of several that end there the longest: text[*begin, *end). false: none. */
bool phrases_find(const Phrases *phrases, Bytes text, size_t from, size_t *begin, size_t *end);

/* How many bytes at the end of the text may still become a phrase: the longest that begins one without being all of it. */
size_t phrases_open_end(const Phrases *phrases, Bytes text);

#endif

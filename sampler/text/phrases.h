/* Phrases: searches a growing text for strings. Bytes are compared, so case matters. */
#ifndef SAMPLER_TEXT_PHRASES_H
#define SAMPLER_TEXT_PHRASES_H

#include "tensor/bytes.h"

#define PHRASES_MAX 64

typedef struct {
    Bytes items[PHRASES_MAX]; /* not empty; the caller owns the bytes */
    int count;
} Phrases;

/* Errors begin with `name`: an empty phrase, one too many. */
bool phrases_add(Phrases *phrases, const char *text, const char *name, Error *error);

size_t phrases_longest(const Phrases *phrases); /* in bytes; 0 without phrases */

/* Finds the phrase text[*begin, *end) that ends first with *end > from; among those that end there, the longest. */
bool phrases_find(const Phrases *phrases, Bytes text, size_t from, size_t *begin, size_t *end);

/* The length of the longest end of the text that begins a phrase and is shorter than it: these bytes may still become a
 * phrase. */
size_t phrases_open_end(const Phrases *phrases, Bytes text);

#endif

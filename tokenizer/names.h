/* Names: a set of strings that stand for tokens; names_match finds the longest one that a text begins with. */
#ifndef TOKENIZER_NAMES_H
#define TOKENIZER_NAMES_H

#include "tensor/bytes.h"

typedef struct {
    Bytes text;
    int token;
} Name;

/* Sorted by bytes; those that begin with byte b are sorted[first[b]] .. sorted[first[b + 1] - 1]. */
typedef struct {
    Name *sorted;
    int count;
    int first[257];
} Names;

/* Room for `capacity` names; free with names_release. Add them all (not the empty one), then sort, then match. The
 * texts must outlive the set. Of equal names the lowest token wins. */
bool names_alloc(Names *names, int capacity, Error *error);
void names_release(Names *names);
void names_add(Names *names, Bytes text, int token);
void names_sort(Names *names);

/* Returns the token of the longest name that text begins with, and its length in *n_bytes; -1 if there is none.
 * text.size >= 1. O(length log count). */
int names_match(const Names *names, Bytes text, size_t *n_bytes);

#endif

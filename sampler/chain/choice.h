/* Choice: one word of a list "a|b|c", identified by its index in the list. */
#ifndef SAMPLER_CHAIN_CHOICE_H
#define SAMPLER_CHAIN_CHOICE_H

#include <stddef.h>

/* The index, from 0, of the word that equals the first `length` characters of text; -1: no word does. */
int choice_find(const char *choices, const char *text, size_t length);

/* The word at index `place`. Cut to capacity, and returns the uncut length, as snprintf does. */
int choice_print(const char *choices, int place, char *out, size_t capacity);

#endif

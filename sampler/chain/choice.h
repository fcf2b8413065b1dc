/* Choice: one word of a list "a|b|c", known by its place in the list. */
#ifndef SAMPLER_CHAIN_CHOICE_H
#define SAMPLER_CHAIN_CHOICE_H

#include <stddef.h>

/* The place in the list, from 0, of the first `length` characters of text; -1: they are none of the words. */
int choice_find(const char *choices, const char *text, size_t length);

/* The word at a place of the list. Cut to capacity as snprintf does; returns the length it wants. */
int choice_print(const char *choices, int place, char *out, size_t capacity);

#endif

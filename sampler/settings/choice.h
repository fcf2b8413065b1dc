/* Choice: one word of a list "a|b|c", known by its place in the list. */
#ifndef SAMPLER_SETTINGS_CHOICE_H
#define SAMPLER_SETTINGS_CHOICE_H

#include <stddef.h>

/* The place of text in the list, from 0; -1: it is none of the words. */
int choice_find(const char *choices, const char *text);

/* The word at a place of the list. Cut to capacity as snprintf does; returns the length it wants. */
int choice_print(const char *choices, int place, char *out, size_t capacity);

#endif

/* Screen: bytes that may be anything as characters of an ncurses screen. */
#ifndef TOOLS_EXPLORE_SCREEN_H
#define TOOLS_EXPLORE_SCREEN_H

#include <wchar.h>

#include "tensor/bytes.h"

/* The character at text.data[at], and how many bytes it is; what cannot be shown is a question mark, a tab is a space. */
int screen_character(Bytes text, size_t at, wchar_t *out);

/* At most `width` columns at the cursor, newlines as spaces; returns how many they were. */
int screen_put(Bytes text, int width);
int screen_put_string(const char *text, int width);

#endif

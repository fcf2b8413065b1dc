/* Screen: shows arbitrary bytes as characters of an ncurses screen. */
#ifndef TOOLS_EXPLORE_SCREEN_H
#define TOOLS_EXPLORE_SCREEN_H

#include <wchar.h>

#include "tensor/bytes.h"

/* The character at text.data[at]; returns its number of bytes. Bytes that cannot be shown give a question mark, a tab
 * gives a space. */
int screen_character(Bytes text, size_t at, wchar_t *out);

/* Prints at most `width` columns at the cursor, newlines as spaces; returns the number of columns used. */
int screen_put(Bytes text, int width);
int screen_put_string(const char *text, int width);

#endif

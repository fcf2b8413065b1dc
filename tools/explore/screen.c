#define _XOPEN_SOURCE    700 /* wcwidth */
#define NCURSES_WIDECHAR 1
#include "tools/explore/screen.h"

#include <ncurses.h>
#include <stdint.h>
#include <string.h>

#include "tensor/utf8.h"

int screen_character(Bytes text, size_t at, wchar_t *out) {
    const uint8_t *bytes = text.data + at;
    int length = utf8_length(bytes, text.size - at);
    *out = L'?';
    if (length <= 0) return 1;
    uint32_t code = utf8_decode(bytes, length);
    if (code == '\n' || wcwidth((wchar_t)code) > 0) *out = (wchar_t)code;
    if (code == '\t') *out = L' ';
    return length;
}

int screen_put(Bytes text, int width) {
    int used = 0;
    wchar_t c;
    for (size_t i = 0; i < text.size;) {
        i += (size_t)screen_character(text, i, &c);
        if (c == L'\n') c = L' ';
        int columns = wcwidth(c);
        if (used + columns > width) break;
        addnwstr(&c, 1);
        used += columns;
    }
    return used;
}

int screen_put_string(const char *text, int width) {
    return screen_put((Bytes){(const uint8_t *)text, strlen(text)}, width > 0 ? width : 0);
}

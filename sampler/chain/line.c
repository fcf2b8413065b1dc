#include "sampler/chain/line.h"

#include <stdarg.h>
#include <stdio.h>

Line line_begin(char *out, size_t capacity) {
    if (capacity > 0) *out = '\0';
    return (Line){out, capacity, 0};
}

void line_add(Line *line, const char *format, ...) {
    size_t length = (size_t)line->length, left = length < line->capacity ? line->capacity - length : 0;
    va_list arguments;
    va_start(arguments, format);
    line->length += vsnprintf(left ? line->out + length : NULL, left, format, arguments);
    va_end(arguments);
}

/* Line: builds a text in the caller's buffer, which cuts it. The length is that of the uncut text, as with snprintf. */
#ifndef SAMPLER_CHAIN_LINE_H
#define SAMPLER_CHAIN_LINE_H

#include <stddef.h>

typedef struct {
    char *out;
    size_t capacity;
    int length; /* of the uncut text, without the NUL */
} Line;

/* An empty line. Unless capacity is 0, writes the NUL to out at once. */
Line line_begin(char *out, size_t capacity);
void line_add(Line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

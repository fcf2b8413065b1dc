/* Line: a text in a buffer of the caller's. It is cut where the buffer ends, while its length counts on, as snprintf's does. */
#ifndef SAMPLER_CHAIN_LINE_H
#define SAMPLER_CHAIN_LINE_H

#include <stddef.h>

typedef struct {
    char *out;
    size_t capacity;
    int length; /* of the whole text, without the NUL */
} Line;

/* An empty line; out holds it at once, unless capacity is 0. */
Line line_begin(char *out, size_t capacity);
void line_add(Line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

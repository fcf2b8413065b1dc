/* UTF-8 as the Unicode standard defines it (table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef TENSOR_UTF8_H
#define TENSOR_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length (1 to 4) of the character that the bytes begin with; 0 where they end inside one that more bytes could
 * complete; -1 where the first byte begins no character, whatever follows these. size >= 1. */
int utf8_length(const uint8_t *bytes, size_t size);

#endif

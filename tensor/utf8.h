/* UTF-8 as the Unicode standard defines it (table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef TENSOR_UTF8_H
#define TENSOR_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length (1 to 4) of the character that the bytes begin with; 0 if they end inside one that more bytes could
 * complete; -1 where the first byte begins no character, whatever follows these. size >= 1. */
int utf8_length(const uint8_t *bytes, size_t size);

/* The code point of the character that takes these `length` bytes: what utf8_length has returned, 1 to 4. */
uint32_t utf8_decode(const uint8_t *bytes, int length);

/* Whether the byte can only be inside a character, after its first byte. */
static inline bool utf8_continues(uint8_t byte) { return (byte & 0xc0) == 0x80; }

#endif

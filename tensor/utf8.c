#include "tensor/utf8.h"

static int claimed_length(uint8_t first) {
    if (first < 0x80) return 1;
    if (first < 0xc2) return -1; /* a continuation, or an overlong form of ASCII */
    if (first < 0xe0) return 2;
    if (first < 0xf0) return 3;
    if (first < 0xf5) return 4;
    return -1;
}

int utf8_length(const uint8_t *bytes, size_t size) {
    int length = claimed_length(bytes[0]);
    for (int i = 1; i < length; i++) {
        if ((size_t)i == size) return 0;
        uint8_t low = 0x80, high = 0xbf;
        if (i == 1 && bytes[0] == 0xe0) low = 0xa0;  /* below: overlong */
        if (i == 1 && bytes[0] == 0xed) high = 0x9f; /* above: surrogates */
        if (i == 1 && bytes[0] == 0xf0) low = 0x90;  /* below: overlong */
        if (i == 1 && bytes[0] == 0xf4) high = 0x8f; /* above: beyond U+10FFFF */
        if (bytes[i] < low || bytes[i] > high) return -1;
    }
    return length;
}

uint32_t utf8_decode(const uint8_t *bytes, int length) {
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = bytes[0] & masks[length];
    for (int i = 1; i < length; i++) code = code << 6 | (bytes[i] & 0x3f);
    return code;
}

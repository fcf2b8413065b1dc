#include "sampler/text/phrases.h"

#include <string.h>

bool phrases_add(Phrases *phrases, const char *text, const char *name, Error *error) {
    if (!*text) return error_set(error, "%s: expected a text that is not empty", name);
    if (phrases->count == PHRASES_MAX) return error_set(error, "%s: expected at most %d of them", name, PHRASES_MAX);
    phrases->items[phrases->count++] = (Bytes){(const uint8_t *)text, strlen(text)};
    return true;
}

size_t phrases_longest(const Phrases *phrases) {
    size_t longest = 0;
    for (int i = 0; i < phrases->count; i++)
        if (phrases->items[i].size > longest) longest = phrases->items[i].size;
    return longest;
}

bool phrases_find(const Phrases *phrases, Bytes text, size_t from, size_t *begin, size_t *end) {
    for (*end = from + 1; *end <= text.size; ++*end) {
        size_t longest = 0;
        for (int i = 0; i < phrases->count; i++) {
            Bytes phrase = phrases->items[i];
            if (phrase.size > longest && phrase.size <= *end &&
                memcmp(text.data + *end - phrase.size, phrase.data, phrase.size) == 0)
                longest = phrase.size;
        }
        *begin = *end - longest;
        if (longest > 0) return true;
    }
    return false;
}

size_t phrases_open_end(const Phrases *phrases, Bytes text) {
    size_t longest = phrases_longest(phrases), length = text.size < longest ? text.size : longest;
    for (; length > 0; length--)
        for (int i = 0; i < phrases->count; i++)
            if (phrases->items[i].size > length &&
                memcmp(text.data + text.size - length, phrases->items[i].data, length) == 0)
                return length;
    return 0;
}

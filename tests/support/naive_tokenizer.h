/* The encoder's plain twin: tries every pair of the whole text before each merge. Slow and simple. */
#ifndef TESTS_SUPPORT_NAIVE_TOKENIZER_H
#define TESTS_SUPPORT_NAIVE_TOKENIZER_H

#include "tests/support/vocabularies.h"

enum { NAIVE_MAX_TEXT = 512 };

/* tokens: room for 2 * text.size + 1. Returns how many. */
size_t naive_encode(const MadeUpVocabulary *vocabulary, Bytes text, bool special, int *tokens);

/* The bytes of the tokens, decoded as one whole text instead of a stream. out: room for all of them. */
size_t naive_decode(const Tokenizer *tokenizer, const int *tokens, size_t n_tokens, bool special, uint8_t *out);

/* Length of the UTF-8 character at the start of the bytes, 1 for a byte that begins none. By way of the code point. */
size_t naive_character(Bytes text);

#endif

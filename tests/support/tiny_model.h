/* Tiny model: a file with random weights and a vocabulary of bytes and short words, for tests that open files. */
#ifndef TESTS_SUPPORT_TINY_MODEL_H
#define TESTS_SUPPORT_TINY_MODEL_H

#include <stdint.h>

enum { TINY_CONTEXT = 48, TINY_VOCAB = 299, TINY_WORDS = 259 /* the first of the words */ };

/* Writes the model of this seed to the path; fails the test on errors. It likes words better than single bytes. */
void tiny_model_write(const char *path, uint64_t seed);

#endif

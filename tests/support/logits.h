/* Logits: random logits for the tests of the sampler's stages, and plain twins of softmax and sorting, in double. */
#ifndef TESTS_SUPPORT_LOGITS_H
#define TESTS_SUPPORT_LOGITS_H

#include "sampler/chain/candidates.h"
#include "tests/support/random.h"

/* n logits of one of many kinds: few distinct values (ties), smooth, all equal, nearly flat, some -inf. */
void random_logits(Random *random, float *logits, int n);

/* p (n,) = softmax of the logits. */
void naive_softmax(double *p, const float *logits, int n);

/* place (n,): a random permutation of 0 .. n - 1. */
void random_permutation(Random *random, int *place, int n);

/* Fails the test unless the candidates are these n, in any order, each with the same bits. */
void check_candidates(const Candidates *candidates, const Candidate *expected, int n);

/* candidates_open; fails the test on errors. */
Candidates open_candidates(int n);

#endif

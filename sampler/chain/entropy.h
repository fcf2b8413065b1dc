/* Entropy: how open a distribution is, in nats.
 *
 * p (n,) are probabilities that sum to 1; p = 0 adds 0, as p ln p does in the limit. The entropy of a whole vocabulary
 * is found without a logarithm a token, from the logits: see candidates.h. */
#ifndef SAMPLER_CHAIN_ENTROPY_H
#define SAMPLER_CHAIN_ENTROPY_H

/* H = - sum p ln p: the mean surprisal, nats (Shannon, "A mathematical theory of communication", 1948). */
double entropy_of(const double *p, int n);

/* sum p (-ln p - H)^2: the variance of the surprisal, nats^2 (Kontoyiannis and Verdu, "Optimal lossless data
 * compression", IEEE Trans. Inf. Theory 2014, from where the name is). */
double varentropy_of(const double *p, int n);

/* H / ln n, in [0, 1]: 1 is uniform. One outcome leaves nothing open: 0 for n = 1. */
double normalized_entropy_of(const double *p, int n);

#endif

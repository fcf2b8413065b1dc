/* Entropy: measures how uncertain the outcome of a distribution is, in nats.
 *
 * p (n,) are probabilities that sum to 1; p = 0 adds 0, the limit of p ln p. candidates.h has the entropy of a whole
 * vocabulary: it is computed from the logits, without a logarithm per token. */
#ifndef SAMPLER_CHAIN_ENTROPY_H
#define SAMPLER_CHAIN_ENTROPY_H

/* H = - sum p ln p: the mean surprisal, nats (Shannon, "A mathematical theory of communication", 1948). */
double entropy_of(const double *p, int n);

/* sum p (-ln p - H)^2: the variance of the surprisal, nats^2 (Kontoyiannis and Verdu, "Optimal lossless data
 * compression", IEEE Trans. Inf. Theory 2014, who coined the name). */
double varentropy_of(const double *p, int n);

/* H / ln n, in [0, 1]; 1 if p is uniform; 0 for n = 1, a single certain outcome. */
double normalized_entropy_of(const double *p, int n);

#endif

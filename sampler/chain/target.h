/* Target: the temperature at which what is drawn from has a given entropy.
 *
 *   p_i(T) = exp(z_i / T) / sum exp(z_j / T) over the m candidates there are;  H(T) = -sum p_i(T) ln p_i(T), nats
 *
 * H rises with T from ln n (T -> 0), n the candidates that share the largest logit, to ln m (T -> infinity):
 *   dH / d ln T = Var[ln p_i(T)] >= 0
 * so the T of a target is one number, or the nearer end of the range. */
#ifndef SAMPLER_CHAIN_TARGET_H
#define SAMPLER_CHAIN_TARGET_H

#include "sampler/chain/candidates.h"

#define TARGET_TOLERANCE 1e-7 /* nats */

/* H of the candidates at T, renormalised over them. temperature >= 1e-4. Uses their scratch memory. */
double target_entropy(const Candidates *candidates, double temperature);

/* How many of the candidates are possible: their logit is not -inf. */
int target_count(const Candidates *candidates);

/* T in [low, high], 0 <= low < high, with |H(T) - entropy| <= TARGET_TOLERANCE. Where there is none, the nearer end: low
 * where the entropy is 0 or less, or H(low) is more; high where it is ln m or more, or H(high) is less. A low end below
 * 1e-4, which is argmax, is compared as 1e-4. A few passes over the candidates. Uses their scratch memory. */
double target_temperature(const Candidates *candidates, double entropy, double low, double high);

#endif

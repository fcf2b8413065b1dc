/* Target: finds the temperature at which the candidates' distribution has a given entropy.
 *
 *   p_i(T) = exp(z_i / T) / sum exp(z_j / T) over the m candidates;  H(T) = -sum p_i(T) ln p_i(T), nats
 *
 * H rises with T, from ln n (T -> 0) to ln m (T -> infinity), where n candidates share the largest logit:
 *   dH / d ln T = Var[ln p_i(T)] >= 0
 * So at most one T has the target entropy, unless all logits are equal. */
#ifndef SAMPLER_CHAIN_TARGET_H
#define SAMPLER_CHAIN_TARGET_H

#include "sampler/chain/candidates.h"

#define TARGET_TOLERANCE 1e-7 /* nats */

/* H of the candidates at this temperature >= 1e-4, renormalised over them. Uses their scratch memory. */
double target_entropy(const Candidates *candidates, double temperature);

/* The number of candidates whose logit is not -inf. */
int target_count_possible(const Candidates *candidates);

/* T in [low, high], 0 <= low < high, with |H(T) - entropy| <= TARGET_TOLERANCE. If no T has this entropy, the result is
 * the nearer end of the range: low if the entropy is 0 or less, or below H(low); high if the entropy is ln m or more,
 * or above H(high). If low is below 1e-4, which means argmax, H(1e-4) stands for H(low). Takes a few passes over the
 * candidates. Uses their scratch memory. */
double target_temperature(const Candidates *candidates, double entropy, double low, double high);

#endif

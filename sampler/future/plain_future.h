/* PlainFuture: one step of future entropy exactly as it is defined (Count Bayesie, 2026-07-01), without any shortcut.
 * lookahead.h draws the same token in fewer passes: tests compare the two, and `foretell bench` their time.
 *
 * A token costs k + 1 passes of the model: one per candidate here, and one for the drawn token, by the caller. */
#ifndef SAMPLER_FUTURE_PLAIN_FUTURE_H
#define SAMPLER_FUTURE_PLAIN_FUTURE_H

#include "sampler/future/lookahead.h"

/* Hhat, as future_entropy computes it; n >= 2.
 *   logits (vocab_size,), top (min(n, vocab_size),) scratch */
double plain_future_entropy(const float *logits, int vocab_size, int n, float *top);

/* Evaluates the k most probable candidates and draws one: report->candidates[report->chosen]. The candidates are
 * sorted. Reads k, n, alpha, curve, depth and discount; ignores gate and eog, so every candidate is evaluated. The
 * session does not change. Errors: no room for a fork; logits that are not finite. */
bool plain_future_draw(const Lookahead *lookahead, const LookaheadStep *step, const Candidates *candidates,
                       LookaheadReport *report, Error *error);

#endif

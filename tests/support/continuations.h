/* Continuations: what the tests of texts and beams share: prompts, sessions of exactly the size asked for, figures
 * computed from their definitions, exact comparison of sampler states. */
#ifndef TESTS_SUPPORT_CONTINUATIONS_H
#define TESTS_SUPPORT_CONTINUATIONS_H

#include "sampler/text/texts.h"
#include "tests/support/random.h"

#define CONTINUATIONS_PROMPT 4
extern const int continuations_prompt[CONTINUATIONS_PROMPT]; /* ids below 5 */

/* Opens a session and reads the prompt; history (context + 1,) gets it, too. Fails the test on errors. */
Sequence continuations_start(Session **session, const Model *model, SessionOptions options, int *history);

/* Forms of keys and values, threads and blocks at random; the branches and rows are the caller's to set. */
SessionOptions random_session_options(Random *random, int context);

/* Figures of steps in order: the logits that each drew from, the token drawn, whether it is part of the text. */
void figures_add(Figures *figures, const float *logits, int vocab_size, int n, int token);
/* pairs and distinct of a text. */
void figures_add_pairs(Figures *figures, const int *tokens, int n);
void assert_same_figures(const Figures *a, const Figures *b);

/* Bit for bit; in place of their bytes, which have padding between them. */
void assert_same_clock(const WaveClock *a, const WaveClock *b);
void assert_same_state(const SamplerState *a, const SamplerState *b);

#endif

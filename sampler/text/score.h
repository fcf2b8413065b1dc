/* Score: the likelihood of given tokens in the model's own distribution, before any setting of the sampler. */
#ifndef SAMPLER_TEXT_SCORE_H
#define SAMPLER_TEXT_SCORE_H

#include "model/session.h"
#include "sampler/chain/candidates.h"

typedef struct {
    double logprob;             /* ln p of the token, nats */
    double entropy, varentropy; /* of the distribution that the token is in: nats, nats^2 */
    int rank;                   /* in that distribution: 1 for the likeliest, the lower id first among equals */
} Score;

/* logits (n,) */
int score_rank(const float *logits, int n, int token);

/* The figures of a token in the distribution of these logits (natural->capacity,). Afterwards `natural` holds that
 * distribution, in token order. */
Score score_token(Candidates *natural, const float *logits, int token);

/* Appends tokens (n,) to the branch in batches. scores[i] says how likely targets[i] is to follow tokens[i], for
 * i < n_targets <= n; with targets = tokens + 1 the text is scored against itself. natural: scratch memory, opened for
 * the vocabulary. Errors: as session_prefill. */
bool score_tokens(Session *session, int branch, const int *tokens, int n, const int *targets, int n_targets,
                  Score *scores, Candidates *natural, Error *error);

#endif

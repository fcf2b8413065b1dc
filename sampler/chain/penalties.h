/* Penalties: stages that rewrite logits, from the text so far and from the user's wishes, before any truncation.
 *
 * They find a token's candidate at items[token]: the candidates are all there and in token order, as
 * candidates_from_logits leaves them (asserted). prob and entropy are those of before until candidates_refresh is called,
 * once, after the last of these stages. Each penalises a token once, however often it has cause to. A finite logit stays
 * finite, at the end of the floats' range where it would leave it; only a ban makes -inf of it, and -inf stays -inf.
 *   tokens (n,)  the text so far, oldest first; every id is a candidate's. The last one is what the model has just read.
 * Time is O(n) each, not the vocabulary's, but for the two that may leave nothing. They allocate nothing; where
 * candidates->scratch is enough they ask for no other. */
#ifndef SAMPLER_CHAIN_PENALTIES_H
#define SAMPLER_CHAIN_PENALTIES_H

#include "sampler/chain/candidates.h"

/* For each token among the last_n last ones, there `count` times:
 *   z = z > 0 ? z / repeat : z * repeat           (Keskar et al., CTRL, 1909.05858)
 *   z -= count * frequency + presence             (the two of OpenAI's API)
 * repeat > 0. last_n < 0 is the whole text. repeat 1, frequency 0 and presence 0, or last_n 0, change nothing. */
typedef struct {
    int last_n;
    float repeat, frequency, presence;
} RepeatPenalty;
void penalties_repeat(Candidates *candidates, const int *tokens, int n, RepeatPenalty penalty);

/* Don't repeat yourself: where the last L tokens of the text stood before in it, the token that followed them there would
 * extend a repetition. With L the longest such match before that token, and L >= allowed:
 *   z -= multiplier * base^(L - allowed)          (P. E. Weidmann, text-generation-webui, pull request 5677)
 * A match never contains a breaker, and a breaker is never penalised. The penalty is at most 1e30.
 *   breakers   by token id, or NULL for none
 *   scratch (n,)
 * multiplier 0 changes nothing. base >= 1, allowed >= 1. */
typedef struct {
    float multiplier, base;
    int allowed;
} DryPenalty;
void penalties_dry(Candidates *candidates, const int *tokens, int n, DryPenalty penalty, const bool *breakers,
                   int *scratch);

/* z = -inf for every token that would complete, with the last size - 1 tokens, a run of `size` tokens that is already in
 * the text (Paulus et al., 1705.04304). size 1 bans every token of the text; size <= 0 changes nothing. Time is O(n) for
 * ordinary texts, O(n size) at worst. false: no token is left possible (every logit is -inf). */
bool penalties_no_repeat_ngram(Candidates *candidates, const int *tokens, int n, int size);

/* z += bias; -inf bans the token. bias is not +inf or NaN. A token may be listed more than once.
 * false: no token is left possible (every logit is -inf). */
typedef struct {
    int token;
    float bias;
} LogitBias;
bool penalties_bias(Candidates *candidates, const LogitBias *biases, int n);

/* z = -inf for the tokens that may not stand at this position. false: no token is left possible. */
typedef struct {
    int position, token;
} TokenBan;
bool penalties_ban(Candidates *candidates, const TokenBan *bans, int n, int position);

#endif

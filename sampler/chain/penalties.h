/* Penalties: stages that rewrite logits before any truncation, according to the text so far and to the settings.
 *
 * The candidate of a token is items[token]: all candidates are present and in token order, as candidates_from_logits
 * leaves them (asserted). prob and entropy keep their old values until candidates_refresh is called, once, after the
 * last of these stages. Each stage penalises a token at most once. A finite logit stays finite: a result outside of the
 * range of floats is clamped to it. Only a ban sets a logit to -inf, and -inf stays -inf.
 *   tokens (n,)  the text so far, oldest first; each id is that of a candidate. The model has just read the last token.
 * Each stage takes O(n), independent of the size of the vocabulary, except the two that check whether a token is left.
 * No stage allocates memory. */
#ifndef SAMPLER_CHAIN_PENALTIES_H
#define SAMPLER_CHAIN_PENALTIES_H

#include "sampler/chain/candidates.h"

/* For each token that occurs `count` >= 1 times among the last last_n tokens:
 *   z = z > 0 ? z / repeat : z * repeat           (Keskar et al., CTRL, 1909.05858)
 *   z -= count * frequency + presence             (both as in OpenAI's API)
 * repeat > 0. last_n < 0 means the whole text. Nothing changes if repeat is 1 and the others are 0, or if last_n is
 * 0. */
typedef struct {
    int last_n;
    float repeat, frequency, presence;
} RepeatPenalty;
void penalties_repeat(Candidates *candidates, const int *tokens, int n, RepeatPenalty penalty);

/* Don't repeat yourself: if the last L tokens of the text also occur earlier in it, the token that followed them there
 * would extend a repetition. L is the length of the longest such match before an occurrence of that token. If L >=
 * allowed:
 *   z -= multiplier * base^(L - allowed)          (P. E. Weidmann, text-generation-webui, pull request 5677)
 * A match contains no breaker, and a breaker is never penalised. The penalty is at most 1e30.
 *   breakers   by token id, or NULL for none
 *   scratch (n,)
 * base >= 1, allowed >= 1. With multiplier 0 nothing changes. */
typedef struct {
    float multiplier, base;
    int allowed;
} DryPenalty;
void penalties_dry(Candidates *candidates, const int *tokens, int n, DryPenalty penalty, const bool *breakers,
                   int *scratch);

/* z = -inf for each token that, appended to the last size - 1 tokens, would repeat a sequence of `size` tokens of the
 * text (Paulus et al., 1705.04304). size 1 bans each token of the text; with size <= 0 nothing changes. Takes O(n) for
 * ordinary texts, at most O(n size). Returns false if no token is left possible (every logit is -inf). */
bool penalties_no_repeat_ngram(Candidates *candidates, const int *tokens, int n, int size);

/* z += bias; a bias of -inf bans the token. A bias is never +inf or NaN. A token may be listed several times.
 * Returns false if no token is left possible (every logit is -inf). */
typedef struct {
    int token;
    float bias;
} LogitBias;
bool penalties_bias(Candidates *candidates, const LogitBias *biases, int n);

/* z = -inf for the tokens that are banned at this position. Returns false if no token is left possible. */
typedef struct {
    int position, token;
} TokenBan;
bool penalties_ban(Candidates *candidates, const TokenBan *bans, int n, int position);

#endif

#include "sampler/chain/penalties.h"

#include <assert.h>
#include <float.h>
#include <math.h>

static Candidate *item_of(Candidates *candidates, int token) {
    assert(token >= 0 && token < candidates->count && candidates->items[token].token == token);
    return &candidates->items[token];
}

static bool any_possible(const Candidates *candidates) {
    for (int i = 0; i < candidates->count; i++)
        if (candidates->items[i].logit > -INFINITY) return true;
    return false;
}

/* A logit that a stage has moved from `before` to z. Only a ban makes a token impossible: what leaves the floats' range
 * stays at its end, and what was impossible stays so. */
static float bounded(float before, float z) {
    if (before == -INFINITY) return before;
    return fminf(fmaxf(z, -FLT_MAX), FLT_MAX);
}

/* Counts in scratch, by token; only the entries of tokens in the text are ever touched, and a counted token's entry goes
 * back to 0 once its penalty is paid. */
void penalties_repeat(Candidates *candidates, const int *tokens, int n, RepeatPenalty penalty) {
    assert(penalty.repeat > 0);
    float *counts = candidates->scratch;
    int first = penalty.last_n >= 0 && penalty.last_n < n ? n - penalty.last_n : 0;
    for (int i = first; i < n; i++) counts[item_of(candidates, tokens[i])->token] = 0;
    for (int i = first; i < n; i++) counts[tokens[i]]++;
    for (int i = first; i < n; i++) {
        float count = counts[tokens[i]];
        if (count == 0) continue;
        float *logit = &candidates->items[tokens[i]].logit;
        float z = bounded(*logit, *logit > 0 ? *logit / penalty.repeat : *logit * penalty.repeat);
        *logit = bounded(*logit, z - (count * penalty.frequency + penalty.presence));
        counts[tokens[i]] = 0;
    }
    candidates->sorted = false;
}

/* The Z-function of the text read backwards (Gusfield, "Algorithms on strings, trees and sequences", 1.4): lengths[k] is
 * how many tokens before position n - k, going back from it, equal those before position n. [begin, end) is the match
 * found so far that reaches furthest; inside it the answers repeat those at its own beginning, so nothing is compared
 * twice. */
static void match_lengths(int *lengths, const int *tokens, int n) {
    const int *last = tokens + n - 1; /* last[-i]: token i of the reversed text */
    int begin = 0, end = 0;
    lengths[0] = n;
    for (int k = 1; k < n; k++) {
        int length = 0;
        if (k < end) length = lengths[k - begin] < end - k ? lengths[k - begin] : end - k;
        while (k + length < n && last[-length] == last[-k - length]) length++;
        if (k + length > end) {
            begin = k;
            end = k + length;
        }
        lengths[k] = length;
    }
}

/* Tokens at the end of the text that hold no breaker: no match can be longer. */
static int unbroken(const int *tokens, int n, const bool *breakers) {
    int length = 0;
    while (length < n && !(breakers && breakers[tokens[n - 1 - length]])) length++;
    return length;
}

void penalties_dry(Candidates *candidates, const int *tokens, int n, DryPenalty penalty, const bool *breakers,
                   int *scratch) {
    assert(penalty.base >= 1 && penalty.allowed >= 1);
    if (penalty.multiplier == 0 || n < 2) return;
    int limit = unbroken(tokens, n, breakers);
    float *longest = candidates->scratch; /* by token, as the counts above */
    match_lengths(scratch, tokens, n);
    for (int k = 1; k < n; k++) longest[item_of(candidates, tokens[n - k])->token] = 0;
    for (int k = 1; k < n; k++) {
        float length = (float)(scratch[k] < limit ? scratch[k] : limit);
        if (length > longest[tokens[n - k]]) longest[tokens[n - k]] = length;
    }
    for (int k = 1; k < n; k++) {
        int token = tokens[n - k];
        double excess = (double)longest[token] - penalty.allowed;
        longest[token] = 0;
        if (excess < 0 || (breakers && breakers[token])) continue;
        float *logit = &candidates->items[token].logit;
        *logit = bounded(*logit, *logit - (float)fmin(penalty.multiplier * pow(penalty.base, excess), 1e30));
    }
    candidates->sorted = false;
}

bool penalties_no_repeat_ngram(Candidates *candidates, const int *tokens, int n, int size) {
    if (size <= 0) return true;
    int prefix = size - 1;
    for (int end = n - 1; end >= prefix; end--) { /* of an earlier run: its last token */
        int length = 0;
        while (length < prefix && tokens[end - 1 - length] == tokens[n - 1 - length]) length++;
        if (length == prefix) item_of(candidates, tokens[end])->logit = -INFINITY;
    }
    candidates->sorted = false;
    return any_possible(candidates);
}

bool penalties_bias(Candidates *candidates, const LogitBias *biases, int n) {
    for (int i = 0; i < n; i++) {
        assert(biases[i].bias < INFINITY);
        float *logit = &item_of(candidates, biases[i].token)->logit, bias = biases[i].bias;
        *logit = bias == -INFINITY ? bias : bounded(*logit, *logit + bias);
    }
    candidates->sorted = false;
    return any_possible(candidates);
}

bool penalties_ban(Candidates *candidates, const TokenBan *bans, int n, int position) {
    for (int i = 0; i < n; i++)
        if (bans[i].position == position) item_of(candidates, bans[i].token)->logit = -INFINITY;
    candidates->sorted = false;
    return any_possible(candidates);
}

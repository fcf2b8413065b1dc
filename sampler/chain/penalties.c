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

/* The logit after a stage has changed it from `before` to z. Only a ban makes a token impossible: z is clamped to the
 * range of floats, and an impossible token stays impossible. */
static float bounded(float before, float z) {
    if (before == -INFINITY) return before;
    return fminf(fmaxf(z, -FLT_MAX), FLT_MAX);
}

/* scratch[token] counts the occurrences. Only the entries of tokens in the text are written, and an entry is reset to 0
 * when its token is penalised, so that each token is penalised once. */
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

/* The Z-function of the reversed text (Gusfield, "Algorithms on strings, trees and sequences", 1.4): lengths[k] is the
 * number of tokens that the text before position n - k and the text before position n have in common at their ends.
 * [begin, end) is the match found so far that reaches furthest; within it the lengths repeat those at the beginning, so
 * no pair of tokens is compared twice. */
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

/* The number of tokens after the last breaker: no match can be longer. */
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
    float *longest = candidates->scratch; /* by token, as in penalties_repeat */
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
    for (int end = n - 1; end >= prefix; end--) { /* the last token of an earlier sequence */
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

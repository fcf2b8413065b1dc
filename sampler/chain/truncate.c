#include "sampler/chain/truncate.h"

#include <assert.h>
#include <math.h>

void candidates_typical(Candidates *candidates, float mass) {
    if (mass >= 1) return;
    int kept = 0, ready = 0;
    double sum = 0;
    do {
        if (kept == ready) ready = candidates_sort_run(candidates, ready, ORDER_TYPICAL);
        sum += candidates->items[kept++].prob;
    } while (sum < mass && kept < candidates->count);
    candidates->count = kept;
    candidates->sorted = false;
}

void candidates_epsilon(Candidates *candidates, float e) {
    if (e > 0) candidates_keep_probable(candidates, e);
}

double candidates_eta_floor(double e, double entropy) { return fmin(e, sqrt(e) * exp(-entropy)); }

void candidates_eta(Candidates *candidates, float e) {
    if (e > 0) candidates_keep_probable(candidates, candidates_eta_floor(e, candidates->entropy));
}

/* All candidates that are left may lie below the floor, because an earlier stage may have dropped the one with
 * z_max. */
void candidates_top_nsigma(Candidates *candidates, float n) {
    if (n <= 0) return;
    Candidate likeliest = candidates->items[candidates_argmax(candidates)];
    double lowest = -n * candidates->logit_sigma;
    int kept = 0;
    for (int i = 0; i < candidates->count; i++) {
        double difference = (double)candidates->items[i].logit - candidates->max_logit;
        if (difference >= lowest) candidates->items[kept++] = candidates->items[i];
    }
    if (kept == 0) candidates->items[kept++] = likeliest;
    candidates->count = kept;
}

/* With S = sum p and A = sum p (-ln p) over a prefix, H(q) = ln S + A / S. H(q) grows with every token that is no
 * likelier than those before it, so the first token that exceeds the limit ends the search. A token with p = 0 ends it
 * too. */
void candidates_top_h(Candidates *candidates, float a) {
    if (a >= 1) return;
    double bound = a * candidates->entropy, sum = 0, surprisals = 0;
    int kept = 0, ready = candidates->sorted ? candidates->count : 0;
    for (; kept < candidates->count; kept++) {
        if (kept == ready) ready = candidates_sort_run(candidates, ready, ORDER_LOGIT);
        double p = candidates->items[kept].prob;
        if (kept > 0 && p <= 0) break;
        surprisals += p * candidates_surprisal(candidates, kept);
        sum += p;
        if (kept > 0 && log(sum) + surprisals / sum > bound) break;
    }
    candidates->count = kept;
    candidates->sorted = true;
}

/* p > 0, because the least likely of the top choices is kept and may be drawn. */
static bool is_top_choice(const Candidate *item, float threshold, const bool *exempt) {
    return item->prob >= threshold && item->prob > 0 && !(exempt && exempt[item->token]);
}

void candidates_xtc(Candidates *candidates, float probability, float threshold, double uniform, const bool *exempt) {
    assert(uniform > 0 && uniform < 1);
    if (uniform >= probability) return;
    const Candidate *last = NULL;
    for (int i = 0; i < candidates->count; i++) {
        const Candidate *item = &candidates->items[i];
        if (!is_top_choice(item, threshold, exempt)) continue;
        if (!last || item->logit < last->logit || (item->logit == last->logit && item->token > last->token))
            last = item;
    }
    int spared = last ? last->token : -1, kept = 0;
    for (int i = 0; i < candidates->count; i++) {
        Candidate item = candidates->items[i];
        if (item.token == spared || !is_top_choice(&item, threshold, exempt)) candidates->items[kept++] = item;
    }
    candidates->count = kept;
}

#include "sampler/chain/plain_truncate.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b) {
    const Candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
    return x->token - y->token;
}

void plain_sort(Candidate *items, int n) { qsort(items, (size_t)n, sizeof *items, compare); }

int plain_top_k(PlainSet set, int k) { return k <= 0 || k > set.n ? set.n : k; }

int plain_top_p(PlainSet set, float mass) {
    double sum = 0;
    if (mass >= 1) return set.n;
    for (int i = 0; i < set.n; i++)
        if ((sum += set.items[i].prob) >= mass) return i + 1;
    return set.n; /* earlier stages dropped candidates, and the sum of the rest stays below the limit */
}

/* If no p reaches the floor, the likeliest stays. */
static int keep_probable(PlainSet set, double floor) {
    int kept = set.n;
    while (kept > 1 && set.items[kept - 1].prob < floor) kept--;
    return kept;
}

int plain_min_p(PlainSet set, float ratio) { return keep_probable(set, ratio * set.items[0].prob); }

int plain_epsilon(PlainSet set, float e) { return keep_probable(set, e); }

int plain_eta(PlainSet set, float e) { return keep_probable(set, fmin(e, sqrt(e) * exp(-set.whole->entropy))); }

/* -ln p, from the logit: exact where p is too small for a float. */
static double surprisal(PlainSet set, int i) {
    return set.whole->log_sum - ((double)set.items[i].logit - set.whole->max_logit);
}

static double distance(PlainSet set, int i) { return fabs(surprisal(set, i) - set.whole->entropy); }

int plain_typical(PlainSet set, float mass) {
    double sum = 0;
    for (int kept = 0; kept < set.n; kept++) {
        int next = kept;
        for (int i = kept + 1; i < set.n; i++) {
            double difference = distance(set, i) - distance(set, next);
            if (difference < 0 || (difference == 0 && set.items[i].token < set.items[next].token)) next = i;
        }
        Candidate taken = set.items[next];
        set.items[next] = set.items[kept];
        set.items[kept] = taken;
        if ((sum += taken.prob) >= mass) return kept + 1;
    }
    return set.n;
}

int plain_top_nsigma(PlainSet set, float n) {
    int kept = set.n;
    while (kept > 1 && set.items[kept - 1].logit - set.whole->max_logit < -n * set.whole->logit_sigma) kept--;
    return kept;
}

int plain_top_h(PlainSet set, float a) {
    for (int kept = 2; kept <= set.n; kept++) {
        double sum = 0, entropy = 0;
        if (set.items[kept - 1].prob == 0) return kept - 1;
        for (int i = 0; i < kept; i++) sum += set.items[i].prob;
        for (int i = 0; i < kept; i++) entropy -= set.items[i].prob / sum * log(set.items[i].prob / sum);
        if (entropy > a * set.whole->entropy) return kept - 1;
    }
    return set.n;
}

int plain_mirostat(PlainSet set, double mu) {
    int kept = set.n;
    while (kept > 1 && !(-log2(set.items[kept - 1].prob) <= mu)) kept--;
    return kept;
}

int plain_xtc(PlainSet set, float probability, float threshold, double uniform, const bool *exempt) {
    int reach = 0, seen = 0, kept = 0;
    for (int i = 0; i < set.n; i++) reach += set.items[i].prob >= threshold && !exempt[set.items[i].token];
    if (uniform >= probability || reach < 2) return set.n;
    for (int i = 0; i < set.n; i++) {
        bool reaches = set.items[i].prob >= threshold && !exempt[set.items[i].token];
        if (!reaches || ++seen == reach) set.items[kept++] = set.items[i];
    }
    return kept;
}

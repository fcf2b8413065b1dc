#include "sampler/candidates.h"

#include <assert.h>
#include <math.h>

#include "tensor/kernels.h"
#include "tensor/memory.h"

bool candidates_open(Candidates *candidates, int vocab_size, Error *error) {
    assert(vocab_size > 0);
    *candidates = (Candidates){.capacity = vocab_size};
    candidates->items = memory_alloc((size_t)vocab_size, sizeof(Candidate), "candidates", error);
    candidates->scratch = memory_alloc((size_t)vocab_size, sizeof(float), "candidates' scratch", error);
    if (candidates->items && candidates->scratch) return true;
    candidates_close(candidates);
    return false;
}

void candidates_close(Candidates *candidates) {
    memory_free(candidates->items);
    memory_free(candidates->scratch);
    *candidates = (Candidates){0};
}

void candidates_from_logits(Candidates *candidates, const float *logits, int n) {
    assert(n > 0 && n <= candidates->capacity);
    for (int i = 0; i < n; i++) candidates->items[i] = (Candidate){.token = i, .logit = logits[i], .branch = -1};
    candidates->count = n;
    candidates_refresh(candidates);
}

/* With d = z - max and weights exp(d): -ln p = log_sum - d, so H = log_sum - E[d] and Var[-ln p] = Var[d]: two sums and
 * a single logarithm. Shifted by max, nothing here depends on a constant added to the logits. */
static void describe(Candidates *candidates, const float *weights) {
    double sum = 0, sum_d = 0, sum_dd = 0; /* weighted */
    double logits_d = 0, logits_dd = 0;    /* of the finite logits, each counted once */
    int finite = 0;
    for (int i = 0; i < candidates->count; i++) {
        float logit = candidates->items[i].logit;
        if (logit == -INFINITY) continue;
        double d = (double)logit - candidates->max_logit, weighted = weights[i] * d;
        sum += weights[i];
        sum_d += weighted;
        sum_dd += weighted * d;
        logits_d += d;
        logits_dd += d * d;
        finite++;
    }
    double mean = sum_d / sum, logits_mean = logits_d / finite;
    candidates->log_sum = log(sum);
    candidates->entropy = fmax(0, candidates->log_sum - mean);
    candidates->varentropy = fmax(0, sum_dd / sum - mean * mean);
    candidates->logit_sigma = sqrt(fmax(0, logits_dd / finite - logits_mean * logits_mean));
}

void candidates_refresh(Candidates *candidates) {
    int n = candidates->count;
    Candidate *items = candidates->items;
    float *weights = candidates->scratch, max = -INFINITY;
    for (int i = 0; i < n; i++) {
        weights[i] = items[i].logit;
        max = weights[i] > max ? weights[i] : max;
    }
    assert(isfinite(max));
    candidates->max_logit = max;
    float scale = 1 / kernels()->exp_sum(weights, weights, max, n);
    for (int i = 0; i < n; i++) items[i].prob = weights[i] * scale;
    describe(candidates, weights);
    candidates->sorted = false;
}

double candidates_surprisal(const Candidates *candidates, int i) {
    return candidates->log_sum - ((double)candidates->items[i].logit - candidates->max_logit);
}

/* An order to sort by; centre is used by the typical one alone. */
typedef struct {
    CandidatesOrder kind;
    double max_logit, centre;
} Order;

/* |-ln p - H| = |d - centre|, d = logit - max_logit, as in describe(). */
static double distance(const Order *order, const Candidate *item) {
    return fabs(((double)item->logit - order->max_logit) - order->centre);
}

/* Tokens differ, so the order is total, and any way to select gives the same items. */
static bool before(const Order *order, const Candidate *a, const Candidate *b) {
    if (order->kind == ORDER_LOGIT) return a->logit > b->logit || (a->logit == b->logit && a->token < b->token);
    double distance_a = distance(order, a), distance_b = distance(order, b);
    return distance_a < distance_b || (distance_a == distance_b && a->token < b->token);
}

static void swap(Candidate *a, Candidate *b) {
    Candidate old = *a;
    *a = *b;
    *b = old;
}

/* heap[i] comes after its children 2i+1 and 2i+2, so that heap[0] is the last of all. */
static void sift_down(const Order *order, Candidate *heap, int n, int i) {
    for (;;) {
        int last = 2 * i + 1;
        if (last >= n) return;
        if (last + 1 < n && before(order, &heap[last], &heap[last + 1])) last++;
        if (!before(order, &heap[i], &heap[last])) return;
        swap(&heap[i], &heap[last]);
        i = last;
    }
}

/* Brings the first k of n items to the front, in order: a heap of the k best seen so far has the worst of them on top, and
 * most of the others need just one look at it. Time is bounded by O(n log k), and nothing is allocated (qsort may). */
static void select_sorted(const Order *order, Candidate *items, int n, int k) {
    for (int i = k / 2 - 1; i >= 0; i--) sift_down(order, items, k, i);
    for (int i = k; i < n; i++) {
        if (!before(order, &items[i], &items[0])) continue;
        swap(&items[i], &items[0]);
        sift_down(order, items, k, 0);
    }
    for (int end = k - 1; end > 0; end--) {
        swap(&items[0], &items[end]);
        sift_down(order, items, end, 0);
    }
}

static const Order by_logit = {.kind = ORDER_LOGIT};

void candidates_sort(Candidates *candidates) {
    if (!candidates->sorted) select_sorted(&by_logit, candidates->items, candidates->count, candidates->count);
    candidates->sorted = true;
}

int candidates_sort_run(Candidates *candidates, int ready, CandidatesOrder kind) {
    enum { FIRST_RUN = 64 };
    Order order = {kind, candidates->max_logit, candidates->log_sum - candidates->entropy};
    int left = candidates->count - ready, run = ready ? ready : FIRST_RUN;
    if (run > left) run = left;
    select_sorted(&order, candidates->items + ready, left, run);
    return ready + run;
}

void candidates_top_k(Candidates *candidates, int k) {
    if (k <= 0) return;
    if (k > candidates->count) k = candidates->count;
    if (!candidates->sorted) select_sorted(&by_logit, candidates->items, candidates->count, k);
    candidates->count = k;
    candidates->sorted = true;
}

void candidates_top_p(Candidates *candidates, float p) {
    if (p >= 1) return;
    int kept = 0, ready = candidates->sorted ? candidates->count : 0;
    double sum = 0;
    do {
        if (kept == ready) ready = candidates_sort_run(candidates, ready, ORDER_LOGIT);
        sum += candidates->items[kept++].prob;
    } while (sum < p && kept < candidates->count);
    candidates->count = kept;
    candidates->sorted = true;
}

void candidates_min_p(Candidates *candidates, float p) {
    assert(p <= 1);
    if (p <= 0) return;
    float floor = p * candidates->items[candidates_argmax(candidates)].prob;
    int kept = 0;
    for (int i = 0; i < candidates->count; i++)
        if (candidates->items[i].prob >= floor) candidates->items[kept++] = candidates->items[i];
    candidates->count = kept;
}

int candidates_argmax(const Candidates *candidates) {
    int best = 0;
    if (candidates->sorted) return best;
    for (int i = 1; i < candidates->count; i++)
        if (before(&by_logit, &candidates->items[i], &candidates->items[best])) best = i;
    return best;
}

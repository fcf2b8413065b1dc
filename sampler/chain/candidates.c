#include "sampler/chain/candidates.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "sampler/chain/floats.h"
#include "tensor/kernels.h"
#include "tensor/memory.h"

bool candidates_open(Candidates *candidates, int vocab_size, Error *error) {
    assert(vocab_size > 0);
    *candidates = (Candidates){.capacity = vocab_size};
    candidates->items = memory_alloc((size_t)vocab_size, sizeof(Candidate), "candidates", error);
    candidates->scratch = memory_alloc((size_t)vocab_size, 2 * sizeof(float), "candidates' scratch", error);
    if (candidates->items && candidates->scratch) return true;
    candidates_close(candidates);
    return false;
}

void candidates_close(Candidates *candidates) {
    memory_free(candidates->items);
    memory_free(candidates->scratch);
    *candidates = (Candidates){0};
}

/* Sums over all tokens, in lanes. */
typedef struct {
    Doubles weight, d, dd;               /* weighted by exp(d), d = logit - max */
    Doubles finite, finite_d, finite_dd; /* each counted once */
} Sums;

/* A logit of -inf has no weight and is not counted. */
static inline void add(Sums *sums, const float *logits, const float *weights, double max) {
    Floats z, w;
    memcpy(&z, logits, sizeof z);
    memcpy(&w, weights, sizeof w);
    const Doubles ones = {1, 1, 1, 1, 1, 1, 1, 1};
    Doubles logit = __builtin_convertvector(z, Doubles), weight = __builtin_convertvector(w, Doubles);
    Masks is_finite = (Masks)(logit > -INFINITY);
    Doubles d = (Doubles)((Masks)(logit - max) & is_finite), weighted = weight * d;
    sums->weight += weight;
    sums->d += weighted;
    sums->dd += weighted * d;
    sums->finite += (Doubles)((Masks)ones & is_finite);
    sums->finite_d += d;
    sums->finite_dd += d * d;
}

CLONES static void add_all(Sums *out, const float *logits, const float *weights, int n, double max) {
    Sums sums = {0};
    float z[FLOATS_LANES], w[FLOATS_LANES] = {0};
    int whole = n - n % FLOATS_LANES;
    for (int i = 0; i < whole; i += FLOATS_LANES) add(&sums, logits + i, weights + i, max);
    for (int i = 0; i < FLOATS_LANES; i++) z[i] = -INFINITY;
    for (int i = whole; i < n; i++) z[i - whole] = logits[i], w[i - whole] = weights[i];
    add(&sums, z, w, max);
    *out = sums;
}

/* With d = z - max and weights exp(d): -ln p = log_sum - d, so H = log_sum - E[d] and Var[-ln p] = Var[d]. That takes
 * two sums and one logarithm. Because of the shift by max, a constant added to all logits changes nothing. */
static void describe(Candidates *candidates, const float *logits, const float *weights) {
    Sums sums;
    add_all(&sums, logits, weights, candidates->count, candidates->max_logit);
    double sum = floats_total(&sums.weight), mean = floats_total(&sums.d) / sum;
    double finite = floats_total(&sums.finite), finite_mean = floats_total(&sums.finite_d) / finite;
    candidates->log_sum = log(sum);
    candidates->entropy = fmax(0, candidates->log_sum - mean);
    candidates->varentropy = fmax(0, floats_total(&sums.dd) / sum - mean * mean);
    candidates->logit_sigma = sqrt(fmax(0, floats_total(&sums.finite_dd) / finite - finite_mean * finite_mean));
}

/* weights = exp(logits - max); returns the factor that turns them into probabilities. */
static float weigh(Candidates *candidates, const float *logits) {
    float *weights = candidates->scratch, max = floats_max(logits, candidates->count);
    assert(isfinite(max));
    candidates->max_logit = max;
    float scale = 1 / kernels()->exp_sum(weights, logits, max, candidates->count);
    describe(candidates, logits, weights);
    candidates->sorted = false;
    return scale;
}

CLONES static void fill(Candidate *items, const float *logits, const float *weights, float scale, int n) {
    for (int i = 0; i < n; i++) items[i] = (Candidate){i, logits[i], weights[i] * scale, -1};
}

void candidates_from_logits(Candidates *candidates, const float *logits, int n) {
    assert(n > 0 && n <= candidates->capacity);
    candidates->count = n;
    float scale = weigh(candidates, logits);
    fill(candidates->items, logits, candidates->scratch, scale, n);
}

void candidates_refresh(Candidates *candidates) {
    float *logits = candidates->scratch + candidates->capacity;
    for (int i = 0; i < candidates->count; i++) logits[i] = candidates->items[i].logit;
    float scale = weigh(candidates, logits);
    for (int i = 0; i < candidates->count; i++) candidates->items[i].prob = candidates->scratch[i] * scale;
}

double candidates_surprisal(const Candidates *candidates, int i) {
    return candidates->log_sum - ((double)candidates->items[i].logit - candidates->max_logit);
}

double candidates_log_mass(const Candidates *candidates) {
    double sum = 0, max = candidates->items[candidates_argmax(candidates)].logit;
    for (int i = 0; i < candidates->count; i++) sum += candidates->items[i].prob;
    if (sum > 1e-30) return log(sum);
    sum = 0;
    for (int i = 0; i < candidates->count; i++) sum += exp(candidates->items[i].logit - max);
    return log(sum) + (max - candidates->max_logit) - candidates->log_sum;
}

/* An order to sort by; only ORDER_TYPICAL uses centre. */
typedef struct {
    CandidatesOrder kind;
    double max_logit, centre;
} Order;

/* |-ln p - H| = |d - centre|, d = logit - max_logit, as in describe(). */
static double distance(const Order *order, const Candidate *item) {
    return fabs(((double)item->logit - order->max_logit) - order->centre);
}

/* No two candidates have the same token, so the order is total and every selection algorithm gives the same items. */
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

/* heap[i] comes after its children 2i+1 and 2i+2 in the order, so heap[0] comes last of all. */
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

/* Moves the first k of n items to the front, in order. A heap holds the k best items so far, the worst of them on top;
 * most of the other items need only one comparison with it. Takes at most O(n log k) and allocates nothing (qsort
 * may). */
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

CLONES static float max_logit_of(const Candidate *items, int n) {
    float max = -INFINITY;
    FLOATS_MAX_IN(max)
    for (int i = 0; i < n; i++) max = items[i].logit > max ? items[i].logit : max;
    return max;
}

/* Moves to the front all items that reach the k-th largest of the blocks' maxima: the k largest are among them. Returns
 * their number. Most blocks hold none. */
static int select_roughly(Candidates *candidates, int k) {
    int n = candidates->count, n_blocks = (n + FLOATS_BLOCK - 1) / FLOATS_BLOCK, kept = 0;
    float *maxima = candidates->scratch, *top = candidates->scratch + candidates->capacity;
    Candidate *items = candidates->items;
    if (k > n_blocks) return n;
    for (int i = 0; i < n_blocks; i++)
        maxima[i] = max_logit_of(items + i * FLOATS_BLOCK,
                                 n - i * FLOATS_BLOCK < FLOATS_BLOCK ? n - i * FLOATS_BLOCK : FLOATS_BLOCK);
    floats_largest(top, k, maxima, n_blocks);
    float floor = top[k - 1];
    for (int i = 0; i < n_blocks; i++) {
        if (maxima[i] < floor) continue;
        for (int j = i * FLOATS_BLOCK; j < n && j < (i + 1) * FLOATS_BLOCK; j++)
            if (items[j].logit >= floor) swap(&items[j], &items[kept++]);
    }
    return kept;
}

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
    if (!candidates->sorted) select_sorted(&by_logit, candidates->items, select_roughly(candidates, k), k);
    candidates->count = k;
    candidates->sorted = true;
}

/* Keeps the prefix whose sum reaches p, if it lies within the first `ready` items, which are sorted; else returns
 * false. */
static bool find_prefix(Candidates *candidates, int ready, float p) {
    double sum = 0;
    for (int i = 0; i < ready; i++) {
        sum += candidates->items[i].prob;
        if (sum < p && i + 1 < candidates->count) continue;
        candidates->count = i + 1;
        candidates->sorted = true;
        return true;
    }
    return false;
}

enum { BUCKETS = 1024, BUCKETS_A_NAT = 64 };

/* Larger logits have lower buckets; the last bucket holds the rest. */
static int bucket_of(float logit, float max) {
    float place = (max - logit) * BUCKETS_A_NAT;
    return place < BUCKETS - 1 ? (int)place : BUCKETS - 1;
}

/* For long prefixes: only the bucket in which the sum reaches p must be sorted. */
static void find_long_prefix(Candidates *candidates, float p) {
    Candidate *items = candidates->items;
    double sums[BUCKETS] = {0}, sum = 0;
    float max = items[candidates_argmax(candidates)].logit;
    int n = candidates->count, last = 0, kept = 0;
    for (int i = 0; i < n; i++) sums[bucket_of(items[i].logit, max)] += items[i].prob;
    while (last < BUCKETS - 1 && sum + sums[last] < p) sum += sums[last++];
    for (int i = 0; i < n; i++)
        if (bucket_of(items[i].logit, max) < last) swap(&items[i], &items[kept++]);
    int end = kept;
    for (int i = kept; i < n; i++)
        if (bucket_of(items[i].logit, max) == last) swap(&items[i], &items[end++]);
    select_sorted(&by_logit, items + kept, end - kept, end - kept);
    while (sum < p && kept < n)
        sum += items[kept++].prob; /* the sum of all may stay below p: earlier stages dropped some */
    candidates->count = kept;
    candidates->sorted = false;
}

void candidates_top_p(Candidates *candidates, float p) {
    enum { FIRST = 64 };
    if (p >= 1) return;
    int n = candidates->count, ready = candidates->sorted || n < FIRST ? n : FIRST;
    if (!candidates->sorted) select_sorted(&by_logit, candidates->items, select_roughly(candidates, ready), ready);
    if (!find_prefix(candidates, ready, p)) find_long_prefix(candidates, p);
}

void candidates_min_p(Candidates *candidates, float p) {
    assert(p <= 1);
    if (p > 0) candidates_keep_probable(candidates, p * candidates->items[candidates_argmax(candidates)].prob);
}

CLONES static float max_prob_of(const Candidate *items, int n) {
    float max = 0;
    FLOATS_MAX_IN(max)
    for (int i = 0; i < n; i++) max = items[i].prob > max ? items[i].prob : max;
    return max;
}

void candidates_keep_probable(Candidates *candidates, double floor) {
    Candidate *items = candidates->items, likeliest = items[candidates_argmax(candidates)];
    int n = candidates->count, kept = 0;
    for (int start = 0; start < n; start += FLOATS_BLOCK) {
        int end = n - start < FLOATS_BLOCK ? n : start + FLOATS_BLOCK;
        if (max_prob_of(items + start, end - start) < floor) continue;
        for (int i = start; i < end; i++) {
            Candidate item = items[i];
            items[kept] = item; /* no branch, which would be mispredicted half of the time */
            kept += item.prob >= floor;
        }
    }
    if (kept == 0) items[kept++] = likeliest;
    candidates->count = kept;
}

int candidates_argmax(const Candidates *candidates) {
    const Candidate *items = candidates->items;
    int best = 0;
    if (candidates->sorted) return best;
    for (int start = 0; start < candidates->count; start += FLOATS_BLOCK) {
        int end = candidates->count - start < FLOATS_BLOCK ? candidates->count : start + FLOATS_BLOCK;
        if (max_logit_of(items + start, end - start) < items[best].logit) continue;
        for (int i = start; i < end; i++)
            if (before(&by_logit, &items[i], &items[best])) best = i;
    }
    return best;
}

#include "sampler/candidates.h"

#include <assert.h>

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
    float max = logits[0];
    for (int i = 1; i < n; i++) max = logits[i] > max ? logits[i] : max;
    float *exps = candidates->scratch;
    float scale = 1 / kernels()->exp_sum(exps, logits, max, n);
    for (int i = 0; i < n; i++)
        candidates->items[i] = (Candidate){.token = i, .logit = logits[i], .prob = exps[i] * scale, .branch = -1};
    candidates->count = n;
    candidates->sorted = false;
}

/* The order of everything here. Tokens differ, so it is total, and any way to select gives the same items. */
static bool before(const Candidate *a, const Candidate *b) {
    return a->logit > b->logit || (a->logit == b->logit && a->token < b->token);
}

static void swap(Candidate *a, Candidate *b) {
    Candidate old = *a;
    *a = *b;
    *b = old;
}

/* heap[i] comes after its children 2i+1 and 2i+2, so that heap[0] is the last of all. */
static void sift_down(Candidate *heap, int n, int i) {
    for (;;) {
        int last = 2 * i + 1;
        if (last >= n) return;
        if (last + 1 < n && before(&heap[last], &heap[last + 1])) last++;
        if (!before(&heap[i], &heap[last])) return;
        swap(&heap[i], &heap[last]);
        i = last;
    }
}

/* Brings the first k of n items to the front, in order: a heap of the k best seen so far has the worst of them on top, and
 * most of the others need just one look at it. Time is bounded by O(n log k), and nothing is allocated (qsort may). */
static void select_sorted(Candidate *items, int n, int k) {
    for (int i = k / 2 - 1; i >= 0; i--) sift_down(items, k, i);
    for (int i = k; i < n; i++) {
        if (!before(&items[i], &items[0])) continue;
        swap(&items[i], &items[0]);
        sift_down(items, k, 0);
    }
    for (int end = k - 1; end > 0; end--) {
        swap(&items[0], &items[end]);
        sift_down(items, end, 0);
    }
}

void candidates_sort(Candidates *candidates) {
    if (!candidates->sorted) select_sorted(candidates->items, candidates->count, candidates->count);
    candidates->sorted = true;
}

void candidates_top_k(Candidates *candidates, int k) {
    if (k <= 0) return;
    if (k > candidates->count) k = candidates->count;
    if (!candidates->sorted) select_sorted(candidates->items, candidates->count, k);
    candidates->count = k;
    candidates->sorted = true;
}

/* How many will be kept is not known beforehand: sorted runs are made as they are needed, each as long as all before it. */
void candidates_top_p(Candidates *candidates, float p) {
    if (p >= 1) return;
    enum { FIRST_RUN = 64 };
    int kept = 0, ready = candidates->sorted ? candidates->count : 0;
    double sum = 0;
    do {
        if (kept == ready) {
            int left = candidates->count - ready, run = ready ? ready : FIRST_RUN;
            if (run > left) run = left;
            select_sorted(candidates->items + ready, left, run);
            ready += run;
        }
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
        if (before(&candidates->items[i], &candidates->items[best])) best = i;
    return best;
}

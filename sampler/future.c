#include "sampler/future.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define LOG_FLOOR 1e-6

FutureExponents future_exponents(FutureCurve curve, double alpha) {
    assert(alpha >= -1 && alpha <= 1);
    if (curve == FUTURE_CROSSFADE) return (FutureExponents){(1 - alpha) / 2, (1 + alpha) / 2};
    return (FutureExponents){1 - fmax(0, alpha), 1 - fmax(0, -alpha)};
}

/* heap[i] is no larger than its children 2i+1 and 2i+2: the smallest is on top. */
static void sift_down(float *heap, int n, int i) {
    float value = heap[i];
    for (;;) {
        int least = 2 * i + 1;
        if (least >= n) break;
        if (least + 1 < n && heap[least + 1] < heap[least]) least++;
        if (heap[least] >= value) break;
        heap[i] = heap[least];
        i = least;
    }
    heap[i] = value;
}

/* How many of them are above the floor: a loop without branches, which compilers turn into vector instructions. */
static int count_above(const float *values, int n, float floor) {
    int above = 0;
    for (int i = 0; i < n; i++) above += values[i] > floor;
    return above;
}

/* top = the k largest of n values, largest first. The heap holds the k best so far with the worst of them on top, and
 * few of the others beat it: they are looked at in blocks, and most blocks only once. */
static void largest(float *top, int k, const float *values, int n) {
    enum { BLOCK = 64 };
    memcpy(top, values, (size_t)k * sizeof *top);
    for (int i = k / 2 - 1; i >= 0; i--) sift_down(top, k, i);
    for (int start = k; start < n; start += BLOCK) {
        int end = n - start < BLOCK ? n : start + BLOCK;
        if (count_above(values + start, end - start, top[0]) == 0) continue;
        for (int i = start; i < end; i++) {
            if (values[i] <= top[0]) continue;
            top[0] = values[i];
            sift_down(top, k, 0);
        }
    }
    for (int end = k - 1; end > 0; end--) {
        float least = top[0];
        top[0] = top[end];
        top[end] = least;
        sift_down(top, end, 0);
    }
}

double future_entropy(const float *logits, int vocab_size, int n, float *scratch) {
    assert(vocab_size >= 1 && n >= 2);
    if (n > vocab_size) n = vocab_size;
    if (n == 1) return 0;
    largest(scratch, n, logits, vocab_size); /* sorted, so that the order of the sums is not the vocabulary's */
    double max = scratch[0], sum = 0, entropy = 0;
    assert(isfinite(max));
    for (int i = 0; i < n; i++) sum += exp(scratch[i] - max);
    for (int i = 0; i < n; i++) {
        double r = exp(scratch[i] - max) / sum;
        entropy -= r * log(fmax(r, LOG_FLOOR));
    }
    return fmin(entropy / log(n), 1); /* equal logits may round to a little more */
}

double future_log_score(FutureExponents exponents, double log_p, double hhat) {
    double present = exponents.a == 0 ? 0 : exponents.a * log_p;
    double future = exponents.b == 0 ? 0 : exponents.b * log(hhat);
    return present + future;
}

bool future_log_scores(double *out, const double *log_p, const double *hhat, int n, FutureExponents exponents) {
    bool any = false;
    for (int i = 0; i < n; i++) {
        out[i] = future_log_score(exponents, log_p[i], hhat[i]);
        any = any || out[i] > -INFINITY;
    }
    if (!any) memcpy(out, log_p, (size_t)n * sizeof *out);
    return any;
}

double future_depth_mean(const double *hhat, int depth, double discount) {
    assert(depth >= 1 && discount >= 0 && discount <= 1);
    double sum = 0, weights = 0, weight = 1;
    for (int j = 0; j < depth; j++, weight *= discount) {
        sum += weight * hhat[j];
        weights += weight;
    }
    return sum / weights;
}

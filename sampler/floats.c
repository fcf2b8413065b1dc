#include "sampler/floats.h"

#include <assert.h>
#include <math.h>

FLOATS_CLONES float floats_max(const float *x, int n) {
    float max = -INFINITY;
#pragma omp simd reduction(max : max)
    for (int i = 0; i < n; i++) max = x[i] > max ? x[i] : max;
    return max;
}

FLOATS_CLONES int floats_reaching(const float *x, int n, float floor) {
    int count = 0;
    for (int i = 0; i < n; i++) count += x[i] >= floor;
    return count;
}

FLOATS_CLONES double floats_sum(const float *x, int n) {
    double lanes[FLOATS_LANES] = {0}, sum = 0;
    int i = 0;
    for (; i + FLOATS_LANES <= n; i += FLOATS_LANES)
        for (int j = 0; j < FLOATS_LANES; j++) lanes[j] += x[i + j];
    for (int j = 0; j < FLOATS_LANES; j++) sum += lanes[j];
    for (; i < n; i++) sum += x[i];
    return sum;
}

FLOATS_CLONES static void find_maxima(float *maxima, const float *x, int n, int block) {
    for (int start = 0; start < n; start += block) {
        int m = n - start < block ? n - start : block;
        float max = -INFINITY;
#pragma omp simd reduction(max : max)
        for (int i = 0; i < m; i++) max = x[start + i] > max ? x[start + i] : max;
        *maxima++ = max;
    }
}

/* The largest so far; once there are k of them as a heap, the smallest on top. */
typedef struct {
    float *top;
    int k, count;
} Best;

/* top[i] is no larger than its children 2i+1 and 2i+2. */
static void sift_down(float *top, int n, int i) {
    float value = top[i];
    for (;;) {
        int least = 2 * i + 1;
        if (least >= n) break;
        if (least + 1 < n && top[least + 1] < top[least]) least++;
        if (top[least] >= value) break;
        top[i] = top[least];
        i = least;
    }
    top[i] = value;
}

static void offer(Best *best, const float *x, int n, float floor) {
    for (int i = 0; i < n; i++) {
        if (x[i] < floor) continue;
        if (best->count == best->k) {
            if (x[i] <= best->top[0]) continue;
            best->top[0] = x[i];
            sift_down(best->top, best->k, 0);
            continue;
        }
        best->top[best->count++] = x[i];
        for (int j = best->k / 2 - 1; best->count == best->k && j >= 0; j--) sift_down(best->top, best->k, j);
    }
}

/* Of the blocks' maxima k reach the k-th largest of them: so do the k largest numbers, and they are in those blocks. */
void floats_largest(float *top, int k, const float *x, int n) {
    enum { MAXIMA = 2048 };
    float maxima[MAXIMA], floor = -INFINITY;
    int block = FLOATS_BLOCK;
    assert(k >= 1 && k <= n);
    while (n / block >= MAXIMA) block *= 2;
    int n_blocks = (n + block - 1) / block;
    find_maxima(maxima, x, n, block);
    Best best = {top, k, 0};
    if (k <= n_blocks) {
        offer(&best, maxima, n_blocks, floor);
        floor = top[0];
        best.count = 0;
    }
    for (int i = 0; i < n_blocks; i++)
        if (maxima[i] >= floor) offer(&best, x + i * block, n - i * block < block ? n - i * block : block, floor);
    for (int end = k - 1; end > 0; end--) {
        float least = top[0];
        top[0] = top[end];
        top[end] = least;
        sift_down(top, end, 0);
    }
}

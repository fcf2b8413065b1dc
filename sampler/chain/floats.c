#include "sampler/chain/floats.h"

#include <assert.h>
#include <math.h>
#include <string.h>

CLONES float floats_max(const float *x, int n) {
    float max = -INFINITY;
    FLOATS_MAX_IN(max)
    for (int i = 0; i < n; i++) max = x[i] > max ? x[i] : max;
    return max;
}

CLONES int floats_reaching(const float *x, int n, float floor) {
    int count = 0;
    for (int i = 0; i < n; i++) count += x[i] >= floor;
    return count;
}

double floats_total(const Doubles *lanes) {
    double sum = 0;
    for (int i = 0; i < FLOATS_LANES; i++) sum += (*lanes)[i];
    return sum;
}

#define EACH(value)                                                                                                    \
    (Doubles) { value, value, value, value, value, value, value, value }

/* Vectors are passed by address: how they are passed by value depends on the compiler's -m flags. */

static inline void load(Doubles *d, const float *x) {
    Floats floats;
    memcpy(&floats, x, sizeof floats);
    *d = __builtin_convertvector(floats, Doubles);
}

/* exp(d) = 2^k exp(r), |r| <= ln 2 / 2, by Taylor's series to r^13/13!. d <= 0 is clamped to -700: smaller terms add
 * nothing to the 1 of the largest. Adding 1.5 * 2^52, a size at which doubles are integers, rounds k and moves its bits
 * to the low end. */
static inline void take_exp(Doubles *exps, Doubles *d) {
    const double log2_e = 1.4426950408889634, ln2_high = 0.693147180369123816490, ln2_low = 1.90821492927058770002e-10;
    const Doubles whole = EACH(0x1.8p52), lowest = EACH(-700.);
    Masks is_low = (Masks)(*d < lowest);
    *d = (Doubles)(((Masks)*d & ~is_low) | ((Masks)lowest & is_low));
    Doubles rounded = *d * log2_e + whole, k = rounded - whole, r = *d - k * ln2_high - k * ln2_low;
    Doubles series = EACH(1. / 6227020800);
    static const double factorials[] = {479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1};
    for (int i = 0; i < 13; i++) series = series * r + 1 / factorials[i];
    *exps = (Doubles)((Masks)series + ((Masks)rounded << 52));
}

/* The last, incomplete lanes of x, padded with -inf, which has no weight. */
static void take_rest(float *rest, const float *x, int n) {
    int whole = n - n % FLOATS_LANES;
    for (int i = 0; i < FLOATS_LANES; i++) rest[i] = whole + i < n ? x[whole + i] : -INFINITY;
}

CLONES double floats_sum_exp(const float *x, int n, double shift) {
    Doubles sum = {0}, d, exps;
    float rest[FLOATS_LANES];
    int whole = n - n % FLOATS_LANES;
    take_rest(rest, x, n);
    for (int i = 0; i <= whole; i += FLOATS_LANES) {
        load(&d, i < whole ? x + i : rest);
        d -= shift;
        take_exp(&exps, &d);
        sum += exps;
    }
    return floats_total(&sum);
}

CLONES FloatsMoments floats_exp_moments(const float *x, int n, double shift, double scale) {
    Doubles sum = {0}, sum_d = {0}, sum_dd = {0}, d, exps;
    float rest[FLOATS_LANES];
    int whole = n - n % FLOATS_LANES;
    take_rest(rest, x, n);
    for (int i = 0; i <= whole; i += FLOATS_LANES) {
        load(&d, i < whole ? x + i : rest);
        d = (d - shift) * scale;
        take_exp(&exps, &d);
        sum += exps;
        sum_d += exps * d;
        sum_dd += exps * d * d;
    }
    return (FloatsMoments){floats_total(&sum), floats_total(&sum_d), floats_total(&sum_dd)};
}

CLONES static void find_maxima(float *maxima, const float *x, int n, int block) {
    for (int start = 0; start < n; start += block) {
        int m = n - start < block ? n - start : block;
        float max = -INFINITY;
        FLOATS_MAX_IN(max)
        for (int i = 0; i < m; i++) max = x[start + i] > max ? x[start + i] : max;
        *maxima++ = max;
    }
}

/* The largest numbers so far; from k on they are a heap with the smallest on top. */
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

/* k of the blocks' maxima reach the k-th largest maximum. So the k largest numbers reach it too, and lie in those
 * blocks. */
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

#include "sampler/chain/target.h"

#include <assert.h>
#include <math.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/floats.h"

/* H and its slope at one T. With d_i = (z_i - max) / T and weights exp(d_i), Z their sum and E their mean:
 * ln p_i = d_i - ln Z, so H = ln Z - E[d]. In x = ln T, d_i' = -d_i and (ln Z)' = E[d'] = -E[d]; E[d]' = -E[d] -
 * Var[d], since E[f]' = E[f'] + Cov(f, d'). Hence H' = -E[d] + E[d] + Var[d] = Var[d] = Var[ln p]. */
typedef struct {
    double entropy, slope;
} Point;

static Point point_at(const float *logits, int n, double max, double temperature) {
    FloatsMoments moments = floats_exp_moments(logits, n, max, 1 / temperature);
    double mean = moments.d / moments.sum;
    return (Point){fmax(0, log(moments.sum) - mean), fmax(0, moments.dd / moments.sum - mean * mean)};
}

/* The logits as an array, and the largest of them. */
static const float *gather(const Candidates *candidates, double *max) {
    float *logits = candidates->scratch;
    for (int i = 0; i < candidates->count; i++) logits[i] = candidates->items[i].logit;
    *max = floats_max(logits, candidates->count);
    return logits;
}

double target_entropy(const Candidates *candidates, double temperature) {
    double max;
    assert(temperature >= DRAW_GREEDY_BELOW);
    const float *logits = gather(candidates, &max);
    return point_at(logits, candidates->count, max, temperature).entropy;
}

int target_count_possible(const Candidates *candidates) {
    int count = 0;
    for (int i = 0; i < candidates->count; i++) count += candidates->items[i].logit > -INFINITY;
    return count;
}

/* Newton's method in x = ln T, within an interval: its lower end has too little entropy, its upper end too much. A step
 * that leaves the interval, or that shrinks too slowly, is replaced: by a step to the end of the range if H there is
 * not known yet, otherwise by a bisection. */
double target_temperature(const Candidates *candidates, double entropy, double low, double high) {
    enum { MOST = 200 };
    double max, begin = log(fmax(low, DRAW_GREEDY_BELOW)), end = log(fmax(high, DRAW_GREEDY_BELOW));
    const float *logits = gather(candidates, &max);
    int n = candidates->count;
    bool begin_known = false, end_known = false;
    double x = fmin(fmax(0, begin), end), last = INFINITY;
    assert(low >= 0 && low < high);
    if (entropy <= 0) return low;
    if (entropy >= log(target_count_possible(candidates))) return high;
    for (int i = 0; i < MOST; i++) {
        Point point = point_at(logits, n, max, exp(x));
        double missing = entropy - point.entropy, next = x + missing / point.slope;
        if (x <= begin && missing <= 0) return low;
        if (x >= end && missing >= 0) return high;
        if (fabs(missing) <= TARGET_TOLERANCE) break;
        *(missing > 0 ? &begin : &end) = x;
        *(missing > 0 ? &begin_known : &end_known) = true;
        if (!(next > begin && next < end) || fabs(next - x) > last / 2) {
            next = begin + (end - begin) / 2;
            if (missing > 0 && !end_known) next = end;
            if (missing < 0 && !begin_known) next = begin;
        }
        if (next == x) break; /* no double lies between the ends */
        last = fabs(next - x);
        x = next;
    }
    return fmin(fmax(exp(x), low), high);
}

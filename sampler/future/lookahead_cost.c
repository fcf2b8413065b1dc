#include "sampler/future/lookahead_cost.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

enum { BINS = LOOKAHEAD_COST_BINS, TRIALS = 2, LARGEST_TRIAL = 8, LONG = 256 };
#define BIN      (1. / 16) /* nats */
#define FADE     0.99      /* per value: the last hundred values count most */
#define LEAST    1e-3      /* smaller probabilities count as zero */
#define BELIEFS  2         /* the prior of L: as if this many values had been seen, ... */
#define BELIEVED 0.4       /* ... exponentially distributed with this mean */

static bool is_old(const LookaheadCost *cost, int rows) { return cost->all - cost->last[rows] > LONG; }

/* The first passes of a size may include the warming up of a cache, so the smallest of their times counts. After them
 * it is a moving mean, in which a pass that another program interrupted counts only up to twice the mean. */
void lookahead_cost_pass(LookaheadCost *cost, int rows, double seconds) {
    assert(rows >= 1 && rows <= LOOKAHEAD_MAX_K);
    double *mean = &cost->seconds[rows];
    int passes = cost->passes[rows]++;
    if (passes == 0)
        *mean = seconds;
    else if (passes <= TRIALS)
        *mean = fmin(*mean, seconds);
    else
        *mean += (fmin(seconds, 2 * *mean) - *mean) / (is_old(cost, rows) ? 2 : 8);
    cost->last[rows] = cost->all++;
}

void lookahead_cost_future(LookaheadCost *cost, double share) {
    double place = share > 0 ? fmax(0, -log(share)) / BIN : BINS;
    for (int i = 0; i < BINS; i++) cost->seen[i] *= FADE;
    cost->seen[place < BINS - 1 ? (int)place : BINS - 1] += 1;
}

/* Linear interpolation between two measured sizes. */
static double between(const LookaheadCost *cost, int low, int high, int rows) {
    double a = cost->seconds[low], b = cost->seconds[high];
    return a + (b - a) * (rows - low) / (high - low);
}

double lookahead_cost_seconds(const LookaheadCost *cost, int rows) {
    int low = rows, high = rows;
    while (low > 0 && !cost->passes[low]) low--;
    while (high <= LOOKAHEAD_MAX_K && !cost->passes[high]) high++;
    if (low == rows) return cost->seconds[rows];
    if (low > 0 && high <= LOOKAHEAD_MAX_K) return between(cost, low, high, rows);
    if (low > 0) return cost->seconds[low] * rows / low;
    return high <= LOOKAHEAD_MAX_K ? cost->seconds[high] : 0;
}

/* above[i] = P(L > i bins), the prior included. */
static void chances(const LookaheadCost *cost, double *above) {
    double sum = 0, total = BELIEFS;
    for (int i = 0; i < BINS; i++) total += cost->seen[i];
    above[BINS] = 0;
    for (int i = BINS - 1; i >= 0; i--) {
        sum += cost->seen[i];
        above[i] = (sum + BELIEFS * exp(-i * BIN / BELIEVED)) / total;
    }
}

static double chance_above(const double *above, double l) {
    double place = l / BIN;
    if (!(place < BINS - 1)) return above[BINS - 1];
    int i = (int)place;
    return above[i] + (above[i + 1] - above[i]) * (place - i);
}

/* q[j] = Q(j) for j < m. Returns m, the number of candidates that may be needed. */
static int needs(const LookaheadCost *cost, const double *bounds, int n, double scale, double *q) {
    double above[BINS + 1];
    int m = 1;
    chances(cost, above);
    q[0] = 1;
    for (; m < n; m++) {
        q[m] = 1;
        for (int i = 0; i < m; i++) q[m] *= chance_above(above, (bounds[i] - bounds[m]) * scale);
        if (q[m] < LEAST) break;
    }
    return m;
}

/* The smallest size that was not measured often enough or not for a long time; 0: there is none. */
static int trial(const LookaheadCost *cost, int n) {
    for (int rows = 1; rows <= n && rows <= LARGEST_TRIAL; rows *= 2)
        if (cost->passes[rows] < TRIALS || is_old(cost, rows)) return rows;
    return 0;
}

int lookahead_cost_choose(const LookaheadCost *cost, const double *bounds, int n, double scale) {
    double q[LOOKAHEAD_MAX_K], seconds[LOOKAHEAD_MAX_K + 1], least[LOOKAHEAD_MAX_K + 1];
    assert(n >= 1 && n <= LOOKAHEAD_MAX_K);
    int chosen = trial(cost, n);
    if (chosen) return chosen;
    int m = needs(cost, bounds, n, scale, q);
    for (int c = 1; c <= m; c++) seconds[c] = lookahead_cost_seconds(cost, c);
    for (int c = m - 1; c >= 1; c--) seconds[c] = fmin(seconds[c], seconds[c + 1]); /* more rows never take less */
    least[m] = 0;
    for (int j = m - 1; j >= 0; j--) {
        least[j] = INFINITY;
        for (int c = 1; j + c <= m; c++) {
            double left = j + c < m ? q[j + c] / q[j] * least[j + c] : 0, time = seconds[c] + left;
            if (time >= least[j]) continue;
            least[j] = time;
            chosen = c;
        }
    }
    return chosen;
}

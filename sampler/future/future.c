#include "sampler/future/future.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "sampler/chain/floats.h"

#define LOG_FLOOR 1e-6

FutureExponents future_exponents(FutureCurve curve, double alpha) {
    assert(alpha >= -1 && alpha <= 1);
    if (curve == FUTURE_CROSSFADE) return (FutureExponents){(1 - alpha) / 2, (1 + alpha) / 2};
    return (FutureExponents){1 - fmax(0, alpha), 1 - fmax(0, -alpha)};
}

double future_entropy(const float *logits, int vocab_size, int n, float *scratch) {
    assert(vocab_size >= 1 && n >= 2);
    if (n > vocab_size) n = vocab_size;
    if (n == 1) return 0;
    floats_largest(scratch, n, logits,
                   vocab_size); /* sorted: so the order of the sums does not depend on the vocabulary */
    double max = scratch[0], sum = 0, entropy = 0;
    assert(isfinite(max));
    for (int i = 0; i < n; i++) sum += exp(scratch[i] - max);
    for (int i = 0; i < n; i++) {
        double r = exp(scratch[i] - max) / sum;
        entropy -= r * log(fmax(r, LOG_FLOOR));
    }
    return fmin(entropy / log(n), 1); /* equal logits may round to a little more */
}

static double hhat_of(void *n, const LookaheadCandidate *candidate, const float *logits, int vocab_size,
                      float *scratch) {
    (void)candidate;
    return future_entropy(logits, vocab_size, *(const int *)n, scratch);
}

static double one(void *n, const LookaheadCandidate *candidate) {
    (void)n, (void)candidate;
    return 1;
}

Scorer future_scorer(const int *n, int vocab_size) {
    return (Scorer){.worth = hhat_of,
                    .bound = one,
                    .context = (void *)n,
                    .scratch_size = *n < vocab_size ? *n : vocab_size,
                    .concurrent = true};
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

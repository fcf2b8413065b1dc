#include "sampler/chain/entropy.h"

#include <assert.h>
#include <math.h>

double entropy_of(const double *p, int n) {
    assert(n > 0);
    double entropy = 0;
    for (int i = 0; i < n; i++)
        if (p[i] > 0) entropy -= p[i] * log(p[i]);
    return entropy;
}

double varentropy_of(const double *p, int n) {
    double entropy = entropy_of(p, n), sum = 0;
    for (int i = 0; i < n; i++) {
        if (p[i] <= 0) continue;
        double difference = -log(p[i]) - entropy;
        sum += p[i] * difference * difference;
    }
    return sum;
}

double normalized_entropy_of(const double *p, int n) { return n > 1 ? entropy_of(p, n) / log(n) : 0; }

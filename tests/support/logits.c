#include "tests/support/logits.h"

#include <math.h>
#include <stdlib.h>

#include "tests/support/test.h"

void random_logits(Random *random, float *logits, int n) {
    int kind = random_int(random, 0, 4);
    for (int i = 0; i < n; i++) {
        float smooth = (float)(random_unit(random) * 16 - 8);
        switch (kind) {
        case 0:
            logits[i] = (float)random_int(random, 0, 3);
            break;
        case 1:
            logits[i] = smooth;
            break;
        case 2:
            logits[i] = 1.5f;
            break;
        case 3:
            logits[i] = smooth / 16;
            break;
        default:
            logits[i] = random_int(random, 0, 2) ? -INFINITY : floorf(smooth);
            break;
        }
    }
    if (kind == 4) logits[random_int(random, 0, n - 1)] = 3;
}

void naive_softmax(double *p, const float *logits, int n) {
    double max = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++) max = fmax(max, logits[i]);
    for (int i = 0; i < n; i++) sum += p[i] = exp(logits[i] - max);
    for (int i = 0; i < n; i++) p[i] /= sum;
}

void random_permutation(Random *random, int *place, int n) {
    for (int i = 0; i < n; i++) place[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = random_int(random, 0, i), old = place[i];
        place[i] = place[j];
        place[j] = old;
    }
}

static const Candidate *find(const Candidates *candidates, int token) {
    for (int i = 0; i < candidates->count; i++)
        if (candidates->items[i].token == token) return &candidates->items[i];
    fail_msg("token %d is missing", token);
    return NULL;
}

void check_candidates(const Candidates *candidates, const Candidate *expected, int n) {
    assert_int_equal(candidates->count, n);
    assert_that(n, >=, 1);
    for (int i = 0; i < n; i++) {
        const Candidate *item = find(candidates, expected[i].token);
        assert_that(item->logit, ==, expected[i].logit);
        assert_that(item->prob, ==, expected[i].prob);
        assert_int_equal(item->branch, expected[i].branch);
    }
}

Candidates open_candidates(int n) {
    Error error;
    Candidates candidates;
    must(candidates_open(&candidates, n, &error), &error);
    return candidates;
}

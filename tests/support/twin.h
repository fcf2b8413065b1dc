/* Twin: a session under random operations, compared with a plain model of what it must hold: for each branch the list
 * of its tokens, a copy of its logits and the calls that made them. Every step is checked:
 *
 *   lengths, who is alive, free branches, which logits there are and that no others changed;
 *   errors where the header says so, and nothing changed by them, free rows included; nothing allocated;
 *   new logits within a tolerance of the naive forward pass on the branch's whole text;
 *   sometimes, and at the end: a branch's calls repeated in a new session of its own give the same bits. */
#ifndef TESTS_SUPPORT_TWIN_H
#define TESTS_SUPPORT_TWIN_H

#include "model/session.h"
#include "tests/support/naive.h"

#define TWIN_BRANCHES 8                   /* its caller never has more at once */
#define TWIN_HELD     (2 * TWIN_BRANCHES) /* with what splits hide */

typedef struct {
    const Model *model;
    const Naive *naive; /* NULL: not compared */
    double tolerance;   /* of max |logit - naive| / max |naive| */
    SessionOptions options;
    uint64_t seed;
    int steps;
    const uint8_t *choices; /* not NULL: these bytes choose the operations, until they end, instead of the seed */
    size_t n_choices;
    int poison; /* not 0: a token that no call may take, since it makes the logits, and all after it, not finite */
} TwinSetup;

/* What a run made, to be compared with another one's. */
typedef struct {
    float *logits; /* all new logits, in order */
    size_t count;
    int compared; /* texts whose logits were compared to naive ones, */
    int close;    /* of them: within 1e-5, */
    double worst; /* the largest difference */
    int failures; /* operations that were refused */
} TwinResult;

/* Runs setup->steps random operations; the operations depend on the seed, the model's sizes and the context alone, as
 * long as options.branches >= TWIN_HELD and rows do not run out. Fails the test at the first difference. */
TwinResult twin_run(const TwinSetup *setup);
void twin_result_free(TwinResult *result);

/* Largest difference between logits and exact ones, relative to the largest exact one; infinite for NaN. */
double logits_difference(const float *logits, const double *exact, int n);

#endif

/* LookaheadCost: what passes cost on this machine and how open futures are in this text, for choosing how many candidates
 * a lookahead evaluates at a time.
 *
 *   seconds(c)    measured time of a pass of c rows
 *   L = -ln Hhat  what an exact value lies below its bound; P(L > x) from those seen
 *   Q(j)          the chance that more than the first j candidates are needed: none of these came out above the bound
 *                 of the next one, b(j+1), so the product over i <= j of P(L > b(i) - b(i+1), all bounds in units of L)
 *   V(j)          = min over c of seconds(c) + Q(j+c)/Q(j) V(j+c): the least time expected from there
 *
 * The choice changes how long a step takes, never what it draws. Plain data, all zero at first; the caller's. */
#ifndef SAMPLER_FUTURE_LOOKAHEAD_COST_H
#define SAMPLER_FUTURE_LOOKAHEAD_COST_H

#define LOOKAHEAD_MAX_K 64

enum { LOOKAHEAD_COST_BINS = 64 }; /* of L, sixteen to a nat */

typedef struct {
    double seconds[LOOKAHEAD_MAX_K + 1]; /* by rows; 0: not known */
    int passes[LOOKAHEAD_MAX_K + 1];     /* how many were measured */
    int last[LOOKAHEAD_MAX_K + 1], all;  /* which of all passes was the last of this size */
    double seen[LOOKAHEAD_COST_BINS];    /* weights of the L that lie in each; those of long ago fade */
} LookaheadCost;

/* A pass of 1 <= rows <= LOOKAHEAD_MAX_K took that long. */
void lookahead_cost_pass(LookaheadCost *cost, int rows, double seconds);

/* A candidate's Hhat, in [0, 1], came out. */
void lookahead_cost_future(LookaheadCost *cost, double hhat);

/* The time of a pass: measured, between two that are, or beyond them in proportion. 0: nothing is known. */
double lookahead_cost_seconds(const LookaheadCost *cost, int rows);

/* How many of the n >= 1 candidates that are left to evaluate next: bounds (n,) descending, `scale` L to a unit of them.
 * Passes of 1, 2, 4 and 8 rows are tried twice each first, and again when they were not made for long. */
int lookahead_cost_choose(const LookaheadCost *cost, const double *bounds, int n, double scale);

#endif

/* LookaheadCost: chooses how many candidates a lookahead evaluates in its next pass. It learns what passes cost on this
 * machine and how far exact scores lie below their bounds in this text.
 *
 *   seconds(c)    the measured time of a pass of c rows
 *   L             -ln(worth / bound), -ln Hhat for future entropy: how far an exact score lies below its bound;
 *                 P(L > x) is estimated from the values seen
 *   Q(j)          the probability that more than the first j candidates are needed: none of their exact scores reaches
 *                 the next bound, b(j+1); the product over i <= j of P(L > b(i) - b(j+1)), bounds in units of L
 *   V(j)          = min over c of seconds(c) + Q(j+c)/Q(j) V(j+c): the least expected time after j candidates
 *
 * The choice changes the time of a step, never the drawn token. Plain data, all zero at first; the caller owns it. */
#ifndef SAMPLER_FUTURE_LOOKAHEAD_COST_H
#define SAMPLER_FUTURE_LOOKAHEAD_COST_H

#define LOOKAHEAD_MAX_K 64

enum { LOOKAHEAD_COST_BINS = 64 }; /* of L, sixteen to a nat */

typedef struct {
    double seconds[LOOKAHEAD_MAX_K + 1]; /* per pass, by rows; 0: not known */
    int passes[LOOKAHEAD_MAX_K + 1];     /* measured passes, by rows */
    int last[LOOKAHEAD_MAX_K + 1], all;  /* the number of the last pass of each size; the number of all passes */
    double seen[LOOKAHEAD_COST_BINS];    /* the weight of the values of L in each bin; old values fade */
} LookaheadCost;

/* A pass of 1 <= rows <= LOOKAHEAD_MAX_K took that long. */
void lookahead_cost_pass(LookaheadCost *cost, int rows, double seconds);

/* A candidate's worth is known: `share` of its bound, in [0, 1]. */
void lookahead_cost_future(LookaheadCost *cost, double share);

/* The time of a pass: measured, or interpolated between two measured sizes, or in proportion beyond them. 0: no pass
 * was measured. */
double lookahead_cost_seconds(const LookaheadCost *cost, int rows);

/* How many of the n >= 1 remaining candidates to evaluate next. bounds (n,) are in descending order; `scale` converts
 * them to units of L. At first, passes of 1, 2, 4 and 8 rows are tried twice each. A size that was not used for a
 * long time is tried again. */
int lookahead_cost_choose(const LookaheadCost *cost, const double *bounds, int n, double scale);

#endif

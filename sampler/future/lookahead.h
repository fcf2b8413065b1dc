/* Lookahead: draws the next token from scores that count the future of each candidate. This is the walk over the
 * candidates: it forks the text, orders and draws. A scorer (scorer.h) says what a future is worth; without one it is
 * future entropy.
 *
 *   candidates    the k most probable survivors of truncation; p renormalised over all survivors
 *   worth(w)      Hhat, the normalised entropy of the n likeliest tokens after context + w, in [0, 1] (future.h);
 *                 or what the step's scorer returns
 *   s(w)          p(w)^a worth(w)^b, exponents from alpha
 *   draw          argmax of (ln s)/T + Gumbel noise, which is a draw from s^(1/T); argmax of ln s for T < 1e-4
 *
 *            branch [ 0 1 ... 41 ]                 one row per candidate, all candidates of a batch in one pass;
 *                        +-- w1 [ 42 ] Hhat .71    the caller promotes the winner's fork: its pass is the next step's;
 *                        +-- w2 [ 42 ] Hhat .35    with depth > 1 a fork of the fork is continued greedily, so that the
 *                                    +-- [ 43 44 ] fork itself keeps one row and the logits that follow it
 *
 * Lazy and exact: worth(w) <= bound(w), so ln s <= a ln p + b ln bound; for Hhat the bound is 1. Candidates are
 * evaluated in descending order of that bound / T + noise, one chunk per pass (lookahead_cost.h chooses its size),
 * until the best exact score reaches the next bound (the idea is from EPIC, 2601.01714). The token is always the one
 * that evaluating all candidates (`eager`) draws, because the noise depends on the token and not on the order.
 *
 * plain_future.h is the same algorithm without batches, bounds and gates. Nothing here allocates: scratch memory
 * belongs to the candidates. */
#ifndef SAMPLER_FUTURE_LOOKAHEAD_H
#define SAMPLER_FUTURE_LOOKAHEAD_H

#include <stdint.h>

#include "model/session.h"
#include "sampler/chain/candidates.h"
#include "sampler/chain/token_flags.h"
#include "sampler/future/future.h"
#include "sampler/future/lookahead_cost.h"
#include "sampler/future/scorer.h"

#define LOOKAHEAD_MAX_DEPTH 16
#define LOOKAHEAD_FUTURES   5
#define LOOKAHEAD_AUTO      0 /* as chunk: each pass gets the size that costs the least time */
#define LOOKAHEAD_CHUNK     4 /* the size used if chunk is LOOKAHEAD_AUTO and there is no LookaheadCost */

/* Which steps look ahead. WORD: steps in which tokens that begin a word hold at least half of the survivors' mass;
 * pieces that would continue the last word are neutral there, and all other steps act as alpha = -1. SENTENCE: the
 * same, but only at the beginning and after a token that ends a sentence or a line, or a control token. */
typedef enum { LOOKAHEAD_AT_TOKEN, LOOKAHEAD_AT_WORD, LOOKAHEAD_AT_SENTENCE } LookaheadGate;

/* What happens to end-of-text and control candidates: a new document would begin after them. NEUTRAL: they get the
 * p-weighted mean worth of the other candidates. RAW: they are treated as any other candidate. EXCLUDE: they are
 * dropped, unless there are no others. */
typedef enum { LOOKAHEAD_NEUTRAL, LOOKAHEAD_RAW, LOOKAHEAD_EXCLUDE } LookaheadEog;

/* Plain data: it copies with `=`. A wave changes alpha in a copy. */
typedef struct {
    int k;        /* candidates looked at, 1 .. LOOKAHEAD_MAX_K */
    int n;        /* next tokens that Hhat reads, >= 2 */
    double alpha; /* -1: only p, 1: only the future (article); a step with b = 0 does not look ahead */
    FutureCurve curve;
    LookaheadGate gate;
    LookaheadEog eog;
    int depth;       /* 1 .. LOOKAHEAD_MAX_DEPTH: the worth is a mean along each candidate's greedy continuation */
    double discount; /* in [0,1]: the weight of step j is discount^(j-1) */
    bool eager;      /* evaluate all k in one pass, neutral ones too, so that the winner always has its row */
    int chunk; /* rows per pass when lazy, 1 .. LOOKAHEAD_MAX_K or LOOKAHEAD_AUTO; the token does not depend on it */
} Lookahead;

/* k 20, n 20, alpha 0, article, token, neutral, depth 1, discount 1, lazy, chunk LOOKAHEAD_AUTO */
Lookahead lookahead_default(void);
/* Free branches and key/value rows (whole blocks) that a step may need in addition to the branch that it looks ahead
 * from. */
int lookahead_branches(const Lookahead *lookahead);
int lookahead_rows(const Lookahead *lookahead, int block_rows);

/* One step of one branch. */
typedef struct {
    Session *session;
    int branch; /* the candidates follow its last token */
    double temperature;
    uint64_t seed; /* of the noise, together with token, position and sequence; NOISE_DRAW, as for draw_candidate */
    int position, sequence;
    const TokenFlags *flags; /* (vocab_size,) */
    int previous;            /* the branch's last token, -1 if it has none; read by the sentence gate */
    LookaheadCost *cost;     /* for LOOKAHEAD_AUTO, learns from each pass; NULL: chunks are LOOKAHEAD_CHUNK */
    bool futures;         /* report the ghosts and the likeliest next tokens: one softmax over the vocabulary per row */
    const Scorer *scorer; /* of the futures; NULL: future entropy */
} LookaheadStep;

typedef struct {
    int token;
    float prob; /* natural */
} LookaheadFuture;

struct LookaheadCandidate {
    int token;
    double p, ln_p; /* renormalised over all survivors */
    double worth;   /* of its future: Hhat, or the scorer's result; if skipped, the upper bound */
    double ln_s;    /* the score; if skipped, an upper bound; if all_closed, ln p */
    double noise;   /* 0 for T < 1e-4 */
    bool evaluated; /* its row was computed, and its futures are known */
    bool neutral;   /* worth is the p-weighted mean of the others */
    bool skipped;   /* its worth was not needed: its bound does not reach the winner's score */
    bool chosen;
    LookaheadFuture futures[LOOKAHEAD_FUTURES]; /* likeliest first */
    int n_futures;
};

typedef enum {
    LOOKAHEAD_DONE,
    LOOKAHEAD_OFF,      /* alpha gives the future no weight */
    LOOKAHEAD_ALONE,    /* there is one candidate */
    LOOKAHEAD_NOT_HERE, /* the gate is closed */
} LookaheadOutcome;

typedef struct {
    LookaheadOutcome outcome;
    FutureExponents exponents;
    LookaheadCandidate candidates[LOOKAHEAD_MAX_K]; /* by p, descending; empty unless DONE */
    int count, chosen;                              /* its index */
    bool all_closed;                                /* every s was 0: p decided */
    bool refused;                                   /* on errors: the scorer returned a number out of range */
    int passes, rows;                               /* computed in this step */
    int ghost_plain, ghost_argmax; /* the token that alpha = -1 draws with the same noise, and the likeliest one; -1 if
                                      the step looked ahead without `futures` */
} LookaheadReport;

/* Draws one of the survivors: *chosen is its index in candidates->items. The candidates have room for the whole
 * vocabulary and at least one finite logit.
 * DONE: the candidates are cut to the k looked at, sorted. The `branch` of the chosen one is its fork, one row longer
 * than step.branch, which the caller promotes (session_promote); it is -1 if the chosen one is neutral and its row was
 * not computed: then the caller decodes the token, as after the other outcomes. All other forks are dropped.
 * Other outcomes: the draw is, bit for bit, that of draw_candidate from all survivors (EXCLUDE may have left one).
 * Errors: no room for the forks in the context, the branches or the key/value rows, checked for all k before any fork
 * is made; logits that are not finite; a worth or a bound that the scorer may not return. Then the session and the set
 * of candidates are as before. */
bool lookahead_draw(const Lookahead *lookahead, const LookaheadStep *step, Candidates *candidates, int *chosen,
                    LookaheadReport *report, Error *error);

#endif

/* Lookahead: draws the next token by how open the future behind each candidate is (future entropy).
 *
 *   candidates    the k most probable survivors of truncation; p renormalised over all survivors
 *   Hhat(w)       normalised entropy of the n likeliest tokens after context + w, in [0,1] (sampler/future/future.h)
 *   s(w)          p(w)^a Hhat(w)^b, exponents from alpha
 *   draw          argmax of (ln s)/T + Gumbel noise, which is a draw from s^(1/T); argmax of ln s for T < 1e-4
 *
 *            branch [ 0 1 ... 41 ]                 one row a candidate, all of a batch in one pass;
 *                        +-- w1 [ 42 ] Hhat .71    the winner's fork is left to be promoted: its pass is the next step's
 *                        +-- w2 [ 42 ] Hhat .35    with depth > 1 a fork of the fork goes on, greedily: the fork
 *                                    +-- [ 43 44 ] itself keeps one row and the logits that follow it
 *
 * Lazy and exact: Hhat <= 1, so ln s <= a ln p. Candidates are evaluated in descending order of the bound (a ln p)/T + noise,
 * a chunk a pass (lookahead_cost.h chooses how many), until the best exact value reaches the next bound (the idea is EPIC's, 2601.01714). The token is that of
 * evaluating all (`eager`), always: the noise belongs to the token, not to the order.
 *
 * Nothing here allocates: scratch memory is the candidates' own. */
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
#define LOOKAHEAD_AUTO      0 /* the chunk: chosen pass by pass from what passes cost */
#define LOOKAHEAD_CHUNK     4 /* the chunk without a LookaheadCost */

/* Where it is done. WORD: where less than half of the survivors' mass begins a word, the step acts as alpha = -1; elsewhere
 * pieces that would continue the word are neutral. SENTENCE: the same, and only behind a token that ends a sentence or a
 * line, a control token, or at the beginning. */
typedef enum { LOOKAHEAD_AT_TOKEN, LOOKAHEAD_AT_WORD, LOOKAHEAD_AT_SENTENCE } LookaheadGate;

/* End-of-text and control candidates, behind which a new document would open. NEUTRAL: they get the p-weighted mean Hhat
 * of the other candidates. RAW: they are as any other. EXCLUDE: they are no candidates, unless there is nothing else. */
typedef enum { LOOKAHEAD_NEUTRAL, LOOKAHEAD_RAW, LOOKAHEAD_EXCLUDE } LookaheadEog;

/* Plain data: compares and copies with `=`; a wave over time is a copy with another alpha. */
typedef struct {
    int k;        /* candidates looked at, 1 .. LOOKAHEAD_MAX_K */
    int n;        /* next tokens that Hhat reads, >= 2 */
    double alpha; /* -1: only p, 1: only the future (article); nothing is looked at where b is 0 */
    FutureCurve curve;
    LookaheadGate gate;
    LookaheadEog eog;
    int depth;       /* 1 .. LOOKAHEAD_MAX_DEPTH: Hhat averaged along each candidate's greedy continuation */
    double discount; /* in [0,1]: the weight of step j is discount^(j-1) */
    bool eager;      /* evaluate all k in one pass, neutral ones too, so that the winner always has its row */
    int chunk; /* rows in a pass when lazy, 1 .. LOOKAHEAD_MAX_K or LOOKAHEAD_AUTO; the token does not depend on it */
} Lookahead;

/* k 20, n 20, alpha 0, article, token, neutral, depth 1, discount 1, lazy, chunk LOOKAHEAD_AUTO */
Lookahead lookahead_default(void);
/* Free branches and key/value rows (whole blocks) that a step may need beside the branch that it looks ahead from. */
int lookahead_branches(const Lookahead *lookahead);
int lookahead_rows(const Lookahead *lookahead, int block_rows);

/* One step of one branch. */
typedef struct {
    Session *session;
    int branch; /* the candidates are what follows its last token */
    double temperature;
    uint64_t seed; /* of the noise, with the token, the position and the sequence: NOISE_DRAW, as for draw_candidate */
    int position, sequence;
    const TokenFlags *flags; /* (vocab_size,) */
    int previous;            /* the branch's last token, -1 where there is none; for the sentence gate */
    LookaheadCost *cost;     /* for LOOKAHEAD_AUTO, learns from each pass; NULL: then chunks are LOOKAHEAD_CHUNK */
    bool futures;            /* report the ghosts, and the likeliest next tokens: a softmax over the vocabulary a row */
    const Scorer *scorer;    /* of the futures; NULL: future entropy */
} LookaheadStep;

typedef struct {
    int token;
    float prob; /* natural */
} LookaheadFuture;

struct LookaheadCandidate {
    int token;
    double p, ln_p; /* renormalised over all survivors */
    double worth;   /* of its future: Hhat, or what the scorer returned; its upper bound where it is skipped */
    double ln_s;    /* an upper bound where it is skipped; ln p where all_closed */
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
    LOOKAHEAD_ALONE,    /* one candidate */
    LOOKAHEAD_NOT_HERE, /* the gate is closed */
} LookaheadOutcome;

typedef struct {
    LookaheadOutcome outcome;
    FutureExponents exponents;
    LookaheadCandidate candidates[LOOKAHEAD_MAX_K]; /* by p, descending; none unless DONE */
    int count, chosen;                              /* its index */
    bool all_closed;                                /* every s was 0: p decided */
    bool refused;                                   /* on errors: the scorer returned a number out of range */
    int passes, rows;                               /* computed in this step */
    int ghost_plain, ghost_argmax; /* tokens that alpha = -1 with the same noise, and the likeliest, would have been; -1
                                      where it looked ahead without futures */
} LookaheadReport;

/* Draws one of the survivors, which have room for the whole vocabulary and at least one finite logit: *chosen is its index in
 * candidates->items.
 * DONE: the candidates are cut to the k looked at, sorted; the chosen one's `branch` is its fork, one row longer than
 * step.branch, to be promoted (session_promote) by the caller, or -1 where it was neutral and its row not computed: then the
 * caller decodes it, as after the other outcomes. All other forks are dropped.
 * Other outcomes: the draw is, bit for bit, draw_candidate's from all survivors (EXCLUDE may have left ALONE just one).
 * Errors: no room for the forks in the context, the branches or the key/value rows, checked for all k before any is made;
 * logits that are not finite. Then the session and the set of candidates are as before. */
bool lookahead_draw(const Lookahead *lookahead, const LookaheadStep *step, Candidates *candidates, int *chosen,
                    LookaheadReport *report, Error *error);

#endif

#include "sampler/future/lookahead_forks.h"

#include <assert.h>
#include <float.h>
#include <math.h>

#include "sampler/chain/floats.h"
#include "tensor/kernels.h"
#include "tensor/threads.h"

#define WORTH_THREADS 100000 /* logits: with fewer, one thread is done before the others have started */

/* ---------------------------------------------------------------- room */

bool lookahead_forks_fit(const Lookahead *lookahead, const LookaheadStep *step, int k, Error *error) {
    SessionOptions options = session_options(step->session);
    Lookahead smaller = *lookahead;
    smaller.k = k;
    int length = session_length(step->session, step->branch), left = options.context - length;
    int branches = lookahead_branches(&smaller), free_branches = session_free_branches(step->session);
    int rows = lookahead_rows(&smaller, options.block_rows), free_rows = session_free_rows(step->session);
    if (left < lookahead->depth)
        error_set(error, "context full: %d more positions are needed, %d of %d are left", lookahead->depth, left,
                  options.context);
    else if (free_branches < branches)
        error_set(error, "%d free branches are needed for %d candidates, %d of %d are free", branches, k, free_branches,
                  options.branches);
    else if (free_rows < rows)
        error_set(error, "%d key/value rows are needed for %d candidates, %d are free", rows, k, free_rows);
    else
        return true;
    return error_prefix(error, "lookahead from branch %d at position %d: ", step->branch, length);
}

/* ---------------------------------------------------------------- the likeliest next tokens, for the report */

static void add_future(LookaheadCandidate *item, int token, float prob) {
    int at = item->n_futures;
    if (at == LOOKAHEAD_FUTURES && prob <= item->futures[at - 1].prob) return;
    if (at == LOOKAHEAD_FUTURES) at--;
    for (; at > 0 && prob > item->futures[at - 1].prob; at--) item->futures[at] = item->futures[at - 1];
    item->futures[at] = (LookaheadFuture){token, prob};
    if (item->n_futures < LOOKAHEAD_FUTURES) item->n_futures++;
}

static void find_futures(const LookaheadForks *forks, LookaheadCandidate *item, const float *logits) {
    float *probs = forks->candidates->scratch;
    int vocab = forks->candidates->capacity;
    float scale = 1 / kernels()->exp_sum(probs, logits, floats_max(logits, vocab), vocab);
    for (int t = 0; t < vocab; t++) probs[t] *= scale;
    for (int start = 0; start < vocab; start += FLOATS_BLOCK) {
        int n = vocab - start < FLOATS_BLOCK ? vocab - start : FLOATS_BLOCK;
        bool full = item->n_futures == LOOKAHEAD_FUTURES;
        if (full && floats_max(probs + start, n) <= item->futures[LOOKAHEAD_FUTURES - 1].prob) continue;
        for (int t = start; t < start + n; t++) add_future(item, t, probs[t]);
    }
}

/* ---------------------------------------------------------------- worth */

typedef double Worths[LOOKAHEAD_MAX_DEPTH]; /* of one candidate, step by step */

static bool check_worth(LookaheadForks *forks, const LookaheadCandidate *item, double worth, Error *error) {
    if (worth >= 0 && worth <= item->worth && worth < INFINITY) return true;
    forks->refused = true;
    return error_set(error, "scorer: worth of token %d: expected a finite number from 0 to its bound %g, got %g",
                     item->token, item->worth, worth);
}

/* worths[i][step] of candidate which[i] from the logits of branches[i]. The bits of a worth do not depend on the thread
 * that computes it. A neutral candidate is not asked for: its worth is the mean of the others. */
static bool find_worths(LookaheadForks *forks, const int *which, const int *branches, int m, int step, Worths *worths,
                        Error *error) {
    const Scorer *scorer = &forks->scorer;
    const LookaheadCandidate *items = forks->items;
    Session *session = forks->step->session;
    int vocab = forks->candidates->capacity, size = scorer->scratch_size;
    assert(size >= 0 && size <= 2 * vocab);
    bool concurrent = scorer->concurrent && (long long)m * size <= 2LL * vocab && (long long)m * vocab > WORTH_THREADS;
    int threads = concurrent ? threads_start(session_options(session).threads) : 1;
#pragma omp parallel for if (threads > 1) num_threads(threads) schedule(dynamic)
    for (int i = 0; i < m; i++)
        if (!items[which[i]].neutral)
            worths[i][step] = scorer->worth(scorer->context, &items[which[i]], session_logits(session, branches[i]),
                                            vocab, forks->candidates->scratch + (concurrent ? i * size : 0));
    for (int i = 0; i < m; i++)
        if (!items[which[i]].neutral && !check_worth(forks, &items[which[i]], worths[i][step], error)) return false;
    return true;
}

static int likeliest_token(const float *logits, int vocab_size) {
    float max = floats_max(logits, vocab_size);
    int best = 0;
    while (logits[best] != max) best++;
    return best;
}

/* The worths of steps 2 .. depth. */
static bool continue_greedily(LookaheadForks *forks, const int *which, int m, Worths *worths, Error *error) {
    int tails[LOOKAHEAD_MAX_K];
    Session *session = forks->step->session;
    assert(m >= 1 && m <= LOOKAHEAD_MAX_K);
    for (int i = 0; i < m; i++)
        if (!session_fork(session, forks->candidates->items[which[i]].branch, &tails[i], error)) return false;
    for (int j = 1; j < forks->lookahead->depth; j++) {
        BranchToken steps[LOOKAHEAD_MAX_K];
        for (int i = 0; i < m; i++)
            steps[i] = (BranchToken){tails[i],
                                     likeliest_token(session_logits(session, tails[i]), forks->candidates->capacity)};
        if (!session_decode(session, steps, m, error) || !find_worths(forks, which, tails, m, j, worths, error))
            return false;
    }
    for (int i = 0; i < m; i++) session_drop(session, tails[i]);
    return true;
}

/* The mean of numbers up to a bound may round to a little more, or overflow. */
static double mean_of(const Worths worths, const Lookahead *lookahead, double bound) {
    return fmin(future_depth_mean(worths, lookahead->depth, lookahead->discount), fmin(bound, DBL_MAX));
}

bool lookahead_forks_evaluate(LookaheadForks *forks, const int *which, int m, double *worths, Error *error) {
    int branches[LOOKAHEAD_MAX_K];
    BranchToken steps[LOOKAHEAD_MAX_K];
    Worths all[LOOKAHEAD_MAX_K];
    Session *session = forks->step->session;
    LookaheadCandidate *items = forks->items;
    assert(m >= 1 && m <= LOOKAHEAD_MAX_K);
    for (int i = 0; i < m; i++) {
        if (!session_fork(session, forks->step->branch, &branches[i], error)) return false;
        forks->candidates->items[which[i]].branch = branches[i];
        steps[i] = (BranchToken){branches[i], items[which[i]].token};
    }
    if (!session_decode(session, steps, m, error)) return false;
    for (int i = 0; i < m; i++) {
        items[which[i]].evaluated = true;
        if (forks->step->futures) find_futures(forks, &items[which[i]], session_logits(session, branches[i]));
    }
    if (!find_worths(forks, which, branches, m, 0, all, error)) return false;
    if (forks->lookahead->depth > 1 && !continue_greedily(forks, which, m, all, error)) return false;
    for (int i = 0; i < m; i++)
        if (!items[which[i]].neutral) worths[i] = mean_of(all[i], forks->lookahead, items[which[i]].worth);
    return true;
}

void lookahead_forks_drop(const LookaheadForks *forks, int kept) {
    for (int i = 0; i < forks->candidates->count; i++) {
        int *branch = &forks->candidates->items[i].branch;
        if (i == kept || *branch < 0) continue;
        session_drop(forks->step->session, *branch);
        *branch = -1;
    }
}

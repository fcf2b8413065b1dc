#include "sampler/future/lookahead.h"

#include <assert.h>
#include <math.h>
#include <time.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/floats.h"
#include "sampler/chain/noise.h"
#include "tensor/kernels.h"
#include "tensor/threads.h"

#define WORTH_THREADS 100000 /* logits: below, one thread is done before the others have begun */

/* ---------------------------------------------------------------- settings */

Lookahead lookahead_default(void) {
    return (Lookahead){.k = 20, .n = 20, .depth = 1, .discount = 1, .chunk = LOOKAHEAD_AUTO};
}

/* What the arrays and loops here rely on; the settings' table refuses all else. */
static bool is_valid(const Lookahead *lookahead) {
    return lookahead->k >= 1 && lookahead->k <= LOOKAHEAD_MAX_K && lookahead->n >= 2 && lookahead->depth >= 1 &&
           lookahead->depth <= LOOKAHEAD_MAX_DEPTH && lookahead->chunk >= 0 && lookahead->chunk <= LOOKAHEAD_MAX_K;
}

static int branches_for(const Lookahead *lookahead, int k) { return lookahead->depth > 1 ? 2 * k : k; }

static int rows_for(const Lookahead *lookahead, int k, int block_rows) {
    int continued = lookahead->depth - 1, blocks = 1 + (continued + block_rows - 1) / block_rows;
    return k * blocks * block_rows;
}

int lookahead_branches(const Lookahead *lookahead) { return branches_for(lookahead, lookahead->k); }
int lookahead_rows(const Lookahead *lookahead, int block_rows) { return rows_for(lookahead, lookahead->k, block_rows); }

/* ---------------------------------------------------------------- before looking */

static bool is_greedy(const LookaheadStep *step) { return step->temperature < DRAW_GREEDY_BELOW; }

static double noise_of(const LookaheadStep *step, int token) {
    return noise_gumbel(step->seed, token, step->position, step->sequence, NOISE_DRAW);
}

static int plain_draw(const LookaheadStep *step, const Candidates *candidates) {
    return draw_candidate(candidates, step->temperature, step->seed, step->position, step->sequence);
}

static bool has(const LookaheadStep *step, int token, unsigned flags) { return (step->flags[token] & flags) != 0; }

static bool gate_is_open(const Lookahead *lookahead, const LookaheadStep *step, const Candidates *candidates) {
    if (lookahead->gate == LOOKAHEAD_AT_TOKEN) return true;
    const unsigned ends = TOKEN_ENDS_SENTENCE | TOKEN_HAS_NEWLINE | TOKEN_ENDS_TEXT | TOKEN_IS_CONTROL;
    if (lookahead->gate == LOOKAHEAD_AT_SENTENCE && step->previous >= 0 && !has(step, step->previous, ends))
        return false;
    double mass = 0, begins = 0;
    for (int i = 0; i < candidates->count; i++) {
        mass += candidates->items[i].prob;
        if (has(step, candidates->items[i].token, TOKEN_BEGINS_WORD)) begins += candidates->items[i].prob;
    }
    return begins >= mass / 2;
}

static bool ends_text(const LookaheadStep *step, int token) {
    return has(step, token, TOKEN_ENDS_TEXT | TOKEN_IS_CONTROL);
}

/* Moves what is excluded behind the others, which keep their order. */
static void exclude_ends(const LookaheadStep *step, Candidates *candidates) {
    int kept = 0;
    for (int i = 0; i < candidates->count; i++) {
        Candidate item = candidates->items[i];
        if (ends_text(step, item.token)) continue;
        candidates->items[i] = candidates->items[kept];
        candidates->items[kept++] = item;
    }
    if (kept > 0) candidates->count = kept;
}

/* All k at once is the most that can be alive, whether they are evaluated lazily or not: so that both run out at the same
 * place, and nothing has been computed by then. */
static bool check_room(const Lookahead *lookahead, const LookaheadStep *step, int k, Error *error) {
    SessionOptions options = session_options(step->session);
    int length = session_length(step->session, step->branch), left = options.context - length;
    int branches = branches_for(lookahead, k), free_branches = session_free_branches(step->session);
    int rows = rows_for(lookahead, k, options.block_rows), free_rows = session_free_rows(step->session);
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

/* ---------------------------------------------------------------- one step */

typedef struct {
    const Lookahead *lookahead;
    const LookaheadStep *step;
    Candidates *candidates;
    LookaheadReport *report;
    FutureExponents exponents;
    int order[LOOKAHEAD_MAX_K];  /* candidates by bound, descending, then by token */
    double key[LOOKAHEAD_MAX_K]; /* what is compared: ln_s / T + noise, or its bound */
    int best;                    /* the highest key that is exact, -1: none yet */
} Look;

/* What the draw compares. At T = 0 there is no noise, and dividing by T would say nothing more. */
static double key_of(const Look *look, const LookaheadCandidate *item) {
    return is_greedy(look->step) ? item->ln_s : item->ln_s / look->step->temperature + item->noise;
}

static bool wins(const Look *look, int i, int over) {
    const LookaheadCandidate *items = look->report->candidates;
    if (look->key[i] != look->key[over]) return look->key[i] > look->key[over];
    return items[i].token < items[over].token;
}

static void set_score(Look *look, int i, double hhat) {
    LookaheadCandidate *item = &look->report->candidates[i];
    item->hhat = hhat;
    item->ln_s = future_log_score(look->exponents, item->ln_p, hhat);
    item->passed = false;
    look->key[i] = key_of(look, item);
    if (look->best < 0 || wins(look, i, look->best)) look->best = i;
}

/* p in double precision, from the logits: a probability that is zero as a float may win here. */
static double sum_of_exps(const Candidates *candidates, float max) {
    float *logits = candidates->scratch;
    for (int i = 0; i < candidates->count; i++) logits[i] = candidates->items[i].logit;
    return floats_sum_exp(logits, candidates->count, max);
}

static bool is_neutral(const Look *look, int token) {
    if (ends_text(look->step, token)) return look->lookahead->eog != LOOKAHEAD_RAW;
    return look->lookahead->gate != LOOKAHEAD_AT_TOKEN && !has(look->step, token, TOKEN_BEGINS_WORD);
}

/* Every candidate as if its Hhat were 1: the bounds, in their order. */
static void set_bounds(Look *look, double max, double log_sum) {
    LookaheadReport *report = look->report;
    report->count = look->candidates->count;
    for (int i = 0; i < report->count; i++) {
        Candidate *from = &look->candidates->items[i];
        from->branch = -1;
        LookaheadCandidate *item = &report->candidates[i];
        *item = (LookaheadCandidate){.token = from->token, .ln_p = from->logit - max - log_sum, .hhat = 1};
        item->p = exp(item->ln_p);
        item->passed = true;
        item->neutral = is_neutral(look, item->token);
        item->noise = is_greedy(look->step) ? 0 : noise_of(look->step, item->token);
        item->ln_s = future_log_score(look->exponents, item->ln_p, 1);
        look->key[i] = key_of(look, item);
        int at = i;
        for (; at > 0 && wins(look, i, look->order[at - 1]); at--) look->order[at] = look->order[at - 1];
        look->order[at] = i;
    }
}

typedef double Entropies[LOOKAHEAD_MAX_DEPTH]; /* of one candidate, step by step */

static int likeliest_token(const float *logits, int vocab_size) {
    float max = floats_max(logits, vocab_size);
    int best = 0;
    while (logits[best] != max) best++;
    return best;
}

static void add_future(LookaheadCandidate *item, int token, float prob) {
    int at = item->n_futures;
    if (at == LOOKAHEAD_FUTURES && prob <= item->futures[at - 1].prob) return;
    if (at == LOOKAHEAD_FUTURES) at--;
    for (; at > 0 && prob > item->futures[at - 1].prob; at--) item->futures[at] = item->futures[at - 1];
    item->futures[at] = (LookaheadFuture){token, prob};
    if (item->n_futures < LOOKAHEAD_FUTURES) item->n_futures++;
}

static void find_futures(const Look *look, LookaheadCandidate *item, const float *logits) {
    float *probs = look->candidates->scratch;
    int vocab = look->candidates->capacity;
    float scale = 1 / kernels()->exp_sum(probs, logits, floats_max(logits, vocab), vocab);
    for (int t = 0; t < vocab; t++) probs[t] *= scale;
    for (int start = 0; start < vocab; start += FLOATS_BLOCK) {
        int n = vocab - start < FLOATS_BLOCK ? vocab - start : FLOATS_BLOCK;
        bool full = item->n_futures == LOOKAHEAD_FUTURES;
        if (full && floats_max(probs + start, n) <= item->futures[LOOKAHEAD_FUTURES - 1].prob) continue;
        for (int t = start; t < start + n; t++) add_future(item, t, probs[t]);
    }
}

/* hhat[i][depth] of each branch. A row's value is its own, whichever thread finds it. */
static void find_entropies(const Look *look, const int *branches, int m, int depth, Entropies *hhat) {
    int vocab = look->candidates->capacity, n = look->lookahead->n < vocab ? look->lookahead->n : vocab;
    bool side_by_side = m <= vocab / n * 2 && (long long)m * vocab > WORTH_THREADS;
    int threads = side_by_side ? threads_start(session_options(look->step->session).threads) : 1;
#pragma omp parallel for if (threads > 1) num_threads(threads) schedule(dynamic)
    for (int i = 0; i < m; i++)
        hhat[i][depth] = future_entropy(session_logits(look->step->session, branches[i]), vocab, look->lookahead->n,
                                        look->candidates->scratch + (side_by_side ? i * n : 0));
}

/* The entropies of steps 2 .. depth. A fork of each fork goes on, so that the fork stays what is promoted. */
static bool continue_greedily(const Look *look, const int *forks, int m, Entropies *hhat, Error *error) {
    int tails[LOOKAHEAD_MAX_K];
    Session *session = look->step->session;
    assert(m >= 1 && m <= LOOKAHEAD_MAX_K);
    for (int i = 0; i < m; i++)
        if (!session_fork(session, forks[i], &tails[i], error)) return false;
    for (int j = 1; j < look->lookahead->depth; j++) {
        BranchToken steps[LOOKAHEAD_MAX_K];
        for (int i = 0; i < m; i++)
            steps[i] =
                (BranchToken){tails[i], likeliest_token(session_logits(session, tails[i]), look->candidates->capacity)};
        if (!session_decode(session, steps, m, error)) return false;
        find_entropies(look, tails, m, j, hhat);
    }
    for (int i = 0; i < m; i++) session_drop(session, tails[i]);
    return true;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The exact values of m candidates, in one pass a depth. On errors their forks are left to the caller. */
static bool evaluate(Look *look, const int *which, int m, Error *error) {
    int forks[LOOKAHEAD_MAX_K];
    BranchToken steps[LOOKAHEAD_MAX_K];
    Entropies hhat[LOOKAHEAD_MAX_K];
    Session *session = look->step->session;
    LookaheadCandidate *items = look->report->candidates;
    double start = seconds_now();
    assert(m >= 1 && m <= LOOKAHEAD_MAX_K);
    for (int i = 0; i < m; i++) {
        if (!session_fork(session, look->step->branch, &forks[i], error)) return false;
        look->candidates->items[which[i]].branch = forks[i];
        steps[i] = (BranchToken){forks[i], items[which[i]].token};
    }
    if (!session_decode(session, steps, m, error)) return false;
    find_entropies(look, forks, m, 0, hhat);
    for (int i = 0; i < m; i++) {
        items[which[i]].evaluated = true;
        if (look->step->futures) find_futures(look, &items[which[i]], session_logits(session, forks[i]));
    }
    int depth = look->lookahead->depth;
    if (depth > 1 && !continue_greedily(look, forks, m, hhat, error)) return false;
    for (int i = 0; i < m; i++) {
        if (items[which[i]].neutral) continue;
        set_score(look, which[i], future_depth_mean(hhat[i], depth, look->lookahead->discount));
        if (look->step->cost) lookahead_cost_future(look->step->cost, items[which[i]].hhat);
    }
    if (look->step->cost) lookahead_cost_pass(look->step->cost, m, seconds_now() - start);
    return true;
}

/* When all others are known: the mean is summed in the order of p, so that it does not depend on when each was. */
static void set_neutral_scores(Look *look) {
    LookaheadReport *report = look->report;
    double mass = 0, sum = 0;
    for (int i = 0; i < report->count; i++) {
        const LookaheadCandidate *item = &report->candidates[i];
        if (item->neutral) continue;
        mass += item->p;
        sum += item->p * item->hhat;
    }
    double mean = mass > 0 ? fmin(1, sum / mass) : 1;
    for (int i = 0; i < report->count; i++)
        if (report->candidates[i].neutral) set_score(look, i, mean);
}

/* The one at the front of those that are not known; -1: there is none. */
static int next_of(const Look *look) {
    for (int i = 0; i < look->report->count; i++)
        if (look->report->candidates[look->order[i]].passed) return look->order[i];
    return -1;
}

/* No candidate that was not evaluated can win over the best, and eager evaluation is off. A best s of zero settles
 * nothing, because bounds are finite. */
static bool is_settled(const Look *look, int next) {
    return !look->lookahead->eager && look->best >= 0 && !wins(look, next, look->best);
}

/* Of the m candidates at the front, all of which may win, how many to evaluate now. */
static int chunk_of(const Look *look, const int *which, int m) {
    double bounds[LOOKAHEAD_MAX_K], b = look->exponents.b;
    int chunk = look->lookahead->chunk;
    if (chunk == LOOKAHEAD_AUTO && look->step->cost) {
        for (int i = 0; i < m; i++) bounds[i] = look->key[which[i]];
        return lookahead_cost_choose(look->step->cost, bounds, m,
                                     is_greedy(look->step) ? 1 / b : look->step->temperature / b);
    }
    if (chunk == LOOKAHEAD_AUTO) chunk = LOOKAHEAD_CHUNK;
    return chunk < m ? chunk : m;
}

/* The front of those not yet evaluated. What is neutral needs all others, and gets a row only where all do. */
static int next_batch(const Look *look, int next, int *which) {
    bool eager = look->lookahead->eager, all = eager || look->report->candidates[next].neutral;
    int m = 0;
    for (int i = 0; i < look->report->count; i++) {
        const LookaheadCandidate *item = &look->report->candidates[look->order[i]];
        if (item->evaluated || (item->neutral && !eager)) continue;
        if (!all && is_settled(look, look->order[i])) break;
        which[m++] = look->order[i];
    }
    return all || m == 0 ? m : chunk_of(look, which, m);
}

static bool look_ahead(Look *look, Error *error) {
    int next;
    while ((next = next_of(look)) >= 0 && !is_settled(look, next)) {
        int which[LOOKAHEAD_MAX_K], m = next_batch(look, next, which);
        if (m == 0)
            set_neutral_scores(look);
        else if (!evaluate(look, which, m, error))
            return false;
    }
    return true;
}

/* s is zero for every candidate: p decides. */
static void fall_back_to_p(Look *look) {
    look->report->all_closed = true;
    look->exponents = (FutureExponents){1, 0};
    look->best = -1;
    for (int i = 0; i < look->report->count; i++) set_score(look, i, look->report->candidates[i].hhat);
}

static void drop_forks(Look *look, int kept) {
    for (int i = 0; i < look->candidates->count; i++) {
        int *branch = &look->candidates->items[i].branch;
        if (i == kept || *branch < 0) continue;
        session_drop(look->step->session, *branch);
        *branch = -1;
    }
}

static bool draw_among(Look *look, int *chosen, Error *error) {
    SessionCounts before = session_counts(look->step->session);
    if (!look_ahead(look, error)) {
        drop_forks(look, -1);
        return error_prefix(error, "lookahead from branch %d: ", look->step->branch);
    }
    if (look->key[look->best] == -INFINITY) fall_back_to_p(look);
    SessionCounts after = session_counts(look->step->session);
    look->report->passes = (int)(after.passes - before.passes);
    look->report->rows = (int)(after.rows - before.rows);
    look->report->chosen = *chosen = look->best;
    look->report->candidates[look->best].chosen = true;
    drop_forks(look, look->best);
    return true;
}

/* Cuts the survivors to those that are looked at, and sets their bounds. */
static void look_at_some(Look *look) {
    Candidates *candidates = look->candidates;
    if (look->lookahead->eog == LOOKAHEAD_EXCLUDE) exclude_ends(look->step, candidates);
    float max = candidates->items[candidates_argmax(candidates)].logit;
    double sum = sum_of_exps(candidates, max);
    candidates_top_k(candidates, look->lookahead->k);
    /* Those that were banned, with a logit of -inf: where p has no weight they would be as good as any. */
    while (candidates->count > 1 && candidates->items[candidates->count - 1].logit == -INFINITY) candidates->count--;
    set_bounds(look, max, log(sum));
}

static LookaheadOutcome outcome_of(const Look *look) {
    if (look->exponents.b == 0) return LOOKAHEAD_OFF;
    if (look->candidates->count == 1) return LOOKAHEAD_ALONE;
    return gate_is_open(look->lookahead, look->step, look->candidates) ? LOOKAHEAD_DONE : LOOKAHEAD_NOT_HERE;
}

static bool draw(Look *look, int *chosen, Error *error) {
    LookaheadReport *report = look->report;
    report->outcome = outcome_of(look);
    report->ghost_plain = report->ghost_argmax = -1;
    if (report->outcome != LOOKAHEAD_DONE || look->step->futures) { /* a look at each survivor */
        *chosen = plain_draw(look->step, look->candidates);
        report->ghost_plain = look->candidates->items[*chosen].token;
        report->ghost_argmax = look->candidates->items[candidates_argmax(look->candidates)].token;
    }
    if (report->outcome != LOOKAHEAD_DONE) return true;
    look_at_some(look);
    if (report->count > 1)
        return check_room(look->lookahead, look->step, report->count, error) && draw_among(look, chosen, error);
    report->outcome = LOOKAHEAD_ALONE;
    report->count = *chosen = 0;
    return true;
}

bool lookahead_draw(const Lookahead *lookahead, const LookaheadStep *step, Candidates *candidates, int *chosen,
                    LookaheadReport *report, Error *error) {
    assert(is_valid(lookahead) && session_alive(step->session, step->branch) && candidates->count >= 1);
    FutureExponents exponents = future_exponents(lookahead->curve, lookahead->alpha);
    Candidates before = *candidates;
    *report = (LookaheadReport){.exponents = exponents};
    Look look = {lookahead, step, candidates, report, exponents, .best = -1};
    if (draw(&look, chosen, error)) return true;
    candidates->count = before.count;
    candidates->sorted = before.sorted && lookahead->eog != LOOKAHEAD_EXCLUDE;
    return false;
}

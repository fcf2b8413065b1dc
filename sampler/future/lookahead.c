#include "sampler/future/lookahead.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <time.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/floats.h"
#include "sampler/chain/noise.h"
#include "sampler/future/lookahead_forks.h"

/* ---------------------------------------------------------------- settings */

Lookahead lookahead_default(void) {
    return (Lookahead){.k = 20, .n = 20, .depth = 1, .discount = 1, .chunk = LOOKAHEAD_AUTO};
}

/* The ranges that this file relies on; the table of settings has checked them. */
static bool is_valid(const Lookahead *lookahead) {
    return lookahead->k >= 1 && lookahead->k <= LOOKAHEAD_MAX_K && lookahead->n >= 2 && lookahead->depth >= 1 &&
           lookahead->depth <= LOOKAHEAD_MAX_DEPTH && lookahead->chunk >= 0 && lookahead->chunk <= LOOKAHEAD_MAX_K;
}

int lookahead_branches(const Lookahead *lookahead) { return lookahead->depth > 1 ? 2 * lookahead->k : lookahead->k; }

int lookahead_rows(const Lookahead *lookahead, int block_rows) {
    int continued = lookahead->depth - 1, blocks = 1 + (continued + block_rows - 1) / block_rows;
    return lookahead->k * blocks * block_rows;
}

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

/* Moves the excluded candidates to the end; the others keep their order. */
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

/* ---------------------------------------------------------------- one step */

typedef struct {
    const Lookahead *lookahead;
    const LookaheadStep *step;
    Candidates *candidates;
    LookaheadReport *report;
    LookaheadForks forks;
    int order[LOOKAHEAD_MAX_K];  /* candidates by bound, descending, then by token */
    double key[LOOKAHEAD_MAX_K]; /* ln_s / T + noise, or its bound; the draw takes the largest */
    int best;                    /* the candidate with the highest exact key; -1: no exact key is known yet */
} Walk;

/* The draw takes the largest key. At T = 0 there is no noise, and the key is ln s. */
static double key_of(const Walk *walk, const LookaheadCandidate *item) {
    return is_greedy(walk->step) ? item->ln_s : item->ln_s / walk->step->temperature + item->noise;
}

static bool wins(const Walk *walk, int i, int over) {
    const LookaheadCandidate *items = walk->report->candidates;
    if (walk->key[i] != walk->key[over]) return walk->key[i] > walk->key[over];
    return items[i].token < items[over].token;
}

/* The exact score of candidate i. */
static void set_score(Walk *walk, int i, double worth, double ln_s) {
    LookaheadCandidate *item = &walk->report->candidates[i];
    item->worth = worth;
    item->ln_s = ln_s;
    item->skipped = false;
    walk->key[i] = key_of(walk, item);
    if (walk->best < 0 || wins(walk, i, walk->best)) walk->best = i;
}

/* p is computed in double precision from the logits: a token whose p is zero as a float may still win. */
static double sum_of_exps(const Candidates *candidates, float max) {
    float *logits = candidates->scratch;
    for (int i = 0; i < candidates->count; i++) logits[i] = candidates->items[i].logit;
    return floats_sum_exp(logits, candidates->count, max);
}

static bool is_neutral(const Walk *walk, int token) {
    if (ends_text(walk->step, token)) return walk->lookahead->eog != LOOKAHEAD_RAW;
    return walk->lookahead->gate != LOOKAHEAD_AT_TOKEN && !has(walk->step, token, TOKEN_BEGINS_WORD);
}

/* Sets the worth of each candidate to its upper bound. The bound of a neutral candidate is the largest bound of the
 * others, because a mean of their worths cannot exceed it. If all are neutral, each is worth 1. */
static bool find_bounds(Walk *walk, Error *error) {
    const Scorer *scorer = &walk->forks.scorer;
    LookaheadReport *report = walk->report;
    double largest = -1;
    for (int i = 0; i < report->count; i++) {
        LookaheadCandidate *item = &report->candidates[i];
        if (item->neutral) continue;
        item->worth = scorer->bound ? scorer->bound(scorer->context, item) : INFINITY;
        report->refused = !(item->worth >= 0);
        if (report->refused)
            return error_set(error, "scorer: bound of token %d: expected a number from 0, got %g", item->token,
                             item->worth);
        largest = fmax(largest, item->worth);
    }
    for (int i = 0; i < report->count; i++)
        if (report->candidates[i].neutral) report->candidates[i].worth = largest < 0 ? 1 : largest;
    return true;
}

static double log_score(const Walk *walk, const LookaheadCandidate *item, double worth) {
    return future_log_score(walk->report->exponents, item->ln_p, worth);
}

/* Scores every candidate by its bound, and sorts by these scores. */
static void set_order(Walk *walk) {
    for (int i = 0; i < walk->report->count; i++) {
        LookaheadCandidate *item = &walk->report->candidates[i];
        item->ln_s = log_score(walk, item, item->worth);
        item->skipped = true;
        walk->key[i] = key_of(walk, item);
        int at = i;
        for (; at > 0 && wins(walk, i, walk->order[at - 1]); at--) walk->order[at] = walk->order[at - 1];
        walk->order[at] = i;
    }
}

/* The candidates of the report, without their scores. */
static void set_candidates(Walk *walk, double max, double log_sum) {
    LookaheadReport *report = walk->report;
    report->count = walk->candidates->count;
    for (int i = 0; i < report->count; i++) {
        Candidate *from = &walk->candidates->items[i];
        from->branch = -1;
        LookaheadCandidate *item = &report->candidates[i];
        *item = (LookaheadCandidate){.token = from->token, .ln_p = from->logit - max - log_sum};
        item->p = exp(item->ln_p);
        item->neutral = is_neutral(walk, item->token);
        item->noise = is_greedy(walk->step) ? 0 : noise_of(walk->step, item->token);
    }
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The exact scores of m candidates. A score is never above its bound, even if a logarithm rounds up: else lazy
 * evaluation could miss the winner. */
static bool evaluate(Walk *walk, const int *which, int m, Error *error) {
    double worths[LOOKAHEAD_MAX_K], start = seconds_now();
    LookaheadCost *cost = walk->step->cost;
    if (!lookahead_forks_evaluate(&walk->forks, which, m, worths, error)) return false;
    for (int i = 0; i < m; i++) {
        const LookaheadCandidate *item = &walk->report->candidates[which[i]];
        double bound = item->worth;
        if (item->neutral) continue;
        set_score(walk, which[i], worths[i], fmin(log_score(walk, item, worths[i]), item->ln_s));
        if (cost && bound > 0 && bound < INFINITY) lookahead_cost_future(cost, worths[i] / bound);
    }
    if (cost) lookahead_cost_pass(cost, m, seconds_now() - start);
    return true;
}

/* Called when the worths of all others are known. The mean is summed in the order of p, so its bits do not depend on
 * the order of evaluation. */
static void set_neutral_scores(Walk *walk) {
    LookaheadReport *report = walk->report;
    double mass = 0, sum = 0;
    for (int i = 0; i < report->count; i++) {
        const LookaheadCandidate *item = &report->candidates[i];
        if (item->neutral) continue;
        mass += item->p;
        sum += item->p * item->worth;
    }
    for (int i = 0; i < report->count; i++) {
        const LookaheadCandidate *item = &report->candidates[i];
        if (!item->neutral) continue;
        double mean = fmin(mass > 0 ? sum / mass : 1, fmin(item->worth, DBL_MAX));
        set_score(walk, i, mean, fmin(log_score(walk, item, mean), item->ln_s));
    }
}

/* The candidate with the highest bound among those whose worth is not known; -1: all are known. */
static int next_of(const Walk *walk) {
    for (int i = 0; i < walk->report->count; i++)
        if (walk->report->candidates[walk->order[i]].skipped) return walk->order[i];
    return -1;
}

/* True when evaluation is lazy and no bound from `next` on beats the best exact score. */
static bool is_settled(const Walk *walk, int next) {
    return !walk->lookahead->eager && walk->best >= 0 && !wins(walk, next, walk->best);
}

/* How many of the first m candidates to evaluate in the next pass; each of them may win. Those without a bound are all
 * needed. */
static int chunk_of(const Walk *walk, const int *which, int m) {
    double bounds[LOOKAHEAD_MAX_K], b = walk->report->exponents.b;
    int chunk = walk->lookahead->chunk, unbounded = 0;
    while (unbounded < m && walk->key[which[unbounded]] == INFINITY) unbounded++;
    if (unbounded > 0) return unbounded;
    if (chunk == LOOKAHEAD_AUTO && walk->step->cost) {
        for (int i = 0; i < m; i++) bounds[i] = walk->key[which[i]];
        return lookahead_cost_choose(walk->step->cost, bounds, m,
                                     is_greedy(walk->step) ? 1 / b : walk->step->temperature / b);
    }
    if (chunk == LOOKAHEAD_AUTO) chunk = LOOKAHEAD_CHUNK;
    return chunk < m ? chunk : m;
}

/* The candidates of the next pass. A neutral candidate needs the worths of all others; it gets a row of its own only in
 * eager evaluation. */
static int next_batch(const Walk *walk, int next, int *which) {
    bool eager = walk->lookahead->eager, all = eager || walk->report->candidates[next].neutral;
    int m = 0;
    for (int i = 0; i < walk->report->count; i++) {
        const LookaheadCandidate *item = &walk->report->candidates[walk->order[i]];
        if (item->evaluated || (item->neutral && !eager)) continue;
        if (!all && is_settled(walk, walk->order[i])) break;
        which[m++] = walk->order[i];
    }
    return all || m == 0 ? m : chunk_of(walk, which, m);
}

static bool look_ahead(Walk *walk, Error *error) {
    int next;
    while ((next = next_of(walk)) >= 0 && !is_settled(walk, next)) {
        int which[LOOKAHEAD_MAX_K], m = next_batch(walk, next, which);
        if (m == 0)
            set_neutral_scores(walk);
        else if (!evaluate(walk, which, m, error))
            return false;
    }
    return true;
}

/* Every s is zero: p alone decides. */
static void fall_back_to_p(Walk *walk) {
    walk->report->all_closed = true;
    walk->best = -1;
    for (int i = 0; i < walk->report->count; i++)
        set_score(walk, i, walk->report->candidates[i].worth, walk->report->candidates[i].ln_p);
}

static bool draw_candidate_of(Walk *walk, int *chosen, Error *error) {
    SessionCounts before = session_counts(walk->step->session);
    if (!find_bounds(walk, error)) return error_prefix(error, "lookahead from branch %d: ", walk->step->branch);
    set_order(walk);
    if (!look_ahead(walk, error)) {
        walk->report->refused = walk->forks.refused;
        lookahead_forks_drop(&walk->forks, -1);
        return error_prefix(error, "lookahead from branch %d: ", walk->step->branch);
    }
    if (walk->key[walk->best] == -INFINITY) fall_back_to_p(walk);
    SessionCounts after = session_counts(walk->step->session);
    walk->report->passes = (int)(after.passes - before.passes);
    walk->report->rows = (int)(after.rows - before.rows);
    walk->report->chosen = *chosen = walk->best;
    walk->report->candidates[walk->best].chosen = true;
    lookahead_forks_drop(&walk->forks, walk->best);
    return true;
}

/* Cuts the survivors to the k most probable. */
static void cut_to_k(Walk *walk) {
    Candidates *candidates = walk->candidates;
    if (walk->lookahead->eog == LOOKAHEAD_EXCLUDE) exclude_ends(walk->step, candidates);
    float max = candidates->items[candidates_argmax(candidates)].logit;
    double sum = sum_of_exps(candidates, max);
    candidates_top_k(candidates, walk->lookahead->k);
    /* Banned tokens have a logit of -inf. With a = 0 they would have the same score as other tokens. */
    while (candidates->count > 1 && candidates->items[candidates->count - 1].logit == -INFINITY) candidates->count--;
    set_candidates(walk, max, log(sum));
}

static LookaheadOutcome outcome_of(const Walk *walk) {
    if (walk->report->exponents.b == 0) return LOOKAHEAD_OFF;
    if (walk->candidates->count == 1) return LOOKAHEAD_ALONE;
    return gate_is_open(walk->lookahead, walk->step, walk->candidates) ? LOOKAHEAD_DONE : LOOKAHEAD_NOT_HERE;
}

static bool draw(Walk *walk, int *chosen, Error *error) {
    LookaheadReport *report = walk->report;
    report->outcome = outcome_of(walk);
    report->ghost_plain = report->ghost_argmax = -1;
    if (report->outcome != LOOKAHEAD_DONE || walk->step->futures) { /* costs a pass over all survivors */
        *chosen = plain_draw(walk->step, walk->candidates);
        report->ghost_plain = walk->candidates->items[*chosen].token;
        report->ghost_argmax = walk->candidates->items[candidates_argmax(walk->candidates)].token;
    }
    if (report->outcome != LOOKAHEAD_DONE) return true;
    cut_to_k(walk);
    if (report->count > 1)
        return lookahead_forks_fit(walk->lookahead, walk->step, report->count, error) &&
               draw_candidate_of(walk, chosen, error);
    report->outcome = LOOKAHEAD_ALONE;
    report->count = *chosen = 0;
    return true;
}

bool lookahead_draw(const Lookahead *lookahead, const LookaheadStep *step, Candidates *candidates, int *chosen,
                    LookaheadReport *report, Error *error) {
    assert(is_valid(lookahead) && session_alive(step->session, step->branch) && candidates->count >= 1);
    Candidates before = *candidates;
    *report = (LookaheadReport){.exponents = future_exponents(lookahead->curve, lookahead->alpha)};
    Walk walk = {.lookahead = lookahead, .step = step, .candidates = candidates, .report = report, .best = -1};
    Scorer scorer = step->scorer ? *step->scorer : future_scorer(&lookahead->n, candidates->capacity);
    walk.forks = (LookaheadForks){lookahead, step, scorer, candidates, report->candidates, false};
    if (draw(&walk, chosen, error)) return true;
    candidates->count = before.count;
    candidates->sorted = before.sorted && lookahead->eog != LOOKAHEAD_EXCLUDE;
    return false;
}

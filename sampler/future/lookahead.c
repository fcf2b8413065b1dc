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

/* What the arrays and loops here rely on; the settings' table refuses all else. */
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
    double key[LOOKAHEAD_MAX_K]; /* what is compared: ln_s / T + noise, or its bound */
    int best;                    /* the candidate with the highest exact key; -1: none is known yet */
} Look;

/* What the draw compares. At T = 0 there is no noise, and ln s alone has the same order. */
static double key_of(const Look *look, const LookaheadCandidate *item) {
    return is_greedy(look->step) ? item->ln_s : item->ln_s / look->step->temperature + item->noise;
}

static bool wins(const Look *look, int i, int over) {
    const LookaheadCandidate *items = look->report->candidates;
    if (look->key[i] != look->key[over]) return look->key[i] > look->key[over];
    return items[i].token < items[over].token;
}

/* The exact score of candidate i. */
static void set_score(Look *look, int i, double worth, double ln_s) {
    LookaheadCandidate *item = &look->report->candidates[i];
    item->worth = worth;
    item->ln_s = ln_s;
    item->skipped = false;
    look->key[i] = key_of(look, item);
    if (look->best < 0 || wins(look, i, look->best)) look->best = i;
}

/* p is computed in double precision from the logits: a token whose p is zero as a float may still win. */
static double sum_of_exps(const Candidates *candidates, float max) {
    float *logits = candidates->scratch;
    for (int i = 0; i < candidates->count; i++) logits[i] = candidates->items[i].logit;
    return floats_sum_exp(logits, candidates->count, max);
}

static bool is_neutral(const Look *look, int token) {
    if (ends_text(look->step, token)) return look->lookahead->eog != LOOKAHEAD_RAW;
    return look->lookahead->gate != LOOKAHEAD_AT_TOKEN && !has(look->step, token, TOKEN_BEGINS_WORD);
}

/* Sets the worth of each candidate to its upper bound. The bound of a neutral candidate is the largest bound of the
 * others, because a mean of their worths cannot exceed it. If all are neutral, each is worth 1. */
static bool find_bounds(Look *look, Error *error) {
    const Scorer *scorer = &look->forks.scorer;
    LookaheadReport *report = look->report;
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

static double log_score(const Look *look, const LookaheadCandidate *item, double worth) {
    return future_log_score(look->report->exponents, item->ln_p, worth);
}

/* Scores every candidate by its bound, and sorts by these scores. */
static void set_order(Look *look) {
    for (int i = 0; i < look->report->count; i++) {
        LookaheadCandidate *item = &look->report->candidates[i];
        item->ln_s = log_score(look, item, item->worth);
        item->skipped = true;
        look->key[i] = key_of(look, item);
        int at = i;
        for (; at > 0 && wins(look, i, look->order[at - 1]); at--) look->order[at] = look->order[at - 1];
        look->order[at] = i;
    }
}

/* The candidates of the report, without their scores. */
static void set_candidates(Look *look, double max, double log_sum) {
    LookaheadReport *report = look->report;
    report->count = look->candidates->count;
    for (int i = 0; i < report->count; i++) {
        Candidate *from = &look->candidates->items[i];
        from->branch = -1;
        LookaheadCandidate *item = &report->candidates[i];
        *item = (LookaheadCandidate){.token = from->token, .ln_p = from->logit - max - log_sum};
        item->p = exp(item->ln_p);
        item->neutral = is_neutral(look, item->token);
        item->noise = is_greedy(look->step) ? 0 : noise_of(look->step, item->token);
    }
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The exact scores of m candidates. A score is never above its bound, even if a logarithm rounds up: else lazy
 * evaluation could miss the winner. */
static bool evaluate(Look *look, const int *which, int m, Error *error) {
    double worths[LOOKAHEAD_MAX_K], start = seconds_now();
    LookaheadCost *cost = look->step->cost;
    if (!lookahead_forks_evaluate(&look->forks, which, m, worths, error)) return false;
    for (int i = 0; i < m; i++) {
        const LookaheadCandidate *item = &look->report->candidates[which[i]];
        double bound = item->worth;
        if (item->neutral) continue;
        set_score(look, which[i], worths[i], fmin(log_score(look, item, worths[i]), item->ln_s));
        if (cost && bound > 0 && bound < INFINITY) lookahead_cost_future(cost, worths[i] / bound);
    }
    if (cost) lookahead_cost_pass(cost, m, seconds_now() - start);
    return true;
}

/* Called when the worths of all others are known. The mean is summed in the order of p, so its bits do not depend on
 * the order of evaluation. */
static void set_neutral_scores(Look *look) {
    LookaheadReport *report = look->report;
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
        set_score(look, i, mean, fmin(log_score(look, item, mean), item->ln_s));
    }
}

/* The candidate with the highest bound among those whose worth is not known; -1: all are known. */
static int next_of(const Look *look) {
    for (int i = 0; i < look->report->count; i++)
        if (look->report->candidates[look->order[i]].skipped) return look->order[i];
    return -1;
}

/* True when evaluation is lazy and no bound from `next` on beats the best exact score. */
static bool is_settled(const Look *look, int next) {
    return !look->lookahead->eager && look->best >= 0 && !wins(look, next, look->best);
}

/* How many of the first m candidates to evaluate in the next pass; each of them may win. Those without a bound are all
 * needed. */
static int chunk_of(const Look *look, const int *which, int m) {
    double bounds[LOOKAHEAD_MAX_K], b = look->report->exponents.b;
    int chunk = look->lookahead->chunk, unbounded = 0;
    while (unbounded < m && look->key[which[unbounded]] == INFINITY) unbounded++;
    if (unbounded > 0) return unbounded;
    if (chunk == LOOKAHEAD_AUTO && look->step->cost) {
        for (int i = 0; i < m; i++) bounds[i] = look->key[which[i]];
        return lookahead_cost_choose(look->step->cost, bounds, m,
                                     is_greedy(look->step) ? 1 / b : look->step->temperature / b);
    }
    if (chunk == LOOKAHEAD_AUTO) chunk = LOOKAHEAD_CHUNK;
    return chunk < m ? chunk : m;
}

/* The candidates of the next pass. A neutral candidate needs the worths of all others; it gets a row of its own only in
 * eager evaluation. */
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

/* Every s is zero: p alone decides. */
static void fall_back_to_p(Look *look) {
    look->report->all_closed = true;
    look->best = -1;
    for (int i = 0; i < look->report->count; i++)
        set_score(look, i, look->report->candidates[i].worth, look->report->candidates[i].ln_p);
}

static bool draw_among(Look *look, int *chosen, Error *error) {
    SessionCounts before = session_counts(look->step->session);
    if (!find_bounds(look, error)) return error_prefix(error, "lookahead from branch %d: ", look->step->branch);
    set_order(look);
    if (!look_ahead(look, error)) {
        look->report->refused = look->forks.refused;
        lookahead_forks_drop(&look->forks, -1);
        return error_prefix(error, "lookahead from branch %d: ", look->step->branch);
    }
    if (look->key[look->best] == -INFINITY) fall_back_to_p(look);
    SessionCounts after = session_counts(look->step->session);
    look->report->passes = (int)(after.passes - before.passes);
    look->report->rows = (int)(after.rows - before.rows);
    look->report->chosen = *chosen = look->best;
    look->report->candidates[look->best].chosen = true;
    lookahead_forks_drop(&look->forks, look->best);
    return true;
}

/* Cuts the survivors to those that are looked at. */
static void look_at_some(Look *look) {
    Candidates *candidates = look->candidates;
    if (look->lookahead->eog == LOOKAHEAD_EXCLUDE) exclude_ends(look->step, candidates);
    float max = candidates->items[candidates_argmax(candidates)].logit;
    double sum = sum_of_exps(candidates, max);
    candidates_top_k(candidates, look->lookahead->k);
    /* Banned tokens have a logit of -inf. With a = 0 they would be as good as any other. */
    while (candidates->count > 1 && candidates->items[candidates->count - 1].logit == -INFINITY) candidates->count--;
    set_candidates(look, max, log(sum));
}

static LookaheadOutcome outcome_of(const Look *look) {
    if (look->report->exponents.b == 0) return LOOKAHEAD_OFF;
    if (look->candidates->count == 1) return LOOKAHEAD_ALONE;
    return gate_is_open(look->lookahead, look->step, look->candidates) ? LOOKAHEAD_DONE : LOOKAHEAD_NOT_HERE;
}

static bool draw(Look *look, int *chosen, Error *error) {
    LookaheadReport *report = look->report;
    report->outcome = outcome_of(look);
    report->ghost_plain = report->ghost_argmax = -1;
    if (report->outcome != LOOKAHEAD_DONE || look->step->futures) { /* costs a pass over all survivors */
        *chosen = plain_draw(look->step, look->candidates);
        report->ghost_plain = look->candidates->items[*chosen].token;
        report->ghost_argmax = look->candidates->items[candidates_argmax(look->candidates)].token;
    }
    if (report->outcome != LOOKAHEAD_DONE) return true;
    look_at_some(look);
    if (report->count > 1)
        return lookahead_forks_fit(look->lookahead, look->step, report->count, error) &&
               draw_among(look, chosen, error);
    report->outcome = LOOKAHEAD_ALONE;
    report->count = *chosen = 0;
    return true;
}

bool lookahead_draw(const Lookahead *lookahead, const LookaheadStep *step, Candidates *candidates, int *chosen,
                    LookaheadReport *report, Error *error) {
    assert(is_valid(lookahead) && session_alive(step->session, step->branch) && candidates->count >= 1);
    Candidates before = *candidates;
    *report = (LookaheadReport){.exponents = future_exponents(lookahead->curve, lookahead->alpha)};
    Look look = {.lookahead = lookahead, .step = step, .candidates = candidates, .report = report, .best = -1};
    Scorer scorer = step->scorer ? *step->scorer : future_scorer(&lookahead->n, candidates->capacity);
    look.forks = (LookaheadForks){lookahead, step, scorer, candidates, report->candidates, false};
    if (draw(&look, chosen, error)) return true;
    candidates->count = before.count;
    candidates->sorted = before.sorted && lookahead->eog != LOOKAHEAD_EXCLUDE;
    return false;
}

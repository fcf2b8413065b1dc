#include "tests/support/looker.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sampler/chain/noise.h"
#include "sampler/future/plain_future.h"

Looker looker_open(const Model *model, SessionOptions options, const int *prompt, int n) {
    Error error;
    Looker looker = {.model = model, .temperature = 1, .previous = prompt[n - 1]};
    if (!options.branches) options.branches = 1 + 2 * LOOKAHEAD_MAX_K;
    if (!options.threads) options.threads = 1;
    if (!session_open(&looker.session, model, options, &error) ||
        !candidates_open(&looker.candidates, model->config.vocab_size, &error) ||
        !session_prefill(looker.session, TRUNK, prompt, n, &error))
        fail_msg("%s", error.message);
    looker.flags = calloc((size_t)model->config.vocab_size, sizeof *looker.flags);
    return looker;
}

void looker_close(Looker *looker) {
    session_close(looker->session);
    candidates_close(&looker->candidates);
    free(looker->flags);
}

LookaheadStep looker_where(Looker *looker) {
    return (LookaheadStep){.session = looker->session,
                           .branch = TRUNK,
                           .temperature = looker->temperature,
                           .seed = looker->seed,
                           .position = session_length(looker->session, TRUNK),
                           .flags = looker->flags,
                           .cost = &looker->cost,
                           .scorer = looker->scorer,
                           .previous = looker->previous};
}

bool looker_try(Looker *looker, const Lookahead *lookahead, Error *error) {
    LookaheadStep step = looker_where(looker);
    candidates_from_logits(&looker->candidates, session_logits(looker->session, TRUNK), looker->candidates.capacity);
    candidates_min_p(&looker->candidates, looker->min_p);
    return lookahead_draw(lookahead, &step, &looker->candidates, &looker->chosen, &looker->report, error);
}

void looker_draw(Looker *looker, const Lookahead *lookahead) {
    Error error;
    if (!looker_try(looker, lookahead, &error)) fail_msg("%s", error.message);
}

void looker_undo(Looker *looker) {
    int branch = looker->candidates.items[looker->chosen].branch;
    if (branch >= 0) session_drop(looker->session, branch);
}

int looker_take(Looker *looker) {
    Error error;
    Candidate taken = looker->candidates.items[looker->chosen];
    if (taken.branch >= 0)
        session_promote(looker->session, taken.branch);
    else if (!session_decode(looker->session, &(BranchToken){TRUNK, taken.token}, 1, &error))
        fail_msg("%s", error.message);
    return looker->previous = taken.token;
}

int looker_step(Looker *looker, const Lookahead *lookahead) {
    looker_draw(looker, lookahead);
    return looker_take(looker);
}

void looker_draw_plainly(Looker *looker, const Lookahead *lookahead) {
    Error error;
    LookaheadStep step = looker_where(looker);
    candidates_from_logits(&looker->candidates, session_logits(looker->session, TRUNK), looker->candidates.capacity);
    candidates_min_p(&looker->candidates, looker->min_p);
    candidates_sort(&looker->candidates);
    if (!plain_future_draw(lookahead, &step, &looker->candidates, &looker->report, &error))
        fail_msg("%s", error.message);
    looker->chosen = looker->report.chosen;
}

bool looker_is_full(const Looker *looker, const Lookahead *lookahead) {
    int context = session_options(looker->session).context;
    return session_length(looker->session, TRUNK) + lookahead->depth > context;
}

void looker_same_logits(const Looker *a, const Looker *b) {
    const float *first = session_logits(a->session, TRUNK), *second = session_logits(b->session, TRUNK);
    if (first && second) assert_memory_equal(first, second, (size_t)a->model->config.vocab_size * sizeof(float));
}

static void check_rows(const Looker *looker, const Lookahead *lookahead) {
    const LookaheadReport *report = &looker->report;
    int evaluated = 0, depth = lookahead->depth;
    for (int i = 0; i < report->count; i++) {
        evaluated += report->candidates[i].evaluated;
        bool known = report->all_closed && report->candidates[i].worth == 0; /* a bound of 0 is the worth */
        assert_true(report->candidates[i].evaluated || report->candidates[i].skipped || report->candidates[i].neutral ||
                    known);
    }
    assert_int_equal(report->rows, evaluated * depth); /* none twice */
    assert_true(evaluated <= lookahead->k);
    if (report->outcome != LOOKAHEAD_DONE) assert_int_equal(report->rows, 0);
    if (report->outcome == LOOKAHEAD_DONE && lookahead->eager) assert_int_equal(report->passes, depth);
    if (report->outcome == LOOKAHEAD_DONE && lookahead->eager) assert_int_equal(evaluated, report->count);
    int taken = looker->candidates.items[looker->chosen].branch >= 0;
    assert_int_equal(session_free_branches(looker->session), session_options(looker->session).branches - 1 - taken);
}

/* By the definition, from the report of an eager step. */
static void check_choice(const Looker *looker) {
    const LookaheadReport *report = &looker->report;
    bool greedy = looker->temperature == 0;
    double best = -INFINITY;
    int token = -1, position = session_length(looker->session, TRUNK);
    for (int i = 0; i < report->count; i++) {
        const LookaheadCandidate *item = &report->candidates[i];
        double noise = noise_gumbel(looker->seed, item->token, position, 0, NOISE_DRAW);
        double key = greedy ? item->ln_s : item->ln_s / looker->temperature + noise;
        if (key > best || (key == best && item->token < token)) best = key, token = item->token;
        assert_true(item->chosen == (i == looker->chosen) && item->noise == (greedy ? 0 : noise));
    }
    if (report->count > 0) assert_int_equal(looker->candidates.items[looker->chosen].token, token);
}

void looker_compare(Looker *a, Looker *b, const Lookahead *lazy, LookerTally *tally) {
    Lookahead eager = *lazy;
    eager.eager = true;
    looker_draw(a, lazy);
    looker_draw(b, &eager);
    check_rows(a, lazy);
    check_rows(b, &eager);
    check_choice(b);
    assert_int_equal(a->report.outcome, b->report.outcome);
    assert_true(a->report.all_closed == b->report.all_closed);
    for (int j = 0; j < a->report.count; j++) {
        LookaheadCandidate *x = &a->report.candidates[j], *y = &b->report.candidates[j];
        assert_true(x->token == y->token && x->noise == y->noise && x->chosen == y->chosen && !y->skipped);
        assert_true(x->skipped ? x->ln_s >= y->ln_s : x->worth == y->worth && x->ln_s == y->ln_s);
    }
    tally->steps++;
    tally->looked += a->report.outcome == LOOKAHEAD_DONE;
    tally->lazy_rows += a->report.rows;
    tally->eager_rows += b->report.rows;
    int token = looker_take(a);
    assert_int_equal(looker_take(b), token);
    looker_same_logits(a, b);
}

Lookahead random_lookahead(Random *random) {
    static const double alphas[] = {-1, -0.5, 0, 0.5, 1};
    Lookahead lookahead = lookahead_default();
    lookahead.k = random_int(random, 1, 24);
    lookahead.n = random_int(random, 2, 30);
    lookahead.alpha = random_chance(random, 0.5) ? alphas[random_int(random, 0, 4)] : 2 * random_unit(random) - 1;
    lookahead.curve = random_chance(random, 0.5) ? FUTURE_ARTICLE : FUTURE_CROSSFADE;
    lookahead.gate = random_chance(random, 0.5) ? LOOKAHEAD_AT_TOKEN : (LookaheadGate)random_int(random, 1, 2);
    lookahead.eog = (LookaheadEog)random_int(random, 0, 2);
    lookahead.depth = random_chance(random, 0.7) ? 1 : random_int(random, 2, 4);
    lookahead.discount = random_unit(random);
    lookahead.chunk = random_chance(random, 0.5) ? LOOKAHEAD_AUTO : random_int(random, 1, 7);
    return lookahead;
}

double random_temperature(Random *random) {
    static const double temperatures[] = {0, 0.3, 0.8, 1, 2};
    return temperatures[random_int(random, 0, 4)];
}

void random_flags(Random *random, TokenFlags *flags, int n) {
    for (int t = 0; t < n; t++) {
        flags[t] = 0;
        if (random_chance(random, 0.6)) flags[t] |= TOKEN_BEGINS_WORD;
        if (random_chance(random, 0.2)) flags[t] |= TOKEN_ENDS_TEXT | TOKEN_IS_CONTROL;
        if (random_chance(random, 0.3)) flags[t] |= TOKEN_ENDS_SENTENCE;
    }
}

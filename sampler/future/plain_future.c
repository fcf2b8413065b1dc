#include "sampler/future/plain_future.h"

#include <assert.h>
#include <math.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/noise.h"

/* r = softmax of the n largest logits; Hhat = -sum r ln max(r, 1e-6) / ln n. */
double plain_future_entropy(const float *logits, int vocab_size, int n, float *top) {
    int count = 0;
    if (n > vocab_size) n = vocab_size;
    for (int t = 0; t < vocab_size; t++) { /* the n largest so far, sorted by insertion */
        if (count == n && logits[t] <= top[n - 1]) continue;
        int at = count < n ? count++ : n - 1;
        for (; at > 0 && top[at - 1] < logits[t]; at--) top[at] = top[at - 1];
        top[at] = logits[t];
    }
    double sum = 0, entropy = 0;
    for (int i = 0; i < n; i++) sum += exp((double)top[i] - top[0]);
    for (int i = 0; i < n; i++) {
        double r = exp((double)top[i] - top[0]) / sum;
        entropy -= r * log(fmax(r, 1e-6));
    }
    return n == 1 ? 0 : entropy / log(n);
}

static int likeliest(const float *logits, int vocab_size) {
    int best = 0;
    for (int t = 1; t < vocab_size; t++)
        if (logits[t] > logits[best]) best = t;
    return best;
}

/* Runs the model on the text + w and sets w->worth. With depth > 1 the model then continues greedily, and the worth is
 * the mean over the steps, weighted by 1, discount, discount^2, ... */
static bool find_worth(const Lookahead *lookahead, const LookaheadStep *step, const Candidates *candidates,
                       LookaheadCandidate *w, Error *error) {
    int fork, token = w->token, vocab_size = candidates->capacity;
    double sum = 0, weights = 0;
    if (!session_fork(step->session, step->branch, &fork, error)) return false;
    for (int j = 0; j < lookahead->depth; j++) {
        if (!session_decode(step->session, &(BranchToken){fork, token}, 1, error)) {
            session_drop(step->session, fork);
            return false;
        }
        const float *logits = session_logits(step->session, fork);
        double weight = pow(lookahead->discount, j);
        const Scorer *scorer = step->scorer;
        sum += weight * (scorer ? scorer->worth(scorer->context, w, logits, vocab_size, candidates->scratch)
                                : plain_future_entropy(logits, vocab_size, lookahead->n, candidates->scratch));
        weights += weight;
        token = likeliest(logits, vocab_size);
    }
    session_drop(step->session, fork);
    w->worth = sum / weights;
    return true;
}

/* A draw from weight^(1/T) is the largest ln(weight)/T + Gumbel noise; T = 0 takes the largest weight. */
static int draw(const LookaheadReport *report, const LookaheadStep *step, bool by_p) {
    int best = -1;
    double best_key = -INFINITY;
    for (int i = 0; i < report->count; i++) {
        const LookaheadCandidate *w = &report->candidates[i];
        double ln_weight = by_p ? w->ln_p : w->ln_s;
        double key = step->temperature < DRAW_GREEDY_BELOW ? ln_weight : ln_weight / step->temperature + w->noise;
        if (key < best_key || key == -INFINITY) continue;
        if (key == best_key && w->token > report->candidates[best].token) continue;
        best = i;
        best_key = key;
    }
    return best;
}

bool plain_future_draw(const Lookahead *lookahead, const LookaheadStep *step, const Candidates *candidates,
                       LookaheadReport *report, Error *error) {
    FutureExponents exponents = future_exponents(lookahead->curve, lookahead->alpha);
    const Candidate *items = candidates->items;
    assert(candidates->sorted);
    *report = (LookaheadReport){.exponents = exponents};
    report->count = candidates->count < lookahead->k ? candidates->count : lookahead->k;
    double sum = 0;
    for (int i = 0; i < candidates->count; i++) sum += exp((double)items[i].logit - items[0].logit);
    for (int i = 0; i < report->count; i++) {
        LookaheadCandidate *w = &report->candidates[i];
        *w = (LookaheadCandidate){.token = items[i].token, .evaluated = true};
        w->p = exp((double)items[i].logit - items[0].logit) / sum; /* softmax over all survivors */
        w->ln_p = log(w->p);
        if (step->temperature >= DRAW_GREEDY_BELOW)
            w->noise = noise_gumbel(step->seed, w->token, step->position, step->sequence, NOISE_DRAW);
        if (!find_worth(lookahead, step, candidates, w, error)) return false;
        double s = pow(w->p, exponents.a) * pow(w->worth, exponents.b); /* 0^0 = 1 */
        w->ln_s = log(s);
    }
    report->chosen = draw(report, step, false);
    report->all_closed = report->chosen < 0; /* every s is 0: p alone decides */
    if (report->all_closed) report->chosen = draw(report, step, true);
    report->candidates[report->chosen].chosen = true;
    return true;
}

#include "sampler/sampler.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/noise.h"
#include "sampler/chain/target.h"
#include "sampler/chain/truncate.h"

/* ---- The stages, each with a function that says whether it is on ---- */

static bool penalties_is_on(const Sampler *s) {
    return s->repeat.last_n != 0 && (s->repeat.repeat != 1 || s->repeat.frequency != 0 || s->repeat.presence != 0);
}

static bool apply_penalties(const Sampler *s, const SamplerState *state, const SamplerContext *c, Candidates *to) {
    (void)state;
    penalties_repeat(to, c->history, c->n_history, s->repeat);
    return true;
}

static bool dry_is_on(const Sampler *s) { return s->dry.multiplier > 0; }

static bool apply_dry(const Sampler *s, const SamplerState *state, const SamplerContext *c, Candidates *to) {
    (void)state;
    penalties_dry(to, c->history, c->n_history, s->dry, c->breakers, c->scratch);
    return true;
}

static bool no_repeat_is_on(const Sampler *s) { return s->no_repeat_ngram > 0; }

static bool apply_no_repeat(const Sampler *s, const SamplerState *state, const SamplerContext *c, Candidates *to) {
    (void)state;
    return penalties_no_repeat_ngram(to, c->history, c->n_history, s->no_repeat_ngram);
}

static bool bias_is_on(const Sampler *s) { return s->n_biases > 0; }

static bool apply_bias(const Sampler *s, const SamplerState *state, const SamplerContext *c, Candidates *to) {
    (void)state, (void)c;
    return penalties_bias(to, s->biases, s->n_biases);
}

/* Truncation stages that need only the candidates and one number. */
#define TRUNCATING(stage, is_on_when, call)                                                                            \
    static bool stage##_is_on(const Sampler *s) { return is_on_when; }                                                 \
    static bool apply_##stage(const Sampler *s, const SamplerState *state, const SamplerContext *c, Candidates *to) {  \
        (void)state, (void)c;                                                                                          \
        call;                                                                                                          \
        return true;                                                                                                   \
    }

/* H / ln V, which steers top-k and top-p. */
static double normalised_entropy(const Candidates *c) { return c->capacity > 1 ? c->entropy / log(c->capacity) : 0; }

TRUNCATING(top_nsigma, s->top_nsigma > 0, candidates_top_nsigma(to, s->top_nsigma))
TRUNCATING(top_k, s->top_k.high > 0, candidates_top_k(to, (int)steer_value(s->top_k, normalised_entropy(to))))
TRUNCATING(typical, s->typical < 1, candidates_typical(to, s->typical))
TRUNCATING(top_p, s->top_p.low < 1, candidates_top_p(to, (float)steer_value(s->top_p, normalised_entropy(to))))
TRUNCATING(min_p, s->min_p > 0, candidates_min_p(to, s->min_p))
TRUNCATING(epsilon, s->epsilon > 0, candidates_epsilon(to, s->epsilon))
TRUNCATING(eta, s->eta > 0, candidates_eta(to, s->eta))
TRUNCATING(top_h, s->top_h < 1, candidates_top_h(to, s->top_h))

static bool xtc_is_on(const Sampler *s) { return s->xtc_probability > 0; }

static bool apply_xtc(const Sampler *s, const SamplerState *state, const SamplerContext *c, Candidates *to) {
    (void)state;
    double uniform = noise_uniform(s->seed, 0, c->n_history, c->sequence, NOISE_XTC);
    candidates_xtc(to, s->xtc_probability, s->xtc_threshold, uniform, c->exempt);
    return true;
}

/* XTC needs two candidates that reach the threshold. Two probabilities cannot both be above 0.5. */
static bool xtc_may_exclude(const Sampler *s) { return xtc_is_on(s) && s->xtc_threshold <= 0.5f; }

static bool mirostat_is_on(const Sampler *s) { return s->mirostat_tau > 0; }

static bool apply_mirostat(const Sampler *s, const SamplerState *state, const SamplerContext *c, Candidates *to) {
    (void)s, (void)c;
    mirostat_truncate(state->mirostat, to);
    return true;
}

static int show_bias(const Sampler *s, char *out, size_t capacity) {
    return snprintf(out, capacity, "logit-bias on %d", s->n_biases);
}

// clang-format off
const SamplerStage sampler_stages[SAMPLER_STAGES] = {
    [STAGE_PENALTIES] = {"penalties", true, "z > 0 ? z/r : z*r; - count*frequency - present*presence",
        "Keskar et al., 1909.05858", {"repeat-penalty", "frequency-penalty", "presence-penalty", "repeat-last-n"},
        penalties_is_on, apply_penalties, NULL, NULL},
    [STAGE_DRY] = {"dry", true, "z - m * base^(match - allowed) of tokens that extend a repetition",
        "P. E. Weidmann, text-generation-webui 5677", {"dry-multiplier", "dry-base", "dry-allowed-length"},
        dry_is_on, apply_dry, NULL, NULL},
    [STAGE_NO_REPEAT_NGRAM] = {"no-repeat-ngram", true, "z = -inf for tokens that repeat an n-gram",
        "Paulus et al., 1705.04304", {"no-repeat-ngram"}, no_repeat_is_on, apply_no_repeat, NULL, NULL},
    [STAGE_BIAS] = {"logit-bias", true, "z + bias", "", {"logit-bias"}, bias_is_on, apply_bias, NULL, show_bias},
    [STAGE_TOP_NSIGMA] = {"top-nsigma", false, "z >= z_max - n * sigma", "Tang et al., 2411.07641", {"top-nsigma"},
        top_nsigma_is_on, apply_top_nsigma, NULL, NULL},
    [STAGE_TOP_K] = {"top-k", false, "the k largest", "", {"top-k"}, top_k_is_on, apply_top_k, NULL, NULL},
    [STAGE_TYPICAL] = {"typical", false, "-ln p nearest to H, shortest prefix with sum >= P", "Meister et al., 2202.00666", {"typical"},
        typical_is_on, apply_typical, typical_is_on, NULL},
    [STAGE_TOP_P] = {"top-p", false, "shortest prefix with sum >= P", "Holtzman et al., 1904.09751", {"top-p"},
        top_p_is_on, apply_top_p, NULL, NULL},
    [STAGE_MIN_P] = {"min-p", false, "p >= P * p_max", "Nguyen et al., 2407.01082", {"min-p"}, min_p_is_on,
        apply_min_p, NULL, NULL},
    [STAGE_EPSILON] = {"epsilon", false, "p >= e", "Hewitt et al., 2210.15191", {"epsilon"}, epsilon_is_on,
        apply_epsilon, NULL, NULL},
    [STAGE_ETA] = {"eta", false, "p >= min(e, sqrt(e) exp(-H))", "Hewitt et al., 2210.15191", {"eta"}, eta_is_on,
        apply_eta, NULL, NULL},
    [STAGE_TOP_H] = {"top-h", false, "likeliest tokens while H(q) <= a H(p)", "Bohora et al., 2509.02510", {"top-h"},
        top_h_is_on, apply_top_h, NULL, NULL},
    [STAGE_XTC] = {"xtc", false, "with probability P drops all p >= t but the smallest",
        "P. E. Weidmann, text-generation-webui 6335", {"xtc-probability", "xtc-threshold"}, xtc_is_on, apply_xtc,
        xtc_may_exclude, NULL},
    [STAGE_MIROSTAT] = {"mirostat", false, "drops -log2 p > mu; mu -= eta (S - tau)", "Basu et al., 2007.14966",
        {"mirostat-tau", "mirostat-eta"}, mirostat_is_on, apply_mirostat, NULL, NULL},
};
// clang-format on

/* ---- A step ---- */

SamplerState sampler_start(const Sampler *sampler) {
    return (SamplerState){.mirostat = mirostat_start(sampler->mirostat_tau)};
}

/* The two largest probabilities. */
static void find_largest(const Candidates *natural, TemperatureInput *input) {
    for (int i = 0; i < natural->count; i++) {
        double p = natural->items[i].prob;
        if (p > input->p1) {
            input->p2 = input->p1;
            input->p1 = p;
        } else if (p > input->p2) {
            input->p2 = p;
        }
    }
}

/* The policies' inputs from the model's own distribution; those from the survivors are set later. Only udt costs a pass
 * over the vocabulary. */
static TemperatureInput natural_input(const Sampler *sampler, const SamplerState *state, const Candidates *natural) {
    TemperatureInput input = {.entropy = natural->entropy,
                              .vocab_size = natural->capacity,
                              .prompt_entropy = state->prompt_entropy,
                              .kl = state->kl};
    if (sampler->temperature.kind == TEMPERATURE_UDT) find_largest(natural, &input);
    return input;
}

/* The entropy of the survivors, renormalised; computed from the logits if the probabilities are too small for
 * floats. */
static double entropy_of_survivors(const Candidates *c) {
    double sum = 0, sum_p_ln_p = 0;
    if (candidates_log_mass(c) < log(1e-30)) return target_entropy(c, 1);
    for (int i = 0; i < c->count; i++) {
        double p = c->items[i].prob;
        sum += p;
        sum_p_ln_p += p > 0 ? p * log(p) : 0;
    }
    return fmax(0, log(sum) - sum_p_ln_p / sum);
}

static double temperature(const Sampler *sampler, SamplerState *state, const Candidates *candidates) {
    TemperatureInput *input = &state->input;
    switch (sampler->temperature.kind) {
    case TEMPERATURE_LINEAR:
        input->observed_low = entropy_window_percentile(&state->window, 0.25);
        input->observed_high = entropy_window_percentile(&state->window, 0.75);
        break;
    case TEMPERATURE_DYNATEMP:
        input->n_survivors = target_count_possible(candidates);
        input->survivors_entropy = entropy_of_survivors(candidates);
        break;
    case TEMPERATURE_TARGET:
        input->n_survivors = target_count_possible(candidates);
        input->survivors_entropy = target_entropy(candidates, 1);
        break;
    default:
        break;
    }
    input->survivors = candidates;
    double t = temperature_of(&sampler->temperature, input);
    input->survivors = NULL; /* the state outlives the survivors */
    return t;
}

/* Applies T before truncation, as Hugging Face does: all later stages read the tempered distribution. If logits / T
 * would exceed the range of floats, the largest logit is subtracted first, which changes no probability. */
static void temper(Candidates *candidates, double t) {
    if (t < DRAW_GREEDY_BELOW) {
        candidates_top_k(candidates, 1);
        return;
    }
    double max = candidates->max_logit, origin = fabs(max) / t <= FLT_MAX ? 0 : max;
    for (int i = 0; i < candidates->count; i++) {
        float *logit = &candidates->items[i].logit;
        if (*logit > -INFINITY) *logit = (float)fmax((*logit - origin) / t, -FLT_MAX);
    }
    candidates_refresh(candidates);
}

/* Whether a ban holds at this position. A step without bans has the same bits as if there were none at all. */
static bool is_banning(const SamplerContext *context) {
    for (int i = 0; i < context->n_bans; i++)
        if (context->bans[i].position == context->n_history) return true;
    return false;
}

/* Returns the number of candidates that are still possible, of `possible` before the stage, and reports the
 * difference. */
static int count_banned(const SamplerContext *context, const Candidates *candidates, int stage, int possible) {
    int left = target_count_possible(candidates);
    if (context->dropped) context->dropped[stage] = possible - left;
    return left;
}

/* Applies the stages that rewrite logits, and the bans of this position. *possible: the number of candidates that they
 * leave possible. */
static bool rewrite(const Sampler *sampler, const SamplerState *state, const SamplerContext *context,
                    Candidates *candidates, int *possible, Error *error) {
    bool rewritten = false;
    *possible = candidates->count;
    for (int stage = 0; stage < SAMPLER_STAGES; stage++) {
        if (!sampler_stages[stage].rewrites || !sampler_stages[stage].is_on(sampler)) continue;
        rewritten = true;
        if (!sampler_stages[stage].apply(sampler, state, context, candidates))
            return error_set(error, "position %d: %s leaves no token possible", context->n_history,
                             sampler_stages[stage].name);
        *possible = count_banned(context, candidates, stage, *possible);
    }
    if (is_banning(context)) {
        rewritten = true;
        if (!penalties_ban(candidates, context->bans, context->n_bans, context->n_history))
            return error_set(error, "position %d: the banned phrases leave no token possible", context->n_history);
        *possible = count_banned(context, candidates, SAMPLER_BAN, *possible);
    }
    if (rewritten) candidates_refresh(candidates);
    return true;
}

/* Drops the candidates with a logit of -inf; the others keep their order. */
static void drop_banned(Candidates *candidates) {
    int kept = 0;
    for (int i = 0; i < candidates->count; i++)
        if (candidates->items[i].logit > -INFINITY) candidates->items[kept++] = candidates->items[i];
    candidates->count = kept;
}

/* Banned candidates are dropped after the last sum over the whole vocabulary, in temper: its bits depend on the
 * position of each term. */
bool sampler_apply(const Sampler *sampler, SamplerState *state, const SamplerContext *context, Candidates *candidates,
                   Error *error) {
    int all = candidates->count, possible;
    state->input = natural_input(sampler, state, candidates);
    entropy_window_add(&state->window, state->input.entropy);
    if (!rewrite(sampler, state, context, candidates, &possible, error)) return false;
    if (sampler->temperature_first) temper(candidates, temperature(sampler, state, candidates));
    if (candidates->count < all && context->dropped) context->dropped[SAMPLER_TEMPER] = possible - candidates->count;
    if (possible < all) drop_banned(candidates);
    for (int i = 0; i < sampler->n_order; i++) {
        const SamplerStage *stage = &sampler_stages[sampler->order[i]];
        int before = candidates->count;
        if (stage->is_on(sampler)) stage->apply(sampler, state, context, candidates);
        if (context->dropped) context->dropped[sampler->order[i]] = before - candidates->count;
    }
    return true;
}

double sampler_temperature(const Sampler *sampler, SamplerState *state, const Candidates *candidates) {
    return sampler->temperature_first ? 1 : temperature(sampler, state, candidates);
}

double sampler_alpha(const Sampler *sampler, const SamplerState *state) {
    return sampler->waves ? wave_alpha(&sampler->wave, state->clock.count[sampler->wave.clock])
                          : sampler->lookahead.alpha;
}

void sampler_accept(const Sampler *sampler, SamplerState *state, const SamplerContext *context,
                    const Candidates *candidates, int chosen) {
    assert(chosen >= 0 && chosen < candidates->count);
    if (mirostat_is_on(sampler))
        mirostat_update(&state->mirostat, sampler->mirostat_tau, sampler->mirostat_eta, candidates, chosen);
    wave_clock_count(&state->clock, context->flags[candidates->items[chosen].token]);
}

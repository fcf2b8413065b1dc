/* Decides which settings can have an effect in a chain. If this depends on the text, the answer is yes. */
#include <string.h>

#include "sampler/chain/line.h"
#include "sampler/settings/settings.h"

enum { RULES_TRIED = 6 }; /* each combination of up to 6 rules is tried; with more rules the answer is yes */

/* Whether the setting has an effect if all rules of `needed` hold, alone or with other rules: one rule may turn the
 * lookahead on, and another one set its depth. */
static bool holds_under_rules(const Sampler *sampler, PlaceSet needed, SettingEffect *effect, const char *name,
                              Error *why) {
    Error error;
    Sampler under;
    if (sampler->n_rules > RULES_TRIED) return true;
    for (PlaceSet held = 1; held < (PlaceSet)1 << sampler->n_rules; held++) {
        if ((held & needed) != needed || !sampler_under(sampler, held, &under, &error)) continue;
        if (effect(&under, name, held == needed ? why : &error)) return true;
    }
    return false;
}

bool sampler_matters(const Sampler *sampler, const char *name, Error *why) {
    const SettingRow *row = settings_find(name);
    Error error;
    return !row || !row->effect || row->effect(sampler, name, why) ||
           holds_under_rules(sampler, 0, row->effect, name, &error);
}

bool sampler_matters_in_rule(const Sampler *sampler, int rule, const char *name, Error *why) {
    const SettingRow *row = settings_find(name);
    return !row || !row->effect || holds_under_rules(sampler, (PlaceSet)1 << rule, row->effect, name, why);
}

/* ---- What the chain leaves to the draw ---- */

static bool is_among(const Sampler *sampler, Stage stage) {
    for (int i = 0; i < sampler->n_order; i++)
        if (sampler->order[i] == stage) return true;
    return false;
}

static bool acts(const Sampler *sampler, Stage stage) {
    return is_among(sampler, stage) && sampler_stages[stage].is_on(sampler);
}

static bool may_drop_likeliest(const Sampler *sampler) {
    for (int i = 0; i < sampler->n_order; i++) {
        const SamplerStage *stage = &sampler_stages[sampler->order[i]];
        if (stage->may_drop_likeliest && stage->may_drop_likeliest(sampler)) return true;
    }
    return false;
}

static bool is_greedy(const Sampler *sampler) { return temperature_is_greedy(&sampler->temperature); }

static bool keeps_one(const Sampler *sampler) { return sampler->top_k.high == 1 && acts(sampler, STAGE_TOP_K); }

/* One candidate is left before the draw. */
static bool leaves_one(const Sampler *sampler) {
    return keeps_one(sampler) || (sampler->temperature_first && is_greedy(sampler));
}

static bool looks_ahead(const Sampler *sampler) {
    return sampler->future && (sampler->waves || sampler->lookahead.alpha > -1) && !leaves_one(sampler);
}

static bool effect_looking(const Sampler *sampler, const char *name, Error *why) {
    (void)name, (void)why;
    return looks_ahead(sampler);
}

bool sampler_may_look_ahead(const Sampler *sampler) {
    Error error;
    return sampler_looks_ahead(sampler) &&
           (looks_ahead(sampler) || holds_under_rules(sampler, 0, effect_looking, NULL, &error));
}

static bool needs_a_draw(const Sampler *sampler, Error *why) {
    return error_set(why, is_greedy(sampler) ? "needs temp above 0" : "top-k 1 leaves one candidate");
}

/* ---- Stages ---- */

/* The truncation stage that reads this setting. */
static Stage stage_of(const char *name) {
    for (int stage = 0; stage < SAMPLER_STAGES; stage++)
        for (int i = 0; !sampler_stages[stage].rewrites && sampler_stages[stage].settings[i]; i++)
            if (strcmp(sampler_stages[stage].settings[i], name) == 0) return (Stage)stage;
    return SAMPLER_STAGES;
}

/* A value that turns its stage off is never reported: it has the effect that it states. temp 0 and top-k 1 both select
 * the likeliest token, so neither is reported because of the other. */
bool effect_stage(const Sampler *sampler, const char *name, Error *why) {
    Stage stage = stage_of(name);
    if (stage == SAMPLER_STAGES || !sampler_stages[stage].is_on(sampler)) return true;
    if (!is_among(sampler, stage)) return error_set(why, "not among samplers");
    if (stage == STAGE_TOP_K && keeps_one(sampler)) return true;
    bool takes_likeliest = (is_greedy(sampler) || leaves_one(sampler)) && !looks_ahead(sampler);
    bool comes_too_late = sampler->temperature_first && is_greedy(sampler);
    if (comes_too_late || (takes_likeliest && !may_drop_likeliest(sampler))) return needs_a_draw(sampler, why);
    return true;
}

bool effect_xtc(const Sampler *sampler, const char *name, Error *why) {
    bool is_threshold = strcmp(name, "xtc-threshold") == 0; /* above 0.5 it turns XTC off, which has its own message */
    if (!(sampler->xtc_probability > 0)) return !is_threshold || error_set(why, "needs xtc-probability");
    if (!effect_stage(sampler, name, why)) return false;
    return is_threshold || sampler_stages[STAGE_XTC].may_drop_likeliest(sampler) ||
           error_set(why, "no two candidates reach an xtc-threshold above 0.5");
}

bool effect_mirostat_rate(const Sampler *sampler, const char *name, Error *why) {
    if (!(sampler->mirostat_tau > 0)) return error_set(why, "needs mirostat-tau");
    return effect_stage(sampler, name, why);
}

static bool is_penalising(const RepeatPenalty *repeat) {
    return repeat->repeat != 1 || repeat->frequency != 0 || repeat->presence != 0;
}

bool effect_repeat(const Sampler *sampler, const char *name, Error *why) {
    const RepeatPenalty *repeat = &sampler->repeat;
    float value = strcmp(name, "repeat-penalty") == 0      ? repeat->repeat - 1
                  : strcmp(name, "frequency-penalty") == 0 ? repeat->frequency
                                                           : repeat->presence;
    return value == 0 || repeat->last_n != 0 || error_set(why, "needs repeat-last-n other than 0");
}

bool effect_repeat_range(const Sampler *sampler, const char *name, Error *why) {
    (void)name;
    return sampler->repeat.last_n == 0 || is_penalising(&sampler->repeat) ||
           error_set(why, "needs repeat-penalty, frequency-penalty or presence-penalty");
}

bool effect_dry(const Sampler *sampler, const char *name, Error *why) {
    (void)name;
    return sampler->dry.multiplier > 0 || error_set(why, "needs dry-multiplier");
}

/* ---- Temperature ---- */

static bool truncates(const Sampler *sampler) {
    for (int i = 0; i < sampler->n_order; i++)
        if (sampler_stages[sampler->order[i]].is_on(sampler)) return true;
    return false;
}

bool effect_temp_first(const Sampler *sampler, const char *name, Error *why) {
    (void)name;
    const TemperaturePolicy *policy = &sampler->temperature;
    if (policy->kind == TEMPERATURE_FIXED && policy->base == 1) return error_set(why, "needs temp other than 1");
    if (is_greedy(sampler) && !may_drop_likeliest(sampler) && !sampler->future)
        return error_set(why, "needs temp above 0");
    return truncates(sampler) || sampler->future || error_set(why, "needs a stage that drops candidates");
}

static bool reads(const TemperatureRow *policy, const char *name) {
    for (int i = 0; policy->settings[i]; i++)
        if (strcmp(policy->settings[i], name) == 0) return true;
    return false;
}

/* "needs temp-policy edt, edt-instance or udt" */
static bool needs_policy(const char *name, Error *why) {
    char names[160];
    int left = 0;
    Line line = line_begin(names, sizeof names);
    for (int i = 0; i < TEMPERATURE_KINDS; i++) left += reads(&temperature_policies[i], name);
    for (int i = 0; i < TEMPERATURE_KINDS; i++) {
        if (!reads(&temperature_policies[i], name)) continue;
        left--;
        line_add(&line, "%s%s", temperature_policies[i].name, left > 1 ? ", " : left ? " or " : "");
    }
    return error_set(why, "needs temp-policy %s", names);
}

/* Whether a setting that the policy reads can change T. */
static bool changes_temperature(const TemperaturePolicy *policy, const char *name, Error *why) {
    bool is_of_edt = strcmp(name, "edt-n") == 0 || strcmp(name, "udt-measure") == 0;
    if (strcmp(name, "temp") != 0 && policy->kind != TEMPERATURE_FIXED && temperature_is_greedy(policy))
        return error_set(why, "needs temp above 0");
    if (is_of_edt && policy->edt_theta == 0) return error_set(why, "needs edt-theta above 0");
    if (strcmp(name, "sigmoid-mid") == 0 && policy->sigmoid_k == 0)
        return error_set(why, "needs sigmoid-k other than 0");
    if (strcmp(name, "dynatemp-exp") == 0 && policy->dynatemp_range == 0)
        return error_set(why, "needs dynatemp-range above 0");
    if (strcmp(name, "entropy-cap") == 0 && policy->entropy_high > 0 && policy->entropy_high <= policy->entropy_cap)
        return error_set(why, "entropy-range ends below it");
    return true;
}

bool effect_temperature(const Sampler *sampler, const char *name, Error *why) {
    const TemperaturePolicy *policy = &sampler->temperature;
    bool is_read = strcmp(name, "temp-policy") == 0 || reads(&temperature_policies[policy->kind], name);
    if (!is_read) return needs_policy(name, why);
    if (!changes_temperature(policy, name, why)) return false;
    bool is_unread = keeps_one(sampler) && !sampler->temperature_first && !is_greedy(sampler);
    return !is_unread || needs_a_draw(sampler, why);
}

/* ---- Looking ahead ---- */

bool effect_future(const Sampler *sampler, const char *name, Error *why) {
    (void)name;
    if (!sampler->waves && sampler->lookahead.alpha == -1) return error_set(why, "needs alpha above -1");
    return !leaves_one(sampler) || needs_a_draw(sampler, why);
}

/* alpha -1 turns the lookahead off, so it is not reported. */
bool effect_alpha(const Sampler *sampler, const char *name, Error *why) {
    if (sampler->waves) return error_set(why, "wave sets alpha");
    return sampler->lookahead.alpha == -1 || effect_future(sampler, name, why);
}

bool effect_of_future(const Sampler *sampler, const char *name, Error *why) {
    if (!sampler->future) return error_set(why, "needs fe");
    return effect_future(sampler, name, why);
}

bool effect_discount(const Sampler *sampler, const char *name, Error *why) {
    if (!effect_of_future(sampler, name, why)) return false;
    return sampler->lookahead.depth > 1 || error_set(why, "needs fe-depth above 1");
}

bool effect_chunk(const Sampler *sampler, const char *name, Error *why) {
    if (!effect_of_future(sampler, name, why)) return false;
    return !sampler->lookahead.eager || error_set(why, "all candidates are evaluated at once");
}

bool effect_clock(const Sampler *sampler, const char *name, Error *why) {
    if (!sampler->waves) return error_set(why, "needs wave");
    return effect_future(sampler, name, why);
}

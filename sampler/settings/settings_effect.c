/* Which settings can have an effect in a chain. Where that depends on the text the answer is yes. */
#include <string.h>

#include "sampler/chain/draw.h"
#include "sampler/settings/settings.h"

enum { RULES_TRIED = 6 }; /* every combination of 6 rules is tried; with more the answer is yes */

/* Where rules hold, one or several at once: one may look ahead, another one set how far. */
static bool holds_under_rules(const Sampler *sampler, SettingEffect *effect, const char *name) {
    Error error;
    Sampler under;
    if (sampler->n_rules > RULES_TRIED) return true;
    for (PlaceSet held = 1; held < (PlaceSet)1 << sampler->n_rules; held++)
        if (sampler_under(sampler, held, &under, &error) && effect(&under, name, &error)) return true;
    return false;
}

bool sampler_matters(const Sampler *sampler, const char *name, Error *why) {
    const SettingRow *row = settings_find(name);
    return !row || !row->effect || row->effect(sampler, name, why) || holds_under_rules(sampler, row->effect, name);
}

/* ---- What is left to decide ---- */

static bool is_among(const Sampler *sampler, Stage stage) {
    for (int i = 0; i < sampler->n_order; i++)
        if (sampler->order[i] == stage) return true;
    return false;
}

static bool acts(const Sampler *sampler, Stage stage) {
    return is_among(sampler, stage) && sampler_stages[stage].is_on(sampler);
}

/* XTC needs two candidates that reach the threshold, and two cannot both have more than half. */
static bool excludes_any(const Sampler *sampler) { return sampler->xtc_threshold <= 0.5f; }

/* All other stages keep the likeliest candidate. */
static bool may_drop_likeliest(const Sampler *sampler) {
    return acts(sampler, STAGE_TYPICAL) || (acts(sampler, STAGE_XTC) && excludes_any(sampler));
}

static bool is_greedy(const Sampler *sampler) { return temperature_is_greedy(&sampler->temperature); }

static bool keeps_one(const Sampler *sampler) { return sampler->top_k.high == 1 && acts(sampler, STAGE_TOP_K); }

/* One candidate is left, whatever the noise. */
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
    return sampler_looks_ahead(sampler) && (looks_ahead(sampler) || holds_under_rules(sampler, effect_looking, NULL));
}

static bool needs_a_draw(const Sampler *sampler, Error *why) {
    return error_set(why, is_greedy(sampler) ? "needs --temp above 0" : "--top-k 1 leaves one candidate");
}

/* ---- Stages ---- */

static Stage stage_of(const char *name) {
    for (int stage = STAGE_BIAS + 1; stage < SAMPLER_STAGES; stage++) {
        const char *setting;
        for (int i = 0; (setting = sampler_stage_setting((Stage)stage, i)); i++)
            if (strcmp(setting, name) == 0) return (Stage)stage;
    }
    return SAMPLER_STAGES;
}

/* The value of a stage that is off says so itself. --temp 0 and --top-k 1 both ask for the likeliest token, so neither
 * is reported beside the other. */
bool effect_stage(const Sampler *sampler, const char *name, Error *why) {
    Stage stage = stage_of(name);
    if (stage == SAMPLER_STAGES || !sampler_stages[stage].is_on(sampler)) return true;
    if (!is_among(sampler, stage)) return error_set(why, "not among --samplers");
    if (stage == STAGE_TOP_K && keeps_one(sampler)) return true;
    bool takes_likeliest = (is_greedy(sampler) || leaves_one(sampler)) && !looks_ahead(sampler);
    bool comes_too_late = sampler->temperature_first && is_greedy(sampler);
    if (comes_too_late || (takes_likeliest && !may_drop_likeliest(sampler))) return needs_a_draw(sampler, why);
    return true;
}

bool effect_xtc(const Sampler *sampler, const char *name, Error *why) {
    bool is_threshold = strcmp(name, "xtc-threshold") == 0; /* above 0.5 it switches XTC off, and says so */
    if (!(sampler->xtc_probability > 0)) return !is_threshold || error_set(why, "needs --xtc-probability");
    if (!effect_stage(sampler, name, why)) return false;
    return is_threshold || excludes_any(sampler) ||
           error_set(why, "no two candidates reach an --xtc-threshold above 0.5");
}

bool effect_mirostat_rate(const Sampler *sampler, const char *name, Error *why) {
    if (!(sampler->mirostat_tau > 0)) return error_set(why, "needs --mirostat-tau");
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
    return value == 0 || repeat->last_n != 0 || error_set(why, "needs --repeat-last-n other than 0");
}

bool effect_repeat_range(const Sampler *sampler, const char *name, Error *why) {
    (void)name;
    return sampler->repeat.last_n == 0 || is_penalising(&sampler->repeat) ||
           error_set(why, "needs --repeat-penalty, --frequency-penalty or --presence-penalty");
}

bool effect_dry(const Sampler *sampler, const char *name, Error *why) {
    (void)name;
    return sampler->dry.multiplier > 0 || error_set(why, "needs --dry-multiplier");
}

/* ---- Temperature ---- */

static bool truncates(const Sampler *sampler) {
    for (int stage = STAGE_BIAS + 1; stage < SAMPLER_STAGES; stage++)
        if (acts(sampler, (Stage)stage)) return true;
    return false;
}

bool effect_temp_first(const Sampler *sampler, const char *name, Error *why) {
    (void)name;
    const TemperaturePolicy *policy = &sampler->temperature;
    if (policy->kind == TEMPERATURE_FIXED && policy->base == 1) return error_set(why, "needs --temp other than 1");
    if (is_greedy(sampler) && !may_drop_likeliest(sampler) && !sampler->future)
        return error_set(why, "needs --temp above 0");
    return truncates(sampler) || sampler->future || error_set(why, "needs a stage that drops candidates");
}

bool effect_temperature(const Sampler *sampler, const char *name, Error *why) {
    if (!temperature_matters(&sampler->temperature, name, why)) return false;
    bool is_unread = keeps_one(sampler) && !sampler->temperature_first && !is_greedy(sampler);
    return !is_unread || needs_a_draw(sampler, why);
}

/* ---- Looking ahead ---- */

bool effect_future(const Sampler *sampler, const char *name, Error *why) {
    (void)name;
    if (!sampler->waves && sampler->lookahead.alpha == -1) return error_set(why, "needs --alpha above -1");
    return !leaves_one(sampler) || needs_a_draw(sampler, why);
}

/* The value -1 says itself that it is off. */
bool effect_alpha(const Sampler *sampler, const char *name, Error *why) {
    if (sampler->waves) return error_set(why, "--wave gives it");
    return sampler->lookahead.alpha == -1 || effect_future(sampler, name, why);
}

bool effect_of_future(const Sampler *sampler, const char *name, Error *why) {
    if (!sampler->future) return error_set(why, "needs --fe");
    return effect_future(sampler, name, why);
}

bool effect_discount(const Sampler *sampler, const char *name, Error *why) {
    if (!effect_of_future(sampler, name, why)) return false;
    return sampler->lookahead.depth > 1 || error_set(why, "needs --fe-depth above 1");
}

bool effect_chunk(const Sampler *sampler, const char *name, Error *why) {
    if (!effect_of_future(sampler, name, why)) return false;
    return !sampler->lookahead.eager || error_set(why, "all candidates are evaluated at once");
}

bool effect_clock(const Sampler *sampler, const char *name, Error *why) {
    if (!sampler->waves) return error_set(why, "needs --wave");
    return effect_future(sampler, name, why);
}

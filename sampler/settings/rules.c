/* Settings by place: the rules of a sampler, and the sampler of a step at which some of them hold. */
#include <string.h>

#include "sampler/sampler.h"
#include "tensor/minmax.h"

static const char *settings_of(const PlaceRule *rule) { return rule->text + rule->settings; }

/* A rule may not contain settings of the whole text. alone: the default sampler with the rule's settings. */
static bool check_alone(const Sampler *alone, const char *settings, Error *error) {
    Sampler usual = sampler_default();
    const char *list = settings;
    char name[8];
    TemperatureKind kind = alone->temperature.kind;
    while (sampler_next_setting(&list, name, sizeof name))
        if (strcmp(name, "seed") == 0) return error_set(error, "expected no seed, which applies to the whole text");
    if (alone->n_rules > 0) return error_set(error, "expected no rule (at) within it");
    if (alone->mirostat_tau != usual.mirostat_tau || alone->mirostat_eta != usual.mirostat_eta)
        return error_set(error, "expected no mirostat, whose state is the whole text's");
    if (kind == TEMPERATURE_EDT_INSTANCE || kind == TEMPERATURE_KLD)
        return error_set(error, "expected no temp-policy %s, which reads the prompt", temperature_policies[kind].name);
    if (alone->lookahead.eager || alone->lookahead.chunk != usual.lookahead.chunk)
        return error_set(error, "expected no fe-eager and fe-chunk, which change no text");
    return true;
}

bool sampler_add_rule(Sampler *sampler, const char *text, Error *error) {
    PlaceRule rule;
    Sampler alone = sampler_default();
    alone.lookahead.k = alone.lookahead.depth = 1;
    if (sampler->n_rules == PLACE_RULES) return error_set(error, "at: expected at most %d of them", PLACE_RULES);
    if (!place_parse(&rule, text, error)) return false;
    if (!sampler_set_list(&alone, settings_of(&rule), error) || !check_alone(&alone, settings_of(&rule), error))
        return place_error(&rule, error);
    rule.k = alone.lookahead.k;
    rule.depth = alone.lookahead.depth;
    rule.future = alone.future;
    sampler->rules[sampler->n_rules++] = rule;
    return true;
}

bool sampler_looks_ahead(const Sampler *sampler) {
    for (int i = 0; i < sampler->n_rules; i++)
        if (sampler->rules[i].future) return true;
    return sampler->future;
}

Lookahead sampler_largest_lookahead(const Sampler *sampler) {
    Lookahead widest = sampler->lookahead;
    for (int i = 0; i < sampler->n_rules; i++) {
        widest.k = max_int(widest.k, sampler->rules[i].k);
        widest.depth = max_int(widest.depth, sampler->rules[i].depth);
    }
    return widest;
}

bool sampler_under(const Sampler *sampler, PlaceSet held, Sampler *under, Error *error) {
    *under = *sampler;
    under->n_rules = 0;
    for (int i = 0; i < sampler->n_rules; i++) {
        const PlaceRule *rule = &sampler->rules[i];
        if (!(held >> i & 1)) continue;
        if (!sampler_set_list(under, settings_of(rule), error) || !sampler_check(under, error))
            return place_error(rule, error);
    }
    under->lookahead.eager = sampler->lookahead.eager; /* a preset in a rule may have reset both */
    under->lookahead.chunk = sampler->lookahead.chunk;
    return true;
}

static bool may_meet(const Sampler *sampler, const int *chosen, int n) {
    for (int i = 0; i + 1 < n; i++)
        if (!place_may_meet(&sampler->rules[chosen[i]], &sampler->rules[chosen[n - 1]])) return false;
    return true;
}

/* Checks each set that consists of the n chosen rules and 1 to `left` of the rules from `first` on. */
static bool check_sets(const Sampler *sampler, int *chosen, int n, int first, int left, Error *error) {
    Sampler under;
    for (int i = first; i < sampler->n_rules && left > 0; i++) {
        PlaceSet held = 0;
        chosen[n] = i;
        if (!may_meet(sampler, chosen, n + 1)) continue;
        for (int j = 0; j <= n; j++) held |= (PlaceSet)1 << chosen[j];
        if (!sampler_under(sampler, held, &under, error) || !check_sets(sampler, chosen, n + 1, i + 1, left - 1, error))
            return false;
    }
    return true;
}

/* At most three settings take part in a contradiction (temp-policy, entropy-range and entropy-cap). If a larger set of
 * rules is contradictory, so is the subset of at most three rules that set these settings last. */
bool sampler_check_rules(const Sampler *sampler, Error *error) {
    enum { MOST = 3 };
    int chosen[MOST];
    return check_sets(sampler, chosen, 0, 0, MOST, error);
}

void sampler_read(const Sampler *sampler, SamplerState *state, const SamplerContext *context, int token) {
    if (sampler->n_rules == 0) return;
    if (context->flags[token] & TOKEN_ENDS_TEXT)
        state->place = (PlaceState){0};
    else
        place_read(&state->place, context->pieces[token]);
}

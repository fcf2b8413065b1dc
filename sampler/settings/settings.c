#include "sampler/settings/settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/settings/choice.h"

#define AT(field) offsetof(Sampler, field)
#define ANY       1e30

static bool set_order(Sampler *sampler, const char *text, Error *error);
static bool add_bias(Sampler *sampler, const char *text, Error *error);
static bool set_wave(Sampler *sampler, const char *text, Error *error);
static bool set_clock(Sampler *sampler, const char *text, Error *error);
static bool set_preset(Sampler *sampler, const char *text, Error *error);
static bool set_chunk(Sampler *sampler, const char *text, Error *error);

/* Rows of the table: the flag, what its value is called, where it goes, its range, when it matters, its help. */
#define ROW(kind_, flag, metavar, field, low, high, low_open, effect, help)                                            \
    { {flag, metavar, help}, kind_, AT(field), {low, high, low_open, false}, NULL, NULL, NULL, effect }
#define FLOAT_(flag, metavar, field, low, high, effect, help)                                                          \
    ROW(KIND_FLOAT, flag, metavar, field, low, high, false, effect, help)
#define ABOVE_(flag, metavar, field, low, high, effect, help)                                                          \
    ROW(KIND_FLOAT, flag, metavar, field, low, high, true, effect, help)
#define DOUBLE_(flag, metavar, field, low, high, effect, help)                                                         \
    ROW(KIND_DOUBLE, flag, metavar, field, low, high, false, effect, help)
#define INT_(flag, metavar, field, low, high, effect, help)                                                            \
    ROW(KIND_INT, flag, metavar, field, low, high, false, effect, help)
#define STEER_(flag, metavar, field, low, high, help)                                                                  \
    ROW(KIND_STEER, flag, metavar, field, low, high, false, effect_stage, help)
#define FLAG_(flag, field, effect, help) ROW(KIND_FLAG, flag, NULL, field, 0, 0, false, effect, help)
#define TEMP_(flag, metavar, help)                                                                                     \
    ROW(KIND_TEMPERATURE, flag, metavar, temperature, 0, 0, false, effect_temperature, help)
#define CHOICE_(flag, list, field, effect, help)                                                                       \
    { {flag, list, help}, KIND_CHOICE, AT(field), {0, 0, false, false}, list, NULL, NULL, effect }
#define OTHER_(flag, metavar, setter, shower, effect, help)                                                            \
    { {flag, metavar, help}, KIND_OTHER, 0, {0, 0, false, false}, NULL, setter, shower, effect }

// clang-format off
static const SettingRow rows[] = {
    OTHER_("preset", "NAME", set_preset, NULL, NULL, "precise, balanced, creative, future-entropy, wave or code"),
    OTHER_("at", "PLACE:SETTINGS", sampler_add_rule, NULL, NULL,
           "settings at a place alone (--list-samplers); repeatable"),
    TEMP_("temp", "T", "temperature; 0 takes the likeliest"),
    STEER_("top-k", "K", top_k, 0, 1e6, "keep the K largest; 0: all; LO:HI@entropy steers it"),
    STEER_("top-p", "P", top_p, 0, 1, "keep the shortest prefix with sum >= P; LO:HI@entropy"),
    FLOAT_("min-p", "P", min_p, 0, 1, effect_stage, "keep p >= P * the largest"),
    ABOVE_("typical", "P", typical, 0, 1, effect_stage, "keep the nearest to the entropy, sum >= P; 1: off"),
    FLOAT_("epsilon", "E", epsilon, 0, 1, effect_stage, "keep p >= E; 0: off"),
    FLOAT_("eta", "E", eta, 0, 1, effect_stage, "keep p >= min(E, sqrt(E) exp(-H)); 0: off"),
    FLOAT_("top-nsigma", "N", top_nsigma, 0, 100, effect_stage, "keep logits within N sigma of the largest; 0: off"),
    ABOVE_("top-h", "A", top_h, 0, 1, effect_stage, "add tokens while their entropy is <= A H; 1: off"),
    FLOAT_("xtc-probability", "P", xtc_probability, 0, 1, effect_xtc, "how often the top choices are excluded; 0: off"),
    FLOAT_("xtc-threshold", "P", xtc_threshold, 0, 1, effect_xtc, "what counts as a top choice"),
    DOUBLE_("mirostat-tau", "BITS", mirostat_tau, 0, 100, effect_stage, "surprise to keep to (Mirostat 2); 0: off"),
    DOUBLE_("mirostat-eta", "R", mirostat_eta, 0, 1, effect_mirostat_rate, "its learning rate"),
    FLOAT_("repeat-penalty", "R", repeat.repeat, 0.01, 100, effect_repeat,
           "divide the logits of recent tokens by R; 1: off"),
    FLOAT_("frequency-penalty", "R", repeat.frequency, -100, 100, effect_repeat, "take R from them for each time"),
    FLOAT_("presence-penalty", "R", repeat.presence, -100, 100, effect_repeat, "take R from them once"),
    INT_("repeat-last-n", "N", repeat.last_n, -1, 1e6, effect_repeat_range, "how far back is recent; -1: the whole text"),
    FLOAT_("dry-multiplier", "M", dry.multiplier, 0, 100, NULL, "penalty on what extends a repetition; 0: off"),
    FLOAT_("dry-base", "B", dry.base, 1, 10, effect_dry, "it grows by B with each token of the match"),
    INT_("dry-allowed-length", "N", dry.allowed, 1, 1000, effect_dry, "the shortest match that is penalised"),
    INT_("no-repeat-ngram", "N", no_repeat_ngram, 0, 1000, NULL, "never the same N tokens twice; 0: off"),
    OTHER_("logit-bias", "ID(+|-)X", add_bias, NULL, NULL, "add to a token's logit; ID-inf bans it; repeatable"),
    OTHER_("samplers", "A,B,...", set_order, settings_show_order, NULL, "these truncating stages, in this order; or none"),
    FLAG_("temp-first", temperature_first, effect_temp_first, "temper before truncating, as Hugging Face does"),
    TEMP_("temp-policy", "NAME", "fixed, linear, sigmoid, table, edt, edt-instance, udt, kld, dynatemp or target"),
    TEMP_("temp-range", "LO:HI", "T of linear, sigmoid and target"),
    TEMP_("temp-table", "H:T,...", "T at these entropies, straight between them"),
    TEMP_("entropy-range", "LO:HI", "ends of linear, nats; else the text's percentiles"),
    TEMP_("entropy-cap", "NATS", "entropy beyond it counts as this (linear)"),
    TEMP_("sigmoid-k", "K", "how steep sigmoid is"),
    TEMP_("sigmoid-mid", "NATS", "entropy of its middle"),
    TEMP_("edt-theta", "R", "theta of edt and udt"),
    TEMP_("edt-n", "N", "N of edt and udt, between 0 and 1"),
    TEMP_("udt-measure", "NAME", "pmax, margin or entropy"),
    TEMP_("kld-sigma", "NATS", "the divergence that halves T (kld)"),
    TEMP_("dynatemp-range", "R", "T -/+ R by the survivors' entropy"),
    TEMP_("dynatemp-exp", "E", "its exponent"),
    TEMP_("entropy-target", "X|@F|X@F", "entropy of the survivors: X nats, F ln m, the smaller (target)"),
    FLAG_("fe", future, effect_future, "look one token ahead: future entropy"),
    DOUBLE_("alpha", "A", lookahead.alpha, -1, 1, effect_alpha, "look ahead; -1: the present alone, 1: the future alone"),
    INT_("fe-k", "K", lookahead.k, 1, LOOKAHEAD_MAX_K, effect_of_future, "candidates looked at"),
    INT_("fe-n", "N", lookahead.n, 2, 1e6, effect_of_future, "next tokens that the entropy reads"),
    CHOICE_("fe-curve", "article|crossfade", lookahead.curve, effect_of_future, "how alpha divides the weight"),
    CHOICE_("fe-at", "token|word|sentence", lookahead.gate, effect_of_future, "where it looks ahead"),
    CHOICE_("fe-eog", "neutral|raw|exclude", lookahead.eog, effect_of_future, "what the end of the text counts as"),
    INT_("fe-depth", "D", lookahead.depth, 1, LOOKAHEAD_MAX_DEPTH, effect_of_future, "steps ahead"),
    DOUBLE_("fe-discount", "G", lookahead.discount, 0, 1, effect_discount, "weight of each further step"),
    OTHER_("fe-chunk", "N|auto", set_chunk, settings_show_chunk, effect_chunk,
           "candidates a pass, unless eager; auto: by what passes cost here"),
    FLAG_("fe-eager", lookahead.eager, effect_of_future, "evaluate all candidates, needed or not"),
    OTHER_("wave", "SHAPE:AMP:PERIOD", set_wave, settings_show_wave, effect_future,
           "alpha swings (and [:PHASE[:BIAS]]): sine, triangle, ..."),
    OTHER_("wave-clock", "UNIT", set_clock, settings_show_clock, effect_clock, "what it counts: token, word, sentence or line"),
};
// clang-format on
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static const SamplerPreset presets[] = {
    {"precise", "temp 0.3, top-k 20, top-p 0.9, min-p 0.1"},
    {"balanced", "temp 0.8, top-k 40, top-p 0.95, min-p 0.05"},
    {"creative", "temp 1.2, top-k 0, top-p 1, min-p 0.02, xtc-probability 0.5, xtc-threshold 0.1"},
    {"future-entropy", "temp 1, top-k 40, top-p 0.95, min-p 0.05, fe, alpha 0, fe-k 20, fe-n 20, fe-at word"},
    {"wave", "temp 1, top-k 40, top-p 0.95, min-p 0.05, fe, fe-k 20, fe-n 20, fe-at word, wave sine:1:60"},
    {"code", "temp 0.8, top-k 40, top-p 0.95, min-p 0.05, fe, alpha 0, fe-k 20, fe-n 20, fe-at word, "
             "at number:{preset=precise,temp=0.2}, at identifier:{preset=precise,temp=0.2}, "
             "at code:{preset=precise,temp=0.2}"},
};

const SamplerSetting *sampler_setting(int i) { return i < N_ROWS ? &rows[i].setting : NULL; }

const SamplerPreset *sampler_preset(int i) {
    return i < (int)(sizeof presets / sizeof presets[0]) ? &presets[i] : NULL;
}

Sampler sampler_default(void) {
    Sampler sampler = {.repeat = {64, 1, 0, 0},
                       .dry = {0, 1.75f, 2},
                       .top_k = {40, 40, true},
                       .top_p = {0.95, 0.95, false},
                       .min_p = 0.05f,
                       .typical = 1,
                       .top_h = 1,
                       .xtc_threshold = 0.1f,
                       .mirostat_eta = 0.1,
                       .lookahead = lookahead_default(),
                       .wave = wave_default(),
                       .temperature = temperature_default()};
    for (int stage = STAGE_BIAS + 1; stage < SAMPLER_STAGES; stage++) sampler.order[sampler.n_order++] = (Stage)stage;
    return sampler;
}

/* ---- Setting ---- */

static const SettingRow *find_row_named(const char *name, size_t length) {
    for (int i = 0; i < N_ROWS; i++)
        if (strlen(rows[i].setting.name) == length && memcmp(rows[i].setting.name, name, length) == 0) return &rows[i];
    return NULL;
}

const SettingRow *settings_find(const char *name) { return find_row_named(name, strlen(name)); }

static bool set_choice(const SettingRow *row, int *field, const char *text, Error *error) {
    int choice = choice_find(row->choices, text);
    if (choice < 0)
        return error_set(error, "--%s: expected one of %s, got '%s'", row->setting.name, row->choices, text);
    *field = choice;
    return true;
}

static bool set_number(const SettingRow *row, void *field, const char *text, Error *error) {
    char flag[64];
    double number;
    snprintf(flag, sizeof flag, "--%s", row->setting.name);
    if (row->kind == KIND_FLOAT) return number_parse_float(field, text, strlen(text), row->range, flag, error);
    if (!number_parse(&number, text, strlen(text), row->range, flag, error)) return false;
    if (row->kind == KIND_INT && number != floor(number))
        return error_set(error, "%s: expected a whole number from %.7g to %.7g, got '%s'", flag, row->range.low,
                         row->range.high, text);
    if (row->kind == KIND_INT)
        *(int *)field = (int)number;
    else
        *(double *)field = number;
    return true;
}

bool sampler_set(Sampler *sampler, const char *name, const char *value, Error *error) {
    const SettingRow *row = settings_find(name);
    if (!row) return error_set(error, "--%s: no such setting of the sampler", name);
    if (row->kind != KIND_FLAG && !value) return error_set(error, "--%s: expected a value", name);
    void *field = (char *)sampler + row->offset;
    char flag[64];
    snprintf(flag, sizeof flag, "--%s", name);
    switch (row->kind) {
    case KIND_FLAG:
        *(bool *)field = true;
        return true;
    case KIND_STEER:
        return steer_parse(field, value, row->range, flag, error);
    case KIND_CHOICE:
        return set_choice(row, field, value, error);
    case KIND_TEMPERATURE:
        return temperature_set(&sampler->temperature, name, value, error);
    case KIND_OTHER:
        return row->set(sampler, value, error);
    default:
        if (!set_number(row, field, value, error)) return false;
        if (row->offset == AT(lookahead.alpha)) sampler->future = true; /* as --wave does */
        return true;
    }
}

/* The stage of this name, one that drops candidates; -1: there is none. */
static int truncating_stage(const char *name, size_t length) {
    for (int i = STAGE_BIAS + 1; i < SAMPLER_STAGES; i++)
        if (strlen(sampler_stages[i].name) == length && memcmp(sampler_stages[i].name, name, length) == 0) return i;
    return -1;
}

static bool set_order(Sampler *sampler, const char *text, Error *error) {
    Sampler ordered = *sampler;
    ordered.n_order = 0;
    for (const char *at = strcmp(text, SETTINGS_NO_STAGE) == 0 ? "" : text; *at;) {
        size_t length = strcspn(at, ",;");
        int stage = truncating_stage(at, length);
        if (stage < 0)
            return error_set(error, "--samplers: expected stages that drop candidates (--list-samplers), got '%.*s'",
                             (int)length, at);
        for (int i = 0; i < ordered.n_order; i++)
            if (ordered.order[i] == (Stage)stage)
                return error_set(error, "--samplers: %.*s is there twice", (int)length, at);
        ordered.order[ordered.n_order++] = (Stage)stage;
        at += length + (at[length] != '\0');
    }
    *sampler = ordered;
    return true;
}

static bool add_bias(Sampler *sampler, const char *text, Error *error) {
    size_t digits = strspn(text, "0123456789");
    double token;
    float bias = -INFINITY;
    bool bans = strcmp(text + digits, "-inf") == 0;
    if (digits == 0 || (text[digits] != '+' && text[digits] != '-'))
        return error_set(error, "--logit-bias: expected ID+X or ID-X, got '%s'", text);
    if (!number_parse(&token, text, digits, (NumberRange){0, 1 << 24, false, false}, "--logit-bias", error))
        return false;
    const char *value = text + digits + (text[digits] == '+');
    if (!bans &&
        !number_parse_float(&bias, value, strlen(value), (NumberRange){-ANY, ANY, false, false}, "--logit-bias", error))
        return false;
    if (sampler->n_biases == SAMPLER_BIASES)
        return error_set(error, "--logit-bias: expected at most %d of them", SAMPLER_BIASES);
    sampler->biases[sampler->n_biases++] = (LogitBias){(int)token, bias};
    return true;
}

static bool set_wave(Sampler *sampler, const char *text, Error *error) {
    if (!wave_parse(&sampler->wave, text, error)) return false;
    sampler->waves = sampler->future = true;
    return true;
}

static bool set_clock(Sampler *sampler, const char *text, Error *error) {
    return wave_parse_clock(&sampler->wave, text, error);
}

static bool set_chunk(Sampler *sampler, const char *text, Error *error) {
    double chunk = LOOKAHEAD_AUTO;
    bool is_number = strcmp(text, "auto") != 0;
    NumberRange range = {1, LOOKAHEAD_MAX_K, false, false};
    if (is_number && (!number_parse(&chunk, text, strlen(text), range, "--fe-chunk", error) || chunk != floor(chunk)))
        return error_set(error, "--fe-chunk: expected a whole number from 1 to %d or auto, got '%s'", LOOKAHEAD_MAX_K,
                         text);
    sampler->lookahead.chunk = (int)chunk;
    return true;
}

/* Whether text is the beginning of an item: the name of a flag, or another setting's name with a value. */
static bool begins_item(const char *text) {
    size_t length = strcspn(text, "=, ");
    const SettingRow *row = find_row_named(text, length);
    return length == 0 || (row && (row->kind == KIND_FLAG || text[length] == '=' || text[length] == ' '));
}

/* The length of the item that begins here. A comma ends it only where another item begins, because the values of some
 * settings hold commas ("temp-table 0:0.2,2:1"). */
static size_t item_length(const char *at) {
    size_t length = strcspn(at, "=, "), begin = 0;
    if (length == 2 && memcmp(at, "at", 2) == 0) { /* a pattern and braces may hold any commas */
        begin = length + strspn(at + length, "= ");
        begin += place_prefix(at + begin);
    }
    length = begin + strcspn(at + begin, ",");
    while (at[length] && !begins_item(at + length + 1 + strspn(at + length + 1, " ")))
        length += 1 + strcspn(at + length + 1, ",");
    return length;
}

/* One item, "name", "name=value" or "name value", of that length. */
static bool set_item(Sampler *sampler, const char *item, size_t length, Error *error) {
    char text[SAMPLER_ITEM_BYTES];
    if (length >= sizeof text)
        return error_set(error, "%.40s...: expected a setting of at most %zu characters", item, sizeof text - 1);
    memcpy(text, item, length);
    text[length] = '\0';
    for (; length > 0 && text[length - 1] == ' '; length--) text[length - 1] = '\0';
    char *value = strpbrk(text, "= ");
    if (value) {
        *value++ = '\0';
        value += strspn(value, " ");
    }
    const SettingRow *row = settings_find(text);
    if (row && row->kind == KIND_FLAG && value)
        return error_set(error, "--%s: expected no value, got '%s'", text, value);
    return sampler_set(sampler, text, value, error);
}

bool sampler_set_list(Sampler *sampler, const char *text, Error *error) {
    Sampler changed = *sampler;
    for (const char *at = text; *at;) {
        at += strspn(at, " ");
        size_t length = item_length(at);
        if (!set_item(&changed, at, length, error)) return false;
        at += length + (at[length] == ',');
    }
    *sampler = changed;
    return true;
}

/* A preset starts from the default settings; only the seed stays, and the rules that no preset has set. */
static bool set_preset(Sampler *sampler, const char *text, Error *error) {
    const SamplerPreset *preset = presets, *end = presets + sizeof presets / sizeof presets[0];
    while (preset < end && strcmp(preset->name, text) != 0) preset++;
    if (preset == end)
        return error_set(
            error, "--preset: expected precise, balanced, creative, future-entropy, wave or code, got '%s'", text);
    Sampler begun = sampler_default();
    begun.seed = sampler->seed;
    for (int i = 0; i < sampler->n_rules; i++)
        if (!sampler->rules[i].of_preset) begun.rules[begun.n_rules++] = sampler->rules[i];
    int n_kept = begun.n_rules;
    if (!sampler_set_list(&begun, preset->settings, error)) return false;
    for (int i = n_kept; i < begun.n_rules; i++) begun.rules[i].of_preset = true;
    *sampler = begun;
    return true;
}

bool sampler_check(const Sampler *sampler, Error *error) {
    return temperature_check(&sampler->temperature, error) && lookahead_check(&sampler->lookahead, error) &&
           sampler_check_rules(sampler, error);
}

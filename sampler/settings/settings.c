/* Parses settings: a single one, a list, a preset. */
#include "sampler/settings/settings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/chain/choice.h"
#include "sampler/chain/line.h"

static bool set_choice(const SettingRow *row, int *field, const char *text, Error *error) {
    int choice = choice_find(row->metavar, text, strlen(text));
    if (choice < 0) return error_set(error, "%s: expected one of %s, got '%s'", row->name, row->metavar, text);
    *field = choice;
    return true;
}

static bool set_int(const SettingRow *row, int *field, const char *text, Error *error) {
    double number = 0;
    char range[64];
    bool is_zero = row->zero && strcmp(text, row->zero) == 0;
    if (is_zero || number_parse(&number, text, strlen(text), row->range, row->name, error)) {
        *field = (int)number;
        return true;
    }
    number_range_print(row->range, range, sizeof range);
    return row->zero &&
           error_set(error, "%s: expected a whole number from %s or %s, got '%s'", row->name, range, row->zero, text);
}

static bool set_pair(const SettingRow *row, Sampler *sampler, const char *text, Error *error) {
    double low, high;
    size_t length = strlen(text), colon = strcspn(text, ":");
    if (colon == length) return error_set(error, "%s: expected LO:HI, got '%s'", row->name, text);
    if (!number_parse(&low, text, colon, row->range, row->name, error) ||
        !number_parse(&high, text + colon + 1, length - colon - 1, row->range, row->name, error))
        return false;
    if (low >= high) return error_set(error, "%s: expected LO below HI, got %.7g:%.7g", row->name, low, high);
    *(double *)((char *)sampler + row->offset) = low;
    *(double *)((char *)sampler + row->offset_high) = high;
    return true;
}

static bool set_value(const SettingRow *row, Sampler *sampler, const char *text, Error *error) {
    void *field = (char *)sampler + row->offset;
    switch (row->kind) {
    case KIND_FLOAT:
        return number_parse_float(field, text, strlen(text), row->range, row->name, error);
    case KIND_DOUBLE:
        return number_parse(field, text, strlen(text), row->range, row->name, error);
    case KIND_INT:
        return set_int(row, field, text, error);
    case KIND_SWITCH:
        *(bool *)field = true;
        return true;
    case KIND_STEER:
        return steer_parse(field, text, row->range, row->name, error);
    case KIND_CHOICE:
        return set_choice(row, field, text, error);
    case KIND_PAIR:
        return set_pair(row, sampler, text, error);
    default:
        return row->set(sampler, text, error);
    }
}

/* The seed is not a row of the table: it selects the noise, and does not change the distribution. */
static bool is_seed(const char *name, size_t length) { return length == 4 && memcmp(name, "seed", 4) == 0; }

static bool set_seed(Sampler *sampler, const char *value, Error *error) {
    uint64_t seed = 0;
    const char *at = value ? value : "";
    for (; *at >= '0' && *at <= '9' && seed <= (UINT64_MAX - (uint64_t)(*at - '0')) / 10; at++)
        seed = 10 * seed + (uint64_t)(*at - '0');
    if (!value || !*value || *at)
        return error_set(error, "seed: expected a whole number from 0 to %" PRIu64 ", got '%s'", UINT64_MAX,
                         value ? value : "");
    sampler->seed = seed;
    return true;
}

bool sampler_set(Sampler *sampler, const char *name, const char *value, Error *error) {
    if (is_seed(name, strlen(name))) return set_seed(sampler, value, error);
    const SettingRow *row = settings_find(name);
    if (!row) return error_set(error, "%s: no such setting of the sampler", name);
    if (row->kind != KIND_SWITCH && !value) return error_set(error, "%s: expected a value", name);
    if (!set_value(row, sampler, value, error)) return false;
    sampler->future |= row->looks_ahead;
    return true;
}

/* The truncation stage of this name; -1: there is none. */
static int truncating_stage(const char *name, size_t length) {
    for (int i = 0; i < SAMPLER_STAGES; i++) {
        const SamplerStage *stage = &sampler_stages[i];
        if (!stage->rewrites && strlen(stage->name) == length && memcmp(stage->name, name, length) == 0) return i;
    }
    return -1;
}

static bool no_such_stage(const char *name, size_t length, Error *error) {
    char names[256];
    Line line = line_begin(names, sizeof names);
    for (int i = 0; i < SAMPLER_STAGES; i++)
        if (!sampler_stages[i].rewrites) line_add(&line, "%s%s", line.length > 0 ? ", " : "", sampler_stages[i].name);
    return error_set(error, "samplers: expected stages that drop candidates (%s), got '%.*s'", names, (int)length,
                     name);
}

bool settings_set_order(Sampler *sampler, const char *text, Error *error) {
    Stage order[SAMPLER_STAGES];
    int n_order = 0;
    for (const char *at = strcmp(text, SETTINGS_NO_STAGE) == 0 ? "" : text; *at;) {
        size_t length = strcspn(at, ",;");
        int stage = truncating_stage(at, length);
        if (stage < 0) return no_such_stage(at, length, error);
        for (int i = 0; i < n_order; i++)
            if (order[i] == (Stage)stage) return error_set(error, "samplers: %.*s is there twice", (int)length, at);
        order[n_order++] = (Stage)stage;
        at += length + (at[length] != '\0');
    }
    if (n_order > 0) memcpy(sampler->order, order, (size_t)n_order * sizeof *order);
    sampler->n_order = n_order;
    return true;
}

bool settings_add_bias(Sampler *sampler, const char *text, Error *error) {
    static const NumberRange ids = {.low = 0, .high = 1 << 24}, any = {.low = -1e30, .high = 1e30};
    size_t digits = strspn(text, "0123456789");
    double token;
    float bias = -INFINITY;
    bool bans = strcmp(text + digits, "-inf") == 0;
    if (digits == 0 || (text[digits] != '+' && text[digits] != '-'))
        return error_set(error, "logit-bias: expected ID+X or ID-X, got '%s'", text);
    if (!number_parse(&token, text, digits, ids, "logit-bias", error)) return false;
    const char *value = text + digits + (text[digits] == '+');
    if (!bans && !number_parse_float(&bias, value, strlen(value), any, "logit-bias", error)) return false;
    if (sampler->n_biases == SAMPLER_BIASES)
        return error_set(error, "logit-bias: expected at most %d of them", SAMPLER_BIASES);
    sampler->biases[sampler->n_biases++] = (LogitBias){(int)token, bias};
    return true;
}

bool settings_set_wave(Sampler *sampler, const char *text, Error *error) {
    if (!wave_parse(&sampler->wave, text, error)) return false;
    sampler->waves = true;
    return true;
}

/* Whether an item begins here: the name of a switch, or another setting's name with a value. */
static bool begins_item(const char *text) {
    size_t length = strcspn(text, "=, ");
    const SettingRow *row = settings_find_part(text, length);
    bool has_value = text[length] == '=' || text[length] == ' ';
    return length == 0 || (row && (row->kind == KIND_SWITCH || has_value)) || (is_seed(text, length) && has_value);
}

/* The length of the item that begins here. A comma ends it only if another item begins after the comma, because some
 * values contain commas ("temp-table 0:0.2,2:1"). */
static size_t item_length(const char *at) {
    size_t length = strcspn(at, "=, "), begin = 0;
    if (length == 2 && memcmp(at, "at", 2) == 0) { /* a pattern and braces may contain commas */
        begin = length + strspn(at + length, "= ");
        begin += place_prefix(at + begin);
    }
    length = begin + strcspn(at + begin, ",");
    while (at[length] && !begins_item(at + length + 1 + strspn(at + length + 1, " ")))
        length += 1 + strcspn(at + length + 1, ",");
    return length;
}

/* Sets one item of `length` characters: "name", "name=value" or "name value". */
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
    if (row && row->kind == KIND_SWITCH && value)
        return error_set(error, "%s: expected no value, got '%s'", text, value);
    return sampler_set(sampler, text, value, error);
}

bool sampler_next_setting(const char **list, char *name, size_t capacity) {
    const char *at = *list + strspn(*list, " ");
    size_t length = item_length(at), of_name = strcspn(at, "=, ");
    if (!*at) return false;
    snprintf(name, capacity, "%.*s", (int)of_name, at);
    *list = at + length + (at[length] == ',');
    return true;
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

static bool no_such_preset(const char *name, Error *error) {
    char names[256];
    const SamplerPreset *preset;
    Line line = line_begin(names, sizeof names);
    for (int i = 0; (preset = sampler_preset(i)); i++)
        line_add(&line, "%s%s", i == 0 ? "" : sampler_preset(i + 1) ? ", " : " or ", preset->name);
    return error_set(error, "preset: expected %s, got '%s'", names, name);
}

/* A preset starts from the default settings, but keeps the seed and the rules that no preset has set. */
bool settings_set_preset(Sampler *sampler, const char *text, Error *error) {
    const SamplerPreset *preset;
    int which = 0;
    while ((preset = sampler_preset(which)) && strcmp(preset->name, text) != 0) which++;
    if (!preset) return no_such_preset(text, error);
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

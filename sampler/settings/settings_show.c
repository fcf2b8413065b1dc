/* The sampler as text: its settings by flag, and the chain that it prints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/line.h"
#include "sampler/settings/choice.h"
#include "sampler/settings/settings.h"

/* With as many digits as the same float needs. */
static int show_float(float value, char *out, size_t capacity) {
    char text[32];
    int digits = 6;
    do snprintf(text, sizeof text, "%.*g", digits, (double)value);
    while (digits++ < 9 && (float)strtod(text, NULL) != value);
    return snprintf(out, capacity, "%s", text);
}

int settings_show_order(const Sampler *sampler, char *out, size_t capacity) {
    Line line = line_begin(out, capacity);
    line_add(&line, "%s", sampler->n_order > 0 ? "" : SETTINGS_NO_STAGE);
    for (int i = 0; i < sampler->n_order; i++)
        line_add(&line, "%s%s", i ? "," : "", sampler_stages[sampler->order[i]].name);
    return line.length;
}

int settings_show_wave(const Sampler *sampler, char *out, size_t capacity) {
    return sampler->waves ? wave_print(&sampler->wave, out, capacity) : snprintf(out, capacity, "%s", "");
}

int settings_show_clock(const Sampler *sampler, char *out, size_t capacity) {
    return snprintf(out, capacity, "%s", wave_unit_names[sampler->wave.clock]);
}

int settings_show_chunk(const Sampler *sampler, char *out, size_t capacity) {
    if (sampler->lookahead.chunk == LOOKAHEAD_AUTO) return snprintf(out, capacity, "%s", "auto");
    return snprintf(out, capacity, "%d", sampler->lookahead.chunk);
}

static int show_field(const Sampler *sampler, const SettingRow *row, char *out, size_t capacity) {
    const void *field = (const char *)sampler + row->offset;
    switch (row->kind) {
    case KIND_FLOAT:
        return show_float(*(const float *)field, out, capacity);
    case KIND_DOUBLE:
        return number_print(*(const double *)field, out, capacity);
    case KIND_FLAG:
        return snprintf(out, capacity, "%s", *(const bool *)field ? "on" : "");
    case KIND_TEMPERATURE:
        return temperature_show(&sampler->temperature, row->setting.name, out, capacity);
    case KIND_INT:
        return snprintf(out, capacity, "%d", *(const int *)field);
    case KIND_STEER:
        return steer_print(*(const Steer *)field, out, capacity);
    case KIND_CHOICE:
        return choice_print(row->choices, *(const int *)field, out, capacity);
    default:
        return row->show ? row->show(sampler, out, capacity) : snprintf(out, capacity, "%s", "");
    }
}

int sampler_show(const Sampler *sampler, const char *name, char *out, size_t capacity) {
    const SettingRow *row = settings_find(name);
    return row ? show_field(sampler, row, out, capacity) : snprintf(out, capacity, "%s", "");
}

static bool equal_setting(const Sampler *a, const Sampler *b, const char *name) {
    char of_a[2048], of_b[2048];
    sampler_show(a, name, of_a, sizeof of_a);
    sampler_show(b, name, of_b, sizeof of_b);
    return strcmp(of_a, of_b) == 0;
}

bool sampler_equal(const Sampler *a, const Sampler *b) {
    const SamplerSetting *setting;
    bool equal = a->seed == b->seed && a->n_biases == b->n_biases && a->n_rules == b->n_rules;
    for (int i = 0; equal && (setting = sampler_setting(i)); i++) equal = equal_setting(a, b, setting->name);
    for (int i = 0; equal && i < a->n_biases; i++)
        equal = a->biases[i].token == b->biases[i].token && a->biases[i].bias == b->biases[i].bias;
    for (int i = 0; equal && i < a->n_rules; i++) equal = strcmp(a->rules[i].text, b->rules[i].text) == 0;
    return equal;
}

static void append_setting(Line *line, const Sampler *sampler, const char *name) {
    char value[64];
    sampler_show(sampler, name, value, sizeof value);
    line_add(line, "%s %s", name, value);
}

/* The settings of a stage, where they are not one of its own name. */
static const char *const several[SAMPLER_STAGES][4] = {
    [STAGE_PENALTIES] = {"repeat-penalty", "frequency-penalty", "presence-penalty", "repeat-last-n"},
    [STAGE_DRY] = {"dry-multiplier", "dry-base", "dry-allowed-length"},
    [STAGE_XTC] = {"xtc-probability", "xtc-threshold"},
    [STAGE_MIROSTAT] = {"mirostat-tau", "mirostat-eta"},
};

const char *sampler_stage_setting(Stage stage, int i) {
    if (several[stage][0]) return i < 4 ? several[stage][i] : NULL;
    return i == 0 ? sampler_stages[stage].name : NULL;
}

int sampler_range(const char *name, char *out, size_t capacity) {
    const SettingRow *row = settings_find(name);
    if (!row || row->range.low >= row->range.high) return snprintf(out, capacity, "%s", "");
    return snprintf(out, capacity, "%s%.7g to %.7g", row->range.low_open ? "above " : "", row->range.low,
                    row->range.high);
}

/* A stage is printed by its settings: those of the same name, or the ones listed here. */
static void append_stage(Line *line, const Sampler *sampler, Stage stage) {
    if (stage == STAGE_BIAS)
        line_add(line, "logit-bias on %d", sampler->n_biases);
    else if (!several[stage][0])
        append_setting(line, sampler, sampler_stages[stage].name);
    for (int i = 0; i < 4 && several[stage][i]; i++) {
        if (i > 0) line_add(line, " ");
        append_setting(line, sampler, several[stage][i]);
    }
    line_add(line, " -> ");
}

static void append_future(Line *line, const Sampler *sampler) {
    static const char *const names[] = {"fe-k", "fe-n", "fe-curve", "fe-at", "fe-eog", "fe-depth"};
    char wave[128];
    wave_print(&sampler->wave, wave, sizeof wave);
    line_add(line, "future entropy ");
    if (sampler->waves)
        line_add(line, "wave %s by the %s", wave, wave_unit_names[sampler->wave.clock]);
    else
        append_setting(line, sampler, "alpha");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        line_add(line, " ");
        append_setting(line, sampler, names[i]);
    }
    line_add(line, sampler->lookahead.eager ? " eager -> " : " -> ");
}

static bool is_greedy(const Sampler *sampler) {
    return sampler->temperature.kind == TEMPERATURE_FIXED && sampler->temperature.base < DRAW_GREEDY_BELOW;
}

static void append_temperature(Line *line, const Sampler *sampler) {
    char policy[512];
    if (sampler->temperature.kind != TEMPERATURE_FIXED) {
        temperature_print(&sampler->temperature, policy, sizeof policy);
        line_add(line, "%s -> ", policy);
    } else if (!is_greedy(sampler) && sampler->temperature.base != 1) {
        line_add(line, "temp %.7g -> ", sampler->temperature.base);
    }
}

static void append_rules(Line *line, const Sampler *sampler) {
    for (int i = 0; i < sampler->n_rules; i++) {
        const PlaceRule *rule = &sampler->rules[i];
        line_add(line, "; at %.*s: ", place_length(rule), rule->text);
        for (const char *c = rule->text + rule->settings; *c; c++) line_add(line, "%c", *c == '=' ? ' ' : *c);
    }
}

int sampler_print(const Sampler *sampler, char *out, size_t capacity) {
    Line line = line_begin(out, capacity);
    for (int stage = 0; stage <= STAGE_BIAS; stage++)
        if (sampler_stages[stage].is_on(sampler)) append_stage(&line, sampler, (Stage)stage);
    if (sampler->temperature_first) append_temperature(&line, sampler);
    for (int i = 0; i < sampler->n_order; i++)
        if (sampler_stages[sampler->order[i]].is_on(sampler)) append_stage(&line, sampler, sampler->order[i]);
    if (sampler->future) append_future(&line, sampler);
    if (!sampler->temperature_first) append_temperature(&line, sampler);
    line_add(&line, "%s, seed %llu", is_greedy(sampler) ? "greedy" : "draw", (unsigned long long)sampler->seed);
    append_rules(&line, sampler);
    return line.length;
}

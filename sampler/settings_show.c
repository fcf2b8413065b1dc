/* The sampler as text: its settings by flag, and the chain that it prints. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/draw.h"
#include "sampler/settings.h"

/* A text that grows as snprintf would have gone on. */
typedef struct {
    char *out;
    size_t capacity;
    int length;
} Text;

__attribute__((format(printf, 2, 3))) static void append(Text *text, const char *format, ...) {
    size_t left = (size_t)text->length < text->capacity ? text->capacity - (size_t)text->length : 0;
    va_list arguments;
    va_start(arguments, format);
    text->length += vsnprintf(left ? text->out + text->length : NULL, left, format, arguments);
    va_end(arguments);
}

/* With as many digits as the same float needs. */
static int show_float(float value, char *out, size_t capacity) {
    char text[32];
    int digits = 6;
    do snprintf(text, sizeof text, "%.*g", digits, (double)value);
    while (digits++ < 9 && (float)strtod(text, NULL) != value);
    return snprintf(out, capacity, "%s", text);
}

int settings_show_order(const Sampler *sampler, char *out, size_t capacity) {
    Text text = {out, capacity, 0};
    append(&text, "%s", sampler->n_order > 0 ? "" : SETTINGS_NO_STAGE);
    for (int i = 0; i < sampler->n_order; i++)
        append(&text, "%s%s", i ? "," : "", sampler_stages[sampler->order[i]].name);
    return text.length;
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
    const char *choice = row->choices;
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
        for (int i = *(const int *)field; i > 0; i--) choice = strchr(choice, '|') + 1;
        return snprintf(out, capacity, "%.*s", (int)strcspn(choice, "|"), choice);
    default:
        return row->show ? row->show(sampler, out, capacity) : snprintf(out, capacity, "%s", "");
    }
}

int sampler_show(const Sampler *sampler, const char *name, char *out, size_t capacity) {
    const SettingRow *row = settings_find(name);
    return row ? show_field(sampler, row, out, capacity) : snprintf(out, capacity, "%s", "");
}

static void append_setting(Text *text, const Sampler *sampler, const char *name) {
    char value[64];
    sampler_show(sampler, name, value, sizeof value);
    append(text, "%s %s", name, value);
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
static void append_stage(Text *text, const Sampler *sampler, Stage stage) {
    if (stage == STAGE_BIAS)
        append(text, "logit-bias on %d", sampler->n_biases);
    else if (!several[stage][0])
        append_setting(text, sampler, sampler_stages[stage].name);
    for (int i = 0; i < 4 && several[stage][i]; i++) {
        if (i > 0) append(text, " ");
        append_setting(text, sampler, several[stage][i]);
    }
    append(text, " -> ");
}

static void append_future(Text *text, const Sampler *sampler) {
    static const char *const names[] = {"fe-k", "fe-n", "fe-curve", "fe-at", "fe-eog", "fe-depth"};
    char wave[128];
    wave_print(&sampler->wave, wave, sizeof wave);
    append(text, "future entropy ");
    if (sampler->waves)
        append(text, "wave %s by the %s", wave, wave_unit_names[sampler->wave.clock]);
    else
        append_setting(text, sampler, "alpha");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        append(text, " ");
        append_setting(text, sampler, names[i]);
    }
    append(text, sampler->lookahead.eager ? " eager -> " : " -> ");
}

static bool is_greedy(const Sampler *sampler) {
    return sampler->temperature.kind == TEMPERATURE_FIXED && sampler->temperature.base < DRAW_GREEDY_BELOW;
}

static void append_temperature(Text *text, const Sampler *sampler) {
    char policy[512];
    if (sampler->temperature.kind != TEMPERATURE_FIXED) {
        temperature_print(&sampler->temperature, policy, sizeof policy);
        append(text, "%s -> ", policy);
    } else if (!is_greedy(sampler) && sampler->temperature.base != 1) {
        append(text, "temp %.7g -> ", sampler->temperature.base);
    }
}

static void append_rules(Text *text, const Sampler *sampler) {
    for (int i = 0; i < sampler->n_rules; i++) {
        const PlaceRule *rule = &sampler->rules[i];
        append(text, "; at %.*s: ", place_length(rule), rule->text);
        for (const char *c = rule->text + rule->settings; *c; c++) append(text, "%c", *c == '=' ? ' ' : *c);
    }
}

int sampler_print(const Sampler *sampler, char *out, size_t capacity) {
    Text text = {out, capacity, 0};
    for (int stage = 0; stage <= STAGE_BIAS; stage++)
        if (sampler_stages[stage].is_on(sampler)) append_stage(&text, sampler, (Stage)stage);
    if (sampler->temperature_first) append_temperature(&text, sampler);
    for (int i = 0; i < sampler->n_order; i++)
        if (sampler_stages[sampler->order[i]].is_on(sampler)) append_stage(&text, sampler, sampler->order[i]);
    if (sampler->future) append_future(&text, sampler);
    if (!sampler->temperature_first) append_temperature(&text, sampler);
    append(&text, "%s, seed %llu", is_greedy(sampler) ? "greedy" : "draw", (unsigned long long)sampler->seed);
    append_rules(&text, sampler);
    return text.length;
}

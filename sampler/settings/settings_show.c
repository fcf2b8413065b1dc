/* The sampler as text: its settings by name, and the chain that it prints. */
#include <stdio.h>
#include <string.h>

#include "sampler/chain/choice.h"
#include "sampler/chain/draw.h"
#include "sampler/chain/line.h"
#include "sampler/settings/settings.h"

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

static int show_int(const SettingRow *row, int value, char *out, size_t capacity) {
    if (row->zero && value == 0) return snprintf(out, capacity, "%s", row->zero);
    return snprintf(out, capacity, "%d", value);
}

/* LO:HI, or empty if the pair is not set. */
static int show_pair(const SettingRow *row, const double *low, const double *high, char *out, size_t capacity) {
    char from[32], to[32];
    if (row->may_be_absent && *low == 0 && *high == 0) return snprintf(out, capacity, "%s", "");
    number_print(*low, from, sizeof from);
    number_print(*high, to, sizeof to);
    return snprintf(out, capacity, "%s:%s", from, to);
}

static int show_field(const Sampler *sampler, const SettingRow *row, char *out, size_t capacity) {
    const void *field = (const char *)sampler + row->offset;
    switch (row->kind) {
    case KIND_FLOAT:
        return number_print_float(*(const float *)field, out, capacity);
    case KIND_DOUBLE:
        return number_print(*(const double *)field, out, capacity);
    case KIND_INT:
        return show_int(row, *(const int *)field, out, capacity);
    case KIND_SWITCH:
        return snprintf(out, capacity, "%s", *(const bool *)field ? "on" : "");
    case KIND_STEER:
        return steer_print(*(const Steer *)field, out, capacity);
    case KIND_CHOICE:
        return choice_print(row->metavar, *(const int *)field, out, capacity);
    case KIND_PAIR:
        return show_pair(row, field, (const void *)((const char *)sampler + row->offset_high), out, capacity);
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
    const SettingRow *row;
    bool equal = a->seed == b->seed && a->n_biases == b->n_biases && a->n_rules == b->n_rules;
    for (int i = 0; equal && (row = settings_row(i)); i++) equal = equal_setting(a, b, row->name);
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

static void append_stage(Line *line, const Sampler *sampler, const SamplerStage *stage) {
    char text[64];
    if (stage->show) {
        stage->show(sampler, text, sizeof text);
        line_add(line, "%s", text);
    }
    for (int i = 0; !stage->show && stage->settings[i]; i++) {
        if (i > 0) line_add(line, " ");
        append_setting(line, sampler, stage->settings[i]);
    }
    line_add(line, " -> ");
}

static void append_future(Line *line, const Sampler *sampler) {
    static const char *const names[] = {"fe-k", "fe-n", "fe-curve", "fe-at", "fe-eog", "fe-depth"};
    char wave[128], clock[16];
    wave_print(&sampler->wave, wave, sizeof wave);
    choice_print(WAVE_UNIT_NAMES, (int)sampler->wave.clock, clock, sizeof clock);
    line_add(line, "future entropy ");
    if (sampler->waves)
        line_add(line, "wave %s by the %s", wave, clock);
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

/* A policy is shown as "--temp-policy NAME --setting value ...", because existing traces contain this form. */
static void append_policy(Line *line, const Sampler *sampler) {
    const TemperatureRow *policy = &temperature_policies[sampler->temperature.kind];
    line_add(line, "--%s %s", "temp-policy", policy->name);
    for (int i = 0; policy->settings[i]; i++) {
        char value[TEMPERATURE_KNOTS * 64];
        if (sampler_show(sampler, policy->settings[i], value, sizeof value) > 0)
            line_add(line, " --%s %s", policy->settings[i], value);
    }
    line_add(line, " -> ");
}

static void append_temperature(Line *line, const Sampler *sampler) {
    if (sampler->temperature.kind != TEMPERATURE_FIXED)
        append_policy(line, sampler);
    else if (!is_greedy(sampler) && sampler->temperature.base != 1)
        line_add(line, "temp %.7g -> ", sampler->temperature.base);
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
    for (int i = 0; i < SAMPLER_STAGES; i++)
        if (sampler_stages[i].rewrites && sampler_stages[i].is_on(sampler))
            append_stage(&line, sampler, &sampler_stages[i]);
    if (sampler->temperature_first) append_temperature(&line, sampler);
    for (int i = 0; i < sampler->n_order; i++)
        if (sampler_stages[sampler->order[i]].is_on(sampler))
            append_stage(&line, sampler, &sampler_stages[sampler->order[i]]);
    if (sampler->future) append_future(&line, sampler);
    if (!sampler->temperature_first) append_temperature(&line, sampler);
    line_add(&line, "%s, seed %llu", is_greedy(sampler) ? "greedy" : "draw", (unsigned long long)sampler->seed);
    append_rules(&line, sampler);
    return line.length;
}

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sampler/api/handles.h"
#include "sampler/settings/settings.h"

/* ---- Limits of a text ---- */

static foretell_status check_room(const foretell_session *session, const Sampler *sampler) {
    Lookahead widest = sampler_largest_lookahead(sampler);
    if (!sampler_looks_ahead(sampler)) return FORETELL_OK;
    if (widest.k > session->max_candidates)
        return api_refuse("fe-k: expected at most the %d candidates that the session was opened for, got %d",
                          session->max_candidates, widest.k);
    if (widest.depth > session->max_depth)
        return api_refuse("fe-depth: expected at most the depth of %d that the session was opened for, got %d",
                          session->max_depth, widest.depth);
    return FORETELL_OK;
}

static foretell_status check_policy(const foretell_text *text, const Sampler *sampler) {
    TemperatureKind kind = sampler->temperature.kind, old = text->sampler.temperature.kind;
    if (kind == TEMPERATURE_KLD)
        return api_refuse("temp-policy kld: not available here, because it reads a second prompt");
    if (kind == TEMPERATURE_EDT_INSTANCE && old != kind && api_length(text) > 0)
        return api_refuse(
            "temp-policy edt-instance: must be set before the prompt, because it reads the prompt's entropy");
    return FORETELL_OK;
}

foretell_status api_use_sampler(foretell_text *text, const Sampler *sampler) {
    Error error;
    Sampler old = text->sampler;
    foretell_status status;
    if (!sampler_check(sampler, &error)) return api_refuse_error(&error);
    if ((status = check_room(text->session, sampler)) || (status = check_policy(text, sampler))) return status;
    if (!writer_use(&text->writer, sampler, &error)) return api_refuse_error(&error);
    text->sampler = *sampler;
    text->writer.sampler = &text->sampler;
    texts_restate(&text->texts, 0, &old);
    return FORETELL_OK;
}

/* ---- Setting ---- */

static foretell_status set_switch(Sampler *sampler, const SettingRow *row, const char *value) {
    bool on = !value || strcmp(value, "on") == 0;
    if (!on && strcmp(value, "off") != 0) return api_refuse("%s: expected on, off or NULL, got '%s'", row->name, value);
    *(bool *)((char *)sampler + row->offset) = on;
    return FORETELL_OK;
}

static foretell_status set_one(Sampler *sampler, const char *name, const char *value) {
    Error error;
    const SettingRow *row = settings_find(name);
    if (row && row->kind == KIND_SWITCH) return set_switch(sampler, row, value);
    bool is_list = strcmp(name, "settings") == 0;
    if (is_list && !value) return api_refuse("settings: expected a list, got NULL");
    bool done = is_list ? sampler_set_list(sampler, value, &error) : sampler_set(sampler, name, value, &error);
    return done ? FORETELL_OK : api_refuse_error(&error);
}

foretell_status foretell_text_set(foretell_text *text, const char *name, const char *value) {
    if (!text) return api_refuse("text: expected a handle, got NULL");
    if (!name) return api_refuse("name: expected the name of a setting, got NULL");
    Sampler changed = text->sampler;
    foretell_status status = set_one(&changed, name, value);
    return status ? status : api_use_sampler(text, &changed);
}

/* ---- Showing ---- */

foretell_status foretell_text_get(const foretell_text *text, const char *name, char *value, size_t capacity,
                                  size_t *n) {
    char shown[SAMPLER_CHAIN_BYTES] = "";
    if (!text) return api_refuse("text: expected a handle, got NULL");
    if (!name) return api_refuse("name: expected the name of a setting, got NULL");
    const SettingRow *row = settings_find(name);
    if (!row && strcmp(name, "seed") != 0) return api_refuse("%s: no such setting of the sampler", name);
    if (row)
        sampler_show(&text->sampler, name, shown, sizeof shown);
    else
        snprintf(shown, sizeof shown, "%" PRIu64, text->sampler.seed);
    return api_copy_out(shown, strlen(shown), true, value, capacity, n);
}

foretell_status foretell_text_chain(const foretell_text *text, char *chain, size_t capacity, size_t *n) {
    char shown[SAMPLER_CHAIN_BYTES];
    if (!text) return api_refuse("text: expected a handle, got NULL");
    sampler_print(&text->sampler, shown, sizeof shown);
    return api_copy_out(shown, strlen(shown), true, chain, capacity, n);
}

foretell_status foretell_setting(size_t index, foretell_setting_info *info) {
    SamplerSetting setting = {
        .name = "seed", .metavar = "N", .unit = "", .help = "seed of the noise", .default_text = "0"};
    int n = 0;
    foretell_status status = api_check_size(info, END_OF(foretell_setting_info, unit), "foretell_setting_info");
    if (status) return status;
    while (settings_row(n)) n++;
    if (index > (size_t)n) return api_refuse("index: expected a setting from 0 to %d, got %zu", n, index);
    if (index < (size_t)n) sampler_setting((int)index, &setting);
    foretell_setting_info full = {
        .name = setting.name, .metavar = setting.metavar, .help = setting.help, .unit = setting.unit};
    _Static_assert(sizeof full.range == sizeof setting.range && sizeof full.value == sizeof setting.default_text, "");
    memcpy(full.range, setting.range, sizeof full.range);
    memcpy(full.value, setting.default_text, sizeof full.value);
    api_fill(info, &full, sizeof full);
    return FORETELL_OK;
}

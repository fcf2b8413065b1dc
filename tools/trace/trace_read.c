/* Reads the lines and the header of a trace, and compares two lines. The file is untrusted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/config.h"
#include "tensor/memory.h"
#include "tools/trace/trace.h"

bool trace_parse(json_t **line, Bytes bytes, Error *error) {
    json_error_t mistake;
    *line = json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &mistake);
    if (!*line) return error_set(error, "byte %d: not JSON: %s", mistake.position, mistake.text);
    if (json_is_object(*line)) return true;
    json_decref(*line);
    *line = NULL;
    return error_set(error, "expected an object");
}

/* ---- Fields ---- */

static const json_t *get(const json_t *object, const char *key, json_type type, const char *what, Error *error) {
    const json_t *value = json_object_get(object, key);
    if (value && json_typeof(value) == type) return value;
    error_set(error, "%s: expected %s, got %s", key, what, value ? "something else" : "nothing");
    return NULL;
}

static bool get_int(int *out, const json_t *object, const char *key, int low, int high, Error *error) {
    const json_t *value = get(object, key, JSON_INTEGER, "a whole number", error);
    if (!value) return false;
    json_int_t number = json_integer_value(value);
    if (number < low || number > high)
        return error_set(error, "%s: expected a whole number from %d to %d, got %lld", key, low, high,
                         (long long)number);
    *out = (int)number;
    return true;
}

static bool get_bool(bool *out, const json_t *object, const char *key, Error *error) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_boolean(value)) return error_set(error, "%s: expected true or false", key);
    *out = json_is_true(value);
    return true;
}

static const char *get_string(const json_t *object, const char *key, Error *error) {
    const json_t *value = get(object, key, JSON_STRING, "a string", error);
    return value ? json_string_value(value) : NULL;
}

/* A longer string is cut, since it is only shown. */
static bool copy_string(char *out, size_t capacity, const json_t *object, const char *key, Error *error) {
    const char *text = get_string(object, key, error);
    if (!text) return false;
    size_t length = strnlen(text, capacity - 1);
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

/* ---- The header ---- */

static bool is_flag(const char *name) {
    SamplerSetting setting;
    return sampler_setting_named(name, &setting) && setting.metavar == NULL;
}

static bool read_rules(Sampler *sampler, const json_t *rules, Error *error) {
    if (!json_is_array(rules)) return error_set(error, "at: expected an array");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const char *text = json_string_value(json_array_get(rules, i));
        if (!text) return error_set(error, "at: %zu: expected a string", i);
        if (!sampler_add_rule(sampler, text, error)) return false;
    }
    return true;
}

/* The order of the settings does not matter, although some imply others (a wave looks ahead); a preset's would, so none
 * is allowed. alpha is always recorded, so fe or wave alone say whether the sampler looks ahead. */
static bool read_settings(Sampler *sampler, const json_t *header, Error *error) {
    const json_t *settings = get(header, "settings", JSON_OBJECT, "an object", error);
    const char *name;
    json_t *value;
    if (!settings) return false;
    json_object_foreach((json_t *)(uintptr_t)settings, name, value) {
        const char *text = json_string_value(value);
        if (strcmp(name, "at") == 0) {
            if (!read_rules(sampler, value, error)) return error_prefix(error, "settings: ");
            continue;
        }
        if (!text) return error_set(error, "settings: %.60s: expected a string", name);
        if (strcmp(name, "preset") == 0 || strcmp(name, "logit-bias") == 0)
            return error_set(error, "settings: %s: expected no such setting in a header", name);
        if (is_flag(name) && strcmp(text, "on") != 0)
            return error_set(error, "settings: %s: expected \"on\", got \"%.60s\"", name, text);
        if (!sampler_set(sampler, name, text, error)) return error_prefix(error, "settings: ");
    }
    sampler->future = json_object_get(settings, "fe") || json_object_get(settings, "wave");
    return true;
}

static bool read_biases(Sampler *sampler, const json_t *header, Error *error) {
    const json_t *biases = get(header, "biases", JSON_ARRAY, "an array", error);
    if (!biases) return false;
    for (size_t i = 0; i < json_array_size(biases); i++) {
        const json_t *pair = json_array_get(biases, i), *id = json_array_get(pair, 0), *bias = json_array_get(pair, 1);
        char text[64];
        if (json_array_size(pair) != 2 || !json_is_integer(id) || !(json_is_number(bias) || json_is_null(bias)))
            return error_set(error, "biases: %zu: expected an id and a number, or null", i);
        if (json_is_null(bias))
            snprintf(text, sizeof text, "%lld-inf", (long long)json_integer_value(id));
        else
            snprintf(text, sizeof text, "%lld%+.17g", (long long)json_integer_value(id), json_number_value(bias));
        if (!sampler_set(sampler, "logit-bias", text, error)) return error_prefix(error, "biases: ");
    }
    return true;
}

static bool read_seed(uint64_t *seed, const json_t *header, Error *error) {
    const char *text = get_string(header, "seed", error);
    if (!text) return false;
    uint64_t value = 0;
    bool fits = *text != '\0';
    for (const char *c = text; fits && *c; c++)
        fits = *c >= '0' && *c <= '9' && !__builtin_mul_overflow(value, 10, &value) &&
               !__builtin_add_overflow(value, (uint64_t)(*c - '0'), &value);
    if (!fits) return error_set(error, "seed: expected a whole number of 64 bits, got \"%.60s\"", text);
    *seed = value;
    return true;
}

static bool read_kv(KvType *kv, const json_t *header, Error *error) {
    const char *text = get_string(header, "kv", error);
    if (!text) return false;
    *kv = strcmp(text, "f32") == 0 ? KV_F32 : KV_F16;
    return *kv == KV_F32 || strcmp(text, "f16") == 0 ||
           error_set(error, "kv: expected f16 or f32, got \"%.60s\"", text);
}

/* *ids has room for the context and one more. The caller checks the ids against the vocabulary. */
static bool read_ids(int **ids, int *n_ids, const json_t *header, const char *key, int context, Error *error) {
    const json_t *array = get(header, key, JSON_ARRAY, "an array", error);
    if (!array) return false;
    size_t n = json_array_size(array);
    if (n < 1 || n > (size_t)context)
        return error_set(error, "%s: expected 1 to %d ids (the context), got %zu", key, context, n);
    *ids = memory_alloc((size_t)context + 1, sizeof **ids, key, error);
    if (!*ids) return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(array, i);
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || value > INT_MAX)
            return error_set(error, "%s: %zu: expected a token id", key, i);
        (*ids)[i] = (int)value;
    }
    *n_ids = (int)n;
    return true;
}

static bool read_prompt(TraceHeader *out, int **prompt, const json_t *header, Error *error) {
    if (!read_ids(prompt, &out->n_prompt, header, "prompt", out->context, error)) return false;
    out->prompt = *prompt;
    return true;
}

/* ---- Fields that only some headers have ---- */

static bool has(const json_t *header, const char *key) { return json_object_get(header, key) != NULL; }

static size_t phrase_size(const json_t *phrase) {
    return json_is_string(phrase) ? json_string_length(phrase) : json_array_size(phrase);
}

static bool copy_phrase(uint8_t *out, const json_t *phrase) {
    const char *text = json_string_value(phrase);
    if (text) memcpy(out, text, json_string_length(phrase));
    for (size_t i = 0; !text && i < json_array_size(phrase); i++) {
        const json_t *byte = json_array_get(phrase, i);
        json_int_t value = json_integer_value(byte);
        if (!json_is_integer(byte) || value < 0 || value > 255) return false;
        out[i] = (uint8_t)value;
    }
    return true;
}

/* The bytes of all phrases are in one block, *owned. */
static bool read_phrases(Phrases *phrases, void **owned, const json_t *header, const char *key, Error *error) {
    if (!has(header, key)) return true;
    const json_t *array = get(header, key, JSON_ARRAY, "an array", error);
    size_t n = json_array_size(array), n_bytes = 0;
    if (!array) return false;
    if (n < 1 || n > PHRASES_MAX) return error_set(error, "%s: expected 1 to %d phrases, got %zu", key, PHRASES_MAX, n);
    for (size_t i = 0; i < n; i++) n_bytes += phrase_size(json_array_get(array, i));
    uint8_t *bytes = *owned = memory_alloc(n_bytes + 1, 1, key, error);
    if (!bytes) return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *phrase = json_array_get(array, i);
        size_t size = phrase_size(phrase);
        if (size == 0 || !copy_phrase(bytes, phrase))
            return error_set(error, "%s: %zu: expected a text that is not empty, or its bytes", key, i);
        phrases->items[phrases->count++] = (Bytes){bytes, size};
        bytes += size;
    }
    return true;
}

static bool read_without(TraceHeader *out, const json_t *header, Error *error) {
    if (!has(header, "without")) return true;
    int *ids = NULL;
    bool done = read_ids(&ids, &out->n_without, header, "without", out->context, error);
    out->owned[0] = ids;
    out->without = ids;
    return done;
}

static bool read_rare(TraceHeader *out, const json_t *header, Error *error) {
    out->sequence = 1;
    if (has(header, "sequence") && !get_int(&out->sequence, header, "sequence", 1, INT_MAX, error)) return false;
    if (has(header, "prefix") && !get_int(&out->n_prefix, header, "prefix", 1, out->n_prompt - 1, error)) return false;
    if (!read_without(out, header, error) || !read_phrases(&out->stops, &out->owned[1], header, "stops", error) ||
        !read_phrases(&out->bans, &out->owned[2], header, "bans", error))
        return false;
    return !has(header, "at_start") || get_bool(&out->at_start, header, "at_start", error);
}

void trace_free_header(TraceHeader *header) {
    for (int i = 0; i < 3; i++) memory_free(header->owned[i]);
    memset(header->owned, 0, sizeof header->owned);
}

bool trace_check_ids(const int *ids, int n, int vocab_size, const char *key, Error *error) {
    for (int i = 0; i < n; i++)
        if (ids[i] >= vocab_size)
            return error_set(error, "%s: %d: expected an id below %d, got %d", key, i, vocab_size, ids[i]);
    return true;
}

static bool read_kind(const json_t *line, Error *error) {
    int schema;
    const char *type = get_string(line, "type", error);
    if (!type) return false;
    if (strcmp(type, "header") != 0) return error_set(error, "type: expected \"header\", got \"%.60s\"", type);
    return get_int(&schema, line, "schema", TRACE_SCHEMA, TRACE_SCHEMA, error);
}

bool trace_read_header(TraceHeader *header, int **prompt, const json_t *line, Error *error) {
    *header = (TraceHeader){.sampler = sampler_default()};
    *prompt = NULL;
    if (!read_kind(line, error)) return false;
    const json_t *model = get(line, "model", JSON_OBJECT, "an object", error);
    return model && copy_string(header->model_file, sizeof header->model_file, model, "file", error) &&
           copy_string(header->program, sizeof header->program, line, "program", error) &&
           copy_string(header->kernels, sizeof header->kernels, line, "kernels", error) &&
           read_settings(&header->sampler, line, error) && read_biases(&header->sampler, line, error) &&
           read_seed(&header->sampler.seed, line, error) && sampler_check(&header->sampler, error) &&
           get_int(&header->context, line, "context", 1, CONFIG_MAX_CONTEXT, error) &&
           get_int(&header->n_predict, line, "predict", -1, INT_MAX, error) && read_kv(&header->kv, line, error) &&
           get_bool(&header->special, line, "special", error) &&
           get_bool(&header->ignore_eos, line, "ignore_eos", error) && read_prompt(header, prompt, line, error) &&
           read_rare(header, line, error);
}

/* ---- Comparing two lines ---- */

static bool equal_numbers(const json_t *a, const json_t *b) {
    if (json_is_integer(a) && json_is_integer(b)) return json_integer_value(a) == json_integer_value(b);
    return json_number_value(a) == json_number_value(b);
}

/* A nested value is not shown: it differs in its type, otherwise the comparison would have descended into it. */
static void show(char *out, size_t capacity, const json_t *value) {
    char *text = json_is_object(value) || json_is_array(value)
                     ? NULL
                     : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    snprintf(out, capacity, "%s", text ? text : json_is_object(value) ? "an object" : "an array");
    free(text);
}

static bool same_objects(const json_t *recorded, const json_t *made, Error *error) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)made, key, value) {
        const json_t *other = json_object_get(recorded, key);
        if (!other) return error_set(error, "%s: not recorded", key);
        if (!trace_same(other, value, error))
            return error_prefix(error, json_is_object(value) || json_is_array(value) ? "%s." : "%s: ", key);
    }
    json_object_foreach((json_t *)(uintptr_t)recorded, key, value) if (!json_object_get(made, key)) return error_set(
        error, "%.60s: expected no such field in this line", key);
    return true;
}

static bool same_arrays(const json_t *recorded, const json_t *made, Error *error) {
    size_t n = json_array_size(made);
    for (size_t i = 0; i < n && i < json_array_size(recorded); i++)
        if (!trace_same(json_array_get(recorded, i), json_array_get(made, i), error))
            return error_prefix(error, json_is_object(json_array_get(made, i)) ? "%zu." : "%zu: ", i);
    return json_array_size(recorded) == n ||
           error_set(error, "length: recorded %zu, now %zu", json_array_size(recorded), n);
}

bool trace_same(const json_t *recorded, const json_t *made, Error *error) {
    if (json_is_object(recorded) && json_is_object(made)) return same_objects(recorded, made, error);
    if (json_is_array(recorded) && json_is_array(made)) return same_arrays(recorded, made, error);
    bool numbers = json_is_number(recorded) && json_is_number(made);
    if (numbers ? equal_numbers(recorded, made) : json_equal(recorded, made)) return true;
    char was[100], is[100];
    show(was, sizeof was, recorded);
    show(is, sizeof is, made);
    return error_set(error, "recorded %s, now %s", was, is);
}

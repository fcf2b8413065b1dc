#include "tools/trace/trace.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/kernels.h"

bool trace_put(json_t *object, const char *key, json_t *value) {
    if (object && value) return json_object_set_new(object, key, value) == 0;
    json_decref(value);
    return false;
}

json_t *trace_hash(uint64_t hash) { return json_sprintf("%016llx", (unsigned long long)hash); }

void trace_identify(TraceHeader *header) {
    snprintf(header->kernels, sizeof header->kernels, "%s", kernels()->name);
    snprintf(header->program, sizeof header->program, "%s", FORETELL_VERSION);
}

/* ---- The header ---- */

/* A name that was read from a file may not be UTF-8, which JSON strings must be. */
static json_t *string_or_null(const char *text) {
    json_t *string = json_string(text);
    return string ? string : json_null();
}

static json_t *model_json(const TraceHeader *header, const Model *model) {
    json_t *object = json_object(), *file = json_string(header->model_file);
    bool done = trace_put(object, "file", file ? file : json_string(""));
    done = trace_put(object, "format", string_or_null(model->format)) && done;
    done = trace_put(object, "bytes", json_integer((json_int_t)model->file.size)) && done;
    done = trace_put(object, "fnv1a64", trace_hash(header->model_hash)) && done;
    if (done) return object;
    json_decref(object);
    return NULL;
}

/* Hashes each token's length before its bytes, so that the boundaries between tokens change the hash, too. */
static uint64_t hash_vocabulary(const Tokenizer *tokenizer) {
    uint64_t hash = BYTES_HASH;
    for (int i = 0; i < tokenizer_size(tokenizer); i++) {
        Bytes piece = tokenizer_piece(tokenizer, i, true);
        uint8_t length[4] = {(uint8_t)piece.size, (uint8_t)(piece.size >> 8), (uint8_t)(piece.size >> 16),
                             (uint8_t)(piece.size >> 24)};
        hash = bytes_hash(bytes_hash(hash, (Bytes){length, sizeof length}), piece);
    }
    return hash;
}

void trace_hash_files(TraceHeader *header, const Model *model, const Tokenizer *tokenizer) {
    header->model_hash = bytes_hash(BYTES_HASH, model->file);
    header->vocabulary_hash = hash_vocabulary(tokenizer);
    header->hashed = true;
}

static json_t *tokenizer_json(const TraceHeader *header, const Tokenizer *tokenizer) {
    json_t *object = json_object();
    bool done = trace_put(object, "kind", string_or_null(tokenizer_kind(tokenizer)));
    done = trace_put(object, "size", json_integer(tokenizer_size(tokenizer))) && done;
    done = trace_put(object, "fnv1a64", trace_hash(header->vocabulary_hash)) && done;
    if (done) return object;
    json_decref(object);
    return NULL;
}

static json_t *rules_json(const Sampler *sampler) {
    json_t *array = json_array();
    for (int i = 0; i < sampler->n_rules; i++) {
        if (json_array_append_new(array, json_string(sampler->rules[i].text)) == 0) continue;
        json_decref(array);
        return NULL;
    }
    return array;
}

/* Each setting under its name, in the form that sampler_set takes; the rules as an array. */
static json_t *settings_json(const Sampler *sampler) {
    json_t *object = json_object();
    SamplerSetting setting;
    char value[2048];
    bool done = object != NULL;
    for (int i = 0; done && sampler_setting(i, &setting); i++)
        if (sampler_show(sampler, setting.name, value, sizeof value) > 0)
            done = trace_put(object, setting.name, json_string(value));
    if (sampler->n_rules > 0) done = trace_put(object, "at", rules_json(sampler)) && done;
    if (done) return object;
    json_decref(object);
    return NULL;
}

/* Pairs [id, bias]; a bias of null bans the token. */
static json_t *biases_json(const Sampler *sampler) {
    json_t *array = json_array();
    for (int i = 0; i < sampler->n_biases; i++) {
        LogitBias bias = sampler->biases[i];
        json_t *pair = json_array();
        json_array_append_new(pair, json_integer(bias.token));
        json_array_append_new(pair, isinf(bias.bias) ? json_null() : json_real(bias.bias));
        if (json_array_size(pair) == 2 && json_array_append_new(array, pair) == 0) continue;
        if (json_array_size(pair) != 2) json_decref(pair);
        json_decref(array);
        return NULL;
    }
    return array;
}

static json_t *ids_json(const int *ids, int n) {
    json_t *array = json_array();
    for (int i = 0; i < n; i++) {
        if (json_array_append_new(array, json_integer(ids[i])) == 0) continue;
        json_decref(array);
        return NULL;
    }
    return array;
}

static json_t *phrases_json(const Phrases *phrases) {
    json_t *array = json_array();
    for (int i = 0; i < phrases->count; i++) {
        if (json_array_append_new(array, trace_phrase_json(phrases->items[i])) == 0) continue;
        json_decref(array);
        return NULL;
    }
    return array;
}

/* Fields that only some runs have. */
static bool put_rare(json_t *line, const TraceHeader *header) {
    bool done = true, edits = header->stops.count || header->bans.count;
    if (header->sequence > 1) done = trace_put(line, "sequence", json_integer(header->sequence));
    if (header->n_prefix) done = trace_put(line, "prefix", json_integer(header->n_prefix)) && done;
    if (header->without) done = trace_put(line, "without", ids_json(header->without, header->n_without)) && done;
    if (header->stops.count) done = trace_put(line, "stops", phrases_json(&header->stops)) && done;
    if (header->bans.count) done = trace_put(line, "bans", phrases_json(&header->bans)) && done;
    if (edits) done = trace_put(line, "at_start", json_boolean(header->at_start)) && done;
    return done;
}

json_t *trace_header_json(const TraceHeader *given, const Model *model, const Tokenizer *tokenizer) {
    char chain[SAMPLER_CHAIN_BYTES];
    TraceHeader copy = *given;
    const TraceHeader *header = &copy;
    json_t *line = json_object();
    if (!copy.hashed) trace_hash_files(&copy, model, tokenizer);
    sampler_print(&header->sampler, chain, sizeof chain);
    bool done = trace_put(line, "type", json_string("header"));
    done = trace_put(line, "schema", json_integer(TRACE_SCHEMA)) && done;
    done = trace_put(line, "program", json_string(header->program)) && done;
    done = trace_put(line, "kernels", json_string(header->kernels)) && done;
    done = trace_put(line, "model", model_json(header, model)) && done;
    done = trace_put(line, "tokenizer", tokenizer_json(header, tokenizer)) && done;
    done = trace_put(line, "chain", json_string(chain)) && done;
    done = trace_put(line, "settings", settings_json(&header->sampler)) && done;
    done = trace_put(line, "biases", biases_json(&header->sampler)) && done;
    done = trace_put(line, "seed", json_sprintf("%llu", (unsigned long long)header->sampler.seed)) && done;
    done = trace_put(line, "context", json_integer(header->context)) && done;
    done = trace_put(line, "kv", json_string(header->kv == KV_F32 ? "f32" : "f16")) && done;
    done = trace_put(line, "predict", json_integer(header->n_predict)) && done;
    done = trace_put(line, "special", json_boolean(header->special)) && done;
    done = trace_put(line, "ignore_eos", json_boolean(header->ignore_eos)) && done;
    done = trace_put(line, "prompt", ids_json(header->prompt, header->n_prompt)) && done;
    done = put_rare(line, header) && done;
    if (done) return line;
    json_decref(line);
    return NULL;
}

/* ---- The file ---- */

bool trace_open(Trace *trace, const char *path, Error *error) {
    *trace = (Trace){0};
    bool opened = output_open(&trace->output, path, error);
    trace->file = trace->output.file;
    return opened;
}

bool trace_write(Trace *trace, json_t *line, Error *error) {
    if (!line) return error_set(error, "%s: out of memory", trace->output.path);
    bool done =
        json_dumpf(line, trace->file, JSON_COMPACT | JSON_REAL_PRECISION(17)) == 0 && putc('\n', trace->file) != EOF;
    json_decref(line);
    return done || error_set(error, "%s: cannot write: %s", trace->output.path, strerror(errno));
}

bool trace_close(Trace *trace, Error *error) {
    trace->file = NULL;
    return output_close(&trace->output, error);
}

void trace_abandon(Trace *trace) {
    trace->file = NULL;
    output_abandon(&trace->output);
}

#include "tools/look/activations.h"

#include <math.h>
#include <string.h>

#include "model/attention.h"
#include "tensor/memory.h"
#include "tensor/quant.h"
#include "tensor/row.h"

const LookStep look_steps[LOOK_STEPS] = {
    {"embedding", "x = token_embedding[token]", false, COLLECTED, ACTIVATION_EMBEDDING},
    {"attn_norm", "x / rms(x) * w_attn_norm", true, COLLECTED, ACTIVATION_ATTN_NORM},
    {"query", "attn_norm w_query^T", true, COLLECTED, ACTIVATION_QUERY},
    {"key", "attn_norm w_key^T", true, COLLECTED, ACTIVATION_KEY},
    {"value", "attn_norm w_value^T", true, COLLECTED, ACTIVATION_VALUE},
    {"query_rope", "rope(query)", true, COLLECTED, ACTIVATION_QUERY_ROPE},
    {"key_rope", "rope(key)", true, COLLECTED, ACTIVATION_KEY_ROPE},
    {"scores", "query_rope key_rope^T / sqrt(head_dim)", true, SCORES, ACTIVATION_COUNT},
    {"weights", "softmax(scores)", true, WEIGHTS, ACTIVATION_COUNT},
    {"attended", "weights value", true, COLLECTED, ACTIVATION_ATTENDED},
    {"attn_output", "attended w_output^T", true, COLLECTED, ACTIVATION_ATTN_OUTPUT},
    {"attn_residual", "x = x + attn_output", true, COLLECTED, ACTIVATION_ATTN_RESIDUAL},
    {"ffn_norm", "x / rms(x) * w_ffn_norm", true, COLLECTED, ACTIVATION_FFN_NORM},
    {"gate", "ffn_norm w_gate^T", true, COLLECTED, ACTIVATION_GATE},
    {"up", "ffn_norm w_up^T", true, COLLECTED, ACTIVATION_UP},
    {"swiglu", "gate / (1 + e^-gate) * up", true, COLLECTED, ACTIVATION_SWIGLU},
    {"down", "swiglu w_down^T", true, COLLECTED, ACTIVATION_DOWN},
    {"ffn_residual", "x = x + down", true, COLLECTED, ACTIVATION_FFN_RESIDUAL},
    {"output_norm", "x / rms(x) * w_output_norm", false, COLLECTED, ACTIVATION_OUTPUT_NORM},
    {"logits", "output_norm w_logits^T", false, COLLECTED, ACTIVATION_LOGITS},
};

int look_find(const char *name) {
    for (int i = 0; i < LOOK_STEPS; i++)
        if (strcmp(look_steps[i].name, name) == 0) return i;
    return -1;
}

static LookShape shape_of(int n, int heads, int width) {
    if (heads == 0) return (LookShape){.dims = {n, width}, .n_dims = 2, .n_blocks = 1, .n_rows = n, .width = width};
    return (LookShape){.dims = {n, heads, width}, .n_dims = 3, .n_blocks = 1, .n_rows = n, .width = heads * width};
}

static LookShape collected_shape(const Activations *a, Activation activation) {
    const Config *c = a->config;
    switch (activation) {
    case ACTIVATION_QUERY:
    case ACTIVATION_QUERY_ROPE:
    case ACTIVATION_ATTENDED:
        return shape_of(a->n_tokens, c->n_heads, c->head_dim);
    case ACTIVATION_KEY:
    case ACTIVATION_VALUE:
    case ACTIVATION_KEY_ROPE:
        return shape_of(a->n_tokens, c->n_kv_heads, c->head_dim);
    case ACTIVATION_GATE:
    case ACTIVATION_UP:
    case ACTIVATION_SWIGLU:
        return shape_of(a->n_tokens, 0, c->hidden_dim);
    case ACTIVATION_OUTPUT_NORM: /* of the last token alone, like the logits */
        return shape_of(1, 0, c->dim);
    case ACTIVATION_LOGITS:
        return shape_of(1, 0, c->vocab_size);
    default:
        return shape_of(a->n_tokens, 0, c->dim);
    }
}

LookShape activations_shape(const Activations *a, int step) {
    if (look_steps[step].kind == COLLECTED) return collected_shape(a, look_steps[step].activation);
    int heads = a->config->n_heads, n = a->n_tokens;
    return (LookShape){.dims = {heads, n, n}, .n_dims = 3, .n_blocks = heads, .n_rows = n, .width = n};
}

static float **place_of(const Activations *a, Activation activation, int layer) {
    return &row(a->collected, layer < 0 ? a->config->n_layers : layer, ACTIVATION_COUNT)[activation];
}

static bool make_room(Activations *a, Activation activation, int layer, Error *error) {
    LookShape shape = collected_shape(a, activation);
    float **place = place_of(a, activation, layer);
    if (!*place)
        *place = memory_alloc((size_t)shape.n_rows * (size_t)shape.width, sizeof(float), "intermediate tensor", error);
    return *place != NULL;
}

static bool make_room_for_step(Activations *a, int step, int layer, Error *error) {
    if (look_steps[step].kind == COLLECTED) return make_room(a, look_steps[step].activation, layer, error);
    return make_room(a, ACTIVATION_QUERY_ROPE, layer, error) && make_room(a, ACTIVATION_KEY_ROPE, layer, error);
}

bool activations_open(Activations *a, const Config *config, int n_tokens, KvType kv, int layer, int step,
                      Error *error) {
    size_t n = (size_t)n_tokens, head_dim = (size_t)config->head_dim;
    *a = (Activations){.config = config, .n_tokens = n_tokens, .f16_keys = kv == KV_F16, .key_layer = -1};
    a->collected = memory_alloc((size_t)config->n_layers + 1, ACTIVATION_COUNT * sizeof *a->collected, "table", error);
    if (!a->collected) return false;
    a->keys = memory_alloc(n * head_dim, sizeof *a->keys, "keys", error);
    a->scores = a->keys ? memory_alloc(n + head_dim, sizeof *a->scores, "scores", error) : NULL;
    a->scores_row = a->scores ? memory_alloc(n, sizeof *a->scores_row, "scores", error) : NULL;
    if (!a->scores_row) return false;
    for (int i = 0; i < LOOK_STEPS; i++) {
        if (step >= 0 && i != step) continue;
        for (int l = 0; l < config->n_layers; l++)
            if (look_steps[i].of_layer && (layer < 0 || layer == l) && !make_room_for_step(a, i, l, error))
                return false;
        if (!look_steps[i].of_layer && !make_room_for_step(a, i, -1, error)) return false;
    }
    return true;
}

void activations_close(Activations *a) {
    size_t n = a->collected ? ((size_t)a->config->n_layers + 1) * ACTIVATION_COUNT : 0;
    for (size_t i = 0; i < n; i++) memory_free(a->collected[i]);
    memory_free(a->collected);
    memory_free(a->keys);
    memory_free(a->scores);
    memory_free(a->scores_row);
}

/* Pieces do not overlap, so threads need no lock. */
static void collect(void *context, Activation what, int layer, int position, int first, int n, const float *values) {
    const Activations *a = context;
    float *to = *place_of(a, what, layer);
    if (!to) return;
    LookShape shape = collected_shape(a, what);
    memcpy(row(to, shape.n_rows == 1 ? 0 : position, shape.width) + first, values, (size_t)n * sizeof *values);
}

Observer activations_observer(Activations *a) { return (Observer){collect, a}; }

/* The keys of one head, as the cache keeps them. */
static void take_keys(Activations *a, int layer, int kv_head) {
    const Config *c = a->config;
    if (a->key_layer == layer && a->key_head == kv_head) return;
    for (int p = 0; p < a->n_tokens; p++) {
        const float *from = row(*place_of(a, ACTIVATION_KEY_ROPE, layer),
                                (size_t)p * (size_t)c->n_kv_heads + (size_t)kv_head, c->head_dim);
        for (int i = 0; i < c->head_dim; i++)
            row(a->keys, p, c->head_dim)[i] = (double)(a->f16_keys ? f16_to_f32(f32_to_f16(from[i])) : from[i]);
    }
    a->key_layer = layer;
    a->key_head = kv_head;
}

/* Scores or weights of one head at one position, by the plain loops of attention. Later positions are masked. */
static const float *attention_row(Activations *a, bool softmax, int layer, int head, int position) {
    const Config *c = a->config;
    double *query = a->scores + a->n_tokens;
    const float *from = row(*place_of(a, ACTIVATION_QUERY_ROPE, layer),
                            (size_t)position * (size_t)c->n_heads + (size_t)head, c->head_dim);
    take_keys(a, layer, head / (c->n_heads / c->n_kv_heads));
    for (int i = 0; i < c->head_dim; i++) query[i] = (double)from[i];
    attention_scores_plain(a->scores, query, a->keys, (size_t)c->head_dim, position + 1, c->head_dim);
    if (softmax) attention_softmax_plain(a->scores, position + 1);
    for (int p = 0; p < a->n_tokens; p++)
        a->scores_row[p] = p <= position ? (float)a->scores[p] : softmax ? 0 : -INFINITY;
    return a->scores_row;
}

const float *activations_row(Activations *a, int step, int layer, int block, int r) {
    if (look_steps[step].kind != COLLECTED) return attention_row(a, look_steps[step].kind == WEIGHTS, layer, block, r);
    return row(*place_of(a, look_steps[step].activation, look_steps[step].of_layer ? layer : -1), r,
               activations_shape(a, step).width);
}

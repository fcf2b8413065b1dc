#include "model/transformer.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "tensor/kernels.h"

/* One pass, as every thread sees it: all of them walk through the layers together, dividing each op among them. */
typedef struct {
    const Model *model;
    const Config *config;
    KvCache *cache;
    Workspace *ws;
    const Row *rows;
    int n_rows;
    MatmulPath path;
    float *tile, *scores; /* this thread's own */
} Pass;

static void embed(const Pass *p) {
#pragma omp for schedule(static) nowait
    for (int r = 0; r < p->n_rows; r++)
        dequantize_row(p->ws->residual + (size_t)r * (size_t)p->config->dim, &p->model->token_embedding,
                       p->rows[r].token);
    team_wait();
}

/* Makes x (n_rows, cols) ready to be multiplied. */
static void prepare(const Pass *p, const float *x, int cols) {
    if (p->ws->quantized && cols % Q_BLOCK == 0) quantize_input(p->ws->quantized, x, p->n_rows, cols);
}

static void linear(const Pass *p, float *out, const float *x, const Tensor *w) {
    matmul(out, x, p->ws->quantized, w, p->n_rows, p->path, p->tile);
}

static void store(const KvCache *cache, uint8_t *to, const float *from) {
    if (cache->dtype == DTYPE_F16) {
        kernels()->to_f16((uint16_t *)to, from, cache->head_dim);
    } else {
        memcpy(to, from, (size_t)cache->head_dim * sizeof *from);
    }
}

static void store_keys_and_values(const Pass *p, int layer) {
    KvCache *cache = p->cache;
    int n_heads = p->config->n_kv_heads;
#pragma omp for schedule(static) nowait
    for (int i = 0; i < p->n_rows * n_heads; i++) {
        const Row *row = &p->rows[i / n_heads];
        size_t at = (size_t)i * (size_t)p->config->head_dim;
        store(cache, kv_row(cache, cache->keys, layer, i % n_heads, row->branch, row->position), p->ws->key + at);
        store(cache, kv_row(cache, cache->values, layer, i % n_heads, row->branch, row->position), p->ws->value + at);
    }
    team_wait();
}

static void softmax(float *scores, int n) {
    float largest = scores[0];
    for (int i = 1; i < n; i++) largest = scores[i] > largest ? scores[i] : largest;
    float inverse = 1.0f / kernels()->exp_sum(scores, scores, largest, n);
    for (int i = 0; i < n; i++) scores[i] *= inverse;
}

/* softmax(q kT / sqrt(head_dim)) v for the query heads of one row that share a key/value head (Ainslie et al. 2023,
 * 2305.13245). Scores, the sum and the mix go through the positions in order, so where one block or branch ends and
 * the next begins leaves no trace in the bits. */
static void attend(const Pass *p, int layer, int row, int kv_head) {
    const Config *c = p->config;
    const Kernels *k = kernels();
    const KvCache *cache = p->cache;
    int branch = p->rows[row].branch, n_positions = p->rows[row].position + 1, group = c->n_heads / c->n_kv_heads;
    size_t at = ((size_t)row * (size_t)c->n_heads + (size_t)kv_head * (size_t)group) * (size_t)c->head_dim;
    const float *query = p->ws->query + at;
    float *out = p->ws->attended + at, scale = 1.0f / sqrtf((float)c->head_dim);
    const KvRun *runs = p->ws->runs + (size_t)branch * (size_t)kv_max_runs(cache);
    size_t stride = p->ws->score_stride;

    for (int done = 0, i = 0; done < n_positions; done += runs[i++].n_rows) {
        int n = runs[i].n_rows < n_positions - done ? runs[i].n_rows : n_positions - done;
        k->attention_scores[cache->dtype](p->scores + done, stride, query, group,
                                          kv_block(cache, cache->keys, layer, runs[i].block, kv_head), n, c->head_dim,
                                          scale);
    }
    for (int h = 0; h < group; h++) softmax(p->scores + (size_t)h * stride, n_positions);
    memset(out, 0, (size_t)group * (size_t)c->head_dim * sizeof *out);
    for (int done = 0, i = 0; done < n_positions; done += runs[i++].n_rows) {
        int n = runs[i].n_rows < n_positions - done ? runs[i].n_rows : n_positions - done;
        k->attention_mix[cache->dtype](out, p->scores + done, stride, group,
                                       kv_block(cache, cache->values, layer, runs[i].block, kv_head), n, c->head_dim);
    }
}

static void attention(const Pass *p, int layer) {
    int n_heads = p->config->n_kv_heads;
#pragma omp for schedule(dynamic) nowait
    for (int i = 0; i < p->n_rows * n_heads; i++) attend(p, layer, i / n_heads, i % n_heads);
    team_wait();
}

static void attention_layer(const Pass *p, int layer) {
    const Config *c = p->config;
    const LayerWeights *w = &p->model->layers[layer];
    Workspace *ws = p->ws;
    rmsnorm(ws->normed, ws->residual, w->attn_norm, p->n_rows, c->dim, c->rms_epsilon);
    prepare(p, ws->normed, c->dim);
    linear(p, ws->query, ws->normed, &w->w_query);
    linear(p, ws->key, ws->normed, &w->w_key);
    linear(p, ws->value, ws->normed, &w->w_value);
    team_wait();
    rope(ws->query, ws->angles, p->n_rows, c->n_heads, c->head_dim, c->rope_dim / 2);
    rope(ws->key, ws->angles, p->n_rows, c->n_kv_heads, c->head_dim, c->rope_dim / 2);
    store_keys_and_values(p, layer);
    attention(p, layer);
    prepare(p, ws->attended, c->n_heads * c->head_dim);
    linear(p, ws->normed, ws->attended, &w->w_output);
    team_wait();
    add(ws->residual, ws->normed, (size_t)p->n_rows * (size_t)c->dim);
}

static void feed_forward_layer(const Pass *p, int layer) {
    const Config *c = p->config;
    const LayerWeights *w = &p->model->layers[layer];
    Workspace *ws = p->ws;
    rmsnorm(ws->normed, ws->residual, w->ffn_norm, p->n_rows, c->dim, c->rms_epsilon);
    prepare(p, ws->normed, c->dim);
    linear(p, ws->gate, ws->normed, &w->w_gate);
    linear(p, ws->up, ws->normed, &w->w_up);
    team_wait();
    swiglu(ws->gate, ws->up, (size_t)p->n_rows * (size_t)c->hidden_dim);
    prepare(p, ws->gate, c->hidden_dim);
    linear(p, ws->normed, ws->gate, &w->w_down);
    team_wait();
    add(ws->residual, ws->normed, (size_t)p->n_rows * (size_t)c->dim);
}

/* The two parts of a pass that belong to the thread that calls. */
static void take_own_parts(Pass *p) {
    const Config *c = p->config;
    size_t thread = (size_t)omp_get_thread_num();
    p->tile = p->ws->tiles + thread * p->ws->tile_floats;
    p->scores = p->ws->scores + thread * (size_t)(c->n_heads / c->n_kv_heads) * p->ws->score_stride;
}

/* Each row's position, and for each branch in the batch where its rows lie. */
static void list_rows(const KvCache *cache, Workspace *ws, const Row *rows, int n_rows) {
    for (int i = 0; i < cache->n_branches; i++) ws->n_runs[i] = 0;
    for (int r = 0; r < n_rows; r++) {
        int branch = rows[r].branch;
        ws->positions[r] = rows[r].position;
        if (ws->n_runs[branch] == 0)
            ws->n_runs[branch] = kv_runs(cache, branch, ws->runs + (size_t)branch * (size_t)kv_max_runs(cache));
    }
}

void transformer_forward(const Model *model, KvCache *cache, Workspace *ws, const Row *rows, int n_rows,
                         MatmulPath path) {
    const Config *c = &model->config;
    list_rows(cache, ws, rows, n_rows);
#pragma omp parallel num_threads(ws->threads)
    {
        Pass pass = {model, c, cache, ws, rows, n_rows, path, NULL, NULL};
        team_enter(&ws->team);
        take_own_parts(&pass);
        embed(&pass);
        rope_angles(ws->angles, ws->positions, model->rope_frequencies, n_rows, c->rope_dim / 2);
        for (int layer = 0; layer < c->n_layers; layer++) {
            attention_layer(&pass, layer);
            feed_forward_layer(&pass, layer);
        }
        team_enter(NULL);
    }
}

void transformer_logits(const Model *model, Workspace *ws, int first, int n, float *logits) {
    const Config *c = &model->config;
    const float *residual = ws->residual + (size_t)first * (size_t)c->dim;
#pragma omp parallel num_threads(ws->threads)
    {
        Pass pass = {model, c, NULL, ws, NULL, n, PATH_DOT, NULL, NULL};
        team_enter(&ws->team);
        rmsnorm(ws->normed, residual, model->output_norm, n, c->dim, c->rms_epsilon);
        prepare(&pass, ws->normed, c->dim);
        linear(&pass, logits, ws->normed, &model->output);
        team_enter(NULL);
    }
}

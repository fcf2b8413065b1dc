#include "model/transformer.h"

#include <omp.h>
#include <string.h>

#include "tensor/kernels.h"
#include "tensor/minmax.h"
#include "tensor/threads.h"

#define LEAST_WORK  (32 << 10) /* bytes of weights times rows worth taking by themselves, */
#define LEAST_NORM  2048       /* and floats to be normalised */
#define LOGITS_UNIT 64         /* weight rows of the output */
#define LOGITS_ROWS 32         /* logits of several rows are computed for so many at a time, */
#define LOGITS_PART 512        /* so many of each, before they are copied to their places: they are still in cache */

/* One pass, as one thread sees it: all of them walk through the same steps, sharing each (tensor/team.h). */
typedef struct {
    const Model *model;
    const Config *config;
    KvCache *cache;
    Workspace *ws;
    const Row *rows;
    int n_rows, n_wanted;
    MatmulPath path;
    Worker worker;
    float *scratch; /* this thread's own */
} Pass;

/* One use at a time: a tile of weights for sgemm, attention's, or logits before they are copied. */
size_t transformer_scratch(const Config *c) {
    size_t widest = (size_t)max_int(max_int(c->dim, c->n_heads * c->head_dim), c->hidden_dim);
    size_t attending = attention_scratch(c->n_heads / c->n_kv_heads, c->head_dim);
    return max_size(max_size(GEMM_TILE * widest, LOGITS_ROWS * LOGITS_PART), attending);
}

/* ---------------------------------------------------------------- steps over rows */

/* So few rows are not worth a thread's coming. */
static int least_rows(int row_floats) { return max_int(1, LEAST_NORM / row_floats); }

static void quantize(BlockQ8 *out, const float *x, int cols) {
    if (out && cols % Q_BLOCK == 0) kernels()->quantize_input(out, x, cols);
}

static void embed(Pass *p) {
    const Config *c = p->config;
    for (int r, end; team_take(&p->worker, p->n_rows, 1, &r, &end);)
        for (; r < end; r++) {
            dequantize_row(p->ws->residual + (size_t)r * (size_t)c->dim, &p->model->token_embedding, p->rows[r].token);
            rope_angles(p->ws->angles + (size_t)r * (size_t)c->rope_dim, p->rows[r].position,
                        p->model->rope_frequencies, c->rope_dim / 2);
        }
}

/* normed = the residual stream, normalised, in both forms: of n rows, those in `which` unless it is NULL. */
static void norm(Pass *p, const float *weight, const int *which, int n) {
    const Config *c = p->config;
    Workspace *ws = p->ws;
    for (int i, end; team_take(&p->worker, n, least_rows(c->dim), &i, &end);)
        for (; i < end; i++) {
            const float *from = ws->residual + (size_t)(which ? which[i] : i) * (size_t)c->dim;
            float *to = ws->normed + (size_t)i * (size_t)c->dim;
            rmsnorm(to, from, weight, 1, c->dim, c->rms_epsilon);
            if (ws->normed_q8) quantize(ws->normed_q8 + (size_t)i * (size_t)(c->dim / Q_BLOCK), to, c->dim);
        }
}

/* ---------------------------------------------------------------- steps over weight rows */

/* A step's unit: rows of one or more matrices that are computed together. */
typedef struct {
    int rows;  /* weight rows a unit */
    int least; /* units worth taking */
} Unit;

/* Its rows: a common multiple of what matmul and the caller want. */
static Unit unit_of(const Pass *p, const Tensor *w, int whole) {
    int unit = matmul_unit(w, p->n_rows, p->path), rows = unit;
    while (rows % whole != 0) rows += unit;
    size_t work = (size_t)rows * tensor_row_bytes(w) * (size_t)p->n_rows;
    return (Unit){rows, (int)(LEAST_WORK / work) + 1};
}

static int units_in(const Tensor *w, int rows) { return (w->rows + rows - 1) / rows; }

/* out[:, first .. first + n_w - 1] of a product whose outputs are as wide as w has rows. */
static void multiply(const Pass *p, float *out, const Tensor *w, int first, int n_w, const float *x,
                     const BlockQ8 *x_q8) {
    matmul(out + first, (size_t)w->rows, w, first, n_w, x, x_q8, p->n_rows, p->path, p->scratch);
}

/* The values first .. first + n - 1 of a row's keys or values into its row of the cache. */
static void store(const KvCache *cache, uint8_t *storage, int layer, const Row *row, const float *from, int first,
                  int n) {
    for (int done = 0, here; done < n; done += here) {
        int head = (first + done) / cache->head_dim, in_head = (first + done) % cache->head_dim;
        here = min_int(cache->head_dim - in_head, n - done);
        uint8_t *to = kv_row(cache, storage, layer, head, row->branch, row->position);
        if (cache->dtype == DTYPE_F16)
            kernels()->to_f16((uint16_t *)to + in_head, from + done, here);
        else
            memcpy((float *)to + in_head, from + done, (size_t)here * sizeof *from);
    }
}

typedef enum { QUERY, KEY, VALUE } Projection;

/* Weight rows first .. first + n - 1 of one of the three: multiplied, rotated, and keys and values stored. */
static void project_part(const Pass *p, int layer, Projection which, int first, int n) {
    const Config *c = p->config;
    const LayerWeights *weights = &p->model->layers[layer];
    const Tensor *w = which == QUERY ? &weights->w_query : which == KEY ? &weights->w_key : &weights->w_value;
    float *out = which == QUERY ? p->ws->query : which == KEY ? p->ws->key : p->ws->value;
    multiply(p, out, w, first, n, p->ws->normed, p->ws->normed_q8);
    for (int r = 0; r < p->n_rows; r++) {
        float *values = out + (size_t)r * (size_t)w->rows + first;
        if (which != VALUE)
            rope(values, p->ws->angles + (size_t)r * (size_t)c->rope_dim, first, n, c->head_dim, c->rope_dim / 2);
        if (which != QUERY)
            store(p->cache, which == KEY ? p->cache->keys : p->cache->values, layer, &p->rows[r], values, first, n);
    }
}

/* query, key, value = normed w_queryT, w_keyT, w_valueT; the first two rotated, the last two into the cache. Units hold
 * whole pairs. */
static void project(Pass *p, int layer) {
    const LayerWeights *w = &p->model->layers[layer];
    const Tensor *matrices[3] = {&w->w_query, &w->w_key, &w->w_value};
    int whole = p->config->head_dim % 2 == 0 ? 1 : p->config->head_dim;
    Unit units[3];
    int first[4] = {0}, least = 1;
    for (int i = 0; i < 3; i++) {
        units[i] = unit_of(p, matrices[i], whole);
        first[i + 1] = first[i] + units_in(matrices[i], units[i].rows);
        least = max_int(least, units[i].least);
    }
    for (int begin, end; team_take(&p->worker, first[3], least, &begin, &end);)
        for (int i = 0; i < 3; i++) {
            int from = max_int(begin, first[i]) - first[i], to = min_int(end, first[i + 1]) - first[i];
            if (from >= to) continue;
            int row = from * units[i].rows, last = min_int(to * units[i].rows, matrices[i]->rows);
            project_part(p, layer, (Projection)i, row, last - row);
        }
}

/* residual += x wT */
static void add_product(Pass *p, const Tensor *w, const float *x, const BlockQ8 *x_q8) {
    Unit unit = unit_of(p, w, 1);
    for (int begin, end; team_take(&p->worker, units_in(w, unit.rows), unit.least, &begin, &end);) {
        int first = begin * unit.rows, n = min_int(end * unit.rows, w->rows) - first;
        multiply(p, p->ws->normed, w, first, n, x, x_q8);
        for (int r = 0; r < p->n_rows; r++) {
            size_t at = (size_t)r * (size_t)w->rows + (size_t)first;
            add(p->ws->residual + at, p->ws->normed + at, n);
        }
    }
}

/* gate = silu(normed w_gateT) * (normed w_upT)   (Shazeer 2020, 2002.05202), in both forms. Units hold whole blocks. */
static void gate_and_up(Pass *p, const LayerWeights *w) {
    Workspace *ws = p->ws;
    int hidden = p->config->hidden_dim;
    Unit gate = unit_of(p, &w->w_gate, Q_BLOCK), up = unit_of(p, &w->w_up, Q_BLOCK),
         unit = gate.rows > up.rows ? gate : up;
    for (int begin, end; team_take(&p->worker, units_in(&w->w_gate, unit.rows), unit.least, &begin, &end);) {
        int first = begin * unit.rows, n = min_int(end * unit.rows, hidden) - first;
        multiply(p, ws->gate, &w->w_gate, first, n, ws->normed, ws->normed_q8);
        multiply(p, ws->up, &w->w_up, first, n, ws->normed, ws->normed_q8);
        for (int r = 0; r < p->n_rows; r++) {
            size_t at = (size_t)r * (size_t)hidden + (size_t)first;
            kernels()->swiglu(ws->gate + at, ws->up + at, n);
            if (ws->wide_q8 && hidden % Q_BLOCK == 0) quantize(ws->wide_q8 + at / Q_BLOCK, ws->gate + at, n);
        }
    }
}

/* ---------------------------------------------------------------- attention */

/* Rows that one call of attention() takes: fewer than could share their keys, where threads would go without. */
static int rows_together(const Pass *p) {
    const Config *c = p->config;
    int pieces = 2 * p->ws->team.n_sharing, fair = (p->n_rows * c->n_kv_heads + pieces - 1) / pieces;
    return min_int(max_int(1, fair), attention_rows(c->n_heads / c->n_kv_heads));
}

/* A head's outputs are quantised at once where they are whole blocks. */
static bool heads_are_blocks(const Config *c) { return c->n_heads / c->n_kv_heads * c->head_dim % Q_BLOCK == 0; }

static void attend_part(const Pass *p, int layer, int kv_head, int first, int n) {
    const Config *c = p->config;
    int group = c->n_heads / c->n_kv_heads, width = group * c->head_dim;
    size_t stride = (size_t)c->n_heads * (size_t)c->head_dim;
    size_t at = (size_t)first * stride + (size_t)kv_head * (size_t)width;
    attention(p->cache, layer, kv_head, group, p->ws->sights + first, n, p->ws->query + at, p->ws->attended + at,
              stride, p->scratch);
    if (!p->ws->wide_q8 || !heads_are_blocks(c)) return;
    for (int r = 0; r < n; r++, at += stride) quantize(p->ws->wide_q8 + at / Q_BLOCK, p->ws->attended + at, width);
}

/* The last rows of a prompt see the most, so they come first. */
static void attend(Pass *p, int layer) {
    int together = rows_together(p), n_heads = p->config->n_kv_heads, n_sets = (p->n_rows + together - 1) / together;
    for (int i, end; team_take(&p->worker, n_sets * n_heads, 1, &i, &end);)
        for (; i < end; i++) {
            int first = (n_sets - 1 - i / n_heads) * together;
            attend_part(p, layer, i % n_heads, first, min_int(together, p->n_rows - first));
        }
}

static void quantize_attended(Pass *p) {
    int width = p->config->n_heads * p->config->head_dim;
    if (!p->ws->wide_q8 || width % Q_BLOCK != 0 || heads_are_blocks(p->config)) return;
    for (int r, end; team_take(&p->worker, p->n_rows, least_rows(width), &r, &end);)
        for (; r < end; r++) {
            size_t at = (size_t)r * (size_t)width;
            quantize(p->ws->wide_q8 + at / Q_BLOCK, p->ws->attended + at, width);
        }
}

/* ---------------------------------------------------------------- logits */

/* Logits first .. first + n - 1 of up to LOGITS_ROWS wanted rows, each to its row's place. */
static void logits_part(const Pass *p, int row, int n_rows, int first, int n) {
    const Tensor *w = &p->model->output;
    const float *x = p->ws->normed + (size_t)row * (size_t)w->cols;
    const BlockQ8 *x_q8 = p->ws->normed_q8 ? p->ws->normed_q8 + (size_t)row * (size_t)(w->cols / Q_BLOCK) : NULL;
    float *alone = n_rows == 1 ? p->rows[p->ws->wanted[row]].logits + first : NULL;
    matmul(alone ? alone : p->scratch, LOGITS_PART, w, first, n, x, x_q8, n_rows, PATH_DOT, NULL);
    for (int r = 0; r < n_rows; r++) {
        float *logits = p->rows[p->ws->wanted[row + r]].logits + first;
        if (!alone) memcpy(logits, p->scratch + r * LOGITS_PART, (size_t)n * sizeof *logits);
        if (!all_finite(logits, n)) atomic_store(&p->ws->not_finite, true);
    }
}

static void logits(Pass *p) {
    const Tensor *w = &p->model->output;
    if (p->n_wanted == 0) return;
    norm(p, p->model->output_norm, p->ws->wanted, p->n_wanted);
    for (int begin, end; team_take(&p->worker, units_in(w, LOGITS_UNIT), 1, &begin, &end);) {
        int last = min_int(end * LOGITS_UNIT, w->rows), part = p->n_wanted == 1 ? last : LOGITS_PART;
        for (int first = begin * LOGITS_UNIT, n; first < last; first += n) {
            n = min_int(part, last - first);
            for (int r = 0; r < p->n_wanted; r += LOGITS_ROWS)
                logits_part(p, r, min_int(LOGITS_ROWS, p->n_wanted - r), first, n);
        }
    }
}

/* ---------------------------------------------------------------- the pass */

static void layers(Pass *p) {
    const Config *c = p->config;
    for (int i = 0; i < c->n_layers; i++) {
        const LayerWeights *w = &p->model->layers[i];
        norm(p, w->attn_norm, NULL, p->n_rows);
        project(p, i);
        attend(p, i);
        quantize_attended(p);
        add_product(p, &w->w_output, p->ws->attended, p->ws->wide_q8);
        norm(p, w->ffn_norm, NULL, p->n_rows);
        gate_and_up(p, w);
        add_product(p, &w->w_down, p->ws->gate, p->ws->wide_q8);
    }
}

/* What each row sees, with each branch's runs once. */
static void list_sights(const KvCache *cache, Workspace *ws, const Row *rows, int n_rows) {
    for (int i = 0; i < cache->n_branches; i++) ws->n_runs[i] = 0;
    for (int r = 0; r < n_rows; r++) {
        int branch = rows[r].branch;
        KvRun *runs = ws->runs + (size_t)branch * (size_t)kv_max_runs(cache);
        if (ws->n_runs[branch] == 0) ws->n_runs[branch] = kv_runs(cache, branch, runs);
        ws->sights[r] = (Sight){.runs = runs, .n_runs = ws->n_runs[branch], .n_positions = rows[r].position + 1};
    }
    attention_find_shared(ws->sights, n_rows);
}

/* All threads through the pass: the layers unless only logits are wanted. */
static bool run(const Pass *pass, bool with_layers) {
    Workspace *ws = pass->ws;
    atomic_store(&ws->not_finite, false);
    int threads = threads_start(ws->threads);
    team_start(&ws->team, threads, threads_processors());
#pragma omp parallel num_threads(threads)
    {
        Pass p = *pass;
        p.worker = team_enter(&ws->team);
        p.scratch = ws->scratch + (size_t)omp_get_thread_num() * ws->scratch_floats;
        if (with_layers) {
            embed(&p);
            layers(&p);
        }
        logits(&p);
    }
    return !atomic_load(&ws->not_finite);
}

bool transformer_forward(const Model *model, KvCache *cache, Workspace *ws, const Row *rows, int n_rows,
                         MatmulPath path) {
    Pass pass = {.model = model, .config = &model->config, .cache = cache, .ws = ws, .rows = rows, .path = path};
    pass.n_rows = n_rows;
    list_sights(cache, ws, rows, n_rows);
    for (int r = 0; r < n_rows; r++)
        if (rows[r].logits) ws->wanted[pass.n_wanted++] = r;
    return run(&pass, true);
}

bool transformer_logits(const Model *model, Workspace *ws, const Row *rows, int first, int n) {
    Pass pass = {.model = model, .config = &model->config, .ws = ws, .rows = rows, .n_rows = n, .n_wanted = n};
    for (int i = 0; i < n; i++) ws->wanted[i] = first + i;
    return run(&pass, false);
}

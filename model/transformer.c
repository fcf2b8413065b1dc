#include "model/transformer.h"

#include <omp.h>
#include <string.h>

#include "tensor/blas.h"
#include "tensor/kernels.h"
#include "tensor/minmax.h"
#include "tensor/row.h"
#include "tensor/threads.h"

#define LEAST_WORK  (32 << 10) /* bytes of weights times rows: a smaller part costs less than claiming it */
#define LEAST_NORM  2048       /* the same for normalising, in floats */
#define LOGITS_UNIT 64         /* weight rows of the output matrix per unit of work */
#define LOGITS_ROWS 32         /* with several rows, logits are computed for this many rows at a time, */
#define LOGITS_PART 512        /* this many logits each, and copied to their places while they are in the cache */

/* One pass as one thread sees it: all threads go through the same steps and share the work of each (tensor/team.h). */
typedef struct {
    const Model *model;
    const Config *config;
    KvCache *cache;
    Workspace *ws;
    const BatchRow *rows;
    int n_rows, n_wanted;
    int layer; /* the current one; -1 before and after the layers */
    MatmulPath path;
    Worker worker;
    float *scratch; /* this thread's own */
} Pass;

/* Scratch is used by attention, or for weights converted for OpenBLAS, followed by logits before they are copied. */
size_t transformer_scratch(const Config *c) {
    size_t widest = (size_t)max_int(max_int(c->dim, c->n_heads * c->head_dim), c->hidden_dim);
    size_t attending = attention_scratch(c->n_heads / c->n_kv_heads, c->head_dim);
    return max_size(PACK_ROWS * widest + LOGITS_ROWS * LOGITS_PART, attending);
}

/* Shows columns first .. first + n - 1 of n_rows rows from row r on to the observer, if there is one. */
static void observe(const Pass *p, Activation what, int r, int n_rows, const float *x, size_t width, int first, int n) {
    const Observer *observer = &p->ws->observer;
    if (!observer->observe) return;
    for (int i = 0; i < n_rows; i++)
        observer->observe(observer->context, what, p->layer, p->rows[r + i].position, first, n,
                          row(x, i, width) + first);
}

/* ---------------------------------------------------------------- steps over rows of the batch */

/* With fewer rows, waking a thread costs more than it saves. */
static int least_rows(int row_floats) { return max_int(1, LEAST_NORM / row_floats); }

static void quantize(BlockQ8 *out, const float *x, int cols) {
    if (out && cols % Q_BLOCK == 0) kernels()->quantize_input(out, x, cols);
}

/* residual (n, dim) = token_embedding[token]; angles (n, rope_dim / 2, 2) = cos, sin(position * frequencies) */
static void embed(Pass *p) {
    const Config *c = p->config;
    for (int r, end; team_take(&p->worker, p->n_rows, 1, &r, &end);)
        for (; r < end; r++) {
            float *residual = row(p->ws->residual, r, c->dim);
            dequantize_row(residual, &p->model->token_embedding, p->rows[r].token);
            observe(p, ACTIVATION_EMBEDDING, r, 1, residual, 0, 0, c->dim);
            rope_angles(row(p->ws->angles, r, c->rope_dim), p->rows[r].position, p->model->rope_frequencies,
                        c->rope_dim / 2);
        }
}

/* normed (n, dim) = residual / rms(residual) * weight, as f32 and, for int8 weights, quantised. Takes the n rows listed
 * in `which`, or the first n if that is NULL. */
static void norm(Pass *p, Activation what, const float *weight, const int *which, int n) {
    const Config *c = p->config;
    Workspace *ws = p->ws;
    for (int i, end; team_take(&p->worker, n, least_rows(c->dim), &i, &end);)
        for (; i < end; i++) {
            int r = which ? which[i] : i;
            float *normed = row(ws->normed, i, c->dim);
            rmsnorm(normed, row(ws->residual, r, c->dim), weight, 1, c->dim, c->rms_epsilon);
            observe(p, what, r, 1, normed, 0, 0, c->dim);
            if (ws->normed_q8) quantize(row(ws->normed_q8, i, c->dim / Q_BLOCK), normed, c->dim);
        }
}

/* ---------------------------------------------------------------- steps over weight rows */

/* How a product is divided among threads. */
typedef struct {
    int rows;  /* weight rows per unit of work */
    int least; /* the fewest units worth claiming at once */
} Unit;

/* A unit's rows are a common multiple of matmul_unit and `whole`. */
static Unit unit_of(const Pass *p, const Tensor *w, int whole) {
    int unit = matmul_unit(w), rows = unit;
    while (rows % whole != 0) rows += unit;
    size_t work = (size_t)rows * tensor_row_bytes(w) * (size_t)p->n_rows;
    return (Unit){rows, (int)(LEAST_WORK / work) + 1};
}

static int units_in(const Tensor *w, int rows) { return (w->rows + rows - 1) / rows; }

/* out[:, first .. first + n_w - 1] (n, w.rows) = x (n, w.cols) w^T */
static void multiply(const Pass *p, float *out, const Tensor *w, int first, int n_w, const float *x,
                     const BlockQ8 *x_q8) {
    matmul(out + first, (size_t)w->rows, w, first, n_w, x, x_q8, p->n_rows, p->path, p->scratch);
}

/* Writes n values of a row's keys or values, from value `first` on, to its position in the cache. */
static void store(const Pass *p, uint8_t *storage, const BatchRow *to, const float *from, int first, int n) {
    const KvCache *cache = p->cache;
    for (int done = 0, here; done < n; done += here) {
        int head = (first + done) / cache->head_dim, in_head = (first + done) % cache->head_dim;
        here = min_int(cache->head_dim - in_head, n - done);
        uint8_t *stored = kv_row(cache, storage, p->layer, head, to->branch, to->position);
        if (cache->dtype == DTYPE_F16)
            kernels()->to_f16((uint16_t *)stored + in_head, from + done, here);
        else
            memcpy((float *)stored + in_head, from + done, (size_t)here * sizeof *from);
    }
}

typedef enum { QUERY, KEY, VALUE } Projection;

/* Computes query, key or value for the weight rows first .. first + n - 1: multiplies, rotates, stores. */
static void project_part(const Pass *p, Projection which, int first, int n) {
    const Config *c = p->config;
    const LayerWeights *weights = &p->model->layers[p->layer];
    const Tensor *w = which == QUERY ? &weights->w_query : which == KEY ? &weights->w_key : &weights->w_value;
    float *out = which == QUERY ? p->ws->query : which == KEY ? p->ws->key : p->ws->value;
    Activation seen = which == QUERY ? ACTIVATION_QUERY : which == KEY ? ACTIVATION_KEY : ACTIVATION_VALUE;
    multiply(p, out, w, first, n, p->ws->normed, p->ws->normed_q8);
    observe(p, seen, 0, p->n_rows, out, (size_t)w->rows, first, n);
    for (int r = 0; r < p->n_rows; r++) {
        float *values = row(out, r, w->rows) + first;
        if (which != VALUE) rope(values, row(p->ws->angles, r, c->rope_dim), first, n, c->head_dim, c->rope_dim / 2);
        if (which != QUERY) store(p, which == KEY ? p->cache->keys : p->cache->values, &p->rows[r], values, first, n);
    }
    if (which == VALUE) return;
    observe(p, which == QUERY ? ACTIVATION_QUERY_ROPE : ACTIVATION_KEY_ROPE, 0, p->n_rows, out, (size_t)w->rows, first,
            n);
}

/* query (n, n_heads hd)    = rope(normed w_query^T)
 * key   (n, n_kv_heads hd) = rope(normed w_key^T)     into the cache
 * value (n, n_kv_heads hd) = normed w_value^T         into the cache
 * One step of the team; its units contain whole pairs of rope. */
static void project(Pass *p) {
    const LayerWeights *w = &p->model->layers[p->layer];
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
            int begin_row = from * units[i].rows, end_row = min_int(to * units[i].rows, matrices[i]->rows);
            project_part(p, (Projection)i, begin_row, end_row - begin_row);
        }
}

/* residual (n, dim) += product (n, dim) = x (n, w.cols) w^T */
static void add_product(Pass *p, Activation product, Activation residual, const Tensor *w, const float *x,
                        const BlockQ8 *x_q8) {
    Workspace *ws = p->ws;
    Unit unit = unit_of(p, w, 1);
    for (int begin, end; team_take(&p->worker, units_in(w, unit.rows), unit.least, &begin, &end);) {
        int first = begin * unit.rows, n = min_int(end * unit.rows, w->rows) - first;
        multiply(p, ws->product, w, first, n, x, x_q8);
        for (int r = 0; r < p->n_rows; r++)
            add(row(ws->residual, r, w->rows) + first, row(ws->product, r, w->rows) + first, n);
        observe(p, product, 0, p->n_rows, ws->product, (size_t)w->rows, first, n);
        observe(p, residual, 0, p->n_rows, ws->residual, (size_t)w->rows, first, n);
    }
}

/* gate (n, hidden_dim) = silu(normed w_gate^T) * (normed w_up^T)   (Shazeer 2020, 2002.05202)
 * as f32 and, for int8 weights, quantised: so the units contain whole blocks. */
static void gate_and_up(Pass *p) {
    const LayerWeights *w = &p->model->layers[p->layer];
    Workspace *ws = p->ws;
    int hidden = p->config->hidden_dim;
    Unit gate = unit_of(p, &w->w_gate, Q_BLOCK), up = unit_of(p, &w->w_up, Q_BLOCK),
         unit = gate.rows > up.rows ? gate : up;
    for (int begin, end; team_take(&p->worker, units_in(&w->w_gate, unit.rows), unit.least, &begin, &end);) {
        int first = begin * unit.rows, n = min_int(end * unit.rows, hidden) - first;
        multiply(p, ws->gate, &w->w_gate, first, n, ws->normed, ws->normed_q8);
        multiply(p, ws->up, &w->w_up, first, n, ws->normed, ws->normed_q8);
        observe(p, ACTIVATION_GATE, 0, p->n_rows, ws->gate, (size_t)hidden, first, n);
        observe(p, ACTIVATION_UP, 0, p->n_rows, ws->up, (size_t)hidden, first, n);
        for (int r = 0; r < p->n_rows; r++) {
            size_t at = (size_t)r * (size_t)hidden + (size_t)first;
            kernels()->swiglu(ws->gate + at, ws->up + at, n);
            if (ws->wide_q8 && hidden % Q_BLOCK == 0) quantize(ws->wide_q8 + at / Q_BLOCK, ws->gate + at, n);
        }
        observe(p, ACTIVATION_SWIGLU, 0, p->n_rows, ws->gate, (size_t)hidden, first, n);
    }
}

/* ---------------------------------------------------------------- attention */

/* The rows of one call of attention(): as many as can share their keys, but few enough that every thread gets work. */
static int rows_together(const Pass *p) {
    const Config *c = p->config;
    int pieces = 2 * p->ws->team.n_sharing, fair = (p->n_rows * c->n_kv_heads + pieces - 1) / pieces;
    return min_int(max_int(1, fair), attention_rows(c->n_heads / c->n_kv_heads));
}

/* True: the outputs of a group are whole blocks, and the thread that computes them quantises them. False:
 * quantize_attended does it later. */
static bool groups_are_blocks(const Config *c) { return c->n_heads / c->n_kv_heads * c->head_dim % Q_BLOCK == 0; }

static void attend_part(const Pass *p, int kv_head, int first, int n) {
    const Config *c = p->config;
    Workspace *ws = p->ws;
    int group = c->n_heads / c->n_kv_heads, width = group * c->head_dim, all_heads = c->n_heads * c->head_dim;
    size_t at = (size_t)first * (size_t)all_heads + (size_t)kv_head * (size_t)width;
    attention(p->cache, p->layer, kv_head, group, ws->spans + first, n, ws->query + at, ws->attended + at,
              (size_t)all_heads, p->scratch);
    observe(p, ACTIVATION_ATTENDED, first, n, row(ws->attended, first, all_heads), (size_t)all_heads, kv_head * width,
            width);
    if (!ws->wide_q8 || !groups_are_blocks(c)) return;
    for (int r = 0; r < n; r++, at += (size_t)all_heads) quantize(ws->wide_q8 + at / Q_BLOCK, ws->attended + at, width);
}

/* attended (n, n_heads, hd) = softmax(query key^T / sqrt(hd)) value, for each head; key and value (positions, hd) are
 * those of the cache, of the key/value head that this query head shares. The last rows of a prompt attend to the most
 * positions, so they are computed first. */
static void attend(Pass *p) {
    int together = rows_together(p), n_heads = p->config->n_kv_heads, n_sets = (p->n_rows + together - 1) / together;
    for (int i, end; team_take(&p->worker, n_sets * n_heads, 1, &i, &end);)
        for (; i < end; i++) {
            int first = (n_sets - 1 - i / n_heads) * together;
            attend_part(p, i % n_heads, first, min_int(together, p->n_rows - first));
        }
}

static void quantize_attended(Pass *p) {
    int width = p->config->n_heads * p->config->head_dim;
    if (!p->ws->wide_q8 || width % Q_BLOCK != 0 || groups_are_blocks(p->config)) return;
    for (int r, end; team_take(&p->worker, p->n_rows, least_rows(width), &r, &end);)
        for (; r < end; r++) quantize(row(p->ws->wide_q8, r, width / Q_BLOCK), row(p->ws->attended, r, width), width);
}

/* ---------------------------------------------------------------- logits */

/* Logits first .. first + n - 1 of n_rows <= LOGITS_ROWS wanted rows, each copied to its row's place. */
static void logits_part(const Pass *p, int wanted, int n_rows, int first, int n) {
    const Tensor *w = &p->model->output;
    const int *rows = p->ws->wanted + wanted;
    const BlockQ8 *x_q8 = p->ws->normed_q8 ? row(p->ws->normed_q8, wanted, w->cols / Q_BLOCK) : NULL;
    float *converted = p->scratch, *parts = row(p->scratch, PACK_ROWS, w->cols);
    float *alone = n_rows == 1 ? p->rows[rows[0]].logits + first : NULL;
    matmul(alone ? alone : parts, LOGITS_PART, w, first, n, row(p->ws->normed, wanted, w->cols), x_q8, n_rows, PATH_DOT,
           converted);
    for (int i = 0; i < n_rows; i++) {
        float *logits = p->rows[rows[i]].logits;
        if (!alone) memcpy(logits + first, parts + i * LOGITS_PART, (size_t)n * sizeof *logits);
        if (!all_finite(logits + first, n)) atomic_store(&p->ws->not_finite, true);
        observe(p, ACTIVATION_LOGITS, rows[i], 1, logits, 0, first, n);
    }
}

/* logits (n_wanted, vocab_size) = normed outputT, with normed = residual / rms(residual) * output_norm */
static void logits(Pass *p) {
    const Tensor *w = &p->model->output;
    if (p->n_wanted == 0) return;
    norm(p, ACTIVATION_OUTPUT_NORM, p->model->output_norm, p->ws->wanted, p->n_wanted);
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
    const Workspace *ws = p->ws;
    for (p->layer = 0; p->layer < p->config->n_layers; p->layer++) {
        const LayerWeights *w = &p->model->layers[p->layer];
        /* normed (n, dim) = residual / rms(residual) * attn_norm */
        norm(p, ACTIVATION_ATTN_NORM, w->attn_norm, NULL, p->n_rows);
        /* query (n, n_heads hd) = rope(normed w_query^T), key (n, n_kv_heads hd) = rope(normed w_key^T),
         * value (n, n_kv_heads hd) = normed w_value^T */
        project(p);
        /* attended (n, n_heads hd) = softmax(query key^T / sqrt(hd)) value */
        attend(p);
        quantize_attended(p);
        /* residual (n, dim) += attended w_output^T */
        add_product(p, ACTIVATION_ATTN_OUTPUT, ACTIVATION_ATTN_RESIDUAL, &w->w_output, ws->attended, ws->wide_q8);
        /* normed (n, dim) = residual / rms(residual) * ffn_norm */
        norm(p, ACTIVATION_FFN_NORM, w->ffn_norm, NULL, p->n_rows);
        /* gate (n, hidden_dim) = silu(normed w_gate^T) * (normed w_up^T) */
        gate_and_up(p);
        /* residual (n, dim) += gate w_down^T */
        add_product(p, ACTIVATION_DOWN, ACTIVATION_FFN_RESIDUAL, &w->w_down, ws->gate, ws->wide_q8);
    }
    p->layer = -1;
}

/* Fills the span of each row; the runs of each branch are listed once. */
static void list_spans(const KvCache *cache, Workspace *ws, const BatchRow *rows, int n_rows) {
    for (int i = 0; i < cache->n_branches; i++) ws->n_runs[i] = 0;
    for (int r = 0; r < n_rows; r++) {
        int branch = rows[r].branch;
        KvRun *runs = row(ws->runs, branch, kv_max_runs(cache));
        if (ws->n_runs[branch] == 0) ws->n_runs[branch] = kv_runs(cache, branch, runs);
        ws->spans[r] = (AttentionSpan){.runs = runs, .n_runs = ws->n_runs[branch], .n_positions = rows[r].position + 1};
    }
    attention_find_shared(ws->spans, n_rows);
}

/* Runs all threads through the pass: the layers if with_layers, then the logits. */
static bool run(const Pass *pass, bool with_layers) {
    Workspace *ws = pass->ws;
    atomic_store(&ws->not_finite, false);
    int threads = threads_start(ws->threads);
    team_start(&ws->team, threads, threads_processors());
    if (ws->uses_blas) blas_begin();
#pragma omp parallel num_threads(threads)
    {
        Pass p = *pass;
        p.layer = -1;
        /* For this region alone. OpenBLAS built for OpenMP takes omp_get_max_threads threads for a large product unless
         * it is called in a region of several threads, and would sum in another order where the pass has one thread. */
        if (ws->uses_blas) omp_set_num_threads(1);
        p.worker = team_enter(&ws->team);
        p.scratch = row(ws->scratch, omp_get_thread_num(), ws->scratch_floats);
        if (with_layers) {
            embed(&p);
            layers(&p);
        }
        logits(&p);
    }
    if (ws->uses_blas) blas_end();
    return !atomic_load(&ws->not_finite);
}

bool transformer_forward(const Model *model, KvCache *cache, Workspace *ws, const BatchRow *rows, int n_rows,
                         MatmulPath path) {
    Pass pass = {.model = model, .config = &model->config, .cache = cache, .ws = ws, .rows = rows, .path = path};
    pass.n_rows = n_rows;
    list_spans(cache, ws, rows, n_rows);
    for (int r = 0; r < n_rows; r++)
        if (rows[r].logits) ws->wanted[pass.n_wanted++] = r;
    return run(&pass, true);
}

bool transformer_logits(const Model *model, Workspace *ws, const BatchRow *rows, int first, int n) {
    Pass pass = {.model = model, .config = &model->config, .ws = ws, .rows = rows, .n_rows = n, .n_wanted = n};
    for (int i = 0; i < n; i++) ws->wanted[i] = first + i;
    return run(&pass, false);
}

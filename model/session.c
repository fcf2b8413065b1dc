#include "model/session.h"

#include <assert.h>
#include <string.h>

#include "model/kv_cache.h"
#include "model/transformer.h"
#include "tensor/kernels.h"
#include "tensor/memory.h"
#include "tensor/minmax.h"
#include "tensor/packed.h"
#include "tensor/threads.h"

#define SCORE_ROWS 16 /* logits computed at a time by session_score */

struct Session {
    const Model *model;
    SessionOptions options;
    KvCache cache;
    Workspace workspace;
    BatchRow *rows;     /* (max_rows,) the pass being made */
    float *logits;      /* (branches + n_spare, vocab_size), whose rows are called slots */
    int *logits_slot;   /* (branches,) the slot of each branch */
    int *spare_slot;    /* (n_spare,) the other slots: a pass writes there, and swaps slots when it succeeds */
    int *logits_length; /* (branches,) the length of the branch when its logits were computed; -1: it has none */
    SessionCounts counts;
    void *memory; /* one block that contains all of these arrays */
};

/* ---------------------------------------------------------------- one block of memory, laid out in two passes */

/* The first pass has no base and only adds up sizes; the second assigns addresses. */
typedef struct {
    uint8_t *base;
    size_t used;
    bool overflow;
} Arena;

static void *take(Arena *arena, size_t count, size_t size) {
    size_t bytes, at = (arena->used + 63) & ~(size_t)63;
    if (!size_multiply(&bytes, count, size) || !size_add(&arena->used, at, bytes)) arena->overflow = true;
    return arena->base && !arena->overflow ? arena->base + at : NULL;
}

static int n_spare(const Session *s) { return max_int(s->options.branches, SCORE_ROWS); }

static bool has_int8_weights(const Model *model) {
    for (int i = 0; i < model->n_tensors; i++)
        if (dtype_info[model->tensors[i].tensor.dtype].int8_input) return true;
    return false;
}

static bool has_float_weights(const Model *model) {
    bool found = !dtype_info[model->output.dtype].int8_input;
    for (int i = 0; i < model->config.n_layers; i++) {
        const LayerWeights *w = &model->layers[i];
        const Tensor *all[] = {&w->w_query, &w->w_key, &w->w_value, &w->w_output, &w->w_gate, &w->w_up, &w->w_down};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++) found |= !dtype_info[all[j]->dtype].int8_input;
    }
    return found;
}

static void lay_out_cache(Session *s, Arena *a) {
    KvCache *cache = &s->cache;
    size_t blocks = (size_t)cache->n_blocks, branches = (size_t)cache->n_branches;
    size_t rows = (size_t)cache->n_layers * blocks * (size_t)cache->n_kv_heads;
    cache->keys = take(a, rows, (size_t)cache->block_rows * kv_row_bytes(cache));
    cache->values = take(a, rows, (size_t)cache->block_rows * kv_row_bytes(cache));
    cache->branches = take(a, branches, sizeof *cache->branches);
    cache->free_blocks = take(a, blocks, sizeof *cache->free_blocks);
    int *lists = take(a, branches * (size_t)cache->max_blocks, sizeof *lists);
    for (size_t i = 0; a->base && !a->overflow && i < branches; i++)
        cache->branches[i].blocks = lists + i * (size_t)cache->max_blocks;
}

static void lay_out_workspace(Session *s, Arena *a) {
    const Config *c = &s->model->config;
    Workspace *ws = &s->workspace;
    size_t n = (size_t)ws->max_rows, threads = (size_t)ws->threads, branches = (size_t)s->options.branches;
    size_t heads = (size_t)c->n_heads * (size_t)c->head_dim, hidden = (size_t)c->hidden_dim;
    size_t kv_heads = (size_t)c->n_kv_heads * (size_t)c->head_dim;
    ws->residual = take(a, n * (size_t)c->dim, sizeof(float));
    ws->normed = take(a, n * (size_t)c->dim, sizeof(float));
    ws->product = take(a, n * (size_t)c->dim, sizeof(float));
    ws->query = take(a, n * heads, sizeof(float));
    ws->attended = take(a, n * heads, sizeof(float));
    ws->key = take(a, n * kv_heads, sizeof(float));
    ws->value = take(a, n * kv_heads, sizeof(float));
    ws->gate = take(a, n * hidden, sizeof(float));
    ws->up = take(a, n * hidden, sizeof(float));
    ws->angles = take(a, n * (size_t)c->rope_dim, sizeof(float));
    ws->wanted = take(a, n, sizeof *ws->wanted);
    ws->spans = take(a, n, sizeof *ws->spans);
    ws->runs = take(a, branches * (size_t)kv_max_runs(&s->cache), sizeof *ws->runs);
    ws->n_runs = take(a, branches, sizeof *ws->n_runs);
    ws->scratch = take(a, threads * ws->scratch_floats, sizeof(float));
    if (!has_int8_weights(s->model)) return;
    ws->normed_q8 = take(a, n * (size_t)(c->dim / Q_BLOCK), sizeof(BlockQ8));
    ws->wide_q8 = take(a, n * ((heads > hidden ? heads : hidden) / Q_BLOCK), sizeof(BlockQ8));
}

static void lay_out(Session *s, Arena *a) {
    size_t vocab = (size_t)s->model->config.vocab_size, branches = (size_t)s->options.branches;
    lay_out_cache(s, a);
    lay_out_workspace(s, a);
    s->rows = take(a, (size_t)s->workspace.max_rows, sizeof *s->rows);
    size_t spare = (size_t)n_spare(s);
    s->logits = take(a, (branches + spare) * vocab, sizeof(float));
    s->spare_slot = take(a, spare, sizeof *s->spare_slot);
    s->logits_slot = take(a, branches, sizeof *s->logits_slot);
    s->logits_length = take(a, branches, sizeof *s->logits_length);
}

/* ---------------------------------------------------------------- opening */

/* Caps that keep every product below within a size_t and every count within an int. */
#define MAX_CONTEXT  (1 << 24)
#define MAX_BRANCHES (1 << 14)
#define MAX_BATCH    (1 << 14)
#define MAX_THREADS  1024
#define MAX_BLOCK    1024

static bool option(int *value, int default_value, int high, const char *name, Error *error) {
    if (*value < 0 || *value > high)
        return error_set(error, "session option %s: expected 0 (default) to %d, got %d", name, high, *value);
    if (*value == 0) *value = default_value;
    return true;
}

static bool fill_options(SessionOptions *o, const Config *c, Error *error) {
    if (!option(&o->context, c->context_length, MAX_CONTEXT, "context", error) ||
        !option(&o->branches, 1, MAX_BRANCHES, "branches", error) ||
        !option(&o->batch, 256, MAX_BATCH, "batch", error) ||
        !option(&o->threads, threads_processors(), MAX_THREADS, "threads", error) ||
        !option(&o->block_rows, 16, MAX_BLOCK, "block_rows", error))
        return false;
    long long rows = o->context + (long long)(o->branches - 1) * o->block_rows;
    if (!option(&o->rows, (int)rows, 1 << 30, "rows", error)) return false;
    if (o->kv != KV_F16 && o->kv != KV_F32)
        return error_set(error, "session option kv: expected KV_F16 or KV_F32, got %d", (int)o->kv);
    return true;
}

static bool plan(Session *s, const Model *model, SessionOptions options, size_t *bytes, Error *error) {
    const Config *c = &model->config;
    if (!fill_options(&options, c, error)) return false;
    int context_blocks = (options.context + options.block_rows - 1) / options.block_rows;
    *s = (Session){.model = model, .options = options};
    s->cache = (KvCache){.dtype = options.kv == KV_F16 ? DTYPE_F16 : DTYPE_F32,
                         .n_layers = c->n_layers,
                         .n_kv_heads = c->n_kv_heads,
                         .head_dim = c->head_dim,
                         .block_rows = options.block_rows,
                         .n_blocks = (options.rows + options.block_rows - 1) / options.block_rows,
                         .max_blocks = context_blocks + 1,
                         .n_branches = options.branches};
    s->workspace = (Workspace){.max_rows = max_int(max_int(options.batch, options.branches), SCORE_ROWS),
                               .threads = options.threads,
                               .scratch_floats = transformer_scratch(c)};
    Arena sizes = {0};
    lay_out(s, &sizes);
    if (sizes.overflow) return error_set(error, "session: these sizes are more than memory can address");
    *bytes = sizes.used;
    return true;
}

bool session_bytes(const Model *model, SessionOptions options, size_t *bytes, Error *error) {
    Session planned;
    return plan(&planned, model, options, bytes, error);
}

bool session_open(Session **session, const Model *model, SessionOptions options, Error *error) {
    Session planned;
    size_t bytes = 0;
    *session = NULL;
    assert(model->output.packed || !packed_can(model->output.dtype));
    if (!kernels_check(error) || !plan(&planned, model, options, &bytes, error) ||
        !ops_start(has_float_weights(model), planned.options.threads, &planned.workspace.uses_blas, error))
        return false;
    Session *s = memory_alloc(1, sizeof *s, "session", error);
    void *memory = s ? memory_alloc(bytes, 1, "session's key/value cache and activations", error) : NULL;
    if (!memory) {
        memory_free(s);
        return false;
    }
    *s = planned;
    s->memory = memory;
    lay_out(s, &(Arena){.base = memory});
    for (int i = 0; i < s->cache.n_blocks; i++) s->cache.free_blocks[s->cache.n_free++] = s->cache.n_blocks - 1 - i;
    for (int i = 0; i < s->options.branches; i++) s->logits_slot[i] = i;
    for (int i = 0; i < n_spare(s); i++) s->spare_slot[i] = s->options.branches + i;
    s->options.threads = s->workspace.threads = threads_start(s->options.threads);
    team_init(&s->workspace.team);
    int trunk;
    session_root(s, &trunk, error);
    *session = s;
    return true;
}

void session_close(Session *session) {
    if (!session) return;
    team_destroy(&session->workspace.team);
    memory_free(session->memory);
    memory_free(session);
}

void session_observe(Session *s, Observer observer) { s->workspace.observer = observer; }

SessionOptions session_options(const Session *session) { return session->options; }
SessionCounts session_counts(const Session *session) { return session->counts; }

/* ---------------------------------------------------------------- computing */

static bool check_token(const Session *s, int branch, int position, int token, Error *error) {
    int vocab = s->model->config.vocab_size;
    if (token >= 0 && token < vocab) return true;
    return error_set(error, "branch %d, position %d: expected a token id below %d, got %d", branch, position, vocab,
                     token);
}

static bool check_room(const Session *s, int branch, int n, Error *error) {
    int length = s->cache.branches[branch].length, context = s->options.context;
    if (n <= context - length) return true;
    return error_set(error, "context full: branch %d holds %d of %d tokens, %d more do not fit", branch, length,
                     context, n);
}

static bool check_blocks(const Session *s, int needed, Error *error) {
    if (needed <= s->cache.n_free) return true;
    return error_set(error, "key/value cache full: %d more blocks of %d rows are needed, %d are free", needed,
                     s->cache.block_rows, s->cache.n_free);
}

static float *slot(const Session *s, int i) { return s->logits + (size_t)i * (size_t)s->model->config.vocab_size; }

/* Reports the first logit of the n rows that is not finite. */
static bool refuse_logits(const Session *s, const BatchRow *rows, int n, Error *error) {
    for (int r = 0; r < n; r++) {
        Tensor logits = {.dtype = DTYPE_F32, .rows = 1, .cols = s->model->config.vocab_size, .data = rows[r].logits};
        size_t at;
        if (!rows[r].logits || tensor_is_finite(&logits, &at)) continue;
        return error_set(error, "branch %d, position %d: logit of token %zu: expected a finite number, got %g",
                         rows[r].branch, rows[r].position, at / sizeof(float),
                         (double)rows[r].logits[at / sizeof(float)]);
    }
    return false;
}

/* Computes the keys and values of the rows, and the logits of those that want them. */
static bool forward(Session *s, int n_rows, MatmulPath path, Error *error) {
    s->counts.passes++;
    s->counts.rows += n_rows;
    return transformer_forward(s->model, &s->cache, &s->workspace, s->rows, n_rows, path) ||
           refuse_logits(s, s->rows, n_rows, error);
}

static float *logits_of(const Session *s, int branch) { return slot(s, s->logits_slot[branch]); }

static void copy_logits(Session *s, int to, int from) {
    memcpy(logits_of(s, to), logits_of(s, from), (size_t)s->model->config.vocab_size * sizeof(float));
    s->logits_length[to] = s->logits_length[from];
}

/* Called before the branch's logits change: copies them to the branches that still read them (forks, and their forks).
 * Copying this late avoids most copies, because most forks are decoded before. */
static void copy_logits_to_forks(Session *s, int branch) {
    for (int i = 0; i < s->options.branches; i++)
        if (i != branch && session_alive(s, i) && session_logits(s, i) == logits_of(s, branch))
            copy_logits(s, i, branch);
}

/* Makes the logits in a spare slot those of the branch. */
static void keep_logits(Session *s, int branch, int spare) {
    copy_logits_to_forks(s, branch);
    int old = s->logits_slot[branch];
    s->logits_slot[branch] = s->spare_slot[spare];
    s->spare_slot[spare] = old;
    s->logits_length[branch] = s->cache.branches[branch].length;
}

/* Calls visit for each of the n rows of the last pass, and computes the logits of a few rows at a time. *last: the
 * spare slot of the last row. */
static bool visit_batch(Session *s, int n, LogitsVisitor *visit, void *context, int *last, Error *error) {
    for (int i = 0, m; i < n; i += m) {
        m = n - i < SCORE_ROWS ? n - i : SCORE_ROWS;
        for (int j = 0; j < m; j++) s->rows[i + j].logits = slot(s, s->spare_slot[j]);
        if (!transformer_logits(s->model, &s->workspace, s->rows, i, m)) return refuse_logits(s, s->rows + i, m, error);
        for (int j = 0; j < m; j++) visit(context, s->rows[i + j].position, s->rows[i + j].logits);
        *last = m - 1;
    }
    return true;
}

/* Computes one batch of a prompt: the keys and values of its rows, and their logits for visit (which may be NULL).
 * Those of the last row stay in spare slot *last. */
static bool prefill_batch(Session *s, int branch, const int *tokens, int n, bool want_last, LogitsVisitor *visit,
                          void *context, int *last, Error *error) {
    int position = s->cache.branches[branch].length;
    kv_extend(&s->cache, branch, n);
    for (int i = 0; i < n; i++) s->rows[i] = (BatchRow){branch, tokens[i], position + i, NULL};
    if (want_last && !visit) s->rows[n - 1].logits = slot(s, s->spare_slot[0]);
    return forward(s, n, PATH_GEMM, error) && (!visit || visit_batch(s, n, visit, context, last, error));
}

bool session_score(Session *s, int branch, const int *tokens, int n, LogitsVisitor *visit, void *context,
                   Error *error) {
    assert(session_alive(s, branch) && n >= 1);
    int length = s->cache.branches[branch].length, last = 0;
    for (int i = 0; i < n; i++)
        if (!check_token(s, branch, length + i, tokens[i], error)) return false;
    if (!check_room(s, branch, n, error) || !check_blocks(s, kv_blocks_needed(&s->cache, branch, n), error))
        return false;
    for (int done = 0, m; done < n; done += m) {
        m = n - done < s->options.batch ? n - done : s->options.batch;
        if (!prefill_batch(s, branch, tokens + done, m, done + m == n, visit, context, &last, error)) {
            kv_cut(&s->cache, branch, length);
            return false;
        }
    }
    keep_logits(s, branch, last);
    return true;
}

bool session_prefill(Session *s, int branch, const int *tokens, int n, Error *error) {
    return session_score(s, branch, tokens, n, NULL, NULL, error);
}

static bool check_steps(const Session *s, const BranchToken *steps, int n, Error *error) {
    int needed = 0;
    for (int i = 0; i < n; i++) {
        int branch = steps[i].branch;
        assert(session_alive(s, branch));
        for (int j = 0; j < i; j++) assert(steps[j].branch != branch);
        if (!check_token(s, branch, s->cache.branches[branch].length, steps[i].token, error)) return false;
        if (!check_room(s, branch, 1, error)) return false;
        needed += kv_blocks_needed(&s->cache, branch, 1);
    }
    return check_blocks(s, needed, error);
}

bool session_decode(Session *s, const BranchToken *steps, int n, Error *error) {
    assert(n >= 1 && n <= s->options.branches);
    if (!check_steps(s, steps, n, error)) return false;
    for (int i = 0; i < n; i++) {
        int branch = steps[i].branch, position = s->cache.branches[branch].length;
        s->rows[i] = (BatchRow){branch, steps[i].token, position, slot(s, s->spare_slot[i])};
        kv_extend(&s->cache, branch, 1);
    }
    if (!forward(s, n, PATH_DOT, error)) {
        for (int i = 0; i < n; i++) kv_cut(&s->cache, s->rows[i].branch, s->rows[i].position);
        return false;
    }
    for (int i = 0; i < n; i++) keep_logits(s, steps[i].branch, i);
    return true;
}

/* A fresh fork has no logits of its own: it has those of an ancestor that were computed at the same length. */
const float *session_logits(const Session *s, int branch) {
    assert(session_alive(s, branch));
    int length = s->cache.branches[branch].length;
    for (int i = branch; i >= 0 && length > 0; i = s->cache.branches[i].parent) {
        if (s->logits_length[i] == length) return logits_of(s, i);
        if (s->cache.branches[i].start < length) break;
    }
    return NULL;
}

/* ---------------------------------------------------------------- the tree */

int session_length(const Session *s, int branch) {
    assert(session_alive(s, branch));
    return s->cache.branches[branch].length;
}

bool session_alive(const Session *s, int branch) {
    return branch >= 0 && branch < s->options.branches && s->cache.branches[branch].alive;
}

int session_free_branches(const Session *s) {
    int n = 0;
    for (int i = 0; i < s->options.branches; i++) n += !s->cache.branches[i].alive;
    return n;
}

int session_free_rows(const Session *s) { return s->cache.n_free * s->cache.block_rows; }

static bool new_branch(Session *s, int parent, int *branch, Error *error) {
    *branch = kv_new_branch(&s->cache, parent);
    if (*branch < 0) return error_set(error, "no free branch: all %d are in use", s->options.branches);
    s->logits_length[*branch] = -1;
    return true;
}

bool session_root(Session *s, int *root, Error *error) { return new_branch(s, -1, root, error); }

bool session_fork(Session *s, int parent, int *child, Error *error) {
    assert(session_alive(s, parent));
    return new_branch(s, parent, child, error);
}

static void promote(Session *s, int branch) {
    int parent = s->cache.branches[branch].parent, slot = s->logits_slot[branch];
    copy_logits_to_forks(s, parent);
    int length = s->cache.branches[branch].length;
    bool has_rows = length > s->cache.branches[branch].start, has_logits = s->logits_length[branch] == length;
    kv_promote(&s->cache, branch);
    if (has_logits) {
        s->logits_slot[branch] = s->logits_slot[parent];
        s->logits_slot[parent] = slot;
        s->logits_length[parent] = length;
    } else if (has_rows) {
        s->logits_length[parent] = -1; /* its logits may belong to other tokens of the same length */
    }
}

void session_promote(Session *s, int branch) {
    int parent = s->cache.branches[branch].parent;
    assert(session_alive(s, branch) && parent >= 0 && !s->cache.branches[parent].shared);
    promote(s, branch);
}

/* Changes the number of a branch, with its rows and logits. */
static void renumber(Session *s, int branch, int number) {
    int slot = s->logits_slot[number];
    kv_renumber(&s->cache, branch, number);
    s->logits_slot[number] = s->logits_slot[branch];
    s->logits_slot[branch] = slot;
    s->logits_length[number] = s->logits_length[branch];
    s->logits_length[branch] = -1;
}

bool session_split(Session *s, int branch, int *other, Error *error) {
    int shared;
    assert(session_alive(s, branch));
    if (session_free_branches(s) < 2)
        return error_set(error, "no free branches: a split needs two, %d of %d are free", session_free_branches(s),
                         s->options.branches);
    kv_split(&s->cache, branch, &shared, other);
    int slot = s->logits_slot[shared];
    s->logits_slot[shared] = s->logits_slot[branch];
    s->logits_length[shared] = s->logits_length[branch];
    s->logits_slot[branch] = slot;
    s->logits_length[branch] = s->logits_length[*other] = -1;
    return true;
}

/* Called after a child of the branch has ended: a shared branch keeps only the rows that its children have in common.
 * If one child is left, the two are merged; if none is left, the branch is dropped. */
static void merge_shared(Session *s, int branch) {
    while (branch >= 0 && s->cache.branches[branch].shared) {
        int only, parent = s->cache.branches[branch].parent, n = kv_children(&s->cache, branch, &only);
        if (n == 0) {
            kv_drop(&s->cache, branch);
            branch = parent;
            continue;
        }
        if (n == 1) {
            bool shared = s->cache.branches[only].shared;
            promote(s, only);
            s->cache.branches[branch].shared = shared;
            renumber(s, branch, only);
        } else {
            kv_cut(&s->cache, branch, kv_last_fork(&s->cache, branch));
        }
        return;
    }
}

void session_drop(Session *s, int branch) {
    assert(session_alive(s, branch));
    int parent = s->cache.branches[branch].parent;
    kv_drop(&s->cache, branch);
    merge_shared(s, parent);
    if (branch == TRUNK) kv_new_branch(&s->cache, -1);
}

bool session_rewind(Session *s, int branch, int n_positions, Error *error) {
    assert(session_alive(s, branch));
    const Branch *b = &s->cache.branches[branch];
    int first = kv_min_length(&s->cache, branch), fork = kv_last_fork(&s->cache, branch), parent = b->parent;
    if (n_positions < first || n_positions > b->length)
        return error_set(error, "rewind of branch %d: expected a position from %d to %d, got %d", branch, first,
                         b->length, n_positions);
    if (n_positions < fork)
        return error_set(error, "rewind of branch %d to position %d: a branch forked at %d is still alive", branch,
                         n_positions, fork);
    if (n_positions < b->length) s->logits_length[branch] = -1; /* at its start it is a fresh fork again */
    if (n_positions >= b->start) {
        kv_cut(&s->cache, branch, n_positions);
    } else {
        kv_cut_into_shared(&s->cache, branch, n_positions);
        merge_shared(s, parent);
    }
    return true;
}

#include "model/attention.h"

#include <math.h>
#include <string.h>

#include "tensor/kernels.h"
#include "tensor/minmax.h"

/* A call's rows and what is computed of them. A query is a row's head: query row * group + head. */
typedef struct {
    const KvCache *cache;
    int layer, kv_head, group, n_rows;
    const Sight *sights;
    float *query, *mixed;   /* (n_rows group, head_dim) */
    float *scores;          /* (n_rows group, ATTENTION_TILE) */
    float *largest, *total; /* (n_rows group,) of the scores so far, and the sum of e^(score - largest) */
    int *first_run;         /* (n_rows,) what the row reads for itself and the rows after it: its next run */
    int from, to;           /* the tile */
} Batch;

typedef enum { SCORE, MIX } Act;

int attention_rows(int group) { return max_int(1, ATTENTION_QUERIES / group); }

size_t attention_scratch(int group, int head_dim) {
    size_t n_queries = (size_t)attention_rows(group) * (size_t)group;
    return n_queries * (2 * (size_t)head_dim + ATTENTION_TILE + 2) + (size_t)attention_rows(group);
}

static int shared_runs(const Sight *a, const Sight *b) {
    if (a->runs == b->runs) return a->n_runs;
    int n = min_int(a->n_runs, b->n_runs), i = 0;
    while (i < n && a->runs[i].block == b->runs[i].block) i++;
    return i;
}

void attention_find_shared(Sight *sights, int n) {
    sights[0].shared = 0;
    for (int r = 1; r < n; r++) sights[r].shared = shared_runs(&sights[r - 1], &sights[r]);
}

/* The position at which the row's sight of this run ends. */
static int end_of(const Batch *b, int row, int run) {
    const Sight *sight = &b->sights[row];
    return min_int(sight->runs[run].start + sight->runs[run].n_rows, sight->n_positions);
}

/* The rows first .. last - 1 see the positions from .. to - 1 of this run, all of them. */
static void act_on(const Batch *b, Act act, int first, int last, int run, int from, int to) {
    const KvCache *cache = b->cache;
    const Kernels *k = kernels();
    const KvRun *at = &b->sights[first].runs[run];
    size_t skip = (size_t)(from - at->start) * kv_row_bytes(cache), head_dim = (size_t)cache->head_dim;
    size_t query = (size_t)first * (size_t)b->group;
    int n_queries = (last - first) * b->group;
    float *scores = b->scores + query * ATTENTION_TILE + (from - b->from);
    if (act == SCORE)
        k->attention_scores[cache->dtype](scores, ATTENTION_TILE, b->query + query * head_dim, n_queries,
                                          kv_block(cache, cache->keys, b->layer, at->block, b->kv_head) + skip,
                                          to - from, cache->head_dim, 1.0f / sqrtf((float)cache->head_dim));
    else
        k->attention_mix[cache->dtype](b->mixed + query * head_dim, scores, ATTENTION_TILE, n_queries,
                                       kv_block(cache, cache->values, b->layer, at->block, b->kv_head) + skip,
                                       to - from, cache->head_dim);
}

/* Rows see a run up to different positions: what all of them see at once, then what is left for either half. */
static void act_on_rows(const Batch *b, Act act, int first, int last, int run, int from) {
    int least = b->to, most = from;
    for (int r = first; r < last; r++) {
        int end = min_int(end_of(b, r, run), b->to);
        least = min_int(least, end);
        most = max_int(most, end);
    }
    if (least > from) act_on(b, act, first, last, run, from, least);
    if (most <= max_int(least, from)) return;
    act_on_rows(b, act, first, (first + last) / 2, run, max_int(least, from));
    act_on_rows(b, act, (first + last) / 2, last, run, max_int(least, from));
}

/* The row after the last that shares this run with `row`, and where the longest sight of it ends. */
static int sharing_rows(const Batch *b, int row, int run, int *end) {
    int last = row + 1;
    *end = end_of(b, row, run);
    for (; last < b->n_rows && b->sights[last].shared > run; last++) *end = max_int(*end, end_of(b, last, run));
    return last;
}

/* Every run is read at the first row of those that share it, in the order of the positions. */
static void act_on_tile(const Batch *b, Act act) {
    for (int r = 0; r < b->n_rows; r++) {
        const Sight *sight = &b->sights[r];
        for (int run = b->first_run[r]; run < sight->n_runs && sight->runs[run].start < b->to; run++) {
            int end, last = sharing_rows(b, r, run, &end);
            if (end > b->from) act_on_rows(b, act, r, last, run, max_int(b->from, sight->runs[run].start));
            if (act == MIX && end <= b->to && run == b->first_run[r]) b->first_run[r]++;
        }
    }
}

static float largest_of(const float *x, int n) {
    float largest = x[0];
    for (int i = 1; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

/* Scores to weights. Where the tile has a new largest score, all that came before shrinks. */
static void weigh(const Batch *b, int row) {
    int n = min_int(b->sights[row].n_positions, b->to) - b->from, head_dim = b->cache->head_dim;
    if (n <= 0) return;
    for (int q = row * b->group; q < (row + 1) * b->group; q++) {
        float *scores = b->scores + (size_t)q * ATTENTION_TILE, *mixed = b->mixed + (size_t)q * (size_t)head_dim;
        float largest = largest_of(scores, n);
        if (b->from == 0) {
            b->largest[q] = largest;
        } else if (!(largest <= b->largest[q])) {
            float shrink = expf(b->largest[q] - largest);
            for (int i = 0; i < head_dim; i++) mixed[i] *= shrink;
            b->total[q] *= shrink;
            b->largest[q] = largest;
        }
        b->total[q] += kernels()->exp_sum(scores, scores, b->largest[q], n);
    }
}

static Batch lay_out(const KvCache *cache, int layer, int kv_head, int group, const Sight *sights, int n,
                     float *scratch) {
    size_t n_queries = (size_t)n * (size_t)group, head_dim = (size_t)cache->head_dim;
    Batch b = {.cache = cache, .layer = layer, .kv_head = kv_head, .group = group, .n_rows = n, .sights = sights};
    b.query = scratch;
    b.mixed = b.query + n_queries * head_dim;
    b.scores = b.mixed + n_queries * head_dim;
    b.largest = b.scores + n_queries * ATTENTION_TILE;
    b.total = b.largest + n_queries;
    b.first_run = (int *)(b.total + n_queries);
    memset(b.mixed, 0, n_queries * head_dim * sizeof *b.mixed);
    memset(b.total, 0, n_queries * sizeof *b.total);
    for (int r = 0; r < n; r++) b.first_run[r] = r == 0 ? 0 : sights[r].shared;
    return b;
}

void attention(const KvCache *cache, int layer, int kv_head, int group, const Sight *sights, int n, const float *query,
               float *out, size_t stride, float *scratch) {
    size_t row_floats = (size_t)group * (size_t)cache->head_dim;
    Batch b = lay_out(cache, layer, kv_head, group, sights, n, scratch);
    int n_positions = 0;
    for (int r = 0; r < n; r++) {
        memcpy(b.query + (size_t)r * row_floats, query + (size_t)r * stride, row_floats * sizeof *query);
        n_positions = max_int(n_positions, sights[r].n_positions);
    }
    for (; b.from < n_positions; b.from += ATTENTION_TILE) {
        b.to = b.from + ATTENTION_TILE;
        act_on_tile(&b, SCORE);
        for (int r = 0; r < n; r++) weigh(&b, r);
        act_on_tile(&b, MIX);
    }
    for (int q = 0; q < n * group; q++) {
        const float *mixed = b.mixed + (size_t)q * (size_t)cache->head_dim;
        float *to = out + (size_t)(q / group) * stride + (size_t)(q % group) * (size_t)cache->head_dim;
        float inverse = 1.0f / b.total[q];
        for (int i = 0; i < cache->head_dim; i++) to[i] = mixed[i] * inverse;
    }
}

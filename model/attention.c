#include "model/attention.h"

#include <math.h>
#include <string.h>

#include "tensor/kernels.h"
#include "tensor/minmax.h"
#include "tensor/row.h"

void attention_scores_plain(double *scores, const double *query, const double *keys, size_t stride, int n_positions,
                            int head_dim) {
    for (int p = 0; p < n_positions; p++) {
        scores[p] = 0;
        for (int i = 0; i < head_dim; i++) scores[p] += query[i] * row(keys, p, stride)[i];
        scores[p] /= sqrt(head_dim);
    }
}

/* The largest score is subtracted first, so that no exponential overflows. */
void attention_softmax_plain(double *scores, int n_positions) {
    double largest = -INFINITY, total = 0;
    for (int p = 0; p < n_positions; p++) largest = fmax(largest, scores[p]);
    for (int p = 0; p < n_positions; p++) total += scores[p] = exp(scores[p] - largest);
    for (int p = 0; p < n_positions; p++) scores[p] /= total;
}

void attention_plain(double *out, double *weights, const double *query, const double *keys, const double *values,
                     size_t stride, int n_positions, int head_dim) {
    attention_scores_plain(weights, query, keys, stride, n_positions, head_dim);
    attention_softmax_plain(weights, n_positions);
    for (int i = 0; i < head_dim; i++) {
        out[i] = 0;
        for (int p = 0; p < n_positions; p++) out[i] += weights[p] * row(values, p, stride)[i];
    }
}

/* The fast form is the same computation with the loops exchanged: for each tile of positions, for each run of keys in
 * memory, for all rows and heads that attend to it. Between tiles, each query keeps the largest score so far, the sum
 * of e^(score - largest) and the sum of e^(score - largest) value; a new largest score rescales both sums. */

/* The rows of one call and their intermediate results. A query is one head of a row: its number is row * group +
 * head. */
typedef struct {
    const KvCache *cache;
    int layer, kv_head, group, n_rows;
    const AttentionSpan *spans;
    float *query, *mixed;   /* (n_rows group, head_dim); mixed: sum of e^(score - largest) value */
    float *scores;          /* (n_rows group, ATTENTION_TILE) */
    float *largest, *total; /* (n_rows group,) largest score so far, and sum of e^(score - largest) */
    int *first_run; /* (n_rows,) the next run that this row reads, for itself and for the rows that share the run */
    int from, to;   /* the tile's positions: from .. to - 1 */
} Batch;

typedef enum { SCORES, MIX } Phase;

int attention_rows(int group) { return max_int(1, ATTENTION_QUERIES / group); }

size_t attention_scratch(int group, int head_dim) {
    size_t n_queries = (size_t)attention_rows(group) * (size_t)group;
    return n_queries * (2 * (size_t)head_dim + ATTENTION_TILE + 2) + (size_t)attention_rows(group);
}

static int shared_runs(const AttentionSpan *a, const AttentionSpan *b) {
    if (a->runs == b->runs) return a->n_runs;
    int n = min_int(a->n_runs, b->n_runs), i = 0;
    while (i < n && a->runs[i].block == b->runs[i].block) i++;
    return i;
}

void attention_find_shared(AttentionSpan *spans, int n) {
    spans[0].shared = 0;
    for (int r = 1; r < n; r++) spans[r].shared = shared_runs(&spans[r - 1], &spans[r]);
}

/* The position after the last one of this run that the row attends to. */
static int end_of(const Batch *b, int r, int run) {
    const AttentionSpan *span = &b->spans[r];
    return min_int(span->runs[run].start + span->runs[run].n_rows, span->n_positions);
}

/* Scores or mix of rows first .. last - 1 with positions from .. to - 1 of a run; all of these rows attend to them. */
static void compute(const Batch *b, Phase phase, int first, int last, int run, int from, int to) {
    const KvCache *cache = b->cache;
    const Kernels *k = kernels();
    const KvRun *at = &b->spans[first].runs[run];
    size_t skip = (size_t)(from - at->start) * kv_row_bytes(cache);
    int query = first * b->group, n_queries = (last - first) * b->group;
    float *scores = row(b->scores, query, ATTENTION_TILE) + (from - b->from);
    if (phase == SCORES)
        k->attention_scores[cache->dtype](scores, ATTENTION_TILE, row(b->query, query, cache->head_dim), n_queries,
                                          kv_block(cache, cache->keys, b->layer, at->block, b->kv_head) + skip,
                                          to - from, cache->head_dim, 1.0f / sqrtf((float)cache->head_dim));
    else
        k->attention_mix[cache->dtype](row(b->mixed, query, cache->head_dim), scores, ATTENTION_TILE, n_queries,
                                       kv_block(cache, cache->values, b->layer, at->block, b->kv_head) + skip,
                                       to - from, cache->head_dim);
}

/* The rows may attend to a run up to different positions: computes the positions common to all of them at once, then
 * the remaining positions of each half of the rows. */
static void compute_rows(const Batch *b, Phase phase, int first, int last, int run, int from) {
    int least = b->to, most = from;
    for (int r = first; r < last; r++) {
        int end = min_int(end_of(b, r, run), b->to);
        least = min_int(least, end);
        most = max_int(most, end);
    }
    if (least > from) compute(b, phase, first, last, run, from, least);
    if (most <= max_int(least, from)) return;
    compute_rows(b, phase, first, (first + last) / 2, run, max_int(least, from));
    compute_rows(b, phase, (first + last) / 2, last, run, max_int(least, from));
}

/* Returns the row after the last one that shares this run with row r. *end: the end of the longest of their spans in
 * it. */
static int sharing_rows(const Batch *b, int r, int run, int *end) {
    int last = r + 1;
    *end = end_of(b, r, run);
    for (; last < b->n_rows && b->spans[last].shared > run; last++) *end = max_int(*end, end_of(b, last, run));
    return last;
}

/* The first of the rows that share a run reads it for all of them. Runs are read in the order of the positions. */
static void compute_tile(const Batch *b, Phase phase) {
    for (int r = 0; r < b->n_rows; r++) {
        const AttentionSpan *span = &b->spans[r];
        for (int run = b->first_run[r]; run < span->n_runs && span->runs[run].start < b->to; run++) {
            int end, last = sharing_rows(b, r, run, &end);
            if (end > b->from) compute_rows(b, phase, r, last, run, max_int(b->from, span->runs[run].start));
            if (phase == MIX && end <= b->to && run == b->first_run[r]) b->first_run[r]++;
        }
    }
}

static float largest_of(const float *x, int n) {
    float largest = x[0];
    for (int i = 1; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

/* Replaces the tile's scores of one row by e^(score - largest). A new largest score rescales the sums of earlier
 * tiles. */
static void weigh(const Batch *b, int r) {
    int n = min_int(b->spans[r].n_positions, b->to) - b->from, head_dim = b->cache->head_dim;
    if (n <= 0) return;
    for (int q = r * b->group; q < (r + 1) * b->group; q++) {
        float *scores = row(b->scores, q, ATTENTION_TILE), *mixed = row(b->mixed, q, head_dim);
        float largest = largest_of(scores, n);
        if (b->from == 0) {
            b->largest[q] = largest;
        } else if (!(largest <= b->largest[q])) {
            float scale = expf(b->largest[q] - largest);
            for (int i = 0; i < head_dim; i++) mixed[i] *= scale;
            b->total[q] *= scale;
            b->largest[q] = largest;
        }
        b->total[q] += kernels()->exp_sum(scores, scores, b->largest[q], n);
    }
}

static Batch lay_out(const KvCache *cache, int layer, int kv_head, int group, const AttentionSpan *spans, int n,
                     float *scratch) {
    size_t n_queries = (size_t)n * (size_t)group, head_dim = (size_t)cache->head_dim;
    Batch b = {.cache = cache, .layer = layer, .kv_head = kv_head, .group = group, .n_rows = n, .spans = spans};
    b.query = scratch;
    b.mixed = b.query + n_queries * head_dim;
    b.scores = b.mixed + n_queries * head_dim;
    b.largest = b.scores + n_queries * ATTENTION_TILE;
    b.total = b.largest + n_queries;
    b.first_run = (int *)(b.total + n_queries);
    memset(b.mixed, 0, n_queries * head_dim * sizeof *b.mixed);
    memset(b.total, 0, n_queries * sizeof *b.total);
    for (int r = 0; r < n; r++) b.first_run[r] = r == 0 ? 0 : spans[r].shared;
    return b;
}

void attention(const KvCache *cache, int layer, int kv_head, int group, const AttentionSpan *spans, int n,
               const float *query, float *out, size_t stride, float *scratch) {
    size_t row_floats = (size_t)group * (size_t)cache->head_dim;
    Batch b = lay_out(cache, layer, kv_head, group, spans, n, scratch);
    int n_positions = 0;
    for (int r = 0; r < n; r++) {
        memcpy(row(b.query, r, row_floats), row(query, r, stride), row_floats * sizeof *query);
        n_positions = max_int(n_positions, spans[r].n_positions);
    }
    for (; b.from < n_positions; b.from += ATTENTION_TILE) {
        b.to = b.from + ATTENTION_TILE;
        compute_tile(&b, SCORES); /* scores = query key^T / sqrt(head_dim) */
        for (int r = 0; r < n; r++) weigh(&b, r);
        compute_tile(&b, MIX); /* mixed += e^(scores - largest) value */
    }
    for (int q = 0; q < n * group; q++) {
        const float *mixed = row(b.mixed, q, cache->head_dim);
        float *to = row(row(out, q / group, stride), q % group, cache->head_dim);
        float inverse = 1.0f / b.total[q];
        for (int i = 0; i < cache->head_dim; i++) to[i] = mixed[i] * inverse;
    }
}

/* Attention: softmax(query key^T / sqrt(head_dim)) value, for several rows at once; reads shared keys and values once.
 *
 *            tile 0            tile 1
 *   row 0   [ run 0 ........... run 0 ][ run 1 ]            forks of one trunk: run 0 is the trunk's, read once for all
 *   row 1   [ ............... shared.. ][ run 1 ]
 *   row 2   [ ............... shared......... ]             rows of a prompt share runs too, up to their positions
 *
 * Positions are processed in tiles that begin at multiples of ATTENTION_TILE, with a running maximum and sum (Milakov
 * and Gimelshein 2018, 1805.02867). Within a tile, scores, sums and weighted values are computed in the order of the
 * positions. So scratch memory does not grow with the context, and a row's bits depend on its own positions alone: not
 * on the other rows of the batch, and not on where a block or branch ends. */
#ifndef MODEL_ATTENTION_H
#define MODEL_ATTENTION_H

#include "model/kv_cache.h"

#define ATTENTION_TILE 256
/* The most queries of one call, unless one row has more: together with their scores they fit in the cache. */
#define ATTENTION_QUERIES 64

/* The definition, for one query over n_positions keys and values; attention() computes the same faster.
 *   query, out        (head_dim,)
 *   keys, values      (n_positions, head_dim), rows `stride` values apart
 *   scores, weights   (n_positions,) */
/* scores = query keysT / sqrt(head_dim) */
void attention_scores_plain(double *scores, const double *query, const double *keys, size_t stride, int n_positions,
                            int head_dim);
/* scores = softmax(scores) */
void attention_softmax_plain(double *scores, int n_positions);
/* weights = softmax(query keysT / sqrt(head_dim)), out = weights values */
void attention_plain(double *out, double *weights, const double *query, const double *keys, const double *values,
                     size_t stride, int n_positions, int head_dim);

/* What a row attends to: the first n_positions positions of its branch. */
typedef struct {
    const KvRun *runs;
    int n_runs, n_positions;
    int shared; /* the number of its first runs that the previous row of the batch has, too (kv_cache.h) */
} AttentionSpan;

/* Sets `shared` of n consecutive rows. */
void attention_find_shared(AttentionSpan *spans, int n);

/* The most rows that one call takes, and the floats of scratch it needs. group: query heads per key/value head. */
int attention_rows(int group);
size_t attention_scratch(int group, int head_dim);

/* For n <= attention_rows rows and one key/value head.
 *   query, out   (n, group, head_dim): the query heads that share that key/value head; rows `stride` floats apart */
void attention(const KvCache *cache, int layer, int kv_head, int group, const AttentionSpan *spans, int n,
               const float *query, float *out, size_t stride, float *scratch);

#endif

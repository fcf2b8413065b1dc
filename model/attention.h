/* Attention: softmax(q kT / sqrt(head_dim)) v of several rows at once, reading keys and values that they share once.
 *
 *            tile 0            tile 1
 *   row 0   [ run 0 ........... run 0 ][ run 1 ]            forks of one trunk: run 0 is the trunk's, read for all
 *   row 1   [ ............... shared.. ][ run 1 ]
 *   row 2   [ ............... shared......... ]             a prompt's rows share runs too, each up to its own position
 *
 * Positions are taken in tiles, cut at multiples of ATTENTION_TILE, with a running maximum and sum (Milakov and
 * Gimelshein 2018, 1805.02867). Within a tile scores, sums and mixes go through the positions in order. So memory does
 * not grow with the context, and a row's bits depend on its own positions alone: neither the rows beside it nor where a
 * block or branch ends leave a trace. */
#ifndef MODEL_ATTENTION_H
#define MODEL_ATTENTION_H

#include "model/kv_cache.h"

#define ATTENTION_TILE    256
#define ATTENTION_QUERIES 64 /* queries of one call at most, or one row's: they and their scores should stay in cache */

/* What a row sees: the first n_positions of its branch's. */
typedef struct {
    const KvRun *runs;
    int n_runs, n_positions;
    int shared; /* so many of its first runs are also the row's before it (kv_cache.h) */
} Sight;

/* Fills in `shared` of n consecutive rows. */
void attention_find_shared(Sight *sights, int n);

/* Rows that one call takes at most, and the floats it computes with. group: query heads of a key/value head. */
int attention_rows(int group);
size_t attention_scratch(int group, int head_dim);

/* For n <= attention_rows rows and one key/value head.
 *   query, out   the first row's first query head of that key/value head; (n, group, head_dim), rows `stride` apart */
void attention(const KvCache *cache, int layer, int kv_head, int group, const Sight *sights, int n, const float *query,
               float *out, size_t stride, float *scratch);

#endif

/* The key/value cache: storage in blocks, and the tree of branches that share it (the drawing is in session.h).
 *
 *   keys, values   (n_layers, n_kv_heads, n_blocks, block_rows, head_dim) F16 or F32
 *
 * Consecutively numbered blocks are adjacent in memory, so a branch that owns such blocks is read in long runs.
 * A branch owns whole blocks: its row for position p lies in its block (p - start) / block_rows. What came before
 * `start` it reads from its ancestors' blocks, so a fork copies nothing and costs one block once it has a row. Only
 * this file and kv_cache.c know the layout. Nothing here allocates: the arrays are the session's. */
#ifndef MODEL_KV_CACHE_H
#define MODEL_KV_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

typedef struct {
    bool alive;
    bool shared;           /* what kv_split left: no caller knows its number, and it never grows */
    int parent;            /* -1: a root */
    int start;             /* the position where it left its parent */
    int length;            /* tokens, its ancestors' included: its own rows are start .. length - 1 */
    int *blocks, n_blocks; /* its own, in order; (max_blocks,) */
} Branch;

typedef struct {
    Dtype dtype; /* DTYPE_F32 or DTYPE_F16 */
    int n_layers, n_kv_heads, head_dim, block_rows;
    int n_blocks, max_blocks; /* in all; one branch's at most: ceil(context / block_rows) + 1, promotion's spare */
    int n_branches;
    uint8_t *keys, *values;
    Branch *branches;         /* (n_branches,) */
    int *free_blocks, n_free; /* a stack */
} KvCache;

/* Consecutive positions whose rows are adjacent in memory, from the first row of a block on. */
typedef struct {
    int block, start, n_rows; /* start: the first one's position */
} KvRun;

/* Where the branch's rows lie, from position 0 on, in as few runs as can be: writes at most kv_max_runs runs, returns
 * their number. What two branches share are runs of the same number and the same first block; the last of them may be
 * longer in one. */
int kv_runs(const KvCache *cache, int branch, KvRun *runs);
int kv_max_runs(const KvCache *cache);

/* The first row of a block: (block_rows, head_dim) keys or values of one layer and key/value head. */
uint8_t *kv_block(const KvCache *cache, uint8_t *storage, int layer, int block, int head);
size_t kv_row_bytes(const KvCache *cache); /* head_dim values */
/* One own row of a branch. */
uint8_t *kv_row(const KvCache *cache, uint8_t *storage, int layer, int head, int branch, int position);

/* Blocks the branch lacks to hold n more rows. */
int kv_blocks_needed(const KvCache *cache, int branch, int n_rows);
/* Makes the branch n rows longer; there are kv_blocks_needed free blocks. The rows' contents are the caller's to write. */
void kv_extend(KvCache *cache, int branch, int n_rows);
/* Makes the branch as short as length >= start. */
void kv_cut(KvCache *cache, int branch, int length);

int kv_new_branch(KvCache *cache, int parent); /* -1 where none is free; parent -1: a root */
void kv_drop(KvCache *cache, int branch);      /* with its descendants */
void kv_promote(KvCache *cache, int branch);

/* Moves the rows of a branch without children to a shared branch, of which `branch` and *other become children. Two
 * branches are free. */
void kv_split(KvCache *cache, int branch, int *shared, int *other);
/* The first position to which the branch can be cut: its own start, or that of the shared branches before it. */
int kv_first_cut(const KvCache *cache, int branch);
/* Makes a branch without children as short as length, which lies in a shared branch: kv_first_cut <= length < start. */
void kv_leave(KvCache *cache, int branch, int length);
/* How many living children the branch has; *only is one of them. */
int kv_children(const KvCache *cache, int branch, int *only);
/* The branch gets another number, that of one that is not alive. */
void kv_renumber(KvCache *cache, int branch, int number);
/* The latest position at which a living child left the branch, -1 without children. */
int kv_last_fork(const KvCache *cache, int branch);

#endif

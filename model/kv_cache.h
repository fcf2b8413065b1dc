/* The key/value cache: storage in blocks, and the tree of branches that share it (the drawing is in session.h).
 *
 *   keys, values   (n_layers, n_kv_heads, n_blocks, block_rows, head_dim) F16 or F32
 *
 * Consecutively numbered blocks are adjacent in memory, so a branch that owns such blocks is read in long runs.
 * A branch owns whole blocks: its row for position p is in its block (p - start) / block_rows. The rows before `start`
 * are in its ancestors' blocks. So a fork copies nothing, and takes its first block with its first row. Only this file
 * and kv_cache.c depend on the layout. Nothing here allocates memory: the session owns the arrays. */
#ifndef MODEL_KV_CACHE_H
#define MODEL_KV_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

typedef struct {
    bool alive;
    bool shared;           /* created by kv_split: hidden from callers, and it never grows */
    int parent;            /* -1: a root */
    int start;             /* the position at which it was forked from its parent */
    int length;            /* tokens, with those of its ancestors; its own rows are start .. length - 1 */
    int *blocks, n_blocks; /* (max_blocks,) its own, in order */
} Branch;

typedef struct {
    Dtype dtype; /* DTYPE_F32 or DTYPE_F16 */
    int n_layers, n_kv_heads, head_dim, block_rows;
    int n_blocks;   /* in total */
    int max_blocks; /* of one branch: ceil(context / block_rows), and one more for promotion */
    int n_branches;
    uint8_t *keys, *values;
    Branch *branches;         /* (n_branches,) */
    int *free_blocks, n_free; /* a stack */
} KvCache;

/* Consecutive positions whose rows are adjacent in memory. A run begins at the first row of a block. */
typedef struct {
    int block, start, n_rows; /* start: the first position */
} KvRun;

/* Lists the rows of a branch from position 0 on, in as few runs as possible. Writes at most kv_max_runs runs, and
 * returns their number. The runs that two branches share have the same indices and the same first blocks in both lists;
 * the last shared run may be longer in one of them. */
int kv_runs(const KvCache *cache, int branch, KvRun *runs);
int kv_max_runs(const KvCache *cache);

/* The first row of a block: (block_rows, head_dim) keys or values of one layer and key/value head. */
uint8_t *kv_block(const KvCache *cache, uint8_t *storage, int layer, int block, int head);
size_t kv_row_bytes(const KvCache *cache); /* head_dim values */
/* A row of the branch's own blocks. */
uint8_t *kv_row(const KvCache *cache, uint8_t *storage, int layer, int head, int branch, int position);

/* The number of blocks that the branch needs for n more rows. */
int kv_blocks_needed(const KvCache *cache, int branch, int n_rows);
/* Adds n rows to the branch, which the caller then writes. At least kv_blocks_needed blocks must be free. */
void kv_extend(KvCache *cache, int branch, int n_rows);
/* Shortens the branch to length >= start. */
void kv_cut(KvCache *cache, int branch, int length);

int kv_new_branch(KvCache *cache, int parent); /* parent -1: a root; returns -1 if none is free */
void kv_drop(KvCache *cache, int branch);      /* with its descendants */
/* The branch's rows replace its parent's rows from `start` on: see session_promote. */
void kv_promote(KvCache *cache, int branch);

/* Moves the rows of a branch without children to a new shared branch. `branch` and the new branch *other become its
 * children. At least two branches must be free. */
void kv_split(KvCache *cache, int branch, int *shared, int *other);
/* The least length to which the branch can be cut: its start, or that of its first shared ancestor. */
int kv_min_length(const KvCache *cache, int branch);
/* Shortens a branch without children to a length within a shared ancestor: kv_min_length <= length < start. */
void kv_cut_into_shared(KvCache *cache, int branch, int length);
/* The number of living children; *only is one of them. */
int kv_children(const KvCache *cache, int branch, int *only);
/* Changes the number of a branch to that of a branch that is not alive. */
void kv_renumber(KvCache *cache, int branch, int number);
/* The latest position at which a living child was forked from the branch; -1: it has no children. */
int kv_last_fork(const KvCache *cache, int branch);

#endif

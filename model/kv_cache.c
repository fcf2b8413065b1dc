#include "model/kv_cache.h"

#include <assert.h>
#include <string.h>

static int blocks_for(const KvCache *cache, int n_rows) { return (n_rows + cache->block_rows - 1) / cache->block_rows; }

size_t kv_row_bytes(const KvCache *cache) {
    return (size_t)cache->head_dim * (size_t)dtype_info[cache->dtype].block_bytes;
}

static size_t head_bytes(const KvCache *cache) { return (size_t)cache->block_rows * kv_row_bytes(cache); }

uint8_t *kv_block(const KvCache *cache, uint8_t *storage, int layer, int block, int head) {
    size_t index = ((size_t)layer * (size_t)cache->n_kv_heads + (size_t)head) * (size_t)cache->n_blocks + (size_t)block;
    return storage + index * head_bytes(cache);
}

uint8_t *kv_row(const KvCache *cache, uint8_t *storage, int layer, int head, int branch, int position) {
    const Branch *b = &cache->branches[branch];
    int own = position - b->start;
    return kv_block(cache, storage, layer, b->blocks[own / cache->block_rows], head) +
           (size_t)(own % cache->block_rows) * kv_row_bytes(cache);
}

/* The rows of each ancestor end in at most one partly filled block. */
int kv_max_runs(const KvCache *cache) { return cache->max_blocks + cache->n_branches; }

/* Moves the runs to the front of the list and joins those that are adjacent in memory. */
static int join_runs(const KvCache *cache, KvRun *runs, const KvRun *from, int n) {
    int joined = 0, start = 0;
    for (int i = 0; i < n; i++) {
        KvRun *last = joined > 0 ? &runs[joined - 1] : NULL, run = from[i];
        run.start = start;
        start += run.n_rows;
        if (last && last->n_rows % cache->block_rows == 0 &&
            run.block == last->block + last->n_rows / cache->block_rows)
            last->n_rows += run.n_rows;
        else
            runs[joined++] = run;
    }
    return joined;
}

/* Walks from the leaf to its root, filling the list from its end. */
int kv_runs(const KvCache *cache, int branch, KvRun *runs) {
    int capacity = kv_max_runs(cache), at = capacity, end = cache->branches[branch].length;
    for (int i = branch; i >= 0; i = cache->branches[i].parent) {
        const Branch *b = &cache->branches[i];
        for (int n_rows = end - b->start; n_rows > 0;) {
            int block = (n_rows - 1) / cache->block_rows, in_block = n_rows - block * cache->block_rows;
            runs[--at] = (KvRun){.block = b->blocks[block], .n_rows = in_block};
            n_rows -= in_block;
        }
        end = b->start;
    }
    return join_runs(cache, runs, runs + at, capacity - at);
}

int kv_blocks_needed(const KvCache *cache, int branch, int n_rows) {
    const Branch *b = &cache->branches[branch];
    return blocks_for(cache, b->length - b->start + n_rows) - b->n_blocks;
}

void kv_extend(KvCache *cache, int branch, int n_rows) {
    Branch *b = &cache->branches[branch];
    int needed = kv_blocks_needed(cache, branch, n_rows);
    assert(needed <= cache->n_free);
    while (needed-- > 0) b->blocks[b->n_blocks++] = cache->free_blocks[--cache->n_free];
    b->length += n_rows;
}

void kv_cut(KvCache *cache, int branch, int length) {
    Branch *b = &cache->branches[branch];
    assert(length >= b->start && length <= b->length);
    b->length = length;
    for (int keep = blocks_for(cache, length - b->start); b->n_blocks > keep;)
        cache->free_blocks[cache->n_free++] = b->blocks[--b->n_blocks];
}

/* The first branch from `from` on that is not alive; n_branches: all are alive. */
static int free_branch(const KvCache *cache, int from) {
    while (from < cache->n_branches && cache->branches[from].alive) from++;
    return from;
}

int kv_new_branch(KvCache *cache, int parent) {
    int start = parent < 0 ? 0 : cache->branches[parent].length, i = free_branch(cache, 0);
    if (i == cache->n_branches) return -1;
    Branch *b = &cache->branches[i];
    *b = (Branch){.alive = true, .parent = parent, .start = start, .length = start, .blocks = b->blocks};
    return i;
}

/* Drops the children that were forked at `position` or later, except `kept`. The recursion is at most as deep as the
 * number of branches. */
static void drop_children(KvCache *cache, int branch, int position, int kept) {
    for (int i = 0; i < cache->n_branches; i++) {
        const Branch *child = &cache->branches[i];
        if (child->alive && child->parent == branch && child->start >= position && i != kept) kv_drop(cache, i);
    }
}

void kv_drop(KvCache *cache, int branch) {
    drop_children(cache, branch, 0, -1);
    kv_cut(cache, branch, cache->branches[branch].start);
    cache->branches[branch].alive = false;
}

int kv_last_fork(const KvCache *cache, int branch) {
    int last = -1;
    for (int i = 0; i < cache->n_branches; i++) {
        const Branch *child = &cache->branches[i];
        if (child->alive && child->parent == branch && child->start > last) last = child->start;
    }
    return last;
}

static void copy_row(KvCache *cache, int to_block, int to_row, int from_block, int from_row) {
    size_t bytes = kv_row_bytes(cache);
    uint8_t *stores[2] = {cache->keys, cache->values};
    for (int s = 0; s < 2; s++)
        for (int layer = 0; layer < cache->n_layers; layer++)
            for (int head = 0; head < cache->n_kv_heads; head++)
                memcpy(kv_block(cache, stores[s], layer, to_block, head) + (size_t)to_row * bytes,
                       kv_block(cache, stores[s], layer, from_block, head) + (size_t)from_row * bytes, bytes);
}

static void adopt_children(KvCache *cache, int from, int to) {
    for (int i = 0; i < cache->n_branches; i++)
        if (cache->branches[i].alive && cache->branches[i].parent == from) cache->branches[i].parent = to;
}

/* The parent takes over the child's blocks, so nothing is allocated. If the parent's last block has room, the child's
 * rows move up to fill it. They move in order, each to a row that is free or has been moved already:
 *
 *     parent [a b c .] + child [x y z u] [v . . .]   ->   [a b c x] [y z u v]   and one block is free again
 */
void kv_promote(KvCache *cache, int branch) {
    Branch *child = &cache->branches[branch];
    assert(child->alive && child->parent >= 0);
    Branch *parent = &cache->branches[child->parent];
    drop_children(cache, child->parent, child->start, branch);
    kv_cut(cache, child->parent, child->start);
    int own = child->length - child->start, first = parent->length - parent->start;
    memcpy(parent->blocks + parent->n_blocks, child->blocks, (size_t)child->n_blocks * sizeof(int));
    parent->n_blocks += child->n_blocks;
    parent->length = child->length;
    if (first % cache->block_rows != 0) {
        for (int i = 0; i < own; i++) {
            int to = first + i;
            copy_row(cache, parent->blocks[to / cache->block_rows], to % cache->block_rows,
                     child->blocks[i / cache->block_rows], i % cache->block_rows);
        }
        kv_cut(cache, child->parent, parent->length); /* frees the last block if the move has emptied it */
    }
    adopt_children(cache, branch, child->parent);
    child->n_blocks = 0;
    child->alive = false;
}

/* ---- Shared branches ---- */

void kv_renumber(KvCache *cache, int branch, int number) {
    Branch moved = cache->branches[branch];
    assert(moved.alive && !cache->branches[number].alive);
    cache->branches[branch] = (Branch){.blocks = cache->branches[number].blocks};
    cache->branches[number] = moved;
    adopt_children(cache, branch, number);
}

void kv_split(KvCache *cache, int branch, int *shared, int *other) {
    int only;
    assert(cache->branches[branch].alive && kv_children(cache, branch, &only) == 0);
    *shared = free_branch(cache, 0);
    *other = free_branch(cache, *shared + 1);
    assert(*other < cache->n_branches);
    kv_renumber(cache, branch, *shared);
    cache->branches[*shared].shared = true;
    const int children[] = {branch, *other};
    for (int i = 0; i < 2; i++) {
        Branch *child = &cache->branches[children[i]];
        int length = cache->branches[*shared].length;
        *child = (Branch){.alive = true, .parent = *shared, .start = length, .length = length, .blocks = child->blocks};
    }
}

static int shared_parent(const KvCache *cache, int branch) {
    int parent = cache->branches[branch].parent;
    return parent >= 0 && cache->branches[parent].shared ? parent : -1;
}

int kv_min_length(const KvCache *cache, int branch) {
    for (int next; (next = shared_parent(cache, branch)) >= 0;) branch = next;
    return cache->branches[branch].start;
}

void kv_cut_into_shared(KvCache *cache, int branch, int length) {
    Branch *b = &cache->branches[branch];
    int only, from = b->parent;
    assert(kv_children(cache, branch, &only) == 0 && length >= kv_min_length(cache, branch) && length < b->start);
    kv_cut(cache, branch, b->start);
    while (cache->branches[from].start >= length && shared_parent(cache, from) >= 0) from = shared_parent(cache, from);
    b->parent = length > cache->branches[from].start ? from : cache->branches[from].parent;
    b->start = b->length = length;
}

int kv_children(const KvCache *cache, int branch, int *only) {
    int n = 0;
    for (int i = 0; i < cache->n_branches; i++) {
        if (!cache->branches[i].alive || cache->branches[i].parent != branch) continue;
        *only = i;
        n++;
    }
    return n;
}

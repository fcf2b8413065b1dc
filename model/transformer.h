/* The LLaMA forward pass (Touvron et al. 2023, 2302.13971 and 2307.09288) on a list of rows: one function serves prompts,
 * decoding, lookahead and scoring. */
#ifndef MODEL_TRANSFORMER_H
#define MODEL_TRANSFORMER_H

#include "model/kv_cache.h"
#include "model/model.h"
#include "tensor/ops.h"

typedef struct {
    int branch, token, position;
} Row;

/* What a pass computes with; n_rows <= max_rows. The arrays are the session's. */
typedef struct {
    int max_rows, threads;
    Team team;
    float *residual, *normed; /* (max_rows, dim) */
    float *query, *attended;  /* (max_rows, n_heads, head_dim) */
    float *key, *value;       /* (max_rows, n_kv_heads, head_dim) */
    float *gate, *up;         /* (max_rows, hidden_dim) */
    BlockQ8 *quantized;       /* (max_rows, widest input / 32), NULL for models without int8 weights */
    float *angles;            /* (max_rows, rope_dim / 2, 2) */
    int *positions;           /* (max_rows,) */
    float *scores;            /* (threads, n_heads / n_kv_heads, context) */
    size_t score_stride;      /* context */
    float *tiles;             /* (threads, GEMM_TILE, widest input) */
    size_t tile_floats;
    KvRun *runs; /* (n_branches, kv_max_runs): where each branch's rows lie */
    int *n_runs; /* (n_branches,) */
} Workspace;

/* Computes the rows through all layers, writing their keys and values into rows that kv_extend has made, and leaves them
 * in workspace->residual. A row sees its branch's positions up to its own. */
void transformer_forward(const Model *model, KvCache *cache, Workspace *workspace, const Row *rows, int n_rows,
                         MatmulPath path);

/* logits (n, vocab_size) of the n consecutive rows from `first` of the last forward pass; n <= max_rows. */
void transformer_logits(const Model *model, Workspace *workspace, int first, int n, float *logits);

#endif

/* Transformer: the LLaMA forward pass (Touvron et al. 2023, 2302.13971 and 2307.09288) over a batch of rows. One
 * function serves prompts, decoding, lookahead and scoring. */
#ifndef MODEL_TRANSFORMER_H
#define MODEL_TRANSFORMER_H

#include "model/attention.h"
#include "model/kv_cache.h"
#include "model/model.h"
#include "model/observer.h"
#include "tensor/ops.h"
#include "tensor/team.h"

/* One token of a batch: one row of each activation. */
typedef struct {
    int branch, token, position;
    float *logits; /* (vocab_size,) receives its logits; NULL: they are not computed */
} BatchRow;

/* The memory of a pass of n_rows <= max_rows rows. The arrays are the session's. */
typedef struct {
    int max_rows, threads;
    Team team;
    Observer observer;
    bool uses_blas;               /* from ops_start */
    atomic_bool not_finite;       /* at least one logit of this pass is NaN or infinite */
    float *residual, *normed;     /* (max_rows, dim) */
    float *product;               /* (max_rows, dim) a product before it is added to the residual stream */
    float *query, *attended;      /* (max_rows, n_heads, head_dim) */
    float *key, *value;           /* (max_rows, n_kv_heads, head_dim) */
    float *gate, *up;             /* (max_rows, hidden_dim) */
    BlockQ8 *normed_q8, *wide_q8; /* (max_rows, dim / 32), (max_rows, widest of the other inputs / 32): NULL for models
                                     without int8 weights */
    float *angles;                /* (max_rows, rope_dim / 2, 2) cosine and sine */
    int *wanted;                  /* (max_rows,) indices of the rows whose logits are computed */
    AttentionSpan *spans;         /* (max_rows,) */
    KvRun *runs;                  /* (n_branches, kv_max_runs): where each branch's keys and values are */
    int *n_runs;                  /* (n_branches,) */
    float *scratch;               /* (threads, scratch_floats) */
    size_t scratch_floats;        /* from transformer_scratch */
} Workspace;

/* Floats of scratch per thread. */
size_t transformer_scratch(const Config *config);

/* Computes the rows through all layers, and writes their keys and values to the positions that kv_extend added. A row
 * attends to its branch's positions up to its own. Then computes the logits of the rows that want them. Returns false
 * if one of those logits is not finite. */
bool transformer_forward(const Model *model, KvCache *cache, Workspace *workspace, const BatchRow *rows, int n_rows,
                         MatmulPath path);

/* Computes the logits of rows first .. first + n - 1 of the last pass, which did not compute them. BatchRow.logits of
 * all n rows is set now. Returns false if one of those logits is not finite. */
bool transformer_logits(const Model *model, Workspace *workspace, const BatchRow *rows, int first, int n);

#endif

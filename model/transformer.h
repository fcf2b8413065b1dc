/* The LLaMA forward pass (Touvron et al. 2023, 2302.13971 and 2307.09288) on a list of rows: one function serves prompts,
 * decoding, lookahead and scoring. */
#ifndef MODEL_TRANSFORMER_H
#define MODEL_TRANSFORMER_H

#include "model/attention.h"
#include "model/kv_cache.h"
#include "model/model.h"
#include "tensor/ops.h"
#include "tensor/team.h"

typedef struct {
    int branch, token, position;
    float *logits; /* (vocab_size,) where they are wanted, else NULL */
} Row;

/* What a pass computes with; n_rows <= max_rows. The arrays are the session's. */
typedef struct {
    int max_rows, threads;
    Team team;
    atomic_bool not_finite;       /* a logit of this pass */
    float *residual, *normed;     /* (max_rows, dim) */
    float *query, *attended;      /* (max_rows, n_heads, head_dim) */
    float *key, *value;           /* (max_rows, n_kv_heads, head_dim) */
    float *gate, *up;             /* (max_rows, hidden_dim) */
    BlockQ8 *normed_q8, *wide_q8; /* (max_rows, dim / 32), (max_rows, widest of the other inputs / 32): NULL for models
                                     without int8 weights */
    float *angles;                /* (max_rows, rope_dim / 2, 2) */
    int *wanted;                  /* (max_rows,) the rows whose logits are computed */
    Sight *sights;                /* (max_rows,) */
    KvRun *runs;                  /* (n_branches, kv_max_runs): where each branch's rows lie */
    int *n_runs;                  /* (n_branches,) */
    float *scratch;               /* (threads, scratch_floats) */
    size_t scratch_floats;        /* transformer_scratch */
} Workspace;

/* Floats of scratch a thread. */
size_t transformer_scratch(const Config *config);

/* Computes the rows through all layers, writing their keys and values into rows that kv_extend has made. A row sees its
 * branch's positions up to its own. Then the logits of the rows that want them; false unless all of those are finite. */
bool transformer_forward(const Model *model, KvCache *cache, Workspace *workspace, const Row *rows, int n_rows,
                         MatmulPath path);

/* Logits of the last pass's rows that were not wanted then: of n from `first` on, all of which now want them. */
bool transformer_logits(const Model *model, Workspace *workspace, const Row *rows, int first, int n);

#endif

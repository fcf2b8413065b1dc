/* Activations: the intermediate tensors of one prompt, collected during the forward pass (model/observer.h), and the
 * table of their names, equations and shapes. */
#ifndef TOOLS_LOOK_ACTIVATIONS_H
#define TOOLS_LOOK_ACTIVATIONS_H

#include "model/session.h"

/* The rows of the table, in the order of the computation. */
typedef struct {
    const char *name, *equation; /* x is the residual stream; the other names are those of the rows above */
    bool of_layer;               /* else of the model */
    enum { COLLECTED, SCORES, WEIGHTS } kind;
    Activation activation; /* where COLLECTED; the others are computed from query_rope and key_rope */
} LookStep;

enum { LOOK_STEPS = ACTIVATION_COUNT + 2 };
extern const LookStep look_steps[LOOK_STEPS];

/* The row of a name, -1 if there is none. */
int look_find(const char *name);

typedef struct {
    const Config *config;
    int n_tokens;
    bool f16_keys;     /* the session keeps keys as f16, so scores are computed with rounded keys */
    float **collected; /* (n_layers + 1, ACTIVATION_COUNT): NULL where not wanted; the last row is the model's */
    double *keys;      /* (n_tokens, head_dim) of key_head in key_layer */
    double *scores;    /* (n_tokens,), after them (head_dim,) one query */
    float *scores_row; /* (n_tokens,) the same for the caller */
    int key_layer, key_head;
} Activations;

/* Makes room for the tensors of the given layer (-1: of all) and step (-1: all); activations_close frees it, also after
 * a failure. The config outlives it. Errors: out of memory. */
bool activations_open(Activations *a, const Config *config, int n_tokens, KvType kv, int layer, int step, Error *error);
void activations_close(Activations *a);
Observer activations_observer(Activations *a);

/* The shape: at most 3 dimensions. Scores and weights have n_heads blocks, each of (n_tokens, n_tokens); other tensors
 * are one block. A row is one position of a block. */
typedef struct {
    int dims[3], n_dims;
    int n_blocks, n_rows, width; /* rows of a block, values of a row */
} LookShape;
LookShape activations_shape(const Activations *a, int step);

/* (width,) one row, valid until the next call. */
const float *activations_row(Activations *a, int step, int layer, int block, int r);

#endif

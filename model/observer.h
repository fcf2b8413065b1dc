/* Observer: a function that receives the intermediate tensors of a forward pass, to show or to save them.
 *
 * It receives them in pieces, as they are computed, before a buffer is reused: values first .. first + n - 1 of the row
 * of one position. Several threads call it at the same time, each with its own pieces, in undefined order. It must not
 * change the values. Its time is added to that of the pass. Without an observer a pass costs one comparison per piece.
 *
 * n = rows of the batch, hd = head_dim. transformer.c has the equation of each. */
#ifndef MODEL_OBSERVER_H
#define MODEL_OBSERVER_H

typedef enum {
    ACTIVATION_EMBEDDING, /* (n, dim), layer -1 */
    /* of each layer */
    ACTIVATION_ATTN_NORM,     /* (n, dim) */
    ACTIVATION_QUERY,         /* (n, n_heads hd) */
    ACTIVATION_KEY,           /* (n, n_kv_heads hd) */
    ACTIVATION_VALUE,         /* (n, n_kv_heads hd) */
    ACTIVATION_QUERY_ROPE,    /* (n, n_heads hd) */
    ACTIVATION_KEY_ROPE,      /* (n, n_kv_heads hd), before the cache rounds it to f16 */
    ACTIVATION_ATTENDED,      /* (n, n_heads hd) */
    ACTIVATION_ATTN_OUTPUT,   /* (n, dim) */
    ACTIVATION_ATTN_RESIDUAL, /* (n, dim) */
    ACTIVATION_FFN_NORM,      /* (n, dim) */
    ACTIVATION_GATE,          /* (n, hidden_dim) */
    ACTIVATION_UP,            /* (n, hidden_dim) */
    ACTIVATION_SWIGLU,        /* (n, hidden_dim) */
    ACTIVATION_DOWN,          /* (n, dim) */
    ACTIVATION_FFN_RESIDUAL,  /* (n, dim) */
    /* of the rows whose logits are computed, layer -1 */
    ACTIVATION_OUTPUT_NORM, /* (n, dim) */
    ACTIVATION_LOGITS,      /* (n, vocab_size) */
    ACTIVATION_COUNT
} Activation;

typedef void Observe(void *context, Activation what, int layer, int position, int first, int n, const float *values);

typedef struct {
    Observe *observe; /* NULL: no observer */
    void *context;
} Observer;

#endif

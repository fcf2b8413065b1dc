/* Session: the mutable state of inference: a tree of branches that share one key/value cache, and their logits.
 *
 *          trunk [ 0 1 2 ......... 41 ]            a branch = its own rows + (parent, position of the fork)
 *                              |
 *                              +-- w1 [ 42 ]       fork: O(1) for any length of the context
 *                              +-- w2 [ 42 43 ]    decode: one batched pass over any branches, one token each
 *                              |      +-- v [ 44 ] promote(w2): 42 43 become the trunk's, v its child; w1, w3 end
 *                              +-- w3 [ 42 ]       drop, rewind: lengths change, nothing moves
 *
 * A branch's logits have the same bits as if its tokens ran alone after the same prompt: they depend neither on the
 * rest of the batch nor on the number of threads. A branch is identified by a small number; TRUNK exists from the
 * start. Only session_open allocates memory. Misuse (a dead branch, a branch twice in one decode) fails an
 * assertion. */
#ifndef MODEL_SESSION_H
#define MODEL_SESSION_H

#include "model/model.h"
#include "model/observer.h"

#define TRUNK 0

typedef enum { KV_F16, KV_F32 } KvType;

/* Zero in a field means its default. */
typedef struct {
    int context;    /* positions a branch may reach; default: the model's context_length */
    int branches;   /* alive at the same time, with the trunk; default 1 */
    int rows;       /* key/value rows for all branches; default: context + a block of rows for each other branch */
    int batch;      /* prompt rows computed in one pass; default 256 */
    int threads;    /* default: the processors this process may run on; fewer if the system refuses them */
    KvType kv;      /* default KV_F16: half the memory and traffic; README gives its effect on perplexity */
    int block_rows; /* rows in a cache block, the unit of allocation; default 16 */
} SessionOptions;

typedef struct Session Session;

typedef struct {
    int branch, token;
} BranchToken;

/* Errors: an option out of range, out of memory (with the size needed), OpenBLAS (ops_start). The model is packed
 * (model_open does that), and must outlive the session. */
bool session_open(Session **session, const Model *model, SessionOptions options, Error *error);
void session_close(Session *session);
/* The bytes that session_open would allocate. */
bool session_bytes(const Model *model, SessionOptions options, size_t *bytes, Error *error);
/* The options with all defaults filled in, and the number of threads that could be started. */
SessionOptions session_options(const Session *session);

/* Appends n >= 1 tokens to a branch in batches. After an error the branch is unchanged: token out of range, context
 * full, no free key/value rows, logits that are not finite (all name branch and position). */
bool session_prefill(Session *session, int branch, const int *tokens, int n, Error *error);

/* The same; visit(context, position, logits) is called for each token, in order, with the logits that follow it. */
typedef void LogitsVisitor(void *context, int position, const float *logits);
bool session_score(Session *session, int branch, const int *tokens, int n, LogitsVisitor *visit, void *context,
                   Error *error);

/* Appends one token to each of n distinct branches (n <= branches) in one pass. Errors: as session_prefill; then no
 * branch is changed. */
bool session_decode(Session *session, const BranchToken *steps, int n, Error *error);

/* (vocab_size,) logits that follow the branch's last token; a fresh fork has its parent's. NULL if there are none:
 * an empty branch, or one that was rewound. Valid until that branch is decoded, promoted into, rewound or dropped. */
const float *session_logits(const Session *session, int branch);

int session_length(const Session *session, int branch); /* tokens, with those of its ancestors */
bool session_alive(const Session *session, int branch);
int session_free_branches(const Session *session);
/* The rows in blocks that no branch owns: at least this many can be appended to any single branch. */
int session_free_rows(const Session *session);

/* A new empty sequence. Errors: no free branch. */
bool session_root(Session *session, int *root, Error *error);
/* A child that shares all of its parent's rows. The parent may be extended, but not rewound past the fork
 * while the child is alive. Errors: no free branch. */
bool session_fork(Session *session, int parent, int *child, Error *error);
/* The branch's rows and logits take the place of its parent's past the fork; its children become the parent's. The
 * parent's other children that were forked there or later (the losing candidates) are dropped with their descendants;
 * those forked earlier stay. The branch's number becomes free. Not for roots. */
void session_promote(Session *session, int branch);
/* A second branch with the same tokens and logits as `branch`, which has no children: neither is the other's parent.
 * Both may be rewound to before the split, and dropped in any order. Their common rows are in a hidden branch, which is
 * merged into one of the two when the other is dropped. Errors: fewer than two free branches (one is for the hidden
 * branch). */
bool session_split(Session *session, int branch, int *other, Error *error);
/* Ends the branch and its descendants. The trunk is emptied, but stays alive. */
void session_drop(Session *session, int branch);
/* Cuts the branch to n_positions tokens, down to its start, or further to positions before a split. Errors: a child was
 * forked at a later position; the branch is shorter; the position is in its parent. */
bool session_rewind(Session *session, int branch, int n_positions, Error *error);

/* Each further pass passes its intermediate tensors to this observer; {0}: to none. Results do not change. */
void session_observe(Session *session, Observer observer);

/* Rows computed and passes made since session_open, for statistics. */
typedef struct {
    long long passes, rows;
} SessionCounts;
SessionCounts session_counts(const Session *session);

#endif

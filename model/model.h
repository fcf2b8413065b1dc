/* Model: immutable weights, as they lie in the mapped file, with names for what they do. Shared by any sessions. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "model/config.h"
#include "tensor/bytes.h"
#include "tensor/tensor.h"

#define MODEL_NAME_BYTES 64

/* A tensor under its GGUF name ("blk.0.attn_q.weight"), whatever file it came from. */
typedef struct {
    char name[MODEL_NAME_BYTES];
    Tensor tensor;
    size_t offset; /* of its data in the file, bytes, wherever model_pack has put it */
} NamedTensor;

typedef struct {
    const float *attn_norm;                   /* (dim,) */
    Tensor w_query, w_key, w_value, w_output; /* (n_heads hd, dim) (n_kv_heads hd, dim) twice, (dim, n_heads hd) */
    const float *ffn_norm;                    /* (dim,) */
    Tensor w_gate, w_up, w_down;              /* (hidden_dim, dim) twice, (dim, hidden_dim) */
} LayerWeights;

typedef struct {
    Config config;
    char format[32];             /* "llama2.c v0", "GGUF v3", ... */
    char name[MODEL_NAME_BYTES]; /* general.name, or empty */
    Bytes file;                  /* what the tensors point into; owned by model_open, not by model_parse */
    bool owns_file;
    void *weights;        /* what they point into instead, for model_random */
    void *packed;         /* where model_pack has put the matrices */
    NamedTensor *tensors; /* in the file's order */
    int n_tensors;
    LayerWeights *layers;   /* (n_layers,) */
    Tensor token_embedding; /* (vocab_size, dim) */
    Tensor output;          /* (vocab_size, dim); the embedding again when tied */
    bool tied;
    const float *output_norm; /* (dim,) */
    float *norms;             /* all norm weights as f32: what the *_norm pointers point into */
    float *rope_frequencies;  /* (rope_dim / 2,) radians a position */
} Model;

/* Opens a model file to compute with it: model_map, then model_pack. Errors begin with the path. */
bool model_open(Model **model, const char *path, Error *error);
void model_close(Model *model);

/* Maps a model file, recognised by content: GGUF v2/v3, llama2.c v1 and v2 ("ak42"), llama2.c v0 (no magic: seven
 * sizes that give exactly the file's length). Weights stay in the file's form and pages. Every tensor is checked for
 * NaN and infinite values. Errors begin with the path. */
bool model_map(Model **model, const char *path, Error *error);
/* The same on bytes that outlive the model: what the fuzz targets call. */
bool model_parse(Model **model, Bytes bytes, Error *error);
/* Weights drawn at random, for measuring: the same for the same arguments. Not Q8_GROUP. */
bool model_random(Model **model, const Config *config, Dtype dtype, bool tied, uint64_t seed, Error *error);

/* Brings the matrices into the form that a session computes with (tensor/packed.h), with all threads, and gives the pages
 * of the file back: memory in use stays that of the weights. Where all of them have that form already (a file written by
 * `foretell quantize --packed`) nothing is done. progress may be NULL; else it is called with bytes done and in all, and
 * cancels with false. Errors: out of memory, then the model is as it was; ERROR_CANCELLED, then it can only be closed. */
typedef bool ModelProgress(void *context, size_t done, size_t total);
bool model_pack(Model *model, ModelProgress *progress, void *context, Error *error);

size_t model_weight_bytes(const Model *model); /* all tensors in the file */
size_t model_bytes_per_token(
    const Model *model); /* weights read to decode one token (a tied matrix once, an untied embedding's one row) */

#endif

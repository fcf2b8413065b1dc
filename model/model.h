/* Model: the immutable weights in the mapped file, each under a descriptive name. Any number of sessions may share a
 * model. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "model/config.h"
#include "tensor/bytes.h"
#include "tensor/tensor.h"

#define MODEL_NAME_BYTES 64

/* A tensor under its GGUF name ("blk.0.attn_q.weight"), for any file format. */
typedef struct {
    char name[MODEL_NAME_BYTES];
    Tensor tensor;
    size_t offset; /* of its data in the file, in bytes; model_pack does not change it */
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
    Bytes file;                  /* the tensors point into it; the model owns it if owns_file */
    bool owns_file;
    void *weights;        /* the tensors of model_random point into it */
    void *packed;         /* the matrices after model_pack */
    NamedTensor *tensors; /* in the file's order */
    int n_tensors;
    LayerWeights *layers;   /* (n_layers,) */
    Tensor token_embedding; /* (vocab_size, dim) */
    Tensor output;          /* (vocab_size, dim); the embedding if tied */
    bool tied;
    const float *output_norm; /* (dim,) */
    float *norms;             /* all norm weights as f32; the *_norm pointers point into it */
    float *rope_frequencies;  /* (rope_dim / 2,) radians per position */
} Model;

/* Opens a model file to compute with it: model_map, then model_pack. Errors begin with the path. */
bool model_open(Model **model, const char *path, Error *error);
void model_close(Model *model);

/* Maps a model file, recognised by content: GGUF v2/v3, llama2.c v1 and v2 ("ak42"), llama2.c v0 (no magic: seven
 * sizes that give exactly the length of the file). Weights keep the form and the pages of the file. Every tensor is
 * checked for NaN and infinite values. Errors begin with the path. */
bool model_map(Model **model, const char *path, Error *error);
/* The same for bytes in memory, which must outlive the model; for the fuzz targets. */
bool model_parse(Model **model, Bytes bytes, Error *error);
/* Random weights, for measurements: the same arguments give the same weights. Not Q8_GROUP. */
bool model_random(Model **model, const Config *config, Dtype dtype, bool tied, uint64_t seed, Error *error);

/* Converts the matrices to the form that a session computes with (tensor/packed.h), with all threads, and returns the
 * pages of the file to the system, so that memory use stays that of the weights. Does nothing if all matrices have that
 * form already (a file written by `foretell quantize --packed`). If progress is not NULL, it is called with the bytes
 * done and the total; it cancels by returning false. Errors: out of memory, the model is then unchanged;
 * ERROR_CANCELLED, the model can then only be closed. */
typedef bool ModelProgress(void *context, size_t done, size_t total);
bool model_pack(Model *model, ModelProgress *progress, void *context, Error *error);

size_t model_weight_bytes(const Model *model); /* all tensors in the file */
/* The bytes of weights read to decode one token: a tied matrix counts once, an untied embedding with one row. */
size_t model_bytes_per_token(const Model *model);

#endif

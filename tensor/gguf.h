/* GGUF (versions 2 and 3, little-endian): named metadata values and named tensors in one file. This parser knows the
 * container, not what the names mean. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 *   "GGUF" u32 version  u64 n_tensors  u64 n_values
 *   n_values  times: string key, u32 type, value          string: u64 length, bytes; array: u32 type, u64 count, values
 *   n_tensors times: string name, u32 n_dims, u64 dims[n_dims] (innermost first), u32 type, u64 offset
 *   padding to general.alignment (32), then the data; offsets count from there
 */
#ifndef TENSOR_GGUF_H
#define TENSOR_GGUF_H

#include "tensor/bytes.h"
#include "tensor/tensor.h"

typedef enum {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPE_COUNT
} GgufType;

#define GGUF_NAME_BYTES 64 /* most bytes of a tensor's name */

typedef struct {
    Bytes key;
    GgufType type;
    GgufType item_type; /* of an array's items; never GGUF_ARRAY (arrays of arrays are refused) */
    uint64_t count;     /* of an array's items; 1 for a scalar */
    Bytes payload;      /* the value's bytes: a string's text without its length, an array's items as in the file */
    size_t offset;      /* of payload in the file, for messages */
} GgufValue;

typedef struct {
    Bytes name;
    Tensor tensor;    /* rows = product of the outer dimensions, cols = the innermost */
    uint64_t dims[4]; /* innermost first, 1 where absent */
    int n_dims;
    size_t offset; /* of the data in the file */
} GgufTensor;

typedef struct {
    uint32_t version;
    GgufValue *values;
    size_t n_values;
    GgufTensor *tensors;
    size_t n_tensors;
} Gguf;

bool gguf_is(Bytes bytes); /* begins with the magic */

/* Parses bytes, which must outlive the Gguf; release with gguf_release. It checks everything: counts against the
 * file's size before memory is allocated, lengths, types, duplicate keys and names, dims and their products, block
 * multiples, alignment, offsets, overlap with the file's end. Errors name key or tensor and the byte offset. */
bool gguf_parse(Gguf *gguf, Bytes bytes, Error *error);
void gguf_release(Gguf *gguf);

const GgufValue *gguf_find(const Gguf *gguf, const char *key); /* NULL if absent */

/* Typed reads of a scalar. If the key is absent, *out keeps its value; this is an error only if `required`. A wrong
 * type or a value out of range is an error that names the key, its offset, expected and got. Integers may have any
 * integer type. */
bool gguf_get_int(const Gguf *gguf, const char *key, bool required, int low, int high, int *out, Error *error);
bool gguf_get_float(const Gguf *gguf, const char *key, bool required, float *out,
                    Error *error); /* F32 or F64, finite */
bool gguf_get_bool(const Gguf *gguf, const char *key, bool required, bool *out, Error *error);
bool gguf_get_string(const Gguf *gguf, const char *key, bool required, Bytes *out, Error *error);
/* An array of the given item type; absent: *out = NULL. */
bool gguf_get_array(const Gguf *gguf, const char *key, bool required, GgufType item_type, const GgufValue **out,
                    Error *error);

/* The next string of a string array; start with cursor = {array->payload, 0}. Cannot fail: gguf_parse has checked
 * it. */
Bytes gguf_next_string(Cursor *cursor);

/* The number the format gives to a tensor's form. Asserts that it has one: Q8_GROUP has none. */
uint32_t gguf_dtype_number(Dtype dtype, bool packed);

#endif

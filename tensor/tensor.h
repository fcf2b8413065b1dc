/* Tensor: a matrix of weights as it is stored in the file, and the forms it may have.
 *
 *   F32, F16, BF16   values in order
 *   Q8_0             blocks of 32 values: f16 scale d, then 32 int8 q;           value = d * q          (34 bytes)
 *   Q4_0             blocks of 32 values: f16 scale d, then 16 bytes of nibbles; value = d * (nibble - 8) (18 bytes)
 *                    (the low nibble of byte i is value i, the high one value i + 16)
 *   Q8_GROUP         llama2.c version 2: all int8 of the matrix, then one f32 scale for each `group` values of a row
 *
 * To add a form whose blocks are an f16 scale and then codes in a multiple of 4 bytes, touch these 8 files:
 *   tensor/tensor.h                      its place in Dtype, before Q8_GROUP, and in this list; its block
 *   tensor/quant.c                       its conversion from numbers and to numbers; its row of dtype_info
 *   tensor/kernels_generic.c             its dot product, the specification: dot_block, and the table
 *   tensor/kernels_table_inline.h        its tile, its dot, and its place in the table
 *   tensor/kernels_{avx2,avx512,neon}.c  its Int8Form: its dot product in these instructions
 *   tools/foretell.1                     its name, at --type and --dtype and in the list of what foretell reads
 * Another kind of block also needs tensor/packed.h and .c, which order the bytes of a group of 16 rows, and a look at
 * tensor_is_finite. Files, options and messages read the row. Tests that fail until the form has a case in them:
 * tests/tensor/test_quant.c, test_packed.c; tests/tools/cli/manual.sh. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0, DTYPE_Q8_GROUP, DTYPE_COUNT } Dtype;

#define Q_BLOCK 32 /* values in a block of a quantised form */

typedef struct {
    uint16_t scale; /* f16 */
    int8_t q[Q_BLOCK];
} BlockQ8_0;

typedef struct {
    uint16_t scale; /* f16 */
    uint8_t nibbles[Q_BLOCK / 2];
} BlockQ4_0;

typedef struct {
    const char *name;     /* GGUF's name; in lower case, the value of --type and --dtype */
    int gguf_type;        /* its number in GGUF files; -1: GGUF has no such form */
    int gguf_file_type;   /* llama.cpp's general.file_type for a file with matrices of this form; -1: none */
    int block;            /* values per block */
    int block_bytes;      /* bytes per block, without Q8_GROUP's scales, which are stored elsewhere */
    bool int8_input;      /* its dot product takes activations quantised to BlockQ8 (tensor/quant.h) instead of f32 */
    uint32_t exponent;    /* mask of the exponent bits of a block's first number, which is a value or the scale */
    uint32_t packed_flip; /* packing inverts these bits of each 4 bytes of codes (tensor/packed.h) */
    /* n values, a multiple of block, to f32 and from f32; errors as in quantize_row. NULL for Q8_GROUP. */
    void (*to_f32)(float *out, const uint8_t *data, int n);
    void (*from_f32)(uint8_t *out, const float *x, int n);
} DtypeInfo;

extern const DtypeInfo dtype_info[DTYPE_COUNT]; /* in tensor/quant.c */

/* (rows, cols); each row is contiguous unless packed; a vector is one row. The data belongs to the mapping of the
 * file. */
typedef struct {
    Dtype dtype;
    int rows, cols;
    const void *data;
    const void *scales; /* Q8_GROUP only: (rows, cols / group) f32, perhaps unaligned */
    int group;          /* Q8_GROUP only: divides cols */
    bool packed;        /* in groups of 16 rows: tensor/packed.h */
} Tensor;

size_t tensor_row_bytes(const Tensor *tensor);         /* of data */
size_t tensor_bytes(const Tensor *tensor);             /* data and scales: what one reading of the whole tensor moves */
const void *tensor_row(const Tensor *tensor, int row); /* not for packed tensors */

/* Returns true if no value or scale is NaN or infinite. Otherwise *offset is that of the first one, in bytes from
 * tensor->data (for Q8_GROUP, from tensor->scales). Large tensors are searched with all threads. */
bool tensor_is_finite(const Tensor *tensor, size_t *offset);

#endif

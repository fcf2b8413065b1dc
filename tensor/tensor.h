/* Tensor: a matrix of weights as it is stored in the file, and the table of the forms it may have.
 *
 *   F32, F16, BF16   values in order
 *   Q8_0             blocks of 32 values: f16 scale d, then 32 int8 q;           value = d * q          (34 bytes)
 *   Q4_0             blocks of 32 values: f16 scale d, then 16 bytes of nibbles; value = d * (nibble - 8) (18 bytes)
 *                    (the low nibble of byte i is value i, the high one value i + 16)
 *   Q8_GROUP         llama2.c version 2: all int8 of the matrix, then one f32 scale for each `group` values of a row
 *
 * To add a form, touch these files:
 *   tensor/tensor.h, .c                its place in Dtype and in this list; its row of dtype_info, scales in float_run
 *   tensor/quant.h, .c                 its block, from numbers and back to numbers
 *   tensor/gguf.c                      its number in GGUF files
 *   tensor/packed.c                    the order of its bytes in a group of 16 rows
 *   tensor/kernels_generic.c           its dot product, the specification; then kernels_table_inline.h and kernels_*.c
 *   tools/files/shapes.h, metadata.c   its name for --type and --dtype, its GGUF file type, if foretell shall write it
 * tests/tensor/test_quant.c, test_packed.c and test_kernels.c have a case for each form. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0, DTYPE_Q8_GROUP, DTYPE_COUNT } Dtype;

typedef struct {
    const char *name;
    int block;       /* values per block */
    int block_bytes; /* bytes per block, without Q8_GROUP's scales, which are stored elsewhere */
    bool int8_input; /* its dot product takes activations quantised to BlockQ8 (tensor/quant.h) instead of f32 */
} DtypeInfo;

extern const DtypeInfo dtype_info[DTYPE_COUNT];

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

/* Packed: matrices in the form that the dot kernels read: the same values in another order, 16 rows interleaved.
 *
 *   rows          r0: a b c d ..   r1: e f g h ..   ..  r15: ..      row by row, as in files
 *   packed        a e .. | b f .. | c g .. | ..                      column by column: 16 rows are one wide vector
 *
 * So a weight is loaded once for any number of inputs, each lane sums one row, no sum crosses lanes, and a group of
 * rows is read sequentially. Groups of 16 rows are adjacent; the last one is padded with zeros; each begins on a cache
 * line:
 *
 *   F32, F16, BF16   for each column: 16 values
 *   Q8_0             scales: for each block of 32 columns 16 f16, their total rounded up to a multiple of 64 bytes;
 *                    then for each block q[8][16][4]: q[k][i][j] = 128 + value of row i, column 4 k + j of the block
 *   Q4_0             scales the same way; then for each block q[4][16][4]: the low nibble of q[k][i][j] is column
 *                    4 k + j of row i, the high nibble is column 16 + 4 k + j; value = nibble - 8
 *
 * So the 4 bytes q[k][i] are the k-th 4 bytes of codes of row i's block in the file, the bits of packed_flip
 * (dtype_info) inverted. Q8 bytes are unsigned because x86's int8 dot product takes unsigned times signed.
 * Q8_GROUP is never packed. */
#ifndef TENSOR_PACKED_H
#define TENSOR_PACKED_H

#include "tensor/tensor.h"

#define PACK_ROWS  16
#define PACK_ALIGN 64 /* bytes: where a group begins */

bool packed_can(Dtype dtype);
size_t packed_scale_bytes(const Tensor *tensor); /* the scales of one group, 0 for float types */
size_t packed_group_bytes(const Tensor *tensor);
int packed_groups(const Tensor *tensor);
/* The first byte of a group, whose rows are 16 * group .. 16 * group + 15. */
const uint8_t *packed_group(const Tensor *tensor, int group);

/* Packs the rows of one group from a tensor that is not packed; writes packed_group_bytes. */
void packed_write_group(void *out, const Tensor *rows, int group);

/* Packs all groups, with all threads; writes packed_groups * packed_group_bytes. */
void packed_write(void *out, const Tensor *rows);

/* Copies n blocks (of dtype_info[].block values) of a row from a packed tensor, from block `first` on, in the form of a
 * tensor that is not packed. */
void packed_read_blocks(void *out, const Tensor *tensor, int row, int first, int n);

#endif

#include "tensor/packed.h"

#include <assert.h>
#include <string.h>

#include "tensor/quant.h"
#include "tensor/threads.h"

bool packed_can(Dtype dtype) { return dtype != DTYPE_Q8_GROUP; }

static size_t n_blocks(const Tensor *tensor) { return (size_t)(tensor->cols / dtype_info[tensor->dtype].block); }

size_t packed_scale_bytes(const Tensor *tensor) {
    if (dtype_info[tensor->dtype].block == 1) return 0;
    size_t bytes = n_blocks(tensor) * PACK_ROWS * sizeof(uint16_t);
    return (bytes + PACK_ALIGN - 1) / PACK_ALIGN * PACK_ALIGN;
}

/* Bytes of one block, without the scale. */
static size_t quant_bytes(const Tensor *tensor) {
    const DtypeInfo *info = &dtype_info[tensor->dtype];
    return (size_t)info->block_bytes - (info->block == 1 ? 0 : sizeof(uint16_t));
}

size_t packed_group_bytes(const Tensor *tensor) {
    size_t values = n_blocks(tensor) * PACK_ROWS * quant_bytes(tensor);
    return packed_scale_bytes(tensor) + (values + PACK_ALIGN - 1) / PACK_ALIGN * PACK_ALIGN;
}

int packed_groups(const Tensor *tensor) { return (int)(((long long)tensor->rows + PACK_ROWS - 1) / PACK_ROWS); }

const uint8_t *packed_group(const Tensor *tensor, int group) {
    return (const uint8_t *)tensor->data + (size_t)group * packed_group_bytes(tensor);
}

/* The offset within a block of a row's k-th 4 bytes (Q8_0: 4 columns; Q4_0: twice 4). */
static size_t quad_at(int k, int lane) { return ((size_t)k * PACK_ROWS + (size_t)lane) * 4; }

/* Writes one row to its lane of a group. */
static void write_values(uint8_t *group, const uint8_t *row, int lane, size_t n, size_t bytes) {
    for (size_t c = 0; c < n; c++) memcpy(group + (c * PACK_ROWS + (size_t)lane) * bytes, row + c * bytes, bytes);
}

/* Nibbles need no reordering: in files the low ones are also the first half of a block, the high ones the second. */
static void write_blocks(uint8_t *group, const uint8_t *row, int lane, const Tensor *tensor) {
    size_t bytes = quant_bytes(tensor);
    uint8_t *q = group + packed_scale_bytes(tensor);
    for (size_t b = 0; b < n_blocks(tensor); b++, row += bytes + 2, q += PACK_ROWS * bytes) {
        memcpy(group + (b * PACK_ROWS + (size_t)lane) * 2, row, 2);
        for (int k = 0; k < (int)bytes / 4; k++) {
            uint32_t four;
            memcpy(&four, row + 2 + 4 * k, 4);
            four ^= dtype_info[tensor->dtype].packed_flip;
            memcpy(q + quad_at(k, lane), &four, 4);
        }
    }
}

void packed_write_group(void *out, const Tensor *rows, int group) {
    assert(packed_can(rows->dtype) && !rows->packed);
    int first = group * PACK_ROWS, n = rows->rows - first < PACK_ROWS ? rows->rows - first : PACK_ROWS;
    size_t bytes = (size_t)dtype_info[rows->dtype].block_bytes;
    memset(out, 0, packed_group_bytes(rows)); /* padding */
    for (int lane = 0; lane < n; lane++) {
        if (dtype_info[rows->dtype].block == 1)
            write_values(out, tensor_row(rows, first + lane), lane, (size_t)rows->cols, bytes);
        else
            write_blocks(out, tensor_row(rows, first + lane), lane, rows);
    }
}

void packed_write(void *out, const Tensor *rows) {
    size_t group_bytes = packed_group_bytes(rows);
    int threads = threads_start(0);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int g = 0; g < packed_groups(rows); g++) packed_write_group((uint8_t *)out + (size_t)g * group_bytes, rows, g);
}

static void read_values(uint8_t *out, const uint8_t *at, int n, size_t bytes) {
    for (int i = 0; i < n; i++, at += PACK_ROWS * bytes, out += bytes) memcpy(out, at, bytes);
}

static void read_quants(uint8_t *out, const uint8_t *q, int lane, const Tensor *tensor) {
    for (int k = 0; k < (int)quant_bytes(tensor) / 4; k++) {
        uint32_t four;
        memcpy(&four, q + quad_at(k, lane), 4);
        four ^= dtype_info[tensor->dtype].packed_flip;
        memcpy(out + 4 * k, &four, 4);
    }
}

void packed_read_blocks(void *out, const Tensor *tensor, int row, int first, int n) {
    assert(tensor->packed);
    const uint8_t *group = packed_group(tensor, row / PACK_ROWS);
    int lane = row % PACK_ROWS;
    size_t bytes = quant_bytes(tensor), at = (size_t)first * PACK_ROWS + (size_t)lane;
    if (dtype_info[tensor->dtype].block == 1) {
        read_values(out, group + at * bytes, n, bytes);
        return;
    }
    const uint8_t *q = group + packed_scale_bytes(tensor) + (size_t)first * PACK_ROWS * bytes;
    for (int b = 0; b < n; b++, at += PACK_ROWS, q += PACK_ROWS * bytes) {
        uint8_t *block = (uint8_t *)out + (size_t)b * (bytes + 2);
        memcpy(block, group + at * 2, 2);
        read_quants(block + 2, q, lane, tensor);
    }
}

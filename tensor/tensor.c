#include "tensor/tensor.h"

#include <assert.h>
#include <string.h>

#include "tensor/packed.h"
#include "tensor/threads.h"

size_t tensor_row_bytes(const Tensor *tensor) {
    const DtypeInfo *info = &dtype_info[tensor->dtype];
    return (size_t)tensor->cols / (size_t)info->block * (size_t)info->block_bytes;
}

static size_t scale_count(const Tensor *tensor) {
    return tensor->dtype == DTYPE_Q8_GROUP ? (size_t)tensor->rows * (size_t)(tensor->cols / tensor->group) : 0;
}

size_t tensor_bytes(const Tensor *tensor) {
    if (tensor->packed) return (size_t)packed_groups(tensor) * packed_group_bytes(tensor);
    return (size_t)tensor->rows * tensor_row_bytes(tensor) + scale_count(tensor) * sizeof(float);
}

const void *tensor_row(const Tensor *tensor, int row) {
    assert(!tensor->packed);
    return (const uint8_t *)tensor->data + (size_t)row * tensor_row_bytes(tensor);
}

/* A run of items of equal size: plain values, scales, or blocks that begin with their scale. The exponent of the 2 or 4
 * byte number at the beginning of each item tells whether it is NaN or infinite. */
typedef struct {
    const uint8_t *data;
    size_t count, stride;
    uint32_t exponent;
    int width;
} FloatRun;

static FloatRun float_run(const Tensor *tensor) {
    const DtypeInfo *info = &dtype_info[tensor->dtype];
    size_t items = (size_t)tensor->rows * (size_t)(tensor->cols / info->block);
    int width = info->exponent > UINT16_MAX ? 4 : 2;
    if (tensor->packed) items = tensor_bytes(tensor) / (size_t)info->block_bytes; /* padding is zero */
    if (tensor->dtype == DTYPE_Q8_GROUP)
        return (FloatRun){tensor->scales, scale_count(tensor), sizeof(float), info->exponent, width};
    return (FloatRun){tensor->data, items, (size_t)info->block_bytes, info->exponent, width};
}

static bool item_is_finite(const FloatRun *run, size_t i) {
    uint32_t bits = 0;
    memcpy(&bits, run->data + i * run->stride, (size_t)run->width);
    return (bits & run->exponent) != run->exponent;
}

static size_t count_not_finite(const FloatRun *run, size_t begin, size_t end) {
    size_t bad = 0;
    if (run->width == 4) {
        for (size_t i = begin; i < end; i++) {
            uint32_t bits;
            memcpy(&bits, run->data + i * 4, 4);
            bad += (bits & run->exponent) == run->exponent;
        }
    } else {
        for (size_t i = begin; i < end; i++) {
            uint16_t bits;
            memcpy(&bits, run->data + i * run->stride, 2);
            bad += (bits & run->exponent) == run->exponent;
        }
    }
    return bad;
}

/* Returns the offset of the first bad item from run->data, or SIZE_MAX if there is none. */
static size_t find_not_finite(const FloatRun *run, bool parallel) {
    size_t chunk = 1 << 16, n_chunks = (run->count + chunk - 1) / chunk, first_bad = SIZE_MAX;
    int threads = parallel && n_chunks > 64 ? threads_start(0) : 1;
#pragma omp parallel for num_threads(threads) reduction(min : first_bad) schedule(static)
    for (size_t c = 0; c < n_chunks; c++) {
        size_t begin = c * chunk, end = begin + chunk < run->count ? begin + chunk : run->count;
        if (first_bad != SIZE_MAX || count_not_finite(run, begin, end) == 0) continue;
        for (first_bad = begin; item_is_finite(run, first_bad);) first_bad++;
    }
    return first_bad == SIZE_MAX ? SIZE_MAX : first_bad * run->stride;
}

/* In a packed tensor of blocks, the scales of each group are contiguous. */
static size_t find_in_groups(const Tensor *tensor) {
    size_t first_bad = SIZE_MAX, group_bytes = packed_group_bytes(tensor);
    const DtypeInfo *info = &dtype_info[tensor->dtype];
    size_t n_scales = (size_t)(tensor->cols / info->block) * PACK_ROWS;
    int threads = threads_start(0);
#pragma omp parallel for num_threads(threads) reduction(min : first_bad) schedule(static)
    for (int g = 0; g < packed_groups(tensor); g++) {
        FloatRun run = {packed_group(tensor, g), n_scales, sizeof(uint16_t), info->exponent, sizeof(uint16_t)};
        size_t bad = first_bad == SIZE_MAX ? find_not_finite(&run, false) : SIZE_MAX;
        if (bad != SIZE_MAX) first_bad = (size_t)g * group_bytes + bad;
    }
    return first_bad;
}

bool tensor_is_finite(const Tensor *tensor, size_t *offset) {
    FloatRun run = float_run(tensor);
    bool groups = tensor->packed && dtype_info[tensor->dtype].block > 1;
    *offset = groups ? find_in_groups(tensor) : find_not_finite(&run, true);
    return *offset == SIZE_MAX;
}

#include <stdlib.h>
#include <string.h>

#include "tensor/packed.h"
#include "tensor/quant.h"
#include "tensor/row.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static Tensor random_rows(Random *random, Dtype dtype, int rows, int cols) {
    Tensor tensor = {.dtype = dtype, .rows = rows, .cols = cols};
    uint8_t *data = malloc((size_t)rows * tensor_row_bytes(&tensor));
    for (size_t i = 0; i < (size_t)rows * tensor_row_bytes(&tensor); i++) data[i] = (uint8_t)random_int(random, 0, 255);
    tensor.data = data;
    return tensor;
}

static Tensor pack(const Tensor *rows) {
    Tensor packed = *rows;
    packed.packed = true;
    uint8_t *data = malloc(tensor_bytes(&packed));
    memset(data, 0xa5, tensor_bytes(&packed));
    packed_write(data, rows);
    packed.data = data;
    return packed;
}

/* The layout as packed.h describes it, byte by byte, written down a second time. */
static size_t place(const Tensor *w, int row, int col, int *shift) {
    size_t lane = (size_t)(row % 16), scales = ((size_t)(w->cols / 32) * 32 + 63) / 64 * 64, block = (size_t)(col / 32);
    size_t within = (size_t)(col % 32);
    *shift = 0;
    switch (w->dtype) {
    case DTYPE_F32:
        return ((size_t)col * 16 + lane) * 4;
    case DTYPE_Q8_0:
        return scales + block * 512 + (within / 4 * 16 + lane) * 4 + within % 4;
    case DTYPE_Q4_0:
        *shift = within >= 16 ? 4 : 0;
        return scales + block * 256 + (within % 16 / 4 * 16 + lane) * 4 + within % 4;
    default:
        return ((size_t)col * 16 + lane) * 2;
    }
}

static size_t expected_group_bytes(Dtype dtype, int cols) {
    size_t scales = ((size_t)(cols / 32) * 32 + 63) / 64 * 64, n = (size_t)cols;
    if (dtype == DTYPE_F32) return n * 64;
    if (dtype == DTYPE_Q8_0) return scales + n * 16;
    if (dtype == DTYPE_Q4_0) return scales + n * 8;
    return (n * 32 + 63) / 64 * 64;
}

static void check_value(const Tensor *rows, const uint8_t *group, int row, int col) {
    int shift;
    const uint8_t *from = tensor_row(rows, row), *at = group + place(rows, row, col, &shift);
    size_t block = (size_t)(col / 32), lane = (size_t)(row % 16), i = (size_t)(col % 32);
    if (rows->dtype == DTYPE_Q8_0) {
        assert_int_equal(*at, (uint8_t)(from[block * 34 + 2 + i] + 128));
        assert_memory_equal(group + (block * 16 + lane) * 2, from + block * 34, 2);
    } else if (rows->dtype == DTYPE_Q4_0) {
        assert_int_equal(*at >> shift & 15, from[block * 18 + 2 + i % 16] >> shift & 15);
        assert_memory_equal(group + (block * 16 + lane) * 2, from + block * 18, 2);
    } else {
        size_t bytes = (size_t)dtype_info[rows->dtype].block_bytes;
        assert_memory_equal(at, row(from, col, bytes), bytes);
    }
}

static void values_lie_where_they_are_said_to(void **state) {
    (void)state;
    Random random = random_from(5);
    for (int dtype = 0; dtype < DTYPE_Q8_GROUP; dtype++) {
        for (int trial = 0; trial < 30; trial++) {
            int unit = dtype_info[dtype].block, n = random_int(&random, 1, unit > 1 ? 9 : 70);
            Tensor rows = random_rows(&random, (Dtype)dtype, random_int(&random, 1, 50), n * unit),
                   packed = pack(&rows);
            assert_int_equal(packed_group_bytes(&rows), expected_group_bytes((Dtype)dtype, rows.cols));
            assert_int_equal(packed_groups(&rows), (rows.rows + 15) / 16);
            for (int r = 0; r < rows.rows; r++)
                for (int c = 0; c < rows.cols; c++) check_value(&rows, packed_group(&packed, r / 16), r, c);
            free((void *)rows.data);
            free((void *)packed.data);
        }
    }
}

/* Any run of blocks, and each value, unpacks to what was packed. */
static void blocks_come_back(void **state) {
    (void)state;
    Random random = random_from(7);
    for (int trial = 0; trial < 300; trial++) {
        Dtype dtype = (Dtype)(trial % DTYPE_Q8_GROUP);
        const DtypeInfo *info = &dtype_info[dtype];
        int n_blocks = random_int(&random, 1, info->block > 1 ? 20 : 600);
        Tensor rows = random_rows(&random, dtype, random_int(&random, 1, 40), n_blocks * info->block);
        Tensor packed = pack(&rows);
        int row = random_int(&random, 0, rows.rows - 1), first = random_int(&random, 0, n_blocks - 1);
        int n = random_int(&random, 1, n_blocks - first);
        uint8_t *out = malloc((size_t)n * (size_t)info->block_bytes);
        packed_read_blocks(out, &packed, row, first, n);
        assert_memory_equal(out, (const uint8_t *)tensor_row(&rows, row) + first * info->block_bytes,
                            (size_t)n * (size_t)info->block_bytes);
        float *expected = malloc((size_t)rows.cols * sizeof(float)), *got = malloc((size_t)rows.cols * sizeof(float));
        dequantize_row(expected, &rows, row);
        dequantize_row(got, &packed, row);
        assert_memory_equal(got, expected, (size_t)rows.cols * sizeof(float));
        free(out);
        free(expected);
        free(got);
        free((void *)rows.data);
        free((void *)packed.data);
    }
}

/* Wherever the NaN is; and what fills a group up is never taken for a value. */
static void what_is_not_finite_is_found(void **state) {
    (void)state;
    Random random = random_from(11);
    for (int trial = 0; trial < 200; trial++) {
        Dtype dtype = (Dtype)(trial % DTYPE_Q8_GROUP);
        const DtypeInfo *info = &dtype_info[dtype];
        int cols = info->block * random_int(&random, 1, 9), n_rows = random_int(&random, 1, 40);
        Tensor rows = random_rows(&random, dtype, n_rows, cols);
        size_t at, item = (size_t)info->block_bytes, width = dtype == DTYPE_F32 ? 4 : 2;
        for (size_t i = 0; i < tensor_bytes(&rows); i += item) memset((uint8_t *)rows.data + i, 0, width);
        Tensor packed = pack(&rows);
        assert_true(tensor_is_finite(&packed, &at));
        free((void *)packed.data);
        size_t n_items = tensor_bytes(&rows) / item, bad = (size_t)random_int(&random, 0, (int)n_items - 1);
        memset((uint8_t *)rows.data + bad * item, 0xff, width);
        packed = pack(&rows);
        assert_false(tensor_is_finite(&packed, &at));
        static const uint8_t ones[4] = {0xff, 0xff, 0xff, 0xff};
        assert_memory_equal((const uint8_t *)packed.data + at, ones, width);
        free((void *)rows.data);
        free((void *)packed.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_lie_where_they_are_said_to),
        cmocka_unit_test(blocks_come_back),
        cmocka_unit_test(what_is_not_finite_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The ops against double-precision twins, and the promise that cutting a product leaves no trace in the bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/blas.h"
#include "tensor/kernels.h"
#include "tensor/ops.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"

#define ROWS  70 /* beyond GEMM_MIN_ROWS */
#define COLS  96
#define GROUP 24
#define OUTS  300 /* more than two units of work, and an odd rest */

static uint32_t random_state;

static float random_float(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(int32_t)random_state / 2147483648.0f;
}

static void fill(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = random_float();
}

static int each_setup(void **state) {
    (void)state;
    random_state = 1;
    Error error;
    return blas_load(1, &error) ? 0 : -1;
}

static void test_rmsnorm(void **state) {
    (void)state;
    static float x[3 * 37], out[3 * 37], weight[37];
    fill(x, 3 * 37);
    fill(weight, 37);
    rmsnorm(out, x, weight, 3, 37, 1e-5f);
    for (int r = 0; r < 3; r++) {
        double sum = 0;
        for (int i = 0; i < 37; i++) sum += (double)x[r * 37 + i] * (double)x[r * 37 + i];
        for (int i = 0; i < 37; i++) {
            double expected = (double)x[r * 37 + i] / sqrt(sum / 37 + 1e-5) * (double)weight[i];
            assert_that(fabs(out[r * 37 + i] - expected), <=, 1e-6 * (1 + fabs(expected)));
        }
    }
}

/* Squares that overflow f32 must not turn the row to zeros; values that are not finite stay so. */
static void test_rmsnorm_of_large_values(void **state) {
    (void)state;
    enum { N = 40 };
    float x[N], out[N], weight[N], sizes[] = {1e18f, 1e20f, 3e38f};
    for (int k = 0; k < 3; k++) {
        double sum = 0;
        for (int i = 0; i < N; i++) {
            x[i] = (i % 3 == 0 ? -1.0f : 0.25f * (float)(i % 5)) * sizes[k];
            weight[i] = 1 + 0.1f * (float)i;
            sum += (double)x[i] * (double)x[i];
        }
        rmsnorm(out, x, weight, 1, N, 1e-5f);
        for (int i = 0; i < N; i++) {
            double expected = (double)x[i] / sqrt(sum / N) * (double)weight[i];
            assert_that(fabs(out[i] - expected), <=, 1e-5 * (1 + fabs(expected)));
        }
    }
    const float bad[] = {INFINITY, -INFINITY, NAN};
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < N; i++) x[i] = i == 7 ? bad[k] : 1;
        rmsnorm(out, x, weight, 1, N, 1e-5f);
        assert_false(all_finite(out, N));
    }
}

static void check_rope(int cut) {
    enum { HEADS = 3, DIM = 8, PAIRS = 3 }; /* the last pair of a head is not turned */
    const int positions[2] = {0, 12345};
    const float frequencies[PAIRS] = {1.0f, 0.1f, 0.003f};
    float x[2 * HEADS * DIM], before[2 * HEADS * DIM], angles[2 * PAIRS * 2];
    fill(x, 2 * HEADS * DIM);
    memcpy(before, x, sizeof x);
    for (int r = 0; r < 2; r++) {
        rope_angles(angles + r * PAIRS * 2, positions[r], frequencies, PAIRS);
        for (int i = 0; i < HEADS * DIM; i += cut) /* heads may be turned in parts that hold whole pairs */
            rope(x + r * HEADS * DIM + i, angles + r * PAIRS * 2, i, cut, DIM, PAIRS);
    }
    for (int i = 0; i < 2 * HEADS * DIM; i += 2) {
        int pair = i % DIM / 2, row = i / (HEADS * DIM);
        double angle = pair < PAIRS ? positions[row] * (double)frequencies[pair] : 0;
        double a = (double)before[i], b = (double)before[i + 1];
        assert_that(fabs(x[i] - (a * cos(angle) - b * sin(angle))), <, 1e-6);
        assert_that(fabs(x[i + 1] - (a * sin(angle) + b * cos(angle))), <, 1e-6);
    }
    assert_memory_equal(x, before, HEADS * DIM * sizeof(float)); /* position 0 turns nothing */
}

static void test_rope_turns_each_pair_by_its_angle(void **state) {
    (void)state;
    const int cuts[] = {2, 4, 6, 12, 24};
    for (int i = 0; i < 5; i++) check_rope(cuts[i]);
}

/* Heads of odd size: their last value is in no pair, and no head begins at an even place for long. */
static void test_rope_of_odd_heads(void **state) {
    (void)state;
    float x[9], before[9], angles[4];
    const float frequencies[2] = {1.0f, 0.5f};
    fill(x, 9);
    memcpy(before, x, sizeof x);
    rope_angles(angles, 3, frequencies, 1);
    rope(x, angles, 0, 9, 3, 1);
    for (int h = 0; h < 9; h += 3) {
        double a = (double)before[h], b = (double)before[h + 1];
        assert_that(fabs(x[h] - (a * cos(3) - b * sin(3))), <, 1e-6);
        assert_that(fabs(x[h + 1] - (a * sin(3) + b * cos(3))), <, 1e-6);
        assert_that(x[h + 2], ==, before[h + 2]);
    }
}

static void test_add(void **state) {
    (void)state;
    enum { N = 75 };
    float x[N], sum[N], before[N];
    fill(x, N);
    fill(sum, N);
    memcpy(before, sum, sizeof sum);
    add(sum, x, N);
    for (int i = 0; i < N; i++) assert_that(sum[i], ==, before[i] + x[i]);
}

static void test_all_finite_finds_each(void **state) {
    (void)state;
    enum { N = 75 };
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    float x[N];
    fill(x, N);
    x[3] = 3.4e38f;
    x[4] = -0.0f;
    for (int n = 0; n <= N; n++) assert_true(all_finite(x, n));
    for (int i = 0; i < N; i++) {
        float good = x[i];
        x[i] = bad[i % 4];
        assert_false(all_finite(x, N));
        assert_false(all_finite(x, i + 1));
        assert_true(all_finite(x, i));
        x[i] = good;
    }
}

typedef struct {
    float x[ROWS * COLS], weights[OUTS * COLS], out[ROWS * OUTS];
    BlockQ8 x_q8[ROWS * COLS / Q_BLOCK];
    uint8_t rows[OUTS * COLS * 4];
    _Alignas(PACK_ALIGN) uint8_t stored[(OUTS + PACK_ROWS) * (COLS + Q_BLOCK) * 4];
    Tensor w;
} Product;

static Product *product_new(Dtype dtype) {
    Product *p = aligned_alloc(PACK_ALIGN, sizeof *p);
    memset(p, 0, sizeof *p);
    fill(p->x, ROWS * COLS);
    fill(p->weights, OUTS * COLS);
    p->w = (Tensor){.dtype = dtype, .rows = OUTS, .cols = COLS, .data = p->rows};
    if (dtype == DTYPE_Q8_GROUP) {
        p->w.group = GROUP;
        p->w.scales = p->stored;
        quantize_groups((int8_t *)p->rows, (float *)p->stored, p->weights, OUTS * COLS, GROUP);
        return p;
    }
    for (int i = 0; i < OUTS; i++)
        quantize_row(p->rows + (size_t)i * tensor_row_bytes(&p->w), p->weights + i * COLS, COLS, dtype);
    packed_write(p->stored, &p->w);
    p->w.packed = true;
    p->w.data = p->stored;
    return p;
}

/* In parts of that number of units. */
static void product_run(Product *p, int n_rows, MatmulPath path, int units) {
    int part = units * matmul_unit(&p->w);
    float *converted = malloc(sizeof(float) * PACK_ROWS * COLS);
    for (int r = 0; r < n_rows; r++) quantize_input_row(p->x_q8 + r * (COLS / Q_BLOCK), p->x + r * COLS, COLS);
    for (int i = 0; i < OUTS; i += part)
        matmul(p->out + i, OUTS, &p->w, i, OUTS - i < part ? OUTS - i : part, p->x, p->x_q8, n_rows, path, converted);
    free(converted);
}

/* Rounding of the sums, and for int8 weights that of the activations: at most max|x| / 254 each. */
static void product_check(const Product *p, int n_rows) {
    float w[COLS];
    for (int o = 0; o < OUTS; o++) {
        dequantize_row(w, &p->w, o);
        for (int r = 0; r < n_rows; r++) {
            double expected = 0, magnitude = 0;
            for (int i = 0; i < COLS; i++) {
                expected += (double)w[i] * (double)p->x[r * COLS + i];
                magnitude += fabs((double)w[i]);
            }
            double bound = magnitude * (COLS * 6e-8 + (dtype_info[p->w.dtype].int8_input ? 1 / 254.0 + 1e-6 : 0));
            assert_that(fabs(p->out[r * OUTS + o] - expected), <=, bound);
        }
    }
}

static void check_paths_and_cuts(Dtype dtype) {
    const int row_counts[] = {1, 5, GEMM_MIN_ROWS, ROWS};
    static float first[ROWS * OUTS];
    for (int path = PATH_DOT; path <= PATH_GEMM; path++)
        for (int n = 0; n < 4; n++) {
            Product *p = product_new(dtype);
            for (int units = 1; units <= 3; units++) {
                memset(p->out, 0xff, sizeof p->out); /* NaN: a product must not depend on what was there */
                product_run(p, row_counts[n], (MatmulPath)path, units);
                product_check(p, row_counts[n]);
                if (units == 1) memcpy(first, p->out, sizeof first);
                assert_memory_equal(first, p->out, sizeof first);
            }
            free(p);
        }
}

static void check_rows_alone(Dtype dtype) {
    static float all[ROWS * OUTS];
    Product *p = product_new(dtype);
    product_run(p, ROWS, PATH_DOT, 2);
    memcpy(all, p->out, sizeof all);
    for (int r = 0; r < ROWS; r++) {
        product_run(p, 1, PATH_DOT, 1);
        assert_memory_equal(p->out, all + r * OUTS, OUTS * sizeof(float));
        memmove(p->x, p->x + COLS, sizeof p->x - COLS * sizeof(float));
    }
    free(p);
}

static void each_table_and_dtype(void (*check)(Dtype dtype)) {
    for (int t = 0; kernels_available(t); t++) {
        kernels_use(kernels_available(t));
        blas_begin();
        for (int dtype = DTYPE_F32; dtype < DTYPE_COUNT; dtype++) check((Dtype)dtype);
        blas_end();
    }
    kernels_use(NULL);
}

static void test_matmul_every_dtype_path_and_cut(void **state) {
    (void)state;
    each_table_and_dtype(check_paths_and_cuts);
}

static void test_dot_path_gives_a_row_the_same_bits_in_any_batch(void **state) {
    (void)state;
    each_table_and_dtype(check_rows_alone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_rmsnorm, each_setup),
        cmocka_unit_test_setup(test_rmsnorm_of_large_values, each_setup),
        cmocka_unit_test_setup(test_rope_turns_each_pair_by_its_angle, each_setup),
        cmocka_unit_test_setup(test_rope_of_odd_heads, each_setup),
        cmocka_unit_test_setup(test_add, each_setup),
        cmocka_unit_test_setup(test_all_finite_finds_each, each_setup),
        cmocka_unit_test_setup(test_matmul_every_dtype_path_and_cut, each_setup),
        cmocka_unit_test_setup(test_dot_path_gives_a_row_the_same_bits_in_any_batch, each_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

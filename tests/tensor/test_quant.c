#include <math.h>
#include <stdlib.h>

#include "tensor/quant.h"
#include "tests/support/test.h"

static uint32_t state;

static float random_float(float scale) {
    state = state * 1664525u + 1013904223u;
    return ((float)(state >> 8) * 0x1p-23f - 1.0f) * scale;
}

/* A half's value from its fields, in double. */
static double half_value(uint16_t half) {
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return half & 0x8000 ? -magnitude : magnitude;
}

static void every_half_has_its_value(void **unused) {
    (void)unused;
    for (uint32_t half = 0; half < 65536; half++) {
        float value = f16_to_f32((uint16_t)half);
        if ((half & 0x7c00) != 0x7c00) {
            assert_that((double)value, ==, half_value((uint16_t)half));
            assert_int_equal(signbit(value) != 0, half >> 15);
        } else if (half & 0x3ff) {
            assert_true(isnan(value));
        } else {
            assert_true(isinf(value));
            assert_that((value < 0), ==, (half >> 15 == 1));
        }
    }
}

static void every_half_returns(void **unused) {
    (void)unused;
    for (uint32_t half = 0; half < 65536; half++) {
        uint16_t back = f32_to_f16(f16_to_f32((uint16_t)half));
        if ((half & 0x7c00) == 0x7c00 && half & 0x3ff) {
            assert_that((back & 0x7c00), ==, 0x7c00);
            assert_true(back & 0x3ff);
        } else {
            assert_int_equal(back, half);
        }
    }
}

/* Between neighbouring halves: just below, at and just above the middle. */
static void halves_round_to_nearest_even(void **unused) {
    (void)unused;
    for (uint16_t half = 0; half < 0x7bff; half++) {
        float middle = (f16_to_f32(half) + f16_to_f32(half + 1)) / 2;
        uint16_t even = half & 1 ? half + 1 : half;
        assert_int_equal(f32_to_f16(middle), even);
        assert_int_equal(f32_to_f16(-middle), even | 0x8000);
        assert_int_equal(f32_to_f16(nextafterf(middle, 0.0f)), half);
        assert_int_equal(f32_to_f16(nextafterf(middle, INFINITY)), half + 1);
    }
    assert_int_equal(f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(f32_to_f16(1e30f), 0x7c00);
    assert_int_equal(f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(f32_to_f16(1e-30f), 0);
    assert_int_equal(f32_to_f16(-1e-30f), 0x8000);
    assert_int_equal(f32_to_f16(f32_from_bits(0x7f800001)), 0x7e00);
    assert_int_equal(f32_to_f16(f32_from_bits(0xffc02000)), 0xfe01);
}

static void bfloats_round_to_nearest_even(void **unused) {
    (void)unused;
    for (uint32_t i = 0; i < 0x7f80; i++) {
        uint16_t even = (uint16_t)(i & 1 ? i + 1 : i);
        assert_int_equal(f32_to_bf16(bf16_to_f32((uint16_t)i)), i);
        assert_int_equal(f32_to_bf16(f32_from_bits(i << 16 | 0x8000)), even);
        assert_int_equal(f32_to_bf16(f32_from_bits(i << 16 | 0x80008000)), even | 0x8000);
        assert_int_equal(f32_to_bf16(f32_from_bits(i << 16 | 0x7fff)), i);
        assert_int_equal(f32_to_bf16(f32_from_bits(i << 16 | 0x8001)), i + 1);
    }
    assert_int_equal(f32_to_bf16(INFINITY), 0x7f80);
    assert_true(isnan(bf16_to_f32(f32_to_bf16(f32_from_bits(0x7f800001)))));
    assert_true(isnan(bf16_to_f32(f32_to_bf16(f32_from_bits(0xffffffff)))));
}

static double largest_of(const float *x, int n) {
    double largest = 0;
    for (int i = 0; i < n; i++) largest = fmax(largest, fabs((double)x[i]));
    return largest;
}

/* The header's bounds; the scale's own rounding is one part in 2048, or 2^-25 below the halves' normal range. */
static double error_bound(Dtype dtype, const float *x, int i) {
    const float *block = x + i / Q_BLOCK * Q_BLOCK;
    double value = fabs((double)x[i]), largest = largest_of(block, Q_BLOCK);
    switch (dtype) {
    case DTYPE_F16:
        return fmax(value * 0x1p-11, 0x1p-25);
    case DTYPE_BF16:
        return value * 0x1p-8;
    case DTYPE_Q8_0:
        return largest / 254 * 1.0001 + 127 * fmax(largest / 127 * 0x1p-11, 0x1p-25);
    case DTYPE_Q4_0:
        return largest / 8 * 1.0001 + 8 * fmax(largest / 8 * 0x1p-11, 0x1p-25);
    default:
        return 0;
    }
}

static void quantised_rows_keep_their_bounds(void **unused) {
    (void)unused;
    enum { COLS = 160 };
    float x[COLS], back[COLS];
    uint8_t row[COLS * 4];
    state = 7;
    for (int dtype = 0; dtype < DTYPE_Q8_GROUP; dtype++) {
        for (int scale = -40; scale < 18; scale++) {
            for (int i = 0; i < COLS; i++) x[i] = random_float(ldexpf(1, scale - (i / Q_BLOCK == 2 ? 5 : 0)));
            if (dtype == DTYPE_F16 && scale > 15) continue; /* beyond its range */
            Tensor w = {.dtype = (Dtype)dtype, .rows = 1, .cols = COLS, .data = row};
            quantize_row(row, x, COLS, w.dtype);
            dequantize_row(back, &w, 0);
            for (int i = 0; i < COLS; i++) {
                assert_that(fabs((double)back[i] - (double)x[i]), <=, error_bound(w.dtype, x, i));
            }
        }
    }
}

static void q8_0_layout(void **unused) {
    (void)unused;
    float x[Q_BLOCK] = {127, -127, 0, 1, -1, 0.5f, -0.5f, 1.5f, 2.5f, 126.4f, -126.6f};
    const int8_t expected[] = {127, -127, 0, 1, -1, 1, -1, 2, 3, 126, -127, 0};
    uint8_t row[34];
    quantize_row(row, x, Q_BLOCK, DTYPE_Q8_0);
    assert_int_equal(row[0], 0x00); /* 1.0 as f16, little-endian */
    assert_int_equal(row[1], 0x3c);
    assert_memory_equal(row + 2, expected, sizeof expected);
}

static void q4_0_layout(void **unused) {
    (void)unused;
    float x[Q_BLOCK] = {-8, 7, 0, 1, -1, 0.49f, 0.5f, -7.6f};
    x[16] = 1, x[17] = 2, x[18] = 7.9f, x[31] = -3;
    const uint8_t expected[] = {0x90, 0xaf, 0xf8, 0x89, 0x87, 0x88, 0x89, 0x80,
                                0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x58};
    uint8_t row[18];
    quantize_row(row, x, Q_BLOCK, DTYPE_Q4_0);
    assert_int_equal(row[0], 0x00);
    assert_int_equal(row[1], 0x3c);
    assert_memory_equal(row + 2, expected, sizeof expected);
    /* A positive extreme: the scale is negative, and still the extreme is nibble 0. */
    for (int i = 0; i < Q_BLOCK; i++) x[i] = -x[i];
    quantize_row(row, x, Q_BLOCK, DTYPE_Q4_0);
    assert_int_equal(row[1], 0xbc);
    assert_memory_equal(row + 2, expected, sizeof expected);
}

static void zero_and_tiny_blocks(void **unused) {
    (void)unused;
    float back[Q_BLOCK];
    for (int k = 0; k < 3; k++) {
        float x[Q_BLOCK] = {0};
        x[3] = k == 0 ? 0.0f : k == 1 ? 1e-44f : -1e-38f;
        for (int dtype = DTYPE_Q8_0; dtype <= DTYPE_Q4_0; dtype++) {
            uint8_t row[34];
            quantize_row(row, x, Q_BLOCK, (Dtype)dtype);
            dequantize_row(back, &(Tensor){.dtype = (Dtype)dtype, .rows = 1, .cols = Q_BLOCK, .data = row}, 0);
            for (int i = 0; i < Q_BLOCK; i++) assert_that(back[i], ==, 0);
        }
    }
}

/* Not-a-number in, anything out, but nothing undefined (the sanitizers watch). */
static void nan_quantises_to_something(void **unused) {
    (void)unused;
    const float odd[] = {NAN, INFINITY, -INFINITY, 3e38f};
    for (int k = 0; k < 4; k++) {
        float x[Q_BLOCK] = {1, 2, 3};
        uint8_t row[34];
        x[5] = odd[k];
        quantize_row(row, x, Q_BLOCK, DTYPE_Q8_0);
        quantize_row(row, x, Q_BLOCK, DTYPE_Q4_0);
    }
}

static void group_rows_dequantise(void **unused) {
    (void)unused;
    enum { ROWS = 3, COLS = 12, GROUP = 4 };
    int8_t q[ROWS * COLS];
    uint8_t scales[1 + ROWS * COLS / GROUP * 4]; /* begins at an odd address */
    float out[COLS];
    for (int i = 0; i < ROWS * COLS; i++) q[i] = (int8_t)(i * 7 - 128);
    for (int i = 0; i < ROWS * COLS / GROUP; i++) memcpy(scales + 1 + i * 4, &(float){(float)(i + 1)}, 4);
    Tensor w = {DTYPE_Q8_GROUP, ROWS, COLS, q, scales + 1, GROUP, false};
    for (int row = 0; row < ROWS; row++) {
        dequantize_row(out, &w, row);
        for (int i = 0; i < COLS; i++) {
            int at = row * COLS + i;
            assert_that(out[i], ==, (float)(q[at] * (at / GROUP + 1)));
        }
    }
}

static void inputs_quantise_to_nearest_even(void **unused) {
    (void)unused;
    float x[2 * Q_BLOCK] = {127, -127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 126.5f, 0.499999f};
    const int8_t expected[] = {127, -127, 0, 2, 2, 0, -2, 126, 0};
    BlockQ8 q[2];
    x[Q_BLOCK] = -254;
    quantize_input_row(q, x, 2 * Q_BLOCK);
    assert_that(q[0].scale, ==, 1);
    assert_that(q[1].scale, ==, 2);
    assert_memory_equal(q[0].q, expected, sizeof expected);
    assert_int_equal(q[0].sum, 128);
    assert_int_equal(q[1].sum, -127);
    state = 3;
    for (int trial = 0; trial < 2000; trial++) {
        int sum = 0;
        for (int i = 0; i < Q_BLOCK; i++) x[i] = random_float(ldexpf(1, trial % 200 - 100));
        quantize_input_row(q, x, Q_BLOCK);
        for (int i = 0; i < Q_BLOCK; i++) {
            assert_that(abs(q[0].q[i]), <=, 127);
            assert_that(fabs((double)q[0].scale * q[0].q[i] - (double)x[i]), <=, 0.50001 * (double)q[0].scale);
            sum += q[0].q[i];
        }
        assert_int_equal(q[0].sum, sum);
    }
}

static void inputs_too_small_or_not_finite_show_in_the_scale(void **unused) {
    (void)unused;
    const float odd[] = {0, 1e-44f, 1e-38f, NAN, INFINITY, -INFINITY};
    for (int k = 0; k < 6; k++) {
        float x[Q_BLOCK] = {0};
        BlockQ8 q;
        x[9] = odd[k];
        quantize_input_row(&q, x, Q_BLOCK);
        if (k < 3) assert_that(q.scale, ==, 0);
        if (k >= 3) assert_true(isnan(q.scale));
        assert_int_equal(q.sum, 0);
        for (int i = 0; i < Q_BLOCK; i++) assert_int_equal(q.q[i], 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_has_its_value),
        cmocka_unit_test(every_half_returns),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(bfloats_round_to_nearest_even),
        cmocka_unit_test(quantised_rows_keep_their_bounds),
        cmocka_unit_test(q8_0_layout),
        cmocka_unit_test(q4_0_layout),
        cmocka_unit_test(zero_and_tiny_blocks),
        cmocka_unit_test(nan_quantises_to_something),
        cmocka_unit_test(group_rows_dequantise),
        cmocka_unit_test(inputs_quantise_to_nearest_even),
        cmocka_unit_test(inputs_too_small_or_not_finite_show_in_the_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

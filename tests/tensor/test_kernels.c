#include <math.h>
#include <stdlib.h>

#include <sys/mman.h>
#include <unistd.h>

#include "tensor/kernels.h"
#include "tensor/row.h"
#include "tests/support/test.h"

#define CANARY   12345.678f
#define ROUNDING 0x1p-24 /* of a float operation, relative */

static uint32_t state;

static uint32_t random_below(uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)state * n >> 32);
}

static float random_float(void) { return (float)random_below(1u << 24) * 0x1p-23f - 1.0f; }

/* Memory that ends where a page without access begins: reading past the end is a crash, not luck. */
typedef struct {
    uint8_t *pages, *data;
    size_t size;
} Guarded;

static Guarded guarded_take(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (bytes + page - 1) / page * page + page;
    uint8_t *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_that(pages, !=, MAP_FAILED);
    assert_int_equal(mprotect(pages + size - page, page, PROT_NONE), 0);
    return (Guarded){pages, pages + size - page - bytes, size};
}

static void guarded_free(Guarded *memory) { munmap(memory->pages, memory->size); }

/* One matrix and its inputs. Weights end at a page without access and begin wherever that puts them. */
typedef struct {
    Tensor w;      /* rows as files have them */
    Tensor packed; /* the same as the dot kernels take it */
    int n_x;
    Guarded data, packed_data, scales, x_memory;
    const void *x; /* as the dtype's kernel takes it */
    double *x_values;
} Case;

static void case_make_group(Case *c) {
    int divisors[64], n = 0;
    for (int d = 1; d <= c->w.cols && n < 64; d++) {
        if (c->w.cols % d == 0) divisors[n++] = d;
    }
    c->w.group = divisors[random_below((uint32_t)n)];
    size_t n_scales = (size_t)c->w.rows * (size_t)(c->w.cols / c->w.group);
    c->scales = guarded_take(n_scales * 4 + 1);
    c->w.scales = c->scales.data; /* one byte before what would be aligned */
    for (size_t i = 0; i < n_scales; i++) memcpy(c->scales.data + i * 4, &(float){random_float() * 0.01f}, 4);
    for (int i = 0; i < c->w.rows * c->w.cols; i++) c->data.data[i] = (uint8_t)random_below(256);
}

static void case_make_weights(Case *c, Dtype dtype, int rows, int cols) {
    c->w = (Tensor){.dtype = dtype, .rows = rows, .cols = cols, .group = 1};
    size_t row_bytes = tensor_row_bytes(&c->w);
    c->data = guarded_take((size_t)rows * row_bytes);
    c->w.data = c->data.data;
    if (dtype == DTYPE_Q8_GROUP) case_make_group(c);
    float *row = malloc((size_t)cols * sizeof *row);
    for (int i = 0; dtype != DTYPE_Q8_GROUP && i < rows; i++) {
        for (int k = 0; k < cols; k++) row[k] = random_float();
        quantize_row(row(c->data.data, i, row_bytes), row, cols, dtype);
    }
    /* All bytes, not just those that our own quantisation gives: -128 above all. */
    for (int i = 0; dtype == DTYPE_Q8_0 && i < rows; i++)
        c->data.data[(size_t)i * row_bytes + 2 + (size_t)i % 32] = 128;
    free(row);
}

static void case_pack(Case *c) {
    c->packed = c->w;
    if (!packed_can(c->w.dtype)) return;
    c->packed.packed = true;
    c->packed_data = guarded_take(tensor_bytes(&c->packed));
    c->packed.data = c->packed_data.data;
    packed_write(c->packed_data.data, &c->w);
}

static Case case_make(Dtype dtype, int rows, int cols, int n_x) {
    Case c = {.n_x = n_x};
    case_make_weights(&c, dtype, rows, cols);
    case_pack(&c);
    size_t n = (size_t)n_x * (size_t)cols;
    float *x = malloc(n * sizeof *x);
    c.x_values = malloc(n * sizeof *c.x_values);
    for (size_t i = 0; i < n; i++) c.x_values[i] = (double)(x[i] = random_float());
    if (dtype_info[dtype].int8_input) {
        c.x_memory = guarded_take(n / Q_BLOCK * sizeof(BlockQ8));
        BlockQ8 *blocks = (void *)c.x_memory.data;
        for (int r = 0; r < n_x; r++) {
            quantize_input_row(blocks + r * (cols / Q_BLOCK), row(x, r, cols), cols);
        }
        for (size_t i = 0; i < n; i++) {
            c.x_values[i] = (double)blocks[i / Q_BLOCK].scale * blocks[i / Q_BLOCK].q[i % Q_BLOCK];
        }
    } else {
        c.x_memory = guarded_take(n * sizeof *x);
        memcpy(c.x_memory.data, x, n * sizeof *x);
    }
    free(x);
    c.x = c.x_memory.data;
    return c;
}

static void case_free(Case *c) {
    guarded_free(&c->data);
    if (c->packed.packed) guarded_free(&c->packed_data);
    if (c->w.dtype == DTYPE_Q8_GROUP) guarded_free(&c->scales);
    guarded_free(&c->x_memory);
    free(c->x_values);
}

/* x row r, in the kernel's form. */
static const void *case_input(const Case *c, int r) {
    size_t bytes = dtype_info[c->w.dtype].int8_input ? (size_t)c->w.cols / Q_BLOCK * sizeof(BlockQ8)
                                                     : (size_t)c->w.cols * sizeof(float);
    return (const uint8_t *)c->x + (size_t)r * bytes;
}

/* out (n_x, stride) with a canary in every place that is not to be written, and margins on both sides. */
enum { MARGIN = 40 };

static float *canaries_take(size_t n) {
    float *all = malloc((n + 2 * MARGIN) * sizeof *all);
    for (size_t i = 0; i < n + 2 * MARGIN; i++) all[i] = CANARY;
    return all + MARGIN;
}

static void canaries_check_and_free(float *out, int n_rows, size_t stride, int n_used) {
    const float *end = row(out, n_rows, stride);
    for (int i = 0; i < MARGIN; i++) {
        assert_that(out[-1 - i], ==, CANARY);
        assert_that(end[i], ==, CANARY);
    }
    for (int r = 0; r < n_rows; r++) {
        for (size_t i = (size_t)n_used; i < stride; i++) assert_that(row(out, r, stride)[i], ==, CANARY);
    }
    free(out - MARGIN);
}

/* Rounding errors of a dot product: at most one a step, of partial sums that are at most sum |w||x|. */
static void check_dot(const Case *c, const float *out, size_t stride, int first, int n_w) {
    int steps = dtype_info[c->w.dtype].int8_input ? c->w.cols / Q_BLOCK + 4 : c->w.cols + 24; /* of any table */
    float *row = malloc((size_t)c->w.cols * sizeof *row);
    for (int i = 0; i < n_w; i++) {
        dequantize_row(row, &c->w, first + i);
        for (int r = 0; r < c->n_x; r++) {
            double expected = 0, size = 0;
            for (int k = 0; k < c->w.cols; k++) {
                double product = (double)row[k] * row(c->x_values, r, c->w.cols)[k];
                expected += product;
                size += fabs(product);
            }
            assert_that(fabs((double)row(out, r, stride)[i] - expected), <=, steps * ROUNDING * size);
        }
    }
    free(row);
}

/* The batch rule: each output is, bit for bit, what a call for one row of x and one group of rows gives. */
static void check_alone(const Kernels *table, const Case *c, const float *out, size_t stride, int first, int n_w) {
    for (int r = 0; r < c->n_x; r++) {
        for (int i = 0; i < n_w; i += PACK_ROWS) {
            float alone[PACK_ROWS];
            int n = n_w - i < PACK_ROWS ? n_w - i : PACK_ROWS;
            table->dot[c->w.dtype](alone, 1, &c->packed, first + i, n, case_input(c, r), 1);
            assert_memory_equal(&row(out, r, stride)[i], alone, (size_t)n * sizeof *alone);
        }
    }
}

static void check_case(Dtype dtype, int rows, int first, int n_w, int cols, int n_x) {
    Case c = case_make(dtype, rows, cols, n_x);
    for (int t = 0; kernels_available(t); t++) {
        const Kernels *table = kernels_available(t);
        size_t stride = (size_t)n_w + random_below(5);
        float *out = canaries_take((size_t)n_x * stride);
        table->dot[dtype](out, stride, &c.packed, first, n_w, c.x, n_x);
        check_dot(&c, out, stride, first, n_w);
        check_alone(table, &c, out, stride, first, n_w);
        canaries_check_and_free(out, n_x, stride, n_w);
    }
    case_free(&c);
}

static void dots_of_random_shapes(void **unused) {
    (void)unused;
    static const int odd[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 172, 255, 256, 257, 600};
    state = 11;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        int block = dtype_info[dtype].block;
        for (int trial = 0; trial < 40; trial++) {
            int cols = block > 1 ? block * (1 + (int)random_below(36)) : odd[random_below(sizeof odd / sizeof *odd)];
            int n_w = 1 + (int)random_below(trial % 2 ? 90 : 6), first = PACK_ROWS * (int)random_below(3);
            int n_x = 1 + (int)random_below(trial % 3 ? 9 : 40);
            check_case((Dtype)dtype, first + n_w + (int)random_below(3), first, n_w, cols, n_x);
        }
    }
}

/* Rows long enough and inputs numerous enough for several blocks. */
static void dots_of_many_inputs(void **unused) {
    (void)unused;
    state = 13;
    check_case(DTYPE_Q8_0, 17, 0, 17, 32 * 310, 41);
    check_case(DTYPE_Q4_0, 17, 0, 17, 32 * 310, 41);
    for (int dtype = DTYPE_F32; dtype <= DTYPE_BF16; dtype++) check_case((Dtype)dtype, 71, 0, 71, 2500, 53);
}

/* The largest sums that can occur: no saturation on the way. */
static void extreme_int8_values(void **unused) {
    (void)unused;
    for (int k = 0; k < 4; k++) {
        BlockQ8_0 w8 = {.scale = 0x3c00};
        BlockQ4_0 w4 = {.scale = 0x3c00};
        BlockQ8 x = {.scale = 1.0f, .sum = k & 1 ? -127 * 32 : 127 * 32};
        memset(w8.q, k & 2 ? -128 : 127, sizeof w8.q);
        memset(w4.nibbles, k & 2 ? 0 : 255, sizeof w4.nibbles);
        memset(x.q, k & 1 ? -127 : 127, sizeof x.q);
        _Alignas(PACK_ALIGN) uint8_t packed8[576], packed4[320]; /* scales 64, quants 512 and 256 */
        Tensor q8 = {.dtype = DTYPE_Q8_0, .rows = 1, .cols = 32, .data = &w8};
        Tensor q4 = {.dtype = DTYPE_Q4_0, .rows = 1, .cols = 32, .data = &w4};
        packed_write_group(packed8, &q8, 0);
        packed_write_group(packed4, &q4, 0);
        q8.packed = q4.packed = true;
        q8.data = packed8;
        q4.data = packed4;
        assert_int_equal(tensor_bytes(&q8), sizeof packed8);
        assert_int_equal(tensor_bytes(&q4), sizeof packed4);
        for (int t = 0; kernels_available(t); t++) {
            float out;
            kernels_available(t)->dot[DTYPE_Q8_0](&out, 1, &q8, 0, 1, &x, 1);
            assert_that(out, ==, (float)(x.sum * (k & 2 ? -128 : 127)));
            kernels_available(t)->dot[DTYPE_Q4_0](&out, 1, &q4, 0, 1, &x, 1);
            assert_that(out, ==, (float)(x.sum * (k & 2 ? -8 : 7)));
        }
    }
}

static void nan_input_shows(void **unused) {
    (void)unused;
    for (int t = 0; kernels_available(t); t++) {
        Case c = case_make(DTYPE_Q8_0, 3, 96, 1);
        float x[96] = {0}, out[3];
        BlockQ8 blocks[3];
        x[40] = NAN;
        kernels_available(t)->quantize_input(blocks, x, 96);
        kernels_available(t)->dot[DTYPE_Q8_0](out, 3, &c.packed, 0, 3, blocks, 1);
        for (int i = 0; i < 3; i++) assert_true(isnan(out[i]));
        case_free(&c);
    }
}

static void quantised_inputs_are_the_same_bits(void **unused) {
    (void)unused;
    static const float odd[] = {0, 1e-44f, 1e-38f, 3.7e-37f, 3.8e-37f, 3e38f, NAN, -NAN, INFINITY, -INFINITY};
    enum { COLS = 96 };
    float x[COLS];
    BlockQ8 expected[COLS / Q_BLOCK], out[COLS / Q_BLOCK];
    state = 17;
    for (int trial = 0; trial < 3000; trial++) {
        for (int i = 0; i < COLS; i++) {
            x[i] =
                trial % 3 ? random_float() * ldexpf(1, trial % 240 - 120) : (float)((int)random_below(509) - 254) / 2;
        }
        x[0] = trial % 3 ? x[0] : 127;
        if (trial % 5 == 0) x[50] = odd[trial / 5 % 10];
        quantize_input_row(expected, x, COLS);
        for (int t = 0; kernels_available(t); t++) {
            memset(out, 1, sizeof out);
            kernels_available(t)->quantize_input(out, x, COLS);
            assert_memory_equal(out, expected, sizeof expected);
        }
    }
}

static void halves_are_the_same_bits(void **unused) {
    (void)unused;
    enum { N = 3001 };
    float x[N];
    uint16_t out[N + 1];
    state = 19;
    for (int i = 0; i < N; i++) x[i] = f32_from_bits((uint32_t)random_below(1u << 16) << 16 | random_below(1u << 16));
    for (int i = 0; i < N; i += 2) x[i] = random_float() * ldexpf(1, i % 45 - 27);
    for (int t = 0; kernels_available(t); t++) {
        for (int n = 1; n <= N; n = n < 70 ? n + 1 : n + 2931) {
            out[n] = 0xabcd;
            kernels_available(t)->to_f16(out, x, n);
            assert_int_equal(out[n], 0xabcd);
            for (int i = 0; i < n; i++) assert_int_equal(out[i], f32_to_f16(x[i]));
        }
    }
}

static const int head_dims[] = {1, 3, 8, 15, 16, 24, 31, 32, 33, 48, 63, 64, 80, 96, 128, 172};

static void attention_scores_of_random_shapes(void **unused) {
    (void)unused;
    state = 23;
    for (int trial = 0; trial < 128; trial++) {
        Dtype dtype = trial % 2 ? DTYPE_F16 : DTYPE_F32;
        int n = 1 + (int)random_below(40), n_q = 1 + (int)random_below(17), head_dim = head_dims[trial / 2 % 16];
        Case c = case_make(dtype, n, head_dim, n_q);
        for (int t = 0; kernels_available(t); t++) {
            const Kernels *table = kernels_available(t);
            size_t stride = (size_t)n + random_below(4);
            float *out = canaries_take((size_t)n_q * stride), alone;
            table->attention_scores[dtype](out, stride, c.x, n_q, c.w.data, n, head_dim, 0.5f); /* exact */
            for (int h = 0; h < n_q; h++) {
                for (int i = 0; i < n; i++) {
                    const uint8_t *key = tensor_row(&c.w, i);
                    table->attention_scores[dtype](&alone, 1, case_input(&c, h), 1, key, 1, head_dim, 0.5f);
                    assert_memory_equal(&row(out, h, stride)[i], &alone, sizeof alone);
                    row(out, h, stride)[i] *= 2;
                }
            }
            check_dot(&c, out, stride, 0, n);
            canaries_check_and_free(out, n_q, stride, n);
        }
        case_free(&c);
    }
}

static void check_mix(const Case *c, const float *start, const float *out, const float *weights, size_t stride) {
    float *row = malloc((size_t)c->w.cols * sizeof *row);
    double *sum = calloc((size_t)c->w.cols * 2, sizeof *sum), *size = sum + c->w.cols;
    for (int h = 0; h < c->n_x; h++) {
        for (int d = 0; d < c->w.cols; d++) size[d] = fabs(sum[d] = (double)start[h * c->w.cols + d]);
        for (int i = 0; i < c->w.rows; i++) {
            dequantize_row(row, &c->w, i);
            for (int d = 0; d < c->w.cols; d++) {
                double product = (double)row[d] * (double)row(weights, h, stride)[i];
                sum[d] += product;
                size[d] += fabs(product);
            }
        }
        for (int d = 0; d < c->w.cols; d++) {
            double error = fabs((double)out[h * c->w.cols + d] - sum[d]);
            assert_that(error, <=, (c->w.rows + 2) * 2 * ROUNDING * size[d]);
        }
    }
    free(row);
    free(sum);
}

/* Alone for each head, with the run of rows cut in two somewhere: the same bits. */
static void check_mix_split(const Kernels *table, const Case *c, const float *start, const float *out,
                            const float *weights, size_t stride) {
    int head_dim = c->w.cols, cut = (int)random_below((uint32_t)c->w.rows);
    float *head = malloc((size_t)head_dim * sizeof *head);
    for (int h = 0; h < c->n_x; h++) {
        const float *row = row(weights, h, stride);
        memcpy(head, start + h * head_dim, (size_t)head_dim * sizeof *head);
        table->attention_mix[c->w.dtype](head, row, 1000, 1, c->w.data, cut, head_dim);
        table->attention_mix[c->w.dtype](head, row + cut, 0, 1, tensor_row(&c->w, cut), c->w.rows - cut, head_dim);
        assert_memory_equal(head, out + h * head_dim, (size_t)head_dim * sizeof *head);
    }
    free(head);
}

static void attention_mixes_of_random_shapes(void **unused) {
    (void)unused;
    state = 29;
    for (int trial = 0; trial < 128; trial++) {
        Dtype dtype = trial % 2 ? DTYPE_F16 : DTYPE_F32;
        int n = 1 + (int)random_below(trial % 3 ? 20 : 200), n_q = 1 + (int)random_below(17);
        int head_dim = head_dims[trial / 2 % 16];
        Case c = case_make(dtype, n, head_dim, n_q);
        size_t stride = (size_t)n + random_below(4), n_out = (size_t)(n_q * head_dim);
        Guarded weights = guarded_take((size_t)n_q * stride * sizeof(float));
        float *weight = (void *)weights.data;
        for (size_t i = 0; i < (size_t)n_q * stride; i++) weight[i] = random_float();
        for (int t = 0; kernels_available(t); t++) {
            float *out = canaries_take(n_out);
            memcpy(out, c.x, n_out * sizeof *out);
            kernels_available(t)->attention_mix[dtype](out, weight, stride, n_q, c.w.data, n, head_dim);
            check_mix(&c, c.x, out, weight, stride);
            check_mix_split(kernels_available(t), &c, c.x, out, weight, stride);
            canaries_check_and_free(out, n_q, (size_t)head_dim, head_dim);
        }
        guarded_free(&weights);
        case_free(&c);
    }
}

/* Distance from the true value in units of the last place; below the normal range a unit of its lower end. */
static double ulps(float got, double expected) {
    int exponent;
    frexp(expected, &exponent);
    return fabs((double)got - expected) / ldexp(1, exponent < -125 ? -149 : exponent - 24);
}

static void exponentials_are_close(void **unused) {
    (void)unused;
    enum { N = 4096 };
    static float x[N], out[N];
    double worst = 0;
    for (int t = 0; kernels_available(t); t++) {
        for (int part = 0; part < 200; part++) {
            for (int i = 0; i < N; i++) x[i] = -115 + 203.7f * ((float)(part * N + i) / (200 * N));
            kernels_available(t)->exp_sum(out, x, 0, N);
            for (int i = 0; i < N; i++) worst = fmax(worst, ulps(out[i], exp((double)x[i])));
        }
    }
    assert_that(worst, <=, 1.5); /* and expf is within 0.51: less than 2 apart */
}

static void exponentials_at_the_ends(void **unused) {
    (void)unused;
    const float x[] = {0, -0.0f, -INFINITY, -1e30f, -104, 88.7228f, 88.73f, 89, 1e30f, INFINITY, NAN, 1};
    float out[12];
    for (int t = 0; kernels_available(t); t++) {
        kernels_available(t)->exp_sum(out, x, 0, 12);
        assert_that(out[0], ==, 1);
        assert_that(out[1], ==, 1);
        for (int i = 2; i <= 4; i++) assert_that(out[i], ==, 0);
        assert_true(isfinite(out[5]));
        for (int i = 6; i <= 9; i++) {
            assert_true(isinf(out[i]));
            assert_that(out[i], >, 0);
        }
        assert_true(isnan(out[10]));
    }
}

/* An element's bits do not depend on its place; the sum is that of the elements; out may be x. */
static void exponentials_of_any_length(void **unused) {
    (void)unused;
    enum { N = 150 };
    float x[N], alone[N];
    state = 31;
    for (int i = 0; i < N; i++) x[i] = random_float() * 20;
    for (int t = 0; kernels_available(t); t++) {
        const Kernels *table = kernels_available(t);
        for (int i = 0; i < N; i++) table->exp_sum(&alone[i], &x[i], 3.0f, 1);
        for (int n = 1; n <= N; n++) {
            float *out = canaries_take((size_t)n);
            double expected = 0;
            memcpy(out, x, (size_t)n * sizeof *out);
            float sum = table->exp_sum(out, out, 3.0f, n);
            assert_memory_equal(out, alone, (size_t)n * sizeof *out);
            for (int i = 0; i < n; i++) expected += (double)alone[i];
            assert_that(fabs((double)sum - expected), <=, n * ROUNDING * expected);
            canaries_check_and_free(out, 1, (size_t)n, n);
        }
    }
}

static void swiglu_of_any_length(void **unused) {
    (void)unused;
    enum { N = 150 };
    float gate[N], up[N], alone[N];
    state = 37;
    for (int i = 0; i < N; i++) gate[i] = random_float() * (i % 2 ? 100 : 5), up[i] = random_float();
    for (int t = 0; kernels_available(t); t++) {
        const Kernels *table = kernels_available(t);
        memcpy(alone, gate, sizeof gate);
        for (int i = 0; i < N; i++) {
            double expected = (double)gate[i] / (1 + exp(-(double)gate[i])) * (double)up[i];
            table->swiglu(&alone[i], &up[i], 1);
            assert_that(fabs((double)alone[i] - expected), <=, 8 * ROUNDING * fabs(expected) + 1e-36);
        }
        for (int n = 1; n <= N; n++) {
            float *out = canaries_take((size_t)n);
            memcpy(out, gate, (size_t)n * sizeof *out);
            table->swiglu(out, up, n);
            assert_memory_equal(out, alone, (size_t)n * sizeof *out);
            canaries_check_and_free(out, 1, (size_t)n, n);
        }
    }
}

/* EXPECT_KERNELS in the environment names the table that this processor, or its emulator, should choose. */
static void the_fastest_is_chosen(void **unused) {
    (void)unused;
    const char *expected = getenv("EXPECT_KERNELS");
    const Kernels *last = NULL;
    for (int t = 0; kernels_available(t); t++) last = kernels_available(t);
    if (!getenv("KERNELS")) assert_ptr_equal(kernels(), last);
    if (expected) assert_string_equal(last->name, expected);
}

static void the_environment_chooses(void **unused) {
    (void)unused;
    Error error;
    int n = 0;
    while (kernels_available(n)) n++;
    assert_ptr_equal(kernels_available(0), &kernels_generic);
    for (int i = 0; i < n; i++) {
        setenv("KERNELS", kernels_available(i)->name, 1);
        must(kernels_check(&error), &error);
        kernels_use(NULL); /* forget the choice */
        assert_ptr_equal(kernels(), kernels_available(i));
    }
    setenv("KERNELS", "avx3", 1);
    assert_false(kernels_check(&error));
    assert_non_null(strstr(error.message, "KERNELS=avx3: unknown; expected one of: generic"));
    unsetenv("KERNELS");
    must(kernels_check(&error), &error);
    kernels_use(NULL);
    assert_ptr_equal(kernels(), kernels_available(n - 1));
    kernels_use(&kernels_generic);
    assert_ptr_equal(kernels(), &kernels_generic);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fastest_is_chosen), /* first: the others use one table after the other */
        cmocka_unit_test(dots_of_random_shapes),
        cmocka_unit_test(dots_of_many_inputs),
        cmocka_unit_test(extreme_int8_values),
        cmocka_unit_test(nan_input_shows),
        cmocka_unit_test(quantised_inputs_are_the_same_bits),
        cmocka_unit_test(halves_are_the_same_bits),
        cmocka_unit_test(attention_scores_of_random_shapes),
        cmocka_unit_test(attention_mixes_of_random_shapes),
        cmocka_unit_test(exponentials_are_close),
        cmocka_unit_test(exponentials_at_the_ends),
        cmocka_unit_test(exponentials_of_any_length),
        cmocka_unit_test(swiglu_of_any_length),
        cmocka_unit_test(the_environment_chooses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

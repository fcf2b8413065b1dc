/* AArch64 NEON. kernels_neondot.c compiles this file again with DOT_PRODUCT, for processors that have that
 * instruction. */
#include <arm_neon.h>

enum { LANES = 4, GROUP_VECTORS = 4 }; /* PACK_ROWS are four vectors */

#include "tensor/kernels_inline.h"

/* int8 */

/* The four values of x for columns 4 k .. 4 k + 3, in every lane. */
INLINE int8x16_t four_inputs(const BlockQ8 *x, int k) {
    int32_t four;
    memcpy(&four, x->q + 4 * k, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* whole[i] += a . x + b . y, four columns each of four rows; exact for all bytes that may occur (|x|, |y| <= 127). */
INLINE int32x4_t add_products_int8(int32x4_t whole, int8x16_t a, int8x16_t x, int8x16_t b, int8x16_t y) {
#if defined(DOT_PRODUCT)
    return vdotq_s32(vdotq_s32(whole, a, x), b, y);
#else
    /* Two products are at most 2 * 128 * 127 = 32512. */
    int16x8_t low = vmlal_s8(vmull_s8(vget_low_s8(a), vget_low_s8(x)), vget_low_s8(b), vget_low_s8(y));
    int16x8_t high = vmlal_high_s8(vmull_high_s8(a, x), b, y);
    return vaddq_s32(whole, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
}

/* Two times four columns of four rows, as signed values: Q8_0's are 4 k .. 4 k + 7, Q4_0's 2 k .. 2 k + 3 and 16
 * more. */
typedef struct {
    int8x16_t a, b;
} Columns;

INLINE Columns load_q8_0(const uint8_t *q, int k) {
    q += 2 * 4 * PACK_ROWS * k;
    uint8x16_t offset = vdupq_n_u8(128);
    return (Columns){vreinterpretq_s8_u8(veorq_u8(vld1q_u8(q), offset)),
                     vreinterpretq_s8_u8(veorq_u8(vld1q_u8(q + 4 * PACK_ROWS), offset))};
}

INLINE Columns load_q4_0(const uint8_t *q, int k) {
    uint8x16_t both = vld1q_u8(q + 4 * PACK_ROWS * k);
    int8x16_t offset = vdupq_n_s8(8);
    return (Columns){vsubq_s8(vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15))), offset),
                     vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(both, 4)), offset)};
}

/* How the codes of a form are multiplied; each call gets a constant one. */
typedef struct {
    int bytes;                                /* of the codes of a block, all rows of the group */
    Columns (*load)(const uint8_t *q, int k); /* of four rows; q is where their codes of the block begin */
    int step, second;                         /* the columns loaded: a from 4 * step * k on, b 4 * second further */
} Int8Form;

static const Int8Form form_q8_0 = {PACK_ROWS * Q_BLOCK, load_q8_0, 2, 1};
static const Int8Form form_q4_0 = {PACK_ROWS * Q_BLOCK / 2, load_q4_0, 1, 4};

/* Four halves as floats, from any address. */
INLINE float32x4_t widen_f16(const uint8_t *at) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(at))); }

INLINE void add_block(float *sum, const int32x4_t *whole, const uint8_t *scales, float x_scale) {
    for (int v = 0; v < GROUP_VECTORS; v++) {
        float32x4_t both = vmulq_n_f32(widen_f16(scales + 2 * LANES * v), x_scale);
        vst1q_f32(sum + LANES * v, vfmaq_f32(vld1q_f32(sum + LANES * v), vcvtq_f32_s32(whole[v]), both));
    }
}

INLINE void tile_int8(float *sum, const uint8_t *scales, const uint8_t *q, int n_blocks, const BlockQ8 *x,
                      size_t x_stride, int n_x, const Int8Form *form, Share ahead) {
    enum { PAIRS = 4 }; /* of fours of columns in a block */
    for (int b = 0; b < n_blocks; b++, x++, scales += 2 * PACK_ROWS, q += form->bytes) {
        fetch(q, scales, ahead);
        int32x4_t whole[4][GROUP_VECTORS];
        for (int r = 0; r < n_x; r++) {
            for (int v = 0; v < GROUP_VECTORS; v++) whole[r][v] = vdupq_n_s32(0);
        }
        for (int k = 0; k < PAIRS; k++) {
            Columns w[GROUP_VECTORS];
            for (int v = 0; v < GROUP_VECTORS; v++) w[v] = form->load(q + 16 * v, k);
            for (int r = 0; r < n_x; r++) {
                const BlockQ8 *block = x + (size_t)r * x_stride;
                int8x16_t a = four_inputs(block, form->step * k);
                int8x16_t c = four_inputs(block, form->step * k + form->second);
                for (int v = 0; v < GROUP_VECTORS; v++)
                    whole[r][v] = add_products_int8(whole[r][v], w[v].a, a, w[v].b, c);
            }
        }
        for (int r = 0; r < n_x; r++) add_block(sum + r * PACK_ROWS, whole[r], scales, x[(size_t)r * x_stride].scale);
    }
}

static void quantize_input(BlockQ8 *out, const float *x, int cols) {
    enum { VECTORS = Q_BLOCK / LANES };
    for (int b = 0; b < cols / Q_BLOCK; b++, x += Q_BLOCK) {
        /* Magnitudes compare like their bits; compared as bits, a NaN is above all numbers. */
        uint32x4_t most = vdupq_n_u32(0);
        for (int v = 0; v < VECTORS; v++)
            most = vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + LANES * v))));
        float largest = f32_from_bits(vmaxvq_u32(most)), inverse = 127.0f / largest;
        if (!isfinite(largest) || !isfinite(inverse)) {
            out[b] = (BlockQ8){.scale = isfinite(largest) ? 0.0f : NAN};
            continue;
        }
        int32x4_t sum = vdupq_n_s32(0);
        for (int v = 0; v < VECTORS; v += 2) {
            int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + LANES * v), inverse));
            int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + LANES * (v + 1)), inverse));
            sum = vaddq_s32(sum, vaddq_s32(low, high));
            vst1_s8(out[b].q + LANES * v, vmovn_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high))));
        }
        out[b].scale = largest / 127.0f;
        out[b].sum = vaddvq_s32(sum);
    }
}

/* float */

/* Four values from `at` on, at any address, as f32; where n < 4 the others are 0 and not read (dtype is a constant). */
INLINE float32x4_t widen(Dtype dtype, const uint8_t *at, int n) {
    uint8_t padded[LANES * sizeof(float)] = {0};
    if (n < LANES) at = memcpy(padded, at, (size_t)n * (dtype == DTYPE_F32 ? 4 : 2));
    if (dtype == DTYPE_F32) return vreinterpretq_f32_u8(vld1q_u8(at));
    if (dtype == DTYPE_F16) return widen_f16(at);
    assert(dtype == DTYPE_BF16);
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(at)), 16));
}

INLINE void tile_float(float *sums, int sum_stride, Dtype dtype, const uint8_t *w, size_t group_bytes, int n_groups,
                       const float *x, size_t x_stride, int n_x, int n_cols, bool ahead) {
    size_t vector_bytes = LANES * (dtype == DTYPE_F32 ? 4 : 2);
    float32x4_t sum[6][GROUP_VECTORS], weight[GROUP_VECTORS];
    (void)group_bytes, (void)n_groups; /* FLOAT_GROUPS is 1 */
    for (int r = 0; r < n_x; r++) {
        for (int v = 0; v < GROUP_VECTORS; v++) sum[r][v] = vdupq_n_f32(0.0f);
    }
    for (int c = 0; c < n_cols; c++) {
        if (ahead) __builtin_prefetch(w + AHEAD / 2, 0, 2);
        for (int v = 0; v < GROUP_VECTORS; v++, w += vector_bytes) weight[v] = widen(dtype, w, LANES);
        for (int r = 0; r < n_x; r++) {
            float input = x[(size_t)r * x_stride + (size_t)c];
            for (int v = 0; v < GROUP_VECTORS; v++) sum[r][v] = vfmaq_n_f32(sum[r][v], weight[v], input);
        }
    }
    for (int r = 0; r < n_x; r++) {
        for (int v = 0; v < GROUP_VECTORS; v++) {
            float *total = sums + r * sum_stride + v * LANES;
            vst1q_f32(total, vaddq_f32(vld1q_f32(total), sum[r][v]));
        }
    }
}

INLINE void add_products(float32x4_t sum[2][FLOAT_W], Dtype dtype, const uint8_t *const w[FLOAT_W], size_t at,
                         const float *x, size_t x_stride, int n_x, int n) {
    float32x4_t input[2];
    for (int r = 0; r < n_x; r++) input[r] = widen(DTYPE_F32, (const void *)(x + (size_t)r * x_stride), n);
    for (int i = 0; i < FLOAT_W; i++) {
        float32x4_t weight = widen(dtype, w[i] + at, n);
        for (int r = 0; r < n_x; r++) sum[r][i] = vfmaq_f32(sum[r][i], weight, input[r]);
    }
}

/* The sums across each of four vectors: neighbours, then pairs. */
INLINE float32x4_t add_across(const float32x4_t sum[FLOAT_W]) {
    return vpaddq_f32(vpaddq_f32(sum[0], sum[1]), vpaddq_f32(sum[2], sum[3]));
}

INLINE void dot_tile(float *out, size_t out_stride, Dtype dtype, const uint8_t *w, size_t row_bytes, int n,
                     const float *x, size_t x_stride, int n_x, int cols, float scale) {
    size_t value_bytes = dtype == DTYPE_F32 ? 4 : 2;
    const uint8_t *rows[FLOAT_W];
    float32x4_t sum[2][FLOAT_W];
    int c = 0;
    for (int i = 0; i < FLOAT_W; i++) {
        rows[i] = w + (size_t)min_int(i, n - 1) * row_bytes;
        for (int r = 0; r < n_x; r++) sum[r][i] = vdupq_n_f32(0.0f);
    }
    for (; c + LANES <= cols; c += LANES)
        add_products(sum, dtype, rows, (size_t)c * value_bytes, x + c, x_stride, n_x, LANES);
    if (c < cols) add_products(sum, dtype, rows, (size_t)c * value_bytes, x + c, x_stride, n_x, cols - c);
    for (int r = 0; r < n_x; r++) {
        float four[FLOAT_W];
        vst1q_f32(four, vmulq_n_f32(add_across(sum[r]), scale));
        memcpy(out + (size_t)r * out_stride, four, (size_t)n * sizeof *four);
    }
}

/* attention */

INLINE void mix_tile(float *out, const float *weights, size_t stride, Dtype dtype, const uint8_t *v, int n,
                     int head_dim, int n_q, int n_vectors, int rest) {
    size_t value_bytes = dtype == DTYPE_F32 ? 4 : 2;
    int used = n_vectors == 0 ? rest : LANES, n_columns = n_vectors == 0 ? 1 : n_vectors;
    float32x4_t sum[4][4];
    for (int h = 0; h < n_q; h++) {
        for (int c = 0; c < n_columns; c++)
            sum[h][c] = widen(DTYPE_F32, (const void *)(out + (size_t)h * (size_t)head_dim + c * LANES), used);
    }
    for (int i = 0; i < n; i++, v += (size_t)head_dim * value_bytes) {
        float32x4_t value[4];
        for (int c = 0; c < n_columns; c++) value[c] = widen(dtype, v + (size_t)c * LANES * value_bytes, used);
        for (int h = 0; h < n_q; h++) {
            float weight = weights[(size_t)h * stride + (size_t)i];
            for (int c = 0; c < n_columns; c++) sum[h][c] = vfmaq_n_f32(sum[h][c], value[c], weight);
        }
    }
    for (int h = 0; h < n_q; h++) {
        for (int c = 0; c < n_columns; c++)
            memcpy(out + (size_t)h * (size_t)head_dim + c * LANES, &sum[h][c], (size_t)used * sizeof *out);
    }
}

static void to_f16(uint16_t *out, const float *x, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) vst1_u16(out + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
    for (; i < n; i++) out[i] = f32_to_f16(x[i]);
}

#if defined(DOT_PRODUCT)
#define KERNELS_TABLE kernels_neondot
#define KERNELS_NAME  "neondot"
#else
#define KERNELS_TABLE kernels_neon
#define KERNELS_NAME  "neon"
#endif

#include "tensor/kernels_table_inline.h"

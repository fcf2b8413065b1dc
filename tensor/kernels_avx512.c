/* AVX-512 (F, BW, VL, DQ) with VNNI. */
#include <immintrin.h>

enum { LANES = 16 };

#include "tensor/kernels_inline.h"

/* int8 */

/* The four values of x for columns 4 k .. 4 k + 3, in every lane. */
INLINE __m512i four_inputs(const BlockQ8 *x, int k) {
    int32_t four;
    memcpy(&four, x->q + 4 * k, sizeof four);
    return _mm512_set1_epi32(four);
}

INLINE void add_products_int8(__m512i *whole, __m512i q, const BlockQ8 *x, size_t x_stride, int n_x, int k) {
    for (int r = 0; r < n_x; r++) {
        whole[r] = _mm512_dpbusd_epi32(whole[r], q, four_inputs(x + (size_t)r * x_stride, k));
    }
}

INLINE void add_block_q8_0(__m512i *whole, const uint8_t *q, const BlockQ8 *x, size_t x_stride, int n_x) {
    for (int k = 0; k < 8; k++, q += 64) add_products_int8(whole, _mm512_loadu_si512(q), x, x_stride, n_x, k);
}

INLINE void add_block_q4_0(__m512i *whole, const uint8_t *q, const BlockQ8 *x, size_t x_stride, int n_x) {
    for (int k = 0; k < 4; k++, q += 64) {
        __m512i both = _mm512_loadu_si512(q), low = _mm512_set1_epi8(15);
        add_products_int8(whole, _mm512_and_si512(both, low), x, x_stride, n_x, k);
        add_products_int8(whole, _mm512_and_si512(_mm512_srli_epi32(both, 4), low), x, x_stride, n_x, 4 + k);
    }
}

/* How the codes of a form are multiplied; each call gets a constant one. */
typedef struct {
    int bytes;  /* of the codes of a block, all rows of the group */
    int offset; /* codes are stored plus this: that many times sum(x) is subtracted first */
    /* whole[r] += a block's codes . a block of row r of x */
    void (*add_block)(__m512i *whole, const uint8_t *q, const BlockQ8 *x, size_t x_stride, int n_x);
} Int8Form;

static const Int8Form form_q8_0 = {PACK_ROWS * Q_BLOCK, 128, add_block_q8_0};
static const Int8Form form_q4_0 = {PACK_ROWS * Q_BLOCK / 2, 8, add_block_q4_0};

INLINE void tile_int8(float *sums, const uint8_t *scales, const uint8_t *q, int n_blocks, const BlockQ8 *x,
                      size_t x_stride, int n_x, const Int8Form *form, Share ahead) {
    __m512 sum[8];
    for (int r = 0; r < n_x; r++) sum[r] = _mm512_load_ps(sums + r * PACK_ROWS);
    for (int b = 0; b < n_blocks; b++, x++, scales += 2 * PACK_ROWS, q += form->bytes) {
        __m512i whole[8];
        fetch(q, scales, ahead);
        for (int r = 0; r < n_x; r++) whole[r] = _mm512_set1_epi32(-form->offset * x[(size_t)r * x_stride].sum);
        form->add_block(whole, q, x, x_stride, n_x);
        __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const void *)scales));
        for (int r = 0; r < n_x; r++) {
            __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(x[(size_t)r * x_stride].scale));
            sum[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole[r]), both, sum[r]);
        }
    }
    for (int r = 0; r < n_x; r++) _mm512_store_ps(sums + r * PACK_ROWS, sum[r]);
}

static void quantize_input(BlockQ8 *out, const float *x, int cols) {
    __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    for (int b = 0; b < cols / Q_BLOCK; b++, x += Q_BLOCK) {
        __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
        __m512i bits = _mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(low), magnitude),
                                        _mm512_and_si512(_mm512_castps_si512(high), magnitude));
        float largest = f32_from_bits((uint32_t)_mm512_reduce_max_epi32(bits)), inverse = 127.0f / largest;
        if (!isfinite(largest) || !isfinite(inverse)) {
            out[b] = (BlockQ8){.scale = isfinite(largest) ? 0.0f : NAN};
            continue;
        }
        __m512i q_low = _mm512_cvtps_epi32(_mm512_mul_ps(low, _mm512_set1_ps(inverse)));
        __m512i q_high = _mm512_cvtps_epi32(_mm512_mul_ps(high, _mm512_set1_ps(inverse)));
        out[b].scale = largest / 127.0f;
        out[b].sum = _mm512_reduce_add_epi32(_mm512_add_epi32(q_low, q_high));
        _mm_storeu_si128((void *)out[b].q, _mm512_cvtepi32_epi8(q_low));
        _mm_storeu_si128((void *)(out[b].q + 16), _mm512_cvtepi32_epi8(q_high));
    }
}

/* float */

/* 16 values from `at` on as f32, those outside the mask 0 and not read. */
INLINE __m512 widen(Dtype dtype, const uint8_t *at, __mmask16 mask) {
    if (dtype == DTYPE_F32) return mask == 0xffff ? _mm512_loadu_ps(at) : _mm512_maskz_loadu_ps(mask, at);
    __m256i half = mask == 0xffff ? _mm256_loadu_si256((const void *)at) : _mm256_maskz_loadu_epi16(mask, at);
    if (dtype == DTYPE_F16) return _mm512_cvtph_ps(half);
    assert(dtype == DTYPE_BF16);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

INLINE __m512 add_quarters(__m512 a, __m512 b, bool last) {
    return last ? _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd))
                : _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

INLINE __m512 add_within_quarters(__m512 a, __m512 b, bool last) {
    return last ? _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd))
                : _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
}

/* The sums across each of four vectors, spread over quarters; then the same for four such results: element i of quarter
 * r is the sum across sum[i][r]. A tree of halves, the same for each vector. */
INLINE __m512 add_across(__m512 sum[FLOAT_W][4]) {
    __m512 of[FLOAT_W];
    for (int i = 0; i < FLOAT_W; i++) {
        of[i] =
            add_quarters(add_quarters(sum[i][0], sum[i][1], false), add_quarters(sum[i][2], sum[i][3], false), true);
    }
    return add_within_quarters(add_within_quarters(of[0], of[1], false), add_within_quarters(of[2], of[3], false),
                               true);
}

INLINE void add_products(__m512 sum[FLOAT_W][4], Dtype dtype, const uint8_t *const w[FLOAT_W], size_t at,
                         const float *x, size_t x_stride, int n_x, __mmask16 mask) {
    __m512 input[4];
    for (int r = 0; r < n_x; r++) input[r] = widen(DTYPE_F32, (const void *)(x + (size_t)r * x_stride), mask);
    for (int i = 0; i < FLOAT_W; i++) {
        __m512 weight = widen(dtype, w[i] + at, mask);
        for (int r = 0; r < n_x; r++) sum[i][r] = _mm512_fmadd_ps(weight, input[r], sum[i][r]);
    }
}

INLINE void dot_tile(float *out, size_t out_stride, Dtype dtype, const uint8_t *w, size_t row_bytes, int n,
                     const float *x, size_t x_stride, int n_x, int cols, float scale) {
    size_t value_bytes = dtype == DTYPE_F32 ? 4 : 2;
    const uint8_t *rows[FLOAT_W];
    __m512 sum[FLOAT_W][4];
    int c = 0;
    for (int i = 0; i < FLOAT_W; i++) {
        rows[i] = w + (size_t)min_int(i, n - 1) * row_bytes;
        for (int r = 0; r < 4; r++) sum[i][r] = _mm512_setzero_ps();
    }
    for (; c + LANES <= cols; c += LANES) {
        size_t at = (size_t)c * value_bytes;
        for (int i = 0; i < FLOAT_W; i++) __builtin_prefetch(rows[i] + at + FLOAT_W * row_bytes, 0, 2);
        add_products(sum, dtype, rows, at, x + c, x_stride, n_x, 0xffff);
    }
    if (c < cols) {
        __mmask16 mask = (__mmask16)((1u << (cols - c)) - 1);
        add_products(sum, dtype, rows, (size_t)c * value_bytes, x + c, x_stride, n_x, mask);
    }
    __m512 all = _mm512_mul_ps(add_across(sum), _mm512_set1_ps(scale));
    __mmask16 used = (__mmask16)((1u << n) - 1);
    for (int r = 0; r < n_x; r++) {
        /* Quarter r to the front. */
        __m512 quarter = r == 0 ? all : _mm512_maskz_compress_ps((__mmask16)(15 << 4 * r), all);
        _mm512_mask_storeu_ps(out + (size_t)r * out_stride, used, quarter);
    }
}

INLINE void tile_float(float *sums, int sum_stride, Dtype dtype, const uint8_t *w, size_t group_bytes, int n_groups,
                       const float *x, size_t x_stride, int n_x, int n_cols, bool ahead) {
    size_t column_bytes = PACK_ROWS * (dtype == DTYPE_F32 ? 4 : 2);
    __m512 sum[8][4], weight[4];
    for (int r = 0; r < n_x; r++) {
        for (int g = 0; g < n_groups; g++) sum[r][g] = _mm512_setzero_ps();
    }
    for (int c = 0; c < n_cols; c++, w += column_bytes) {
        for (int g = 0; g < n_groups; g++) {
            const uint8_t *at = w + (size_t)g * group_bytes;
            if (ahead) __builtin_prefetch(at + AHEAD / 2, 0, 2);
            weight[g] = widen(dtype, at, 0xffff);
        }
        for (int r = 0; r < n_x; r++) {
            __m512 input = _mm512_set1_ps(x[(size_t)r * x_stride + (size_t)c]);
            for (int g = 0; g < n_groups; g++) sum[r][g] = _mm512_fmadd_ps(weight[g], input, sum[r][g]);
        }
    }
    for (int r = 0; r < n_x; r++) {
        for (int g = 0; g < n_groups; g++) {
            float *total = sums + r * sum_stride + g * PACK_ROWS;
            _mm512_store_ps(total, _mm512_add_ps(_mm512_load_ps(total), sum[r][g]));
        }
    }
}

/* attention */

INLINE void mix_tile(float *out, const float *weights, size_t stride, Dtype dtype, const uint8_t *v, int n,
                     int head_dim, int n_q, int n_vectors, int rest) {
    size_t value_bytes = dtype == DTYPE_F32 ? 4 : 2;
    __mmask16 mask = (__mmask16)(n_vectors == 0 ? (1u << rest) - 1 : 0xffffu);
    int n_columns = n_vectors == 0 ? 1 : n_vectors;
    __m512 sum[4][4];
    for (int h = 0; h < n_q; h++) {
        for (int c = 0; c < n_columns; c++) {
            sum[h][c] = widen(DTYPE_F32, (const void *)(out + (size_t)h * (size_t)head_dim + c * LANES), mask);
        }
    }
    for (int i = 0; i < n; i++, v += (size_t)head_dim * value_bytes) {
        __m512 value[4];
        for (int c = 0; c < n_columns; c++) value[c] = widen(dtype, v + (size_t)c * LANES * value_bytes, mask);
        for (int h = 0; h < n_q; h++) {
            __m512 weight = _mm512_set1_ps(weights[(size_t)h * stride + (size_t)i]);
            for (int c = 0; c < n_columns; c++) sum[h][c] = _mm512_fmadd_ps(weight, value[c], sum[h][c]);
        }
    }
    for (int h = 0; h < n_q; h++) {
        for (int c = 0; c < n_columns; c++) {
            _mm512_mask_storeu_ps(out + (size_t)h * (size_t)head_dim + c * LANES, mask, sum[h][c]);
        }
    }
}

static void to_f16(uint16_t *out, const float *x, int n) {
    for (int i = 0; i < n; i += LANES) {
        __mmask16 mask = (__mmask16)(n - i < LANES ? (1u << (n - i)) - 1 : 0xffffu);
        __m256i half = _mm512_cvtps_ph(_mm512_maskz_loadu_ps(mask, x + i), _MM_FROUND_TO_NEAREST_INT);
        _mm256_mask_storeu_epi16(out + i, mask, half);
    }
}

#define KERNELS_TABLE kernels_avx512
#define KERNELS_NAME  "avx512"
#include "tensor/kernels_table_inline.h"

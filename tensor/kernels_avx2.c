/* AVX2 with FMA and F16C. */
#include <immintrin.h>

enum { LANES = 8 };

#include "tensor/kernels_inline.h"

/* int8 */

/* The four values of x for columns 4 k .. 4 k + 3, in every lane. */
INLINE __m256i four_inputs(const BlockQ8 *x, int k) {
    int32_t four;
    memcpy(&four, x->q + 4 * k, sizeof four);
    return _mm256_set1_epi32(four);
}

/* The k-th 4 bytes of a block's codes, of half a group's rows; q is where the codes of that half begin. */
INLINE __m256i load_fours(const uint8_t *q, int k) { return _mm256_loadu_si256((const void *)(q + 4 * PACK_ROWS * k)); }

/* The instruction multiplies unsigned by signed and adds pairs in 16 bits: |w| times x with the sign of w, at most
 * 2 * 128 * 127 = 32512. So the pairs of each step must be widened before they are added. */
INLINE void add_products_q8_0(__m256i *whole, const uint8_t *q, const BlockQ8 *x, size_t x_stride, int n_x, int k) {
    __m256i stored = load_fours(q, k);
    __m256i w = _mm256_xor_si256(stored, _mm256_set1_epi8((char)0x80)), size = _mm256_abs_epi8(w);
    for (int r = 0; r < n_x; r++, x += x_stride) {
        __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(four_inputs(x, k), w));
        whole[r] = _mm256_add_epi32(whole[r], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
}

/* Pairs of nibbles of a whole block fit 16 bits: 8 * 2 * 15 * 127 = 30480. */
INLINE void add_products_q4_0(__m256i *pairs, const uint8_t *q, const BlockQ8 *x, size_t x_stride, int n_x, int k) {
    __m256i stored = load_fours(q, k), nibble = _mm256_set1_epi8(15);
    __m256i low = _mm256_and_si256(stored, nibble), high = _mm256_and_si256(_mm256_srli_epi16(stored, 4), nibble);
    for (int r = 0; r < n_x; r++, x += x_stride) {
        pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(low, four_inputs(x, k)));
        pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(high, four_inputs(x, 4 + k)));
    }
}

INLINE __m256i whole_q8_0(__m256i whole, const BlockQ8 *x) {
    (void)x;
    return whole;
}

/* Nibbles are stored plus 8. */
INLINE __m256i whole_q4_0(__m256i pairs, const BlockQ8 *x) {
    return _mm256_add_epi32(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)), _mm256_set1_epi32(-8 * x->sum));
}

/* How the codes of a form are multiplied; each call gets a constant one. */
typedef struct {
    int bytes;   /* of the codes of a block, all rows of the group */
    int n_steps; /* calls of add_products for a block: k is 0 .. n_steps - 1 */
    /* sum[r] += products of the block's codes, of half the group's rows, with row r of x */
    void (*add_products)(__m256i *sum, const uint8_t *q, const BlockQ8 *x, size_t x_stride, int n_x, int k);
    __m256i (*whole)(__m256i sum, const BlockQ8 *x); /* the products of a whole block, from their sum */
} Int8Form;

static const Int8Form form_q8_0 = {PACK_ROWS * Q_BLOCK, 8, add_products_q8_0, whole_q8_0};
static const Int8Form form_q4_0 = {PACK_ROWS * Q_BLOCK / 2, 4, add_products_q4_0, whole_q4_0};

/* Computes n_halves halves of a group's rows; scales and q are those of the first half. */
INLINE void tile_halves(float *sums, const uint8_t *scales, const uint8_t *q, int n_blocks, const BlockQ8 *x,
                        size_t x_stride, int n_x, int n_halves, const Int8Form *form, Share ahead) {
    __m256 sum[2][4];
    for (int h = 0; h < n_halves; h++) {
        for (int r = 0; r < n_x; r++) sum[h][r] = _mm256_load_ps(sums + r * PACK_ROWS + h * LANES);
    }
    for (int b = 0; b < n_blocks; b++, x++, scales += 2 * PACK_ROWS, q += form->bytes) {
        __m256i whole[2][4];
        fetch(q, scales, ahead);
        for (int h = 0; h < n_halves; h++) {
            for (int r = 0; r < n_x; r++) whole[h][r] = _mm256_setzero_si256();
        }
        for (int k = 0; k < form->n_steps; k++) {
            for (int h = 0; h < n_halves; h++) {
                form->add_products(whole[h], q + 4 * h * LANES, x, x_stride, n_x, k);
            }
        }
        for (int h = 0; h < n_halves; h++) {
            __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const void *)(scales + 2 * h * LANES)));
            for (int r = 0; r < n_x; r++) {
                const BlockQ8 *block = x + (size_t)r * x_stride;
                __m256 both = _mm256_mul_ps(scale, _mm256_set1_ps(block->scale));
                __m256i exact = form->whole(whole[h][r], block);
                sum[h][r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(exact), both, sum[h][r]);
            }
        }
    }
    for (int h = 0; h < n_halves; h++) {
        for (int r = 0; r < n_x; r++) _mm256_store_ps(sums + r * PACK_ROWS + h * LANES, sum[h][r]);
    }
}

/* The registers suffice for four rows of x and half a group, or for two rows and a whole group. */
INLINE void tile_int8(float *sums, const uint8_t *scales, const uint8_t *q, int n_blocks, const BlockQ8 *x,
                      size_t x_stride, int n_x, const Int8Form *form, Share ahead) {
    if (n_x <= 2) {
        tile_halves(sums, scales, q, n_blocks, x, x_stride, n_x, 2, form, ahead);
        return;
    }
    tile_halves(sums, scales, q, n_blocks, x, x_stride, n_x, 1, form, ahead);
    tile_halves(sums + LANES, scales + 2 * LANES, q + 4 * LANES, n_blocks, x, x_stride, n_x, 1, form, (Share){0, 0});
}

/* The sum of 32 integers. */
INLINE int32_t add_whole(__m256i a, __m256i b, __m256i c, __m256i d) {
    int32_t lane[LANES], sum = 0;
    _mm256_storeu_si256((void *)lane, _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d)));
    for (int i = 0; i < LANES; i++) sum += lane[i];
    return sum;
}

/* The bits of the largest magnitude; compared as bits, a NaN is above all numbers. */
INLINE uint32_t largest_bits(const float *x) {
    uint32_t lane[LANES], largest = 0;
    __m256i most = _mm256_setzero_si256(), magnitude = _mm256_set1_epi32(0x7fffffff);
    for (int i = 0; i < Q_BLOCK; i += LANES) {
        most = _mm256_max_epi32(most, _mm256_and_si256(_mm256_loadu_si256((const void *)(x + i)), magnitude));
    }
    _mm256_storeu_si256((void *)lane, most);
    for (int i = 0; i < LANES; i++) largest = lane[i] > largest ? lane[i] : largest;
    return largest;
}

static void quantize_input(BlockQ8 *out, const float *x, int cols) {
    for (int b = 0; b < cols / Q_BLOCK; b++, x += Q_BLOCK) {
        float largest = f32_from_bits(largest_bits(x)), inverse = 127.0f / largest;
        if (!isfinite(largest) || !isfinite(inverse)) {
            out[b] = (BlockQ8){.scale = isfinite(largest) ? 0.0f : NAN};
            continue;
        }
        __m256i q[4];
        for (int i = 0; i < 4; i++) {
            q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i * LANES), _mm256_set1_ps(inverse)));
        }
        /* The two packs interleave halves of their arguments: four values each of q[0], q[1], ... then their rest. */
        __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
        bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        out[b].scale = largest / 127.0f;
        out[b].sum = add_whole(q[0], q[1], q[2], q[3]);
        _mm256_storeu_si256((void *)out[b].q, bytes);
    }
}

/* float */

/* Eight values from `at` on as f32; where n < 8 the others are 0 and not read (dtype is a constant). */
INLINE __m256 widen(Dtype dtype, const uint8_t *at, int n) {
    uint8_t padded[LANES * sizeof(float)] = {0};
    if (n < LANES) at = memcpy(padded, at, (size_t)n * (dtype == DTYPE_F32 ? 4 : 2));
    if (dtype == DTYPE_F32) return _mm256_loadu_ps((const void *)at);
    __m128i half = _mm_loadu_si128((const void *)at);
    if (dtype == DTYPE_F16) return _mm256_cvtph_ps(half);
    assert(dtype == DTYPE_BF16);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

INLINE void add_products(__m256 sum[2][FLOAT_W], Dtype dtype, const uint8_t *const w[FLOAT_W], size_t at,
                         const float *x, size_t x_stride, int n_x, int n) {
    __m256 input[2];
    for (int r = 0; r < n_x; r++) input[r] = widen(DTYPE_F32, (const void *)(x + (size_t)r * x_stride), n);
    for (int i = 0; i < FLOAT_W; i++) {
        __m256 weight = widen(dtype, w[i] + at, n);
        for (int r = 0; r < n_x; r++) sum[r][i] = _mm256_fmadd_ps(weight, input[r], sum[r][i]);
    }
}

/* The sums across each of four vectors: neighbours, then pairs, then halves. */
INLINE __m128 add_across(const __m256 sum[FLOAT_W]) {
    __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(sum[0], sum[1]), _mm256_hadd_ps(sum[2], sum[3]));
    return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

INLINE void dot_tile(float *out, size_t out_stride, Dtype dtype, const uint8_t *w, size_t row_bytes, int n,
                     const float *x, size_t x_stride, int n_x, int cols, float scale) {
    size_t value_bytes = dtype == DTYPE_F32 ? 4 : 2;
    const uint8_t *rows[FLOAT_W];
    __m256 sum[2][FLOAT_W];
    int c = 0;
    for (int i = 0; i < FLOAT_W; i++) {
        rows[i] = w + (size_t)min_int(i, n - 1) * row_bytes;
        for (int r = 0; r < n_x; r++) sum[r][i] = _mm256_setzero_ps();
    }
    for (; c + LANES <= cols; c += LANES) {
        size_t at = (size_t)c * value_bytes;
        for (int i = 0; i < FLOAT_W; i++) __builtin_prefetch(rows[i] + at + FLOAT_W * row_bytes, 0, 2);
        add_products(sum, dtype, rows, at, x + c, x_stride, n_x, LANES);
    }
    if (c < cols) add_products(sum, dtype, rows, (size_t)c * value_bytes, x + c, x_stride, n_x, cols - c);
    for (int r = 0; r < n_x; r++) {
        float four[FLOAT_W];
        _mm_storeu_ps(four, _mm_mul_ps(add_across(sum[r]), _mm_set1_ps(scale)));
        memcpy(out + (size_t)r * out_stride, four, (size_t)n * sizeof *four);
    }
}

INLINE void tile_float(float *sums, int sum_stride, Dtype dtype, const uint8_t *w, size_t group_bytes, int n_groups,
                       const float *x, size_t x_stride, int n_x, int n_cols, bool ahead) {
    size_t half_bytes = LANES * (dtype == DTYPE_F32 ? 4 : 2);
    __m256 low[6], high[6];
    (void)group_bytes, (void)n_groups; /* FLOAT_GROUPS is 1 */
    for (int r = 0; r < n_x; r++) low[r] = high[r] = _mm256_setzero_ps();
    for (int c = 0; c < n_cols; c++, w += 2 * half_bytes) {
        if (ahead) __builtin_prefetch(w + AHEAD / 2, 0, 2);
        __m256 w_low = widen(dtype, w, LANES), w_high = widen(dtype, w + half_bytes, LANES);
        for (int r = 0; r < n_x; r++) {
            __m256 input = _mm256_set1_ps(x[(size_t)r * x_stride + (size_t)c]);
            low[r] = _mm256_fmadd_ps(w_low, input, low[r]);
            high[r] = _mm256_fmadd_ps(w_high, input, high[r]);
        }
    }
    for (int r = 0; r < n_x; r++, sums += sum_stride) {
        _mm256_store_ps(sums, _mm256_add_ps(_mm256_load_ps(sums), low[r]));
        _mm256_store_ps(sums + LANES, _mm256_add_ps(_mm256_load_ps(sums + LANES), high[r]));
    }
}

/* attention */

INLINE void mix_tile(float *out, const float *weights, size_t stride, Dtype dtype, const uint8_t *v, int n,
                     int head_dim, int n_q, int n_vectors, int rest) {
    size_t value_bytes = dtype == DTYPE_F32 ? 4 : 2;
    int used = n_vectors == 0 ? rest : LANES, n_columns = n_vectors == 0 ? 1 : n_vectors;
    __m256 sum[4][4];
    for (int h = 0; h < n_q; h++) {
        for (int c = 0; c < n_columns; c++) {
            sum[h][c] = widen(DTYPE_F32, (const void *)(out + (size_t)h * (size_t)head_dim + c * LANES), used);
        }
    }
    for (int i = 0; i < n; i++, v += (size_t)head_dim * value_bytes) {
        __m256 value[4];
        for (int c = 0; c < n_columns; c++) value[c] = widen(dtype, v + (size_t)c * LANES * value_bytes, used);
        for (int h = 0; h < n_q; h++) {
            __m256 weight = _mm256_set1_ps(weights[(size_t)h * stride + (size_t)i]);
            for (int c = 0; c < n_columns; c++) sum[h][c] = _mm256_fmadd_ps(weight, value[c], sum[h][c]);
        }
    }
    for (int h = 0; h < n_q; h++) {
        for (int c = 0; c < n_columns; c++) {
            float wide[LANES];
            _mm256_storeu_ps(wide, sum[h][c]);
            memcpy(out + (size_t)h * (size_t)head_dim + c * LANES, wide, (size_t)used * sizeof *wide);
        }
    }
}

static void to_f16(uint16_t *out, const float *x, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        _mm_storeu_si128((void *)(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    }
    for (; i < n; i++) out[i] = f32_to_f16(x[i]);
}

#define KERNELS_TABLE kernels_avx2
#define KERNELS_NAME  "avx2"
#include "tensor/kernels_table_inline.h"

/* What the x86 tables share: loop nests around their inner loops, and plain C that compilers vectorise well. Included by
 * kernels_<isa>.c, once it has defined LANES: the 32-bit lanes of its vectors. */
#ifndef TENSOR_KERNELS_INLINE_H
#define TENSOR_KERNELS_INLINE_H

#include <math.h>
#include <string.h>

#include "tensor/kernels.h"

/* Inner loops are written once and specialised by constant arguments, which needs them inlined. */
#define INLINE static inline __attribute__((always_inline))
/* Inlined into their loop, these would have it keep an address for each of LANES rows, in memory. */
#define NOINLINE static __attribute__((noinline))

INLINE int min_int(int a, int b) { return a < b ? a : b; }

/* So many rows of x that they stay in the second-level cache, but not so few that reading the weights again shows. */
INLINE int rows_at_a_time(size_t row_bytes) {
    size_t n = (384 << 10) / row_bytes;
    return n < 32 ? 32 : n > 512 ? 512 : (int)n / 8 * 8;
}

/* int8 dot products: LANES rows of weights side by side, one a lane.
 *
 * Bytes of one column from LANES rows lie far apart in memory, so a chunk of columns is packed first: for each four
 * columns, the four bytes of row 0, of row 1, ... One instruction then multiplies them by four bytes of x, the same in
 * each lane. A lane adds its row's blocks up in the order of the columns; that is all the sum depends on. Between chunks
 * the sums wait in `out`. Packing pays even for one row of x: without it each block ends in a sum across lanes. */
enum { PACK_BLOCKS = 16 };

typedef struct {
    uint8_t q[PACK_BLOCKS][Q_BLOCK / 4][LANES][4];
    uint16_t scale[PACK_BLOCKS][LANES]; /* f16 */
} PackedRows;

/* Packs the values of one block of n <= LANES rows as block b; row i's begins row_bytes * i after `rows`. Lanes past n
 * repeat a row. */
typedef void PackBlock(PackedRows *packed, int b, const uint8_t *rows, size_t row_bytes, int n);

/* out[r * out_stride + lane] += packed rows . x row r, for lane < n, r < n_x (a constant); `=` where fresh. */
typedef void DotPacked(float *out, size_t out_stride, int n, const PackedRows *packed, int n_packed, const BlockQ8 *x,
                       size_t x_stride, int n_x, bool fresh);

INLINE void dot_packed_all(float *out, size_t out_stride, int n, const PackedRows *packed, int n_packed,
                           const BlockQ8 *x, size_t x_stride, int n_x, bool fresh, DotPacked *dot) {
    int r = 0;
#define ROWS_OF_X(count)                                                                                               \
    for (; r + (count) <= n_x; r += (count))                                                                           \
    dot(out + (size_t)r * out_stride, out_stride, n, packed, n_packed, x + (size_t)r * x_stride, x_stride, count, fresh)
    if (LANES == 16) ROWS_OF_X(8); /* else there are not enough registers */
    ROWS_OF_X(4);
    ROWS_OF_X(2);
    ROWS_OF_X(1);
#undef ROWS_OF_X
}

/* The group of rows that is packed next is fetched meanwhile, in the order in which it lies in memory. */
INLINE void fetch(const uint8_t *from, size_t bytes) {
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at, 0, 2);
}

INLINE void pack_chunk(PackedRows *packed, const uint8_t *rows, size_t row_bytes, int n, int block, int n_blocks,
                       size_t block_bytes, bool fetch_next, PackBlock *pack) {
    for (int b = 0; b < n_blocks; b++) {
        size_t at = (size_t)(block + b) * block_bytes;
        if (fetch_next) fetch(rows + LANES * (row_bytes + at), LANES * block_bytes);
        for (int i = 0; i < LANES; i++) {
            memcpy(&packed->scale[b][i], rows + at + (size_t)min_int(i, n - 1) * row_bytes, 2);
        }
        if (n >= LANES) {
            pack(packed, b, rows + at, row_bytes, LANES);
        } else {
            pack(packed, b, rows + at, row_bytes, n);
        }
    }
}

INLINE void dot_int8(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x,
                     PackBlock *pack, DotPacked *dot) {
    size_t row_bytes = tensor_row_bytes(w), block_bytes = (size_t)dtype_info[w->dtype].block_bytes;
    int n_blocks = w->cols / Q_BLOCK;
    int x_rows = rows_at_a_time((size_t)n_blocks * sizeof(BlockQ8));
    PackedRows packed __attribute__((aligned(64)));
    for (int r = 0; r < n_x; r += x_rows) {
        const BlockQ8 *x_row = (const BlockQ8 *)x + (size_t)r * (size_t)n_blocks;
        for (int i = 0; i < n_w; i += LANES) {
            const uint8_t *rows = tensor_row(w, first + i);
            for (int b = 0; b < n_blocks; b += PACK_BLOCKS) {
                int n_packed = min_int(PACK_BLOCKS, n_blocks - b), n = min_int(LANES, n_w - i);
                pack_chunk(&packed, rows, row_bytes, n, b, n_packed, block_bytes, n_w - i >= 2 * LANES, pack);
                dot_packed_all(out + (size_t)r * out_stride + i, out_stride, n, &packed, n_packed, x_row + b,
                               (size_t)n_blocks, min_int(x_rows, n_x - r), b == 0, dot);
            }
        }
    }
}

/* Float dot products: tiles of FLOAT_W rows of weights and up to four of x, each pair with one vector of partial sums
 * over columns. Keys against queries are the same thing. */
enum { FLOAT_W = 4 };

/* out[r * out_stride + i] = scale * dot(w row i, x row r), i < n (dtype and n_x are constants). */
typedef void DotTile(float *out, size_t out_stride, Dtype dtype, const uint8_t *w, size_t row_bytes, int n,
                     const float *x, size_t x_stride, int n_x, int cols, float scale);

INLINE void dot_tiles(float *out, size_t out_stride, Dtype dtype, const uint8_t *w, size_t row_bytes, int n,
                      const float *x, size_t x_stride, int n_x, int cols, float scale, DotTile *tile) {
    int r = 0;
#define ROWS_OF_X(count)                                                                                               \
    for (; r + (count) <= n_x; r += (count))                                                                           \
    tile(out + (size_t)r * out_stride, out_stride, dtype, w, row_bytes, n, x + (size_t)r * x_stride, x_stride, count,  \
         cols, scale)
    if (LANES == 16) ROWS_OF_X(4); /* else there are not enough registers */
    ROWS_OF_X(2);
    ROWS_OF_X(1);
#undef ROWS_OF_X
}

INLINE void dot_float(float *out, size_t out_stride, Dtype dtype, const uint8_t *w, int n_w, const float *x, int n_x,
                      int cols, float scale, DotTile *tile) {
    size_t row_bytes = (size_t)cols * (size_t)(dtype == DTYPE_F32 ? 4 : 2);
    int x_rows = rows_at_a_time((size_t)cols * sizeof *x);
    for (int r = 0; r < n_x; r += x_rows) {
        for (int i = 0; i < n_w; i += FLOAT_W) {
            dot_tiles(out + (size_t)r * out_stride + i, out_stride, dtype, w + (size_t)i * row_bytes, row_bytes,
                      min_int(FLOAT_W, n_w - i), x + (size_t)r * (size_t)cols, (size_t)cols, min_int(x_rows, n_x - r),
                      cols, scale, tile);
        }
    }
}

/* Groups of any size: a chunk of the rows is turned into floats first. Chunks are added in the order of the columns. */
enum { GROUP_CHUNK = 512, GROUP_X = 32 };

INLINE void dot_q8_group_rows(float *out, size_t out_stride, const Tensor *w, int first, int n, const float *x, int n_x,
                              DotTile *tile) {
    float wide[FLOAT_W][GROUP_CHUNK], part[GROUP_X][FLOAT_W];
    size_t x_stride = (size_t)w->cols;
    for (int col = 0; col < w->cols; col += GROUP_CHUNK) {
        int n_cols = min_int(GROUP_CHUNK, w->cols - col);
        for (int i = 0; i < n; i++) dequantize_group(wide[i], w, first + i, col, n_cols);
        dot_tiles(part[0], FLOAT_W, DTYPE_F32, (const void *)wide, sizeof wide[0], n, x + col, x_stride, n_x, n_cols,
                  1.0f, tile);
        for (int r = 0; r < n_x; r++) {
            float *sum = out + (size_t)r * out_stride;
            for (int i = 0; i < n; i++) sum[i] = col == 0 ? part[r][i] : sum[i] + part[r][i];
        }
    }
}

INLINE void dot_q8_group_tiled(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const float *x,
                               int n_x, DotTile *tile) {
    for (int i = 0; i < n_w; i += FLOAT_W) {
        for (int r = 0; r < n_x; r += GROUP_X) {
            dot_q8_group_rows(out + (size_t)r * out_stride + i, out_stride, w, first + i, min_int(FLOAT_W, n_w - i),
                              x + (size_t)r * (size_t)w->cols, min_int(GROUP_X, n_x - r), tile);
        }
    }
}

/* Values times weights: each element of out adds the rows up in order. A block of rows stays in cache meanwhile. */
enum { MIX_ROWS = 64 };

/* out[h * head_dim + c] += sum over i of weights[h * stride + i] * v[i, c] for h < n_q, c < n_vectors * LANES; all of
 * dtype, n_q, n_vectors are constants. n_vectors 0: one vector of which the first `rest` elements are used. */
typedef void MixTile(float *out, const float *weights, size_t stride, Dtype dtype, const uint8_t *v, int n,
                     int head_dim, int n_q, int n_vectors, int rest);

INLINE void mix_heads(float *out, const float *weights, size_t stride, Dtype dtype, const uint8_t *v, int n,
                      int head_dim, int n_q, MixTile *tile) {
    size_t value_bytes = dtype == DTYPE_F32 ? 4 : 2;
    int c = 0;
#define VECTORS(count)                                                                                                 \
    for (; c + (count)*LANES <= head_dim; c += (count)*LANES)                                                          \
    tile(out + c, weights, stride, dtype, v + (size_t)c * value_bytes, n, head_dim, n_q, count, 0)
    if (LANES == 16 || n_q == 1) VECTORS(4);
    VECTORS(2);
    VECTORS(1);
#undef VECTORS
    if (c < head_dim)
        tile(out + c, weights, stride, dtype, v + (size_t)c * value_bytes, n, head_dim, n_q, 0, head_dim - c);
}

INLINE void mix_float(float *out, const float *weights, size_t stride, int n_q, Dtype dtype, const uint8_t *v, int n,
                      int head_dim, MixTile *tile) {
    size_t row_bytes = (size_t)head_dim * (size_t)(dtype == DTYPE_F32 ? 4 : 2);
    for (int i = 0; i < n; i += MIX_ROWS) {
        const uint8_t *rows = v + (size_t)i * row_bytes;
        int n_rows = min_int(MIX_ROWS, n - i), h = 0;
        for (; h + 4 <= n_q; h += 4) {
            mix_heads(out + (size_t)h * (size_t)head_dim, weights + (size_t)h * stride + i, stride, dtype, rows, n_rows,
                      head_dim, 4, tile);
        }
        for (; h < n_q; h++) {
            mix_heads(out + (size_t)h * (size_t)head_dim, weights + (size_t)h * stride + i, stride, dtype, rows, n_rows,
                      head_dim, 1, tile);
        }
    }
}

/* e^x = 2^n e^r with n = x / ln 2 rounded, |r| <= ln 2 / 2, where the Taylor polynomial of degree 7 is good to 2^-27.
 * Within 1 ulp of the true value or so, subnormals included; 0 below -103.97, infinite above 88.72, NaN for NaN. */
INLINE float exp_element(float x) {
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    float shifted = x * 0x1.715476p0f + 0x1.8p23f; /* so large that a float's step is 1: the low bits are n */
    uint32_t n = f32_bits(shifted) - f32_bits(0x1.8p23f);
    float whole = shifted - 0x1.8p23f;
    float r = fmaf(whole, -0x1.62e43p-1f, x); /* ln 2 in two parts */
    r = fmaf(whole, 0x1.05c61p-29f, r);
    float p = 1.0f / 5040;
    p = fmaf(p, r, 1.0f / 720);
    p = fmaf(p, r, 1.0f / 120);
    p = fmaf(p, r, 1.0f / 24);
    p = fmaf(p, r, 1.0f / 6);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    /* 2^n as a product of two: alone it may be beyond a float. */
    uint32_t half = (uint32_t)((int32_t)n >> 1);
    return p * f32_from_bits((half + 127) << 23) * f32_from_bits((n - half + 127) << 23);
}

static float exp_sum(float *out, const float *x, float shift, int n) {
    float sum[16] = {0}, total = 0.0f;
    int i = 0;
#pragma omp simd /* out may be x: no element depends on another */
    for (int k = 0; k < n; k++) out[k] = exp_element(x[k] - shift);
    for (; i + 16 <= n; i += 16) {
        for (int j = 0; j < 16; j++) sum[j] += out[i + j];
    }
    for (int j = 0; i + j < n; j++) sum[j] += out[i + j];
    for (int j = 0; j < 16; j++) total += sum[j];
    return total;
}

static void swiglu(float *gate, const float *up, int n) {
    for (int i = 0; i < n; i++) gate[i] = gate[i] / (1.0f + exp_element(-gate[i])) * up[i];
}

#endif

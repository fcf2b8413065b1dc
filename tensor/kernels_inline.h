/* Shared by the tables with vector instructions: loop nests around their inner loops, and plain C that compilers
 * vectorise well. Included by kernels_<isa>.c, once it has defined LANES: the 32-bit lanes of its vectors. */
#ifndef TENSOR_KERNELS_INLINE_H
#define TENSOR_KERNELS_INLINE_H

#include <assert.h>
#include <math.h>
#include <string.h>

#include "tensor/kernels.h"
#include "tensor/minmax.h"

/* Inner loops are written once and specialised by constant arguments; for this they must be inlined. */
#define INLINE static inline __attribute__((always_inline))

/* Packed weights: groups of PACK_ROWS rows against panels of rows of x, a tile of a few rows at a time.
 *
 * A panel's part of the columns stays in the second-level cache, a group's part of those in the first-level cache. The
 * sums of a group are kept in a small array until they are complete: in `out` they are so far apart that caches hold
 * few of them. */
enum { PANEL_ROWS = 128, PANEL_BYTES = 384 << 10 };

/* The units of columns that a panel processes at once. */
INLINE int units_at_a_time(int n_units, int n_x, size_t unit_bytes) {
    int n = (int)(PANEL_BYTES / ((size_t)n_x * unit_bytes));
    return min_int(n_units, n < 1 ? 1 : n);
}

/* Copies n floats; n is nearly always the number of lanes, for which the copy has a constant size. */
INLINE void copy_lanes(float *to, const float *from, int n, int lanes) {
    if (n == lanes)
        memcpy(to, from, (size_t)lanes * sizeof *to);
    else
        memcpy(to, from, (size_t)n * sizeof *to);
}

/* sum (n_x, lanes) and out[r * out_stride + i], i < n; lanes is a constant. */
INLINE void load_sums(float *sum, int lanes, const float *out, size_t out_stride, int n, int n_x, bool fresh) {
    for (int r = 0; r < n_x; r++) {
        if (fresh || n < lanes) memset(sum + r * lanes, 0, (size_t)lanes * sizeof *sum);
        if (!fresh) copy_lanes(sum + r * lanes, out + (size_t)r * out_stride, n, lanes);
    }
}

INLINE void store_sums(const float *sum, int lanes, float *out, size_t out_stride, int n, int n_x) {
    for (int r = 0; r < n_x; r++) copy_lanes(out + (size_t)r * out_stride, sum + r * lanes, n, lanes);
}

/* Prefetches the weights that are AHEAD bytes after those being multiplied: the processor's own prefetching stops at
 * each page. The tiles of a panel share this evenly, because the number of lines in flight is limited: each tile
 * prefetches bytes from .. to - 1 of each block. */
enum { AHEAD = 32768, LINE = 64 };

typedef struct {
    int from, to;
} Share;

INLINE Share share_of(int r, int count, int n_x, size_t block_bytes) {
    int lines = (int)block_bytes / LINE;
    return (Share){lines * r / n_x * LINE, lines * (r + count) / n_x * LINE};
}

INLINE void fetch(const uint8_t *block, const uint8_t *scales, Share share) {
    for (int at = share.from; at < share.to; at += LINE) __builtin_prefetch(block + AHEAD + at, 0, 2);
    __builtin_prefetch(scales + AHEAD, 0, 2);
}

/* Processes rows of x in tiles as large as the registers allow; TILE(count) computes rows r .. r + count - 1. */
#define ROWS_OF_X(count)                                                                                               \
    for (; r + (count) <= n_x; r += (count)) TILE(count)

/* sum (n_x, PACK_ROWS) += n_blocks blocks of a group . x row r; n_x is a constant. */
typedef void TileInt8(float *sum, const uint8_t *scales, const uint8_t *q, int n_blocks, const BlockQ8 *x,
                      size_t x_stride, int n_x, Share ahead);

INLINE void dot_panel_int8(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const BlockQ8 *x,
                           int n_x, TileInt8 *tile) {
    enum { BLOCKS = 16 }; /* blocks of weights that stay in the first-level cache for all rows of x */
    float sum[PANEL_ROWS * PACK_ROWS] __attribute__((aligned(64)));
    int all = w->cols / Q_BLOCK, width = BLOCKS * units_at_a_time((all + BLOCKS - 1) / BLOCKS, n_x, BLOCKS * sizeof *x);
    size_t scale_bytes = packed_scale_bytes(w), q_bytes = PACK_ROWS * (size_t)(dtype_info[w->dtype].block_bytes - 2);
    for (int from = 0; from < all; from += width) {
        int to = min_int(all, from + width);
        for (int i = 0; i < n_w; i += PACK_ROWS) {
            const uint8_t *scales = packed_group(w, (first + i) / PACK_ROWS), *q = scales + scale_bytes;
            int n = min_int(PACK_ROWS, n_w - i);
            load_sums(sum, PACK_ROWS, out + i, out_stride, n, n_x, from == 0);
            for (int b = from; b < to; b += BLOCKS) {
                int r = 0;
#define TILE(count)                                                                                                    \
    tile(sum + r * PACK_ROWS, scales + (size_t)b * PACK_ROWS * 2, q + (size_t)b * q_bytes, min_int(BLOCKS, to - b),    \
         x + (size_t)r * (size_t)all + b, (size_t)all, count, share_of(r, count, n_x, q_bytes));
                if (LANES == 16) ROWS_OF_X(8) /* otherwise there are too few registers */
                ROWS_OF_X(4)
                ROWS_OF_X(2)
                ROWS_OF_X(1)
#undef TILE
            }
            store_sums(sum, PACK_ROWS, out + i, out_stride, n, n_x);
        }
    }
}

INLINE void dot_packed_int8(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const BlockQ8 *x,
                            int n_x, TileInt8 *tile) {
    for (int r = 0; r < n_x; r += PANEL_ROWS)
        dot_panel_int8(out + (size_t)r * out_stride, out_stride, w, first, n_w,
                       x + (size_t)r * (size_t)(w->cols / Q_BLOCK), min_int(PANEL_ROWS, n_x - r), tile);
}

/* sum[r * sum_stride + i], i < n_groups * PACK_ROWS, += n_cols <= SUM_COLUMNS columns of n_groups groups, group_bytes
 * apart, times x row r; dtype, n_groups and n_x are constants. For few rows the processor's own prefetching is as good
 * (ahead). */
typedef void TileFloat(float *sum, int sum_stride, Dtype dtype, const uint8_t *w, size_t group_bytes, int n_groups,
                       const float *x, size_t x_stride, int n_x, int n_cols, bool ahead);

enum { FLOAT_GROUPS = LANES == 16 ? 4 : 1, FLOAT_PANEL = PANEL_ROWS / 2 };

INLINE void dot_groups_float(float *sum, Dtype dtype, const uint8_t *w, size_t group_bytes, int n_groups,
                             const float *x, int n_x, int cols, int from, int to, TileFloat *tile) {
    size_t column_bytes = PACK_ROWS * (dtype == DTYPE_F32 ? 4 : 2);
    for (int c = from; c < to; c += SUM_COLUMNS) {
        int r = 0;
#define TILE_OF(count, first, groups)                                                                                  \
    tile(sum + (r * n_groups + first) * PACK_ROWS, n_groups * PACK_ROWS, dtype,                                        \
         w + (size_t)c * column_bytes + (size_t)first * group_bytes, group_bytes, groups,                              \
         x + (size_t)r * (size_t)cols + c, (size_t)cols, count, min_int(SUM_COLUMNS, to - c),                          \
         r == 0 && n_x > (LANES == 16 ? 4 : 1));
#define TILE(count) TILE_OF(count, 0, n_groups)
        if (LANES < 16 && n_x == 8) ROWS_OF_X(4) /* with two, there are too few independent sums */
        if (dtype == DTYPE_F32 && n_groups == 4 && n_x % 6 == 2 &&
            n_x > 2) { /* for the same reason: eight rows times one half of the groups, twice */
            TILE_OF(8, 0, 2)
            TILE_OF(8, 2, 2)
            r = 8;
        }
        ROWS_OF_X(6)
        ROWS_OF_X(4)
        ROWS_OF_X(2)
        ROWS_OF_X(1)
#undef TILE
#undef TILE_OF
    }
}

INLINE void dot_panel_float(float *out, size_t out_stride, Dtype dtype, const Tensor *w, int first, int n_w,
                            const float *x, int n_x, TileFloat *tile) {
    float sum[FLOAT_PANEL * FLOAT_GROUPS * PACK_ROWS] __attribute__((aligned(64)));
    size_t bytes = packed_group_bytes(w);
    int n_units = (w->cols + SUM_COLUMNS - 1) / SUM_COLUMNS;
    int width = SUM_COLUMNS * units_at_a_time(n_units, n_x, SUM_COLUMNS * sizeof *x);
    for (int from = 0; from < w->cols; from += width) {
        int to = min_int(w->cols, from + width), i = 0;
#define DOT_GROUPS(count)                                                                                              \
    for (; i + ((count)-1) * PACK_ROWS < n_w; i += (count)*PACK_ROWS) {                                                \
        int n = min_int((count)*PACK_ROWS, n_w - i);                                                                   \
        load_sums(sum, (count)*PACK_ROWS, out + i, out_stride, n, n_x, from == 0);                                     \
        dot_groups_float(sum, dtype, packed_group(w, (first + i) / PACK_ROWS), bytes, count, x, n_x, w->cols, from,    \
                         to, tile);                                                                                    \
        store_sums(sum, (count)*PACK_ROWS, out + i, out_stride, n, n_x);                                               \
    }
        DOT_GROUPS(FLOAT_GROUPS)
        if (FLOAT_GROUPS > 1) DOT_GROUPS(1)
#undef DOT_GROUPS
    }
}

INLINE void dot_packed_float(float *out, size_t out_stride, Dtype dtype, const Tensor *w, int first, int n_w,
                             const float *x, int n_x, TileFloat *tile) {
    for (int r = 0; r < n_x; r += FLOAT_PANEL)
        dot_panel_float(out + (size_t)r * out_stride, out_stride, dtype, w, first, n_w, x + (size_t)r * (size_t)w->cols,
                        min_int(FLOAT_PANEL, n_x - r), tile);
}

/* Rows of floats: keys times queries, and matrices that are not packed. Tiles of FLOAT_W rows and up to four of x, each
 * pair with one vector of partial sums over columns. */
enum { FLOAT_W = 4 };

/* out[r * out_stride + i] = scale * dot(w row i, x row r), i < n (dtype and n_x are constants). */
typedef void DotTile(float *out, size_t out_stride, Dtype dtype, const uint8_t *w, size_t row_bytes, int n,
                     const float *x, size_t x_stride, int n_x, int cols, float scale);

INLINE void dot_tiles(float *out, size_t out_stride, Dtype dtype, const uint8_t *w, size_t row_bytes, int n,
                      const float *x, size_t x_stride, int n_x, int cols, float scale, DotTile *tile) {
    int r = 0;
#define TILE(count)                                                                                                    \
    tile(out + (size_t)r * out_stride, out_stride, dtype, w, row_bytes, n, x + (size_t)r * x_stride, x_stride, count,  \
         cols, scale);
    if (LANES == 16) ROWS_OF_X(4) /* otherwise there are too few registers */
    ROWS_OF_X(2)
    ROWS_OF_X(1)
#undef TILE
}

INLINE void dot_rows(float *out, size_t out_stride, Dtype dtype, const uint8_t *w, int n_w, const float *x, int n_x,
                     int cols, float scale, DotTile *tile) {
    size_t row_bytes = (size_t)cols * (size_t)(dtype == DTYPE_F32 ? 4 : 2);
    for (int i = 0; i < n_w; i += FLOAT_W) {
        dot_tiles(out + i, out_stride, dtype, w + (size_t)i * row_bytes, row_bytes, min_int(FLOAT_W, n_w - i), x,
                  (size_t)cols, n_x, cols, scale, tile);
    }
}

/* Q8_GROUP with groups of any size: a chunk of the rows is first converted to floats. Chunks are added in the order of
 * the columns. */
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

/* Values times weights: each element of out sums the rows in order. A block of rows stays in the cache for all
 * heads. */
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
    float shifted = x * 0x1.715476p0f + 0x1.8p23f; /* so large that the spacing of floats is 1: the low bits are n */
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
    /* 2^n as a product of two factors: 2^n itself may exceed the range of a float. */
    uint32_t half = (uint32_t)((int32_t)n >> 1);
    return p * f32_from_bits((half + 127) << 23) * f32_from_bits((n - half + 127) << 23);
}

static float exp_sum(float *out, const float *x, float shift, int n) {
    float sum[16] = {0}, total = 0.0f;
    int i = 0;
    /* In place, so that compilers see that no element depends on another. */
    if (out != x) memcpy(out, x, (size_t)n * sizeof *out);
    for (int k = 0; k < n; k++) out[k] = exp_element(out[k] - shift);
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

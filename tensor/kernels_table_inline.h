/* The end of every kernels_<isa>.c with vector instructions: its tiles specialised for each form of weights, and its
 * table. Included after the file has defined tile_int8, tile_float, dot_tile, mix_tile, quantize_input and to_f16, with
 * the Int8Form of each int8 form, KERNELS_TABLE and KERNELS_NAME. */

INLINE void tile_q8_0(float *sum, const uint8_t *scales, const uint8_t *q, int n_blocks, const BlockQ8 *x,
                      size_t x_stride, int n_x, Share ahead) {
    tile_int8(sum, scales, q, n_blocks, x, x_stride, n_x, &form_q8_0, ahead);
}

INLINE void tile_q4_0(float *sum, const uint8_t *scales, const uint8_t *q, int n_blocks, const BlockQ8 *x,
                      size_t x_stride, int n_x, Share ahead) {
    tile_int8(sum, scales, q, n_blocks, x, x_stride, n_x, &form_q4_0, ahead);
}

static void dot_q8_0(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x) {
    dot_packed_int8(out, out_stride, w, first, n_w, x, n_x, tile_q8_0);
}

static void dot_q4_0(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x) {
    dot_packed_int8(out, out_stride, w, first, n_w, x, n_x, tile_q4_0);
}

static void dot_f32(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x) {
    dot_packed_float(out, out_stride, DTYPE_F32, w, first, n_w, x, n_x, tile_float);
}

static void dot_f16(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x) {
    dot_packed_float(out, out_stride, DTYPE_F16, w, first, n_w, x, n_x, tile_float);
}

static void dot_bf16(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x) {
    dot_packed_float(out, out_stride, DTYPE_BF16, w, first, n_w, x, n_x, tile_float);
}

static void dot_q8_group(float *out, size_t out_stride, const Tensor *w, int first, int n_w, const void *x, int n_x) {
    dot_q8_group_tiled(out, out_stride, w, first, n_w, x, n_x, dot_tile);
}

static void scores_f32(float *scores, size_t stride, const float *q, int n_q, const void *k, int n, int head_dim,
                       float scale) {
    dot_rows(scores, stride, DTYPE_F32, k, n, q, n_q, head_dim, scale, dot_tile);
}

static void scores_f16(float *scores, size_t stride, const float *q, int n_q, const void *k, int n, int head_dim,
                       float scale) {
    dot_rows(scores, stride, DTYPE_F16, k, n, q, n_q, head_dim, scale, dot_tile);
}

static void mix_f32(float *out, const float *weights, size_t stride, int n_q, const void *v, int n, int head_dim) {
    mix_float(out, weights, stride, n_q, DTYPE_F32, v, n, head_dim, mix_tile);
}

static void mix_f16(float *out, const float *weights, size_t stride, int n_q, const void *v, int n, int head_dim) {
    mix_float(out, weights, stride, n_q, DTYPE_F16, v, n, head_dim, mix_tile);
}

const Kernels KERNELS_TABLE = {
    .name = KERNELS_NAME,
    .dot = {[DTYPE_F32] = dot_f32,
            [DTYPE_F16] = dot_f16,
            [DTYPE_BF16] = dot_bf16,
            [DTYPE_Q8_0] = dot_q8_0,
            [DTYPE_Q4_0] = dot_q4_0,
            [DTYPE_Q8_GROUP] = dot_q8_group},
    .quantize_input = quantize_input,
    .attention_scores = {[DTYPE_F32] = scores_f32, [DTYPE_F16] = scores_f16},
    .attention_mix = {[DTYPE_F32] = mix_f32, [DTYPE_F16] = mix_f16},
    .to_f16 = to_f16,
    .exp_sum = exp_sum,
    .swiglu = swiglu,
};

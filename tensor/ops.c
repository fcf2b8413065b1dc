#include "tensor/ops.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>

#include "tensor/kernels.h"
#include "tensor/team.h"

#define DOT_UNIT      16  /* weight rows that the kernels compute together */
#define ELEMENT_CHUNK 512 /* elements a thread takes at a time: whole cache lines */

/* One thread a call: we divide the work ourselves (matmul in ops.h says why). */
void ops_start(void) { openblas_set_num_threads(1); }

int ops_processors(void) { return omp_get_num_procs(); }

static float mean_square(const float *x, int n) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < n; i++) sum += x[i] * x[i];
    return sum / (float)n;
}

void rmsnorm(float *out, const float *x, const float *weight, int n_rows, int dim, float epsilon) {
#pragma omp for schedule(static) nowait
    for (int r = 0; r < n_rows; r++) {
        const float *from = x + (size_t)r * (size_t)dim;
        float *to = out + (size_t)r * (size_t)dim;
        float scale = 1.0f / sqrtf(mean_square(from, dim) + epsilon);
        for (int i = 0; i < dim; i++) to[i] = from[i] * scale * weight[i];
    }
    team_wait();
}

void quantize_input(BlockQ8 *out, const float *x, int n_rows, int cols) {
    const Kernels *k = kernels();
#pragma omp for schedule(static) nowait
    for (int r = 0; r < n_rows; r++)
        k->quantize_input(out + (size_t)r * (size_t)(cols / Q_BLOCK), x + (size_t)r * (size_t)cols, cols);
    team_wait();
}

static void gemm_tile(float *out, const float *x, const Tensor *w, int n_rows, int first, int n_w, float *tile) {
    for (int i = 0; i < n_w; i++) dequantize_row(tile + (size_t)i * (size_t)w->cols, w, first + i);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n_rows, n_w, w->cols, 1, x, w->cols, tile, w->cols, 0,
                out + first, w->rows);
}

void matmul(float *out, const float *x, const BlockQ8 *x_q8, const Tensor *w, int n_rows, MatmulPath path,
            float *tile) {
    const DtypeInfo *info = &dtype_info[w->dtype];
    if (path == PATH_GEMM && kernels()->gemm_is_faster && n_rows >= GEMM_MIN_ROWS && !info->int8_input) {
#pragma omp for schedule(static) nowait
        for (int first = 0; first < w->rows; first += GEMM_TILE) {
            int n_w = w->rows - first < GEMM_TILE ? w->rows - first : GEMM_TILE;
            gemm_tile(out, x, w, n_rows, first, n_w, tile);
        }
        return;
    }
    int begin, end;
    team_share(w->rows, DOT_UNIT, &begin, &end);
    const void *input = info->int8_input ? (const void *)x_q8 : (const void *)x;
    if (begin < end) kernels()->dot[w->dtype](out + begin, (size_t)w->rows, w, begin, end - begin, input, n_rows);
}

void rope_angles(float *out, const int *positions, const float *frequencies, int n_rows, int n_pairs) {
#pragma omp for schedule(static) nowait
    for (int r = 0; r < n_rows; r++)
        for (int i = 0; i < n_pairs; i++) {
            double angle = (double)positions[r] * (double)frequencies[i];
            float *pair = out + ((size_t)r * (size_t)n_pairs + (size_t)i) * 2;
            pair[0] = (float)cos(angle);
            pair[1] = (float)sin(angle);
        }
    team_wait();
}

static void rotate_head(float *x, const float *angles, int n_pairs) {
    for (int i = 0; i < n_pairs; i++) {
        float cosine = angles[2 * i], sine = angles[2 * i + 1], a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cosine - b * sine;
        x[2 * i + 1] = a * sine + b * cosine;
    }
}

void rope(float *x, const float *angles, int n_rows, int n_heads, int head_dim, int n_pairs) {
#pragma omp for schedule(static) nowait
    for (int i = 0; i < n_rows * n_heads; i++)
        rotate_head(x + (size_t)i * (size_t)head_dim, angles + (size_t)(i / n_heads) * (size_t)n_pairs * 2, n_pairs);
    team_wait();
}

void swiglu(float *gate, const float *up, size_t n) {
    const Kernels *k = kernels();
#pragma omp for schedule(static) nowait
    for (size_t i = 0; i < n; i += ELEMENT_CHUNK)
        k->swiglu(gate + i, up + i, (int)(n - i < ELEMENT_CHUNK ? n - i : ELEMENT_CHUNK));
    team_wait();
}

void add(float *residual, const float *x, size_t n) {
#pragma omp for schedule(static) nowait
    for (size_t i = 0; i < n; i += ELEMENT_CHUNK)
        for (size_t j = i; j < n && j < i + ELEMENT_CHUNK; j++) residual[j] += x[j];
    team_wait();
}

/* Floats: fast passes over arrays of floats: maxima, sums of exponentials, the k largest.
 *
 * The numbers are read in blocks, by loops without branches that compilers turn into vector instructions. Only the few
 * blocks that hold a relevant number are read one number at a time. */
#ifndef SAMPLER_CHAIN_FLOATS_H
#define SAMPLER_CHAIN_FLOATS_H

#include <stdint.h>

#include "tensor/clones.h"

/* Put before a loop that finds a maximum: the comparisons may be reordered. clang 14 does not know this reduction, and
 * warns. */
#if defined(__GNUC__) && !defined(__clang__)
#define FLOATS_PRAGMA(text)  _Pragma(#text)
#define FLOATS_MAX_IN(value) FLOATS_PRAGMA(omp simd reduction(max : value))
#else
#define FLOATS_MAX_IN(value)
#endif

#define FLOATS_BLOCK 64
#define FLOATS_LANES 8 /* parts of each sum: the same number for any width of the processor's vectors */

/* Vectors as gcc and clang have them on any processor. */
typedef float Floats __attribute__((vector_size(FLOATS_LANES * sizeof(float))));
typedef double Doubles __attribute__((vector_size(FLOATS_LANES * sizeof(double))));
typedef uint64_t Masks __attribute__((vector_size(FLOATS_LANES * sizeof(uint64_t))));

double floats_total(const Doubles *lanes);

/* n >= 1; -inf if all are -inf. */
float floats_max(const float *x, int n);

/* How many are at least `floor`. */
int floats_reaching(const float *x, int n, float floor);

/* The sum of exp(x - shift) in double precision, exact to a few roundings; no x > shift. */
double floats_sum_exp(const float *x, int n, double shift);

/* With d = (x - shift) * scale: the sums of exp(d), exp(d) d and exp(d) d^2, with the same precision. No d > 0; scale >
 * 0 is finite. */
typedef struct {
    double sum, d, dd;
} FloatsMoments;
FloatsMoments floats_exp_moments(const float *x, int n, double shift, double scale);

/* top = the k largest of x, the largest first; 1 <= k <= n. */
void floats_largest(float *top, int k, const float *x, int n);

#endif

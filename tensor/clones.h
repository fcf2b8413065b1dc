/* Clones: plain loops that are worth wide vectors wherever the processor has them.
 *
 * A function marked CLONES is compiled once for each of these instruction sets, and chosen when the program is loaded. No
 * result may depend on which: floats are not contracted, so what is left to see to is that sums are made in a fixed number of
 * parts. What is worth intrinsics is a kernel (kernels.h). */
#ifndef TENSOR_CLONES_H
#define TENSOR_CLONES_H

#include <stdint.h> /* for __GLIBC__ */

/* The thread sanitizer would see the loader's choice among the clones before it has begun itself. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

#endif

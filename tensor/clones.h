/* Clones: plain loops that use wide vectors if the processor has them.
 *
 * A function marked CLONES is compiled for each of these instruction sets; one version is chosen when the program is
 * loaded. No result may depend on the choice: the compiler does not contract floating-point operations, and sums must
 * be computed in a fixed number of partial sums. Loops that deserve intrinsics are kernels (kernels.h). */
#ifndef TENSOR_CLONES_H
#define TENSOR_CLONES_H

#include <stdint.h> /* for __GLIBC__ */

/* Without the thread sanitizer: the loader would call instrumented code before the sanitizer is initialised. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&                           \
    !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

#endif

/* As kernels_neon.c, with the dot product instruction, which this file's flags allow. */
#define DOT_PRODUCT
#include "tensor/kernels_neon.c"

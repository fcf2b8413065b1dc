/* The only copy of stb_ds: growing arrays for the tools. stb_ds cannot report that realloc failed, so the program ends
 * here, with one line, when memory runs out. */
#include <stdio.h>
#include <stdlib.h>

static void *checked_realloc(void *block, size_t size) {
    void *moved = realloc(block, size);
    if (moved || size == 0) return moved;
    fprintf(stderr, "foretell: out of memory (%zu bytes)\n", size);
    exit(1);
}

#define STBDS_REALLOC(context, block, size) checked_realloc(block, size)
#define STBDS_FREE(context, block)          free(block)
#define STB_DS_IMPLEMENTATION
#include <stb_ds.h>

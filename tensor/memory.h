/* Memory: all heap memory of the library. Tests wrap memory_alloc at link time, make each allocation fail in turn, and
 * check that every block is freed. */
#ifndef TENSOR_MEMORY_H
#define TENSOR_MEMORY_H

#include <stddef.h>

#include "tensor/error.h"

/* Zeroed memory for count * size bytes, aligned to 64 bytes; free it with memory_free. Large blocks come from the
 * kernel untouched, so pages that are never written cost nothing.
 * Returns NULL and a message that names `what` and the size if the product overflows or memory is exhausted.
 * A product of zero gives a valid pointer. */
void *memory_alloc(size_t count, size_t size, const char *what, Error *error);

/* Frees a block of memory_alloc; NULL is ignored. */
void memory_free(void *block);

/* Asks for large pages for a block that is read sequentially: fewer address translations. Call it before the first
 * write. */
void memory_prefer_large_pages(void *block, size_t bytes);
/* Returns the whole pages within a range to the system. When touched again, pages of a mapped file are read again;
 * other pages are zero. */
void memory_give_back(const void *from, size_t bytes);

/* *out = a + b, *out = a * b; false if the result does not fit in a size_t. */
bool size_add(size_t *out, size_t a, size_t b);
bool size_multiply(size_t *out, size_t a, size_t b);

#endif

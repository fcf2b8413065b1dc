/* Memory: the one door to the heap for the library, so that tests can make any allocation fail (they wrap
 * memory_alloc at link time) and count that none is left. */
#ifndef TENSOR_MEMORY_H
#define TENSOR_MEMORY_H

#include <stddef.h>

#include "tensor/error.h"

/* Zeroed memory for count * size bytes, aligned to 64 bytes; free it with memory_free. Large blocks come from the
 * kernel untouched, so pages that are never written cost nothing.
 * NULL and a message naming `what` and the size if the product overflows or the memory cannot be had.
 * A zero product gives a valid pointer. */
void *memory_alloc(size_t count, size_t size, const char *what, Error *error);

/* Frees what memory_alloc gave; NULL is ignored. */
void memory_free(void *block);

/* Asks for large pages where there will be long runs of reading: fewer address translations. Before the first write. */
void memory_prefer_large_pages(void *block, size_t bytes);
/* Gives the whole pages within a range back: a mapped file's are read again where they are touched, others are then zero. */
void memory_give_back(const void *from, size_t bytes);

/* *out = a + b, *out = a * b; false where the result does not fit a size_t. */
bool size_add(size_t *out, size_t a, size_t b);
bool size_multiply(size_t *out, size_t a, size_t b);

#endif

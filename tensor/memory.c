#include "tensor/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNMENT 64 /* a cache line, and the widest vector */

bool size_add(size_t *out, size_t a, size_t b) { return !__builtin_add_overflow(a, b, out); }
bool size_multiply(size_t *out, size_t a, size_t b) { return !__builtin_mul_overflow(a, b, out); }

/* calloc, not aligned_alloc and memset: for large blocks calloc hands out fresh zero pages without touching them.
 *
 *     raw ......... [ raw pointer ] | block (aligned) .........
 */
void *memory_alloc(size_t count, size_t size, const char *what, Error *error) {
    size_t wanted, total;
    if (!size_multiply(&wanted, count, size) || !size_add(&total, wanted, ALIGNMENT + sizeof(void *))) {
        error_set_kind(error, ERROR_NO_MEMORY, "%s: %zu items of %zu bytes are more than memory can address", what,
                       count, size);
        return NULL;
    }
    void *raw = calloc(1, total);
    if (!raw) {
        error_set_kind(error, ERROR_NO_MEMORY, "%s: out of memory (%zu bytes)", what, wanted);
        return NULL;
    }
    uintptr_t block = ((uintptr_t)raw + sizeof(void *) + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    ((void **)block)[-1] = raw;
    return (void *)block;
}

void memory_free(void *block) {
    if (block) free(((void **)block)[-1]);
}

/* Shrinks a range to the whole pages within it; false if there is none. */
static bool whole_pages(uintptr_t *from, size_t *bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (*from + *bytes) & ~(page - 1);
    *from = (*from + page - 1) & ~(page - 1);
    *bytes = end > *from ? end - *from : 0;
    return *bytes > 0;
}

/* Both are advice: if the system ignores it, only speed or memory is lost. */
void memory_prefer_large_pages(void *block, size_t bytes) {
    uintptr_t from = (uintptr_t)block;
    if (whole_pages(&from, &bytes)) madvise((void *)from, bytes, MADV_HUGEPAGE);
}

void memory_give_back(const void *block, size_t bytes) {
    uintptr_t from = (uintptr_t)block;
    if (whole_pages(&from, &bytes)) madvise((void *)from, bytes, MADV_DONTNEED);
}

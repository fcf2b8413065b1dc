#include "tests/support/memory_hooks.h"

#include <stdint.h>

#include "tensor/memory.h"

void *__real_memory_alloc(size_t count, size_t size, const char *what, Error *error);
void __real_memory_free(void *block);
void *__wrap_memory_alloc(size_t count, size_t size, const char *what, Error *error);
void __wrap_memory_free(void *block);

static long fail_at, n_asked, n_alive;
static size_t largest, total;

void memory_hooks_fail_at(long n) {
    fail_at = n;
    n_asked = 0;
    largest = 0;
    total = 0;
}

long memory_hooks_count(void) { return n_asked; }
long memory_hooks_alive(void) { return n_alive; }
size_t memory_hooks_largest(void) { return largest; }
size_t memory_hooks_total(void) { return total; }

void *__wrap_memory_alloc(size_t count, size_t size, const char *what, Error *error) {
    size_t bytes;
    if (!size_multiply(&bytes, count, size)) bytes = SIZE_MAX;
    if (bytes > largest) largest = bytes;
    total += bytes;
    if (++n_asked == fail_at) {
        error_set_kind(error, ERROR_NO_MEMORY, "%s: out of memory (%zu bytes)", what, bytes);
        return NULL;
    }
    void *block = __real_memory_alloc(count, size, what, error);
    n_alive += block != NULL;
    return block;
}

void __wrap_memory_free(void *block) {
    n_alive -= block != NULL;
    __real_memory_free(block);
}

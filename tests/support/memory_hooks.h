/* Memory hooks: tests count the library's allocations and make them fail. The linker sends every memory_alloc and
 * memory_free here (--wrap in the Makefile). Not for use while several threads allocate. */
#ifndef TESTS_SUPPORT_MEMORY_HOOKS_H
#define TESTS_SUPPORT_MEMORY_HOOKS_H

#include <stddef.h>

/* The n-th allocation from now (1 is the next) fails; 0: none does. */
void memory_hooks_fail_at(long n);
/* Allocations asked for since memory_hooks_fail_at was called last. */
long memory_hooks_count(void);
/* Blocks that were allocated and not yet freed. */
long memory_hooks_alive(void);
/* The largest single request so far since memory_hooks_fail_at, bytes. */
size_t memory_hooks_largest(void);
/* The sum of all requests since memory_hooks_fail_at, bytes. */
size_t memory_hooks_total(void);

#endif

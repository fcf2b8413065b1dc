#include "tensor/unfinished.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define UNFINISHED_MOST 512 /* twice the 256 traces of the most texts */

enum { FREE, TAKEN, NAMED };

/* Rows are never freed, so that a handler always reads valid memory. */
static struct {
    atomic_int state;
    char path[PATH_MAX];
} rows[UNFINISHED_MOST];

int unfinished_add(const char *path, Error *error) {
    assert(strlen(path) < PATH_MAX);
    for (int row = 0; row < UNFINISHED_MOST; row++) {
        int expected = FREE;
        if (!atomic_compare_exchange_strong(&rows[row].state, &expected, TAKEN)) continue;
        strcpy(rows[row].path, path);
        atomic_store(&rows[row].state, NAMED);
        return row;
    }
    error_set(error, "expected at most %d files that are written at once", UNFINISHED_MOST);
    return -1;
}

const char *unfinished_name(int row) {
    assert(atomic_load(&rows[row].state) == NAMED);
    return rows[row].path;
}

void unfinished_forget(int row) {
    assert(atomic_load(&rows[row].state) == NAMED);
    atomic_store(&rows[row].state, FREE);
}

void unfinished_remove_all(void) {
    int kept = errno;
    for (int row = 0; row < UNFINISHED_MOST; row++)
        if (atomic_load(&rows[row].state) == NAMED) unlink(rows[row].path);
    errno = kept;
}

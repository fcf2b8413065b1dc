/* Unfinished: the names of temporary files, in a table that a signal handler may read. The library only keeps the
 * table; the program installs the handlers. */
#ifndef TENSOR_UNFINISHED_H
#define TENSOR_UNFINISHED_H

#include "tensor/error.h"

/* Enters a name, shorter than PATH_MAX. Call it before the file is created, so that a signal at any moment finds the
 * name. Returns its row, or -1 and an error if the table is full. */
int unfinished_add(const char *path, Error *error);
const char *unfinished_name(int row);
/* To be called after the file was renamed or removed. */
void unfinished_forget(int row);

/* Removes every file in the table. Async-signal-safe: it takes no lock, allocates nothing and keeps errno. */
void unfinished_remove_all(void);

#endif

/* Inputs: which files are being read, by device and inode, so that no output (tensor/output.h) replaces one of them
 * under any of its names. One table for the process; it may be used from several threads. */
#ifndef TENSOR_INPUTS_H
#define TENSOR_INPUTS_H

#include <sys/stat.h>

#include "tensor/error.h"

#define INPUTS_READ "is being read" /* what most files are used for */

/* Protects a file until inputs_remove(key), or for the life of the process if the key is NULL. The caller must keep the
 * file open or mapped for that time: otherwise a new file may get its inode. `use` completes a sentence that begins
 * with the file's name, and is kept by reference. Files that are not regular are ignored, because no output can
 * replace them. Errors: the table is full. */
bool inputs_add(const struct stat *file, const void *key, const char *use, Error *error);
/* Protects the file at this path, if there is one, for the life of the process, and keeps it open. */
bool inputs_add_path(const char *path, Error *error);
void inputs_remove(const void *key); /* unknown keys are ignored */

/* Returns the `use` of the file, or NULL if it is not protected. */
const char *inputs_find(const struct stat *file);

#endif

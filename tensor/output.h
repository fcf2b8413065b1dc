/* Output: a file that appears under its name when it is complete, or not at all.
 *
 *   output_open     creates a temporary file beside the target: FILE.RANDOM.part, which no other writer shares
 *   output_close    file to disk, rename, folder to disk; after an error the temporary file is removed
 *   output_abandon  removes the temporary file
 *
 * Symbolic links are followed: the file that a link points to is replaced (or created), and the link stays. The new
 * file takes the permissions of the one that it replaces. Temporary files are entered in tensor/unfinished.h, so that a
 * signal handler can remove them. */
#ifndef TENSOR_OUTPUT_H
#define TENSOR_OUTPUT_H

#include <limits.h>
#include <stdio.h>

#include "tensor/error.h"

typedef struct {
    FILE *file;            /* NULL: none is open */
    const char *path;      /* as given, for messages; must outlive the Output */
    char target[PATH_MAX]; /* the path after following all links; empty for output_temporary */
    int row;               /* of the temporary file, in tensor/unfinished.h */
} Output;

/* Errors begin with the path: it names something other than a regular file, a file that may not be written, or a file
 * that is being read (tensor/inputs.h); a loop of links; the file cannot be created. */
bool output_open(Output *output, const char *path, Error *error);

/* Renames the complete file to its name, after the checks of output_open again. Errors: cannot write, cannot rename. */
bool output_close(Output *output, Error *error);

/* Instead of output_close: removes the temporary file. Does nothing if no file is open. */
void output_abandon(Output *output);

/* A file PREFIX.RANDOM.part that exists until output_abandon; its name is valid until then. Errors as output_open. */
bool output_temporary(Output *output, const char *prefix, Error *error);
const char *output_name(const Output *output);

/* The length of the folder in a path, its last slash included; 0 for a name without a folder. */
size_t output_folder_length(const char *path);

#endif

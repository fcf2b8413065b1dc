/* Unfinished: what Ctrl-C must not leave behind. */
#ifndef TOOLS_UNFINISHED_H
#define TOOLS_UNFINISHED_H

#include "tensor/error.h"

/* From now on SIGINT and SIGTERM end the program with 128 + their number, and the file and "<path>.part", which is what a
 * GgufWriter writes to before it gives the file its name, go with it; the file itself only where it is temporary.
 * There is one such path at a time. Errors: the path is too long. */
bool unfinished_guard(const char *path, bool is_temporary, Error *error);

#endif

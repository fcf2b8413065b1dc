/* Unfinished: what Ctrl-C must not leave behind. */
#ifndef TOOLS_UNFINISHED_H
#define TOOLS_UNFINISHED_H

#include "tensor/error.h"

/* From now on SIGINT, SIGTERM, SIGHUP and SIGPIPE end the program with 128 + their number, and "<path>.part" goes with it,
 * which is what a GgufWriter writes to before it gives the file its name; where it is temporary the file itself, too.
 * There is one such path at a time. Errors: the path is too long. */
bool unfinished_guard(const char *path, bool is_temporary, Error *error);

/* Removes them now; may be called in a signal handler. */
void unfinished_remove(void);

#endif

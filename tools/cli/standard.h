/* Standard: the descriptors 0 to 2 at the beginning and at the end of the program. */
#ifndef TOOLS_CLI_STANDARD_H
#define TOOLS_CLI_STANDARD_H

#include "tensor/error.h"

/* Opens the descriptors that the caller has closed; otherwise a file could get one of their numbers, and receive what
 * is printed. They lead to /dev/null in the wrong direction, so that reading from or writing to them still fails (bad
 * file descriptor) and no text is lost silently. No output (tensor/output.h) replaces a file that a descriptor leads
 * to. Call this before anything else. Errors: /dev/null cannot be opened. */
bool standard_open(Error *error);

/* Flushes standard output. standard_close reports the error, if any. */
void standard_flush(void);

/* Flushes and closes standard output. Errors: any write to it has failed since the program began. */
bool standard_close(Error *error);

#endif

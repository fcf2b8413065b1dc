/* Standard: the descriptors 0 to 2 at the beginning and at the end of the program. */
#ifndef TOOLS_CLI_STANDARD_H
#define TOOLS_CLI_STANDARD_H

#include "tensor/error.h"

/* Descriptors that the caller has closed are opened, before a file gets their number and what belongs on standard output
 * or error lands in it. They lead to /dev/null in the wrong direction, so that reading from or writing to them still
 * fails (bad file descriptor) instead of losing a text silently. No output (tensor/output.h) replaces a file
 * that they lead to. Called before anything else. Errors: /dev/null cannot be opened. */
bool standard_open(Error *error);

/* Flushes standard output. An error is kept for standard_close. */
void standard_flush(void);

/* Flushes and closes standard output. Errors: something that was written to it since the beginning has not arrived. */
bool standard_close(Error *error);

#endif

/* Error: one line that says what went wrong, where, and what was expected.
 *
 * Functions that read foreign bytes or user values return bool. When they return false they have filled the Error, and
 * their other outputs must not be read. Parsers name the byte offset; *_open functions begin the message with the path. */
#ifndef TENSOR_ERROR_H
#define TENSOR_ERROR_H

#include <stdbool.h>

typedef struct {
    char message[1024]; /* NUL-terminated, one line, no control characters, cut with "..." where too long */
} Error;

/* Sets the message (printf format) and returns false, so that a failure reads `return error_set(error, ...)`. */
bool error_set(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prepends text (printf format) to the message; returns false. */
bool error_prefix(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

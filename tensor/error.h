/* Error: one line that says what went wrong, where, and what was expected.
 *
 * Functions that read foreign bytes or user values return bool. When they return false they have filled the Error, and
 * their other outputs must not be read. Parsers name the byte offset; *_open functions begin the message with the
 * path. */
#ifndef TENSOR_ERROR_H
#define TENSOR_ERROR_H

#include <stdbool.h>

/* The kinds of errors that callers distinguish. error_set sets ERROR_FAILED. */
typedef enum { ERROR_FAILED, ERROR_NO_MEMORY, ERROR_CANCELLED } ErrorKind;

typedef struct {
    ErrorKind kind;
    char message[1024]; /* NUL-terminated, one line, no control characters; if it is too long, cut with "..." */
} Error;

/* Sets the message (printf format) and returns false, so that a failure reads `return error_set(error, ...)`. */
bool error_set(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with the given kind. */
bool error_set_kind(Error *error, ErrorKind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Prepends text (printf format) to the message, which keeps its kind; returns false. */
bool error_prefix(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends text to the message in the same way. */
bool error_add(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

/* Text: reads whole texts, and writes to standard output. */
#ifndef TOOLS_CLI_TEXT_H
#define TOOLS_CLI_TEXT_H

#include "tensor/bytes.h"

/* Reads a whole file, pipe or ("-") standard input; free with text_free. From then on no output may replace the file
 * (tensor/inputs.h). Errors name the path. */
bool text_read(Bytes *text, const char *path, Error *error);
void text_free(Bytes *text);

/* The text that a tool works on: `literal` if given, else the file if named (not both), else the empty text. The caller
 * frees it with text_free. */
bool text_choose(Bytes *text, const char *literal, const char *path, Error *error);

/* Prints to standard output, control characters as \\x0a: names come from files and could control a terminal. */
void text_print_escaped(Bytes text);

/* Writes to standard output and flushes it. Errors: as write. If the reader of a pipe has closed it, SIGPIPE ends the
 * program silently, as it ends cat; if the program's caller ignores SIGPIPE, it is an error. */
bool text_write(const void *data, size_t n_bytes, Error *error);
/* The same for a text that was already printed with stdio: flushes it. */
bool text_written(const void *data, size_t n_bytes, Error *error);

/* Ends the line that the text left open on standard output, if any, with a newline on standard error. Call it before a
 * message, so that the two do not run together where both go to one place. */
void text_end_line(void);
/* Whether standard output and standard error go to one file, or standard output to a terminal. */
bool text_shares_stderr(void);

#endif

/* Text: whole texts in, single lines out, for the tools. */
#ifndef TOOLS_CLI_TEXT_H
#define TOOLS_CLI_TEXT_H

#include "tensor/bytes.h"

/* Reads a whole file, pipe or ("-") standard input; free with text_free. No output replaces the file from then on
 * (tensor/inputs.h). Errors name the path. */
bool text_read(Bytes *text, const char *path, Error *error);
void text_free(Bytes *text);

/* The text a tool works on: `literal` if given, else the file named (not both), else the empty text. The caller frees it. */
bool text_choose(Bytes *text, const char *literal, const char *path, Error *error);

/* Prints to standard output with control characters as \\x0a: names come from files, and could drive a terminal. */
void text_print_escaped(Bytes text);

/* Writes to standard output at once. Errors: as write. When the reader of a pipe has gone, SIGPIPE ends the program here
 * without a word, as it ends cat; only where the caller had that signal ignored is it an error like another. */
bool text_write(const void *data, size_t n_bytes, Error *error);
/* The same for a text that was printed to standard output already. */
bool text_written(const void *data, size_t n_bytes, Error *error);

/* Before something else is said on standard error: ends there the line that the text left open on standard output, if any, so
 * that the two do not run together where both go to the same place. */
void text_end_line(void);
/* Whether both go to one file, or standard output to a terminal. */
bool text_shares_stderr(void);

#endif

/* Mapped: ends the program with a clear line if a mapped file becomes shorter while it is read. */
#ifndef TOOLS_CLI_MAPPED_H
#define TOOLS_CLI_MAPPED_H

#include <stdbool.h>

/* From now on, a page of a mapped file that cannot be read (SIGBUS) ends the program: remove_outputs is called in the
 * signal handler, one line names the file, and the exit status is 1. Any other SIGBUS keeps its default action. Also
 * remembers the terminal's settings for mapped_screen. */
void mapped_guard(void (*remove_outputs)(void));

/* Says whether ncurses has the screen. If so, the handler first restores the terminal as mapped_guard found it. */
void mapped_screen(bool is_on);

#endif

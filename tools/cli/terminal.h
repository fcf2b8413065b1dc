/* Terminal: what is shown only to people: a progress bar on stderr, and nothing where stderr is a file. */
#ifndef TOOLS_CLI_TERMINAL_H
#define TOOLS_CLI_TERMINAL_H

#include <stddef.h>

/* Draws the bar of a task over itself, at most some times a second; done == total takes it away. */
void terminal_progress(const char *task, size_t done, size_t total);
/* Takes the bar away before something else is written. */
void terminal_clear(void);
/* The same for signal handlers. */
void terminal_clear_at_once(void);

double terminal_seconds(void); /* a clock that never goes back */

#endif

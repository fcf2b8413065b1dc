/* Terminal: a progress bar on stderr, shown only if stderr is a terminal. */
#ifndef TOOLS_CLI_TERMINAL_H
#define TOOLS_CLI_TERMINAL_H

#include <stddef.h>

/* Redraws the bar of a task, at most ten times per second; done == total removes it. */
void terminal_progress(const char *task, size_t done, size_t total);
/* Removes the bar. Call it before something else is written. */
void terminal_clear(void);
/* The same; async-signal-safe. */
void terminal_clear_at_once(void);

double terminal_seconds(void); /* a clock that never goes back */

#endif

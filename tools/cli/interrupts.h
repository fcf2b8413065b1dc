/* Interrupts: what signals do to the program. Unfinished files (tensor/unfinished.h) are removed, then the program ends
 * by the same signal, so that the shell sees it. */
#ifndef TOOLS_CLI_INTERRUPTS_H
#define TOOLS_CLI_INTERRUPTS_H

#include <signal.h>

/* Catches SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT and SIGXCPU. Those that the caller had ignored stay ignored, as
 * under nohup, except SIGINT, which shells ignore in background jobs. SIGXFSZ is ignored: a write beyond the limit
 * fails with EFBIG, which is reported like a full disk. At exit() unfinished files are removed, too, because a library
 * may call it. */
void interrupts_catch(void);

/* Restores the previous handlers, so that ncurses installs its own. A later interrupts_catch keeps those and calls
 * them. */
void interrupts_release(void);

/* From now on the first Ctrl-C only sets `interrupted`; a later one ends the program. A second one within 0.3 s of the
 * first is ignored, because timeout(1) sends two. */
void interrupts_defer(void);
extern volatile sig_atomic_t interrupted;

#endif

/* Interrupts: what signals do to the program. Unfinished files (tensor/unfinished.h) are removed, then the program ends by
 * the same signal, so that the shell sees it. */
#ifndef TOOLS_INTERRUPTS_H
#define TOOLS_INTERRUPTS_H

#include <signal.h>

/* Catches SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT and SIGXCPU. Those that the caller had ignored stay ignored, as under
 * nohup, except SIGINT, which shells ignore in background jobs. SIGXFSZ is ignored: a write beyond the limit fails with
 * EFBIG, which is reported like a full disk. At exit() unfinished files are removed, too: a library may call it. */
void interrupts_catch(void);

/* Back to what was there before, so that ncurses installs handlers of its own; interrupts_catch then calls those. */
void interrupts_release(void);

/* From now on the first Ctrl-C only sets `interrupted`; a later one ends the program. One that comes with the first does
 * not count: timeout(1), for one, sends two. */
void interrupts_defer(void);
extern volatile sig_atomic_t interrupted;

#endif

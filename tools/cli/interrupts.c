#include "tools/cli/interrupts.h"

#include <stdbool.h>
#include <stdlib.h>

#include "tensor/unfinished.h"
#include "tools/cli/terminal.h"

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGXCPU};
enum { N_SIGNALS = sizeof signals / sizeof signals[0] };
static struct sigaction before[N_SIGNALS]; /* what each did before it was caught */
static bool caught[N_SIGNALS];

volatile sig_atomic_t interrupted;
static volatile sig_atomic_t deferred;
static double interrupted_at;

/* True if this Ctrl-C does not end the program. */
static bool is_deferred(void) {
    double now = terminal_seconds();
    if (!deferred || (interrupted && now - interrupted_at > 0.3)) return false;
    if (!interrupted) interrupted_at = now;
    interrupted = 1;
    return true;
}

static void on_signal(int number) {
    if (number == SIGINT && is_deferred()) return;
    unfinished_remove_all();
    for (int i = 0; i < N_SIGNALS; i++) {
        if (signals[i] != number) continue;
        if (before[i].sa_handler == SIG_IGN) before[i].sa_handler = SIG_DFL;
        sigaction(number, &before[i], NULL);
    }
    raise(number); /* it is blocked here, and comes when this function returns */
}

void interrupts_catch(void) {
    static bool is_registered;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (!is_registered) atexit(unfinished_remove_all);
    is_registered = true;
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < N_SIGNALS; i++) {
        struct sigaction now;
        sigaction(signals[i], NULL, &now);
        if (now.sa_handler == on_signal) continue;
        before[i] = now;
        caught[i] = before[i].sa_handler != SIG_IGN || signals[i] == SIGINT;
        if (caught[i]) sigaction(signals[i], &action, NULL);
    }
}

void interrupts_release(void) {
    for (int i = 0; i < N_SIGNALS; i++)
        if (caught[i]) sigaction(signals[i], &before[i], NULL);
}

void interrupts_defer(void) { deferred = 1; }

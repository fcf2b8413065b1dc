#include "tools/cli/terminal.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t bar_is_shown;

double terminal_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool is_set(const char *variable) {
    const char *value = getenv(variable);
    return value && *value;
}

static bool can_draw(void) {
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0;
}

void terminal_clear(void) {
    if (bar_is_shown) fprintf(stderr, "\r\033[K");
    bar_is_shown = false;
}

void terminal_clear_at_once(void) {
    ssize_t ignored = bar_is_shown ? write(STDERR_FILENO, "\r\033[K", 4) : 0;
    (void)ignored;
}

void terminal_progress(const char *task, size_t done, size_t total) {
    static double drawn_at, started_at;
    enum { WIDTH = 30 };
    double now = terminal_seconds();
    if (done >= total) {
        terminal_clear();
        return;
    }
    if (!can_draw() || (bar_is_shown && now - drawn_at < 0.1)) return;
    if (!bar_is_shown) started_at = now;
    drawn_at = now;
    bar_is_shown = true;
    double share = (double)done / (double)total;
    int filled = (int)(share * WIDTH);
    const char *color = is_set("NO_COLOR") ? "" : "\033[32m", *plain = is_set("NO_COLOR") ? "" : "\033[0m";
    fprintf(stderr, "\r%s [%s%.*s%s%*s] %3.0f%%", task, color, filled, "##############################", plain,
            WIDTH - filled, "", 100 * share);
    if (now - started_at > 1 && share > 0) fprintf(stderr, "  %.0f s left", (now - started_at) * (1 - share) / share);
    fprintf(stderr, "\033[K");
}

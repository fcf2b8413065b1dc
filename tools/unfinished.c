#include "tools/unfinished.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static char whole[PATH_MAX], part[PATH_MAX];

void unfinished_remove(void) {
    if (part[0]) unlink(part);
    if (whole[0]) unlink(whole);
}

static void on_interrupt(int signal_number) {
    unfinished_remove();
    _exit(128 + signal_number);
}

bool unfinished_guard(const char *path, bool is_temporary, Error *error) {
    struct sigaction action = {.sa_handler = on_interrupt};
    int length = snprintf(part, sizeof part, "%s.part", path);
    if (length < 0 || length >= (int)sizeof part) return error_set(error, "%.200s...: the path is too long", path);
    snprintf(whole, sizeof whole, "%s", is_temporary ? path : "");
    const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) sigaction(signals[i], &action, NULL);
    return true;
}

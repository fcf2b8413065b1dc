#include <stdlib.h>
#include <unistd.h>

#include "sampler/api/handles.h"

/* 100 spins take about a microsecond. A policy that the environment sets already is kept. */
foretell_status foretell_limit_spinning(char **argv) {
    if (!argv || !argv[0]) return api_refuse("argv: expected that of main, got NULL");
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return FORETELL_OK;
    Error error;
    if (setenv("GOMP_SPINCOUNT", "100", 1) == 0) execv("/proc/self/exe", argv);
    error_set(&error, "the program cannot be started again");
    return api_fail(&error);
}

#include "tools/cli/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensor/inputs.h"

static int failure; /* errno of the first write that failed; stdio remembers only that one has failed */

static bool open_descriptor(int descriptor, Error *error) {
    static const char *const uses[] = {INPUTS_READ, "is standard output", "is standard error"};
    struct stat status;
    if (fstat(descriptor, &status) == 0) return inputs_add(&status, NULL, uses[descriptor], error);
    /* open returns the lowest free number, which is this one. */
    int opened = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    return opened == descriptor || error_set(error, "/dev/null: cannot open: %s", strerror(errno));
}

bool standard_open(Error *error) {
    static char buffer[1 << 16]; /* output that fits is written at the end, where the reason of a failure is known */
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++)
        if (!open_descriptor(descriptor, error)) return false;
    if (!isatty(STDOUT_FILENO)) setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    return true;
}

void standard_flush(void) {
    if (fflush(stdout) != 0 && !failure) failure = errno;
}

bool standard_close(Error *error) {
    standard_flush();
    bool failed = ferror(stdout) != 0;
    if (fclose(stdout) != 0 && !failed) {
        failed = true;
        failure = errno;
    }
    return !failed || error_set(error, "standard output: %s", failure ? strerror(failure) : "cannot write");
}

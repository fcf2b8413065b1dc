/* Start-up: the time from the start of a process to the first token, with the model's file in the page cache and
 * without. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tensor/memory.h"
#include "tensor/output.h"
#include "tools/bench/bench.h"
#include "tools/cli/open.h"
#include "tools/cli/terminal.h"
#include "tools/files/export.h"

extern char **environ;

/* The share of the file's pages that are in memory. */
static double resident_share(int file, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (size + page - 1) / page, resident = 0;
    void *map = size ? mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
    if (map == MAP_FAILED) return 1;
    unsigned char *pages = malloc(n);
    if (pages && mincore(map, size, pages) == 0)
        for (size_t i = 0; i < n; i++) resident += pages[i] & 1;
    else
        resident = n;
    free(pages);
    munmap(map, size);
    return (double)resident / (double)n;
}

/* Asks the system to drop the file's pages from memory; *kept is the share that it kept. */
static bool forget(const char *path, double *kept, Error *error) {
    struct stat info;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &info) != 0) {
        if (file >= 0) close(file);
        return error_set(error, "%s: cannot open: %s", path, strerror(errno));
    }
    fdatasync(file); /* pages that are not yet written cannot be dropped */
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    *kept = resident_share(file, (size_t)info.st_size);
    close(file);
    return true;
}

/* The environment without the variable that main.c set: the child sets its own, as if started by a shell. */
static char **shell_environment(Error *error) {
    size_t n = 0, kept = 0;
    while (environ[n]) n++;
    char **copy = memory_alloc(n + 1, sizeof *copy, "environment", error);
    for (size_t i = 0; copy && i < n; i++)
        if (strncmp(environ[i], "GOMP_SPINCOUNT=", 15) != 0) copy[kept++] = environ[i];
    return copy;
}

static bool start(const Bench *b, const char *path, const int pipe_ends[2], pid_t *child, Error *error) {
    char threads[16];
    snprintf(threads, sizeof threads, "%d", b->threads);
    char *arguments[] = {"foretell", "run", "-m", (char *)path, "-t", threads, "-n", "1", "-s", "1", NULL};
    posix_spawn_file_actions_t actions;
    char **environment = shell_environment(error);
    if (!environment) return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, pipe_ends[0]);
    posix_spawn_file_actions_addclose(&actions, pipe_ends[1]);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int failure = posix_spawn(child, "/proc/self/exe", &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    memory_free(environment);
    return failure == 0 || error_set(error, "cannot start foretell run: %s", strerror(failure));
}

/* If the token has no bytes, this waits for the end of the text. */
static bool wait_for_text(int in, pid_t child, double start_time, double *seconds, Error *error) {
    char text[64];
    ssize_t n;
    int status = 0;
    *seconds = 0;
    do {
        n = read(in, text, sizeof text);
        if (*seconds == 0) *seconds = terminal_seconds() - start_time;
    } while (n > 0 || (n < 0 && errno == EINTR));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || error_set(error, "foretell run failed");
}

static bool time_start(const Bench *b, const char *path, double *seconds, Error *error) {
    int ends[2];
    pid_t child;
    if (pipe(ends) != 0) return error_set(error, "cannot make a pipe: %s", strerror(errno));
    double start_time = terminal_seconds();
    bool started = start(b, path, ends, &child, error);
    close(ends[1]);
    bool done = started && wait_for_text(ends[0], child, start_time, seconds, error);
    close(ends[0]);
    return done;
}

bool bench_start_up(const Bench *b, const char *path, const char *name, const char *dtype, Error *error) {
    double seconds[2][BENCH_MAX_RUNS], kept = 0, most_kept = 0;
    if (!time_start(b, path, &seconds[0][0], error)) return false; /* loads the program itself into memory */
    for (int i = 0; i < b->runs; i++) {
        bench_progress("%s: start %d of %d", name, i + 1, b->runs);
        if (!forget(path, &kept, error) || !time_start(b, path, &seconds[0][i], error) ||
            !time_start(b, path, &seconds[1][i], error))
            return false;
        most_kept = kept > most_kept ? kept : most_kept;
    }
    for (int warm = 0; warm < 2; warm++) {
        Timing t = bench_timing(seconds[warm], b->runs);
        bench_report(b, (BenchLine){.what = warm ? "start warm" : "start cold", .shape = name, .dtype = dtype}, t,
                     1 / t.median, "%9.3f s to the first token", t.median);
    }
    if (most_kept > 0.01)
        bench_note(b, "(not cold: this file system kept up to %.0f %% of the file in memory)", 100 * most_kept);
    return true;
}

bool bench_start_up_random(const Bench *b, const Shape *shape, Dtype dtype, Error *error) {
    Path prefix;
    Output file; /* reserves the file name; the weights replace the file */
    const char *folder = getenv("TMPDIR");
    int length = snprintf(prefix, sizeof prefix, "%s/foretell-weights", folder && *folder ? folder : "/tmp");
    if (length < 0 || length >= (int)sizeof prefix) return error_set(error, "TMPDIR: the path is too long");
    if (!output_temporary(&file, prefix, error)) return false;
    const char *path = output_name(&file);
    bench_progress("%s: writing weights to %s", shape->name, path);
    bool done = export_random(path, shape, dtype, 1, error) &&
                bench_start_up(b, path, shape->name, dtype_info[dtype].name, error);
    output_abandon(&file);
    return done;
}

#include "tensor/output.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensor/inputs.h"
#include "tensor/unfinished.h"
#include "tensor/utf8.h"

enum { LINKS_MOST = 40, ATTEMPTS = 100, RANDOM_LETTERS = 12, SUFFIX_BYTES = 1 + RANDOM_LETTERS + 5 };

#define NEW_FILE ((mode_t)-1) /* no file is replaced: permissions of the umask */

static bool fail(const Output *output, const char *what, int number, Error *error) {
    return error_set(error, "%s: %s: %s", output->path, what, strerror(number));
}

static bool fail_too_long(const Output *output, Error *error) {
    return error_set(error, "%.200s...: the path is too long", output->path);
}

size_t output_folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* ---- The target ---- */

/* Sets the target to the path after following all links; it need not exist. */
static bool follow(Output *output, Error *error) {
    char link[PATH_MAX];
    if (strlen(output->path) >= PATH_MAX) return fail_too_long(output, error);
    strcpy(output->target, output->path);
    for (int i = 0; i < LINKS_MOST; i++) {
        ssize_t length = readlink(output->target, link, sizeof link - 1);
        if (length < 0) /* EINVAL: no link */
            return errno == EINVAL || errno == ENOENT || fail(output, "cannot follow the link", errno, error);
        link[length] = '\0';
        size_t folder = link[0] == '/' ? 0 : output_folder_length(output->target);
        if (folder + (size_t)length >= PATH_MAX) return fail_too_long(output, error);
        strcpy(output->target + folder, link);
    }
    return fail(output, "cannot follow the link", ELOOP, error);
}

static bool check_kind(const Output *output, const struct stat *status, Error *error) {
    const char *use = inputs_find(status);
    if (!S_ISREG(status->st_mode)) /* rename would replace a device by a file */
        return error_set(error, "%s: expected a regular file or none", output->path);
    return !use || error_set(error, "%s: %s, will not be replaced", output->path, use);
}

/* stat comes first: it applies the system's own rules about links in folders that all may write to. *mode: of the file
 * to be replaced, or NEW_FILE. */
static bool find_target(Output *output, mode_t *mode, Error *error) {
    struct stat status;
    bool exists = stat(output->path, &status) == 0;
    if (!exists && errno != ENOENT) return fail(output, "cannot write", errno, error);
    if ((exists && !check_kind(output, &status, error)) || !follow(output, error)) return false;
    if (!output->target[output_folder_length(output->target)])
        return error_set(error, "%s: expected the name of a file", output->path);
    *mode = NEW_FILE;
    if (!exists) return true;
    if (lstat(output->target, &status) != 0) /* for example a link of /proc to a file that was removed */
        return strcmp(output->target, output->path) == 0 || fail(output, "cannot follow the link", errno, error);
    if (!check_kind(output, &status, error)) return false;
    if (faccessat(AT_FDCWD, output->target, W_OK, AT_EACCESS) != 0) return fail(output, "cannot write", errno, error);
    *mode = status.st_mode & 0777;
    return true;
}

/* The check just before the rename, which does not follow links. */
static bool check_target(const Output *output, Error *error) {
    struct stat status;
    if (lstat(output->target, &status) == 0) return check_kind(output, &status, error);
    return errno == ENOENT || fail(output, "cannot write", errno, error);
}

/* ---- The temporary file ---- */

/* A name beside `path` that no other writer has: its last part, cut where a folder could not hold the whole, and a
 * random suffix. */
static bool make_name(char name[PATH_MAX], const Output *output, const char *path, Error *error) {
    static const char letters[32] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char random[RANDOM_LETTERS];
    size_t folder = output_folder_length(path), length = strlen(path + folder);
    if (length > NAME_MAX - SUFFIX_BYTES) {
        length = NAME_MAX - SUFFIX_BYTES;
        while (length > 0 && utf8_continues((uint8_t)path[folder + length])) length--; /* whole characters */
    }
    if (folder + length + SUFFIX_BYTES >= PATH_MAX) return fail_too_long(output, error);
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return fail(output, "cannot draw a random name", errno, error);
    memcpy(name, path, folder + length);
    char *at = name + folder + length;
    *at++ = '.';
    for (int i = 0; i < RANDOM_LETTERS; i++) *at++ = letters[random[i] % 32];
    strcpy(at, ".part");
    return true;
}

/* The name is entered before the file exists, so that a signal at any moment removes the file. With 60 random bits no
 * other program has the same name. */
static int create(Output *output, const char *path, mode_t mode, Error *error) {
    char name[PATH_MAX];
    for (int i = 0; i < ATTEMPTS; i++) {
        if (!make_name(name, output, path, error)) return -1;
        output->row = unfinished_add(name, error);
        if (output->row < 0) {
            error_prefix(error, "%s: ", output->path);
            return -1;
        }
        int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode == NEW_FILE ? 0666 : mode);
        if (file >= 0) return file;
        int failure = errno;
        unfinished_forget(output->row);
        errno = failure;
        if (failure != EEXIST) break;
    }
    fail(output, "cannot create", errno, error);
    return -1;
}

static void discard(Output *output) {
    unlink(unfinished_name(output->row));
    unfinished_forget(output->row);
}

static bool open_file(Output *output, const char *path, mode_t mode, Error *error) {
    int file = create(output, path, mode, error);
    if (file < 0) return false;
    /* If this fails (FAT has no permissions), the file has at most the permissions of `mode`. */
    if (mode != NEW_FILE && fchmod(file, mode) != 0) errno = 0;
    output->file = fdopen(file, "wb");
    if (output->file) return true;
    fail(output, "cannot create", errno, error);
    close(file);
    discard(output);
    return false;
}

bool output_open(Output *output, const char *path, Error *error) {
    mode_t mode;
    *output = (Output){.path = path};
    return find_target(output, &mode, error) && open_file(output, output->target, mode, error);
}

bool output_temporary(Output *output, const char *prefix, Error *error) {
    *output = (Output){.path = prefix};
    return open_file(output, prefix, 0600, error);
}

const char *output_name(const Output *output) { return unfinished_name(output->row); }

/* ---- The end ---- */

/* Writes everything to the disk; closes the file in any case. */
static bool finish(Output *output, Error *error) {
    FILE *file = output->file;
    output->file = NULL;
    errno = EIO; /* for a failed write that the caller did not notice */
    bool written = !ferror(file) && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int failure = errno;
    if (fclose(file) != 0 && written) {
        failure = errno;
        written = false;
    }
    return written || fail(output, "cannot write", failure, error);
}

/* Makes the new name survive a power failure. It is no error if the folder cannot be read, and so not opened, or if the
 * file system cannot do it. */
static bool sync_folder(const Output *output, Error *error) {
    char folder[PATH_MAX];
    size_t length = output_folder_length(output->target);
    memcpy(folder, output->target, length);
    strcpy(folder + length, ".");
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return true;
    bool synced = fsync(file) == 0 || errno == EINVAL || errno == ENOTSUP;
    int failure = errno;
    close(file);
    return synced || fail(output, "cannot write its folder", failure, error);
}

bool output_close(Output *output, Error *error) {
    assert(output->file && output->target[0]);
    if (!finish(output, error) || !check_target(output, error)) {
        discard(output);
        return false;
    }
    if (rename(unfinished_name(output->row), output->target) != 0) {
        fail(output, "cannot rename", errno, error);
        discard(output);
        return false;
    }
    unfinished_forget(output->row);
    return sync_folder(output, error);
}

void output_abandon(Output *output) {
    if (!output->file) return;
    fclose(output->file);
    output->file = NULL;
    discard(output);
}

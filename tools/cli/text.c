#include "tools/cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stb_ds.h>

#include "tensor/inputs.h"

/* The size of a pipe is not known before its end, so the array (stb_ds) grows while bytes arrive. */
static bool read_all(uint8_t **data, int file, Error *error) {
    enum { CHUNK = 1 << 16 };
    for (;;) {
        size_t size = arrlenu(*data);
        ssize_t got = read(file, arraddnptr(*data, CHUNK), CHUNK);
        arrsetlen(*data, size + (got > 0 ? (size_t)got : 0));
        if (got == 0) return true;
        if (got < 0 && errno != EINTR) return error_set(error, "cannot read: %s", strerror(errno));
    }
}

bool text_read(Bytes *text, const char *path, Error *error) {
    bool is_stdin = strcmp(path, "-") == 0;
    if (!is_stdin && !inputs_add_path(path, error)) return false;
    int file = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return error_set(error, "%s: cannot open: %s", path, strerror(errno));
    uint8_t *data = NULL;
    bool done = read_all(&data, file, error);
    if (!is_stdin) close(file);
    *text = (Bytes){data, arrlenu(data)};
    if (done) return true;
    text_free(text);
    return error_prefix(error, "%s: ", is_stdin ? "standard input" : path);
}

bool text_choose(Bytes *text, const char *literal, const char *path, Error *error) {
    if (path) return text_read(text, path, error);
    size_t size = literal ? strlen(literal) : 0;
    uint8_t *data = NULL;
    arrsetlen(data, size);
    if (size) memcpy(data, literal, size);
    *text = (Bytes){data, size};
    return true;
}

void text_free(Bytes *text) {
    uint8_t *data = (uint8_t *)text->data;
    arrfree(data);
    *text = (Bytes){0};
}

static bool line_is_open; /* the last byte on standard output does not end a line */

bool text_written(const void *data, size_t n_bytes, Error *error) {
    if (fflush(stdout) != 0) return error_set(error, "standard output: %s", strerror(errno));
    if (n_bytes) line_is_open = ((const char *)data)[n_bytes - 1] != '\n';
    return true;
}

bool text_write(const void *data, size_t n_bytes, Error *error) {
    if (n_bytes && fwrite(data, 1, n_bytes, stdout) != n_bytes)
        return error_set(error, "standard output: %s", strerror(errno));
    return text_written(data, n_bytes, error);
}

void text_end_line(void) {
    if (line_is_open) fputc('\n', stderr);
    line_is_open = false;
}

bool text_shares_stderr(void) {
    struct stat out, err;
    bool both = fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0;
    return isatty(STDOUT_FILENO) || (both && out.st_dev == err.st_dev && out.st_ino == err.st_ino);
}

void text_print_escaped(Bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] == 0x7f)
            printf("\\x%02x", text.data[i]);
        else
            putchar(text.data[i]);
    }
}

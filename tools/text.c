#include "tools/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tensor/memory.h"

/* Doubles the buffer: what is read may be a pipe, whose size nobody knows. */
static bool grow(uint8_t **data, size_t size, size_t *capacity, Error *error) {
    size_t larger = *capacity ? 2 * *capacity : 1 << 16;
    uint8_t *moved = memory_alloc(larger, 1, "text", error);
    if (!moved) return false;
    if (size) memcpy(moved, *data, size);
    memory_free(*data);
    *data = moved;
    *capacity = larger;
    return true;
}

static bool read_all(Bytes *text, int file, Error *error) {
    uint8_t *data = NULL;
    size_t size = 0, capacity = 0;
    for (;;) {
        if (size == capacity && !grow(&data, size, &capacity, error)) break;
        ssize_t got = read(file, data + size, capacity - size);
        if (got == 0) {
            *text = (Bytes){data, size};
            return true;
        }
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            error_set(error, "cannot read: %s", strerror(errno));
            break;
        }
        size += (size_t)got;
    }
    memory_free(data);
    return false;
}

bool text_read(Bytes *text, const char *path, Error *error) {
    bool is_stdin = strcmp(path, "-") == 0;
    int file = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return error_set(error, "%s: cannot open: %s", path, strerror(errno));
    bool done = read_all(text, file, error);
    if (!is_stdin) close(file);
    return done || error_prefix(error, "%s: ", is_stdin ? "standard input" : path);
}

bool text_choose(Bytes *text, const char *literal, const char *path, Error *error) {
    if (path) return text_read(text, path, error);
    size_t size = literal ? strlen(literal) : 0;
    uint8_t *data = memory_alloc(size, 1, "text", error);
    if (!data) return false;
    if (size) memcpy(data, literal, size);
    *text = (Bytes){data, size};
    return true;
}

void text_free(Bytes *text) {
    memory_free((void *)text->data);
    *text = (Bytes){0};
}

bool text_write(const void *data, size_t n_bytes, Error *error) {
    if ((n_bytes && fwrite(data, 1, n_bytes, stdout) != n_bytes) || fflush(stdout) != 0)
        return error_set(error, "standard output: %s", strerror(errno));
    return true;
}

void text_print_escaped(Bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] == 0x7f)
            printf("\\x%02x", text.data[i]);
        else
            putchar(text.data[i]);
    }
}

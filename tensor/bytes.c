#include "tensor/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensor/inputs.h"

static bool map_descriptor(Bytes *bytes, int file, Error *error) {
    struct stat status;
    if (fstat(file, &status) != 0) return error_set(error, "cannot read: %s", strerror(errno));
    if (!S_ISREG(status.st_mode)) return error_set(error, "expected a regular file");
    if (status.st_size == 0) return error_set(error, "the file is empty");
    void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) return error_set(error, "cannot map: %s", strerror(errno));
    if (!inputs_add(&status, data, INPUTS_READ, error)) {
        munmap(data, (size_t)status.st_size);
        return false;
    }
    *bytes = (Bytes){data, (size_t)status.st_size};
    return true;
}

bool bytes_map(Bytes *bytes, const char *path, Error *error) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block the open */
    if (file < 0) return error_set(error, "%s: cannot open: %s", path, strerror(errno));
    bool mapped = map_descriptor(bytes, file, error);
    close(file);
    return mapped || error_prefix(error, "%s: ", path);
}

void bytes_unmap(Bytes *bytes) {
    inputs_remove(bytes->data); /* before munmap, after which another mapping may get the same address */
    if (bytes->data) munmap((void *)bytes->data, bytes->size);
    *bytes = (Bytes){0};
}

bool bytes_equal(Bytes bytes, const char *text) {
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

uint64_t bytes_hash(uint64_t hash, Bytes bytes) {
    for (size_t i = 0; i < bytes.size; i++) hash = (hash ^ bytes.data[i]) * 1099511628211u;
    return hash;
}

size_t cursor_left(const Cursor *cursor) { return cursor->bytes.size - cursor->at; }

bool cursor_bytes(Cursor *cursor, size_t n_bytes, Bytes *out, const char *what, Error *error) {
    if (n_bytes > cursor_left(cursor))
        return error_set(error, "byte %zu: %s: expected %zu bytes, got %zu", cursor->at, what, n_bytes,
                         cursor_left(cursor));
    *out = (Bytes){cursor->bytes.data + cursor->at, n_bytes};
    cursor->at += n_bytes;
    return true;
}

bool cursor_skip(Cursor *cursor, size_t n_bytes, const char *what, Error *error) {
    Bytes skipped;
    return cursor_bytes(cursor, n_bytes, &skipped, what, error);
}

/* memcpy: the file need not be aligned. Every supported machine is little-endian, as the files are. */
static bool cursor_copy(Cursor *cursor, void *out, size_t n_bytes, const char *what, Error *error) {
    Bytes source = {0};
    if (!cursor_bytes(cursor, n_bytes, &source, what, error)) return false;
    memcpy(out, source.data, n_bytes);
    return true;
}

bool cursor_u32(Cursor *cursor, uint32_t *out, const char *what, Error *error) {
    return cursor_copy(cursor, out, sizeof *out, what, error);
}
bool cursor_u64(Cursor *cursor, uint64_t *out, const char *what, Error *error) {
    return cursor_copy(cursor, out, sizeof *out, what, error);
}
bool cursor_i32(Cursor *cursor, int32_t *out, const char *what, Error *error) {
    return cursor_copy(cursor, out, sizeof *out, what, error);
}
bool cursor_f32(Cursor *cursor, float *out, const char *what, Error *error) {
    return cursor_copy(cursor, out, sizeof *out, what, error);
}

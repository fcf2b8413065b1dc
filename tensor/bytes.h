/* Bytes: a view of a file's contents, and a cursor that never reads past its end. */
#ifndef TENSOR_BYTES_H
#define TENSOR_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/error.h"

typedef struct {
    const uint8_t *data;
    size_t size; /* bytes */
} Bytes;

/* Maps a regular file read-only; unmap with bytes_unmap. Errors: cannot open, not a regular file, empty. The message
 * begins with the path. While the file is mapped, no output replaces it (tensor/inputs.h). If another program shortens
 * the file, reading the lost bytes raises SIGBUS. */
bool bytes_map(Bytes *bytes, const char *path, Error *error);
void bytes_unmap(Bytes *bytes);

/* A position in Bytes. Reads are little-endian and advance `at`. Their errors are "byte N: <what>: expected K bytes,
 * got M". */
typedef struct {
    Bytes bytes;
    size_t at;
} Cursor;

size_t cursor_left(const Cursor *cursor);
bool cursor_skip(Cursor *cursor, size_t n_bytes, const char *what, Error *error);
bool cursor_u32(Cursor *cursor, uint32_t *out, const char *what, Error *error);
bool cursor_u64(Cursor *cursor, uint64_t *out, const char *what, Error *error);
bool cursor_i32(Cursor *cursor, int32_t *out, const char *what, Error *error);
bool cursor_f32(Cursor *cursor, float *out, const char *what, Error *error);
/* A view of the next n_bytes (no copy). */
bool cursor_bytes(Cursor *cursor, size_t n_bytes, Bytes *out, const char *what, Error *error);

bool bytes_equal(Bytes bytes, const char *text);

/* Extends an FNV-1a hash of 64 bits (Fowler, Noll, Vo) by more bytes; the hash of nothing is BYTES_HASH. */
#define BYTES_HASH 14695981039346656037u
uint64_t bytes_hash(uint64_t hash, Bytes bytes);

#endif

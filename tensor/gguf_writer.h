/* Writes a GGUF version 3 file: metadata first, then the tensors' descriptions, then their data, in the order added.
 * The file appears under its name only when gguf_writer_close succeeds (tensor/output.h).
 * Every call after a failed one does nothing; gguf_writer_close reports the first failure. */
#ifndef TENSOR_GGUF_WRITER_H
#define TENSOR_GGUF_WRITER_H

#include "tensor/gguf.h"

typedef struct GgufWriter GgufWriter;

bool gguf_writer_open(GgufWriter **writer, const char *path, Error *error);

void gguf_write_int(GgufWriter *writer, const char *key, uint32_t value);
void gguf_write_float(GgufWriter *writer, const char *key, float value);
void gguf_write_bool(GgufWriter *writer, const char *key, bool value);
void gguf_write_string(GgufWriter *writer, const char *key, Bytes text);
/* Copies a value from another file, except general.alignment, which describes the layout of that file. */
void gguf_write_value(GgufWriter *writer, const GgufValue *value);
/* Arrays: of strings, f32, i32. */
void gguf_write_strings(GgufWriter *writer, const char *key, const Bytes *texts, size_t count);
void gguf_write_floats(GgufWriter *writer, const char *key, const float *values, size_t count);
void gguf_write_ints(GgufWriter *writer, const char *key, const int32_t *values, size_t count);

/* Adds a tensor that will be stored in the given form; the source (any form) must live until close. n_dims is 1 or 2.
 * Errors: rows that are not a multiple of the block of that form, values too large for it. */
void gguf_write_tensor(GgufWriter *writer, const char *name, const Tensor *source, int n_dims, Dtype dtype);
/* The same for a matrix in packed form (tensor/packed.h). First call gguf_write_aligned: the tensors of such a file
 * begin at multiples of 64 bytes. */
void gguf_write_aligned(GgufWriter *writer);
void gguf_write_packed(GgufWriter *writer, const char *name, const Tensor *source, Dtype dtype);

/* Writes the file, converting row by row, and frees the writer in any case. If progress is not NULL, it is called with
 * the bytes written so far and the total. */
bool gguf_writer_close(GgufWriter *writer, void (*progress)(size_t done, size_t total), Error *error);
void gguf_writer_abandon(GgufWriter *writer); /* instead of close: leaves nothing behind */

#endif

#include "tensor/gguf_writer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tensor/memory.h"
#include "tensor/output.h"
#include "tensor/packed.h"
#include "tensor/quant.h"

#define ALIGNMENT     32 /* what readers assume where general.alignment is absent */
#define PROGRESS_STEP ((size_t)1 << 20)

static const uint8_t zeros[PACK_ALIGN];

typedef struct {
    uint8_t *data;
    size_t size, capacity;
} Buffer;

typedef struct {
    char name[GGUF_NAME_BYTES + 1];
    Tensor source, stored; /* stored: without data */
} Pending;

struct GgufWriter {
    Output output;
    Buffer values, infos; /* as they will be in the file */
    Buffer pending;       /* of Pending */
    uint64_t n_values, n_tensors, data_bytes;
    size_t alignment;
    size_t done, total, shown; /* bytes written, in all, and when progress was called last */
    void (*progress)(size_t done, size_t total);
    bool failed;
    Error error; /* the first failure */
};

static size_t padding(const GgufWriter *writer, size_t at) {
    return (writer->alignment - at % writer->alignment) % writer->alignment;
}

/* ---- Collecting ---- */

static void buffer_put(GgufWriter *writer, Buffer *buffer, const void *data, size_t n_bytes) {
    if (writer->failed || n_bytes == 0) return;
    if (n_bytes > buffer->capacity - buffer->size) {
        size_t wanted = 0;
        bool fits = size_add(&wanted, buffer->size, n_bytes) && size_multiply(&wanted, wanted, 2);
        uint8_t *grown = memory_alloc(fits ? wanted : SIZE_MAX, 1, "GGUF metadata", &writer->error);
        if (!grown) {
            writer->failed = true;
            return;
        }
        if (buffer->size) memcpy(grown, buffer->data, buffer->size);
        memory_free(buffer->data);
        buffer->data = grown;
        buffer->capacity = wanted;
    }
    memcpy(buffer->data + buffer->size, data, n_bytes);
    buffer->size += n_bytes;
}

static void put_u32(GgufWriter *writer, Buffer *buffer, uint32_t value) {
    buffer_put(writer, buffer, &value, sizeof value);
}
static void put_u64(GgufWriter *writer, Buffer *buffer, uint64_t value) {
    buffer_put(writer, buffer, &value, sizeof value);
}
static void put_string(GgufWriter *writer, Buffer *buffer, Bytes text) {
    put_u64(writer, buffer, text.size);
    buffer_put(writer, buffer, text.data, text.size);
}
static Bytes as_bytes(const char *text) { return (Bytes){(const uint8_t *)text, strlen(text)}; }

static void put_key(GgufWriter *writer, const char *key, GgufType type) {
    put_string(writer, &writer->values, as_bytes(key));
    put_u32(writer, &writer->values, type);
    writer->n_values++;
}

static void put_array(GgufWriter *writer, const char *key, GgufType item_type, size_t count) {
    put_key(writer, key, GGUF_ARRAY);
    put_u32(writer, &writer->values, item_type);
    put_u64(writer, &writer->values, count);
}

void gguf_write_int(GgufWriter *writer, const char *key, uint32_t value) {
    put_key(writer, key, GGUF_U32);
    put_u32(writer, &writer->values, value);
}

void gguf_write_float(GgufWriter *writer, const char *key, float value) {
    put_key(writer, key, GGUF_F32);
    buffer_put(writer, &writer->values, &value, sizeof value);
}

void gguf_write_bool(GgufWriter *writer, const char *key, bool value) {
    uint8_t byte = value;
    put_key(writer, key, GGUF_BOOL);
    buffer_put(writer, &writer->values, &byte, 1);
}

void gguf_write_string(GgufWriter *writer, const char *key, Bytes text) {
    put_key(writer, key, GGUF_STRING);
    put_string(writer, &writer->values, text);
}

void gguf_write_value(GgufWriter *writer, const GgufValue *value) {
    Buffer *values = &writer->values;
    if (bytes_equal(value->key, "general.alignment")) return; /* of the other file's data, not of this one's */
    put_string(writer, values, value->key);
    put_u32(writer, values, value->type);
    if (value->type == GGUF_ARRAY) {
        put_u32(writer, values, value->item_type);
        put_u64(writer, values, value->count);
    } else if (value->type == GGUF_STRING) {
        put_u64(writer, values, value->payload.size);
    }
    buffer_put(writer, values, value->payload.data, value->payload.size);
    writer->n_values++;
}

void gguf_write_strings(GgufWriter *writer, const char *key, const Bytes *texts, size_t count) {
    put_array(writer, key, GGUF_STRING, count);
    for (size_t i = 0; i < count; i++) put_string(writer, &writer->values, texts[i]);
}

void gguf_write_floats(GgufWriter *writer, const char *key, const float *values, size_t count) {
    put_array(writer, key, GGUF_F32, count);
    buffer_put(writer, &writer->values, values, count * sizeof *values);
}

void gguf_write_ints(GgufWriter *writer, const char *key, const int32_t *values, size_t count) {
    put_array(writer, key, GGUF_I32, count);
    buffer_put(writer, &writer->values, values, count * sizeof *values);
}

static void add_tensor(GgufWriter *writer, const char *name, const Tensor *source, int n_dims, Tensor stored) {
    assert(strlen(name) >= 1 && strlen(name) <= GGUF_NAME_BYTES);
    assert(n_dims == 2 || (n_dims == 1 && source->rows == 1));
    int block = dtype_info[stored.dtype].block;
    if (!writer->failed && source->cols % block != 0)
        writer->failed = !error_set(&writer->error, "%s: rows of %d values cannot be stored as %s, in blocks of %d",
                                    name, source->cols, dtype_info[stored.dtype].name, block);
    Pending pending = {.source = *source, .stored = stored};
    snprintf(pending.name, sizeof pending.name, "%s", name);
    buffer_put(writer, &writer->pending, &pending, sizeof pending);
    put_string(writer, &writer->infos, as_bytes(name));
    put_u32(writer, &writer->infos, (uint32_t)n_dims);
    put_u64(writer, &writer->infos, (uint64_t)source->cols);
    if (n_dims == 2) put_u64(writer, &writer->infos, (uint64_t)source->rows);
    put_u32(writer, &writer->infos, gguf_dtype_number(stored.dtype, stored.packed));
    put_u64(writer, &writer->infos, writer->data_bytes);
    size_t bytes = tensor_bytes(&stored);
    writer->data_bytes += bytes + padding(writer, bytes);
    writer->n_tensors++;
}

void gguf_write_tensor(GgufWriter *writer, const char *name, const Tensor *source, int n_dims, Dtype dtype) {
    Tensor stored = {.dtype = dtype, .rows = source->rows, .cols = source->cols};
    add_tensor(writer, name, source, n_dims, stored);
}

void gguf_write_aligned(GgufWriter *writer) {
    assert(writer->n_tensors == 0);
    writer->alignment = PACK_ALIGN;
    gguf_write_int(writer, "general.alignment", PACK_ALIGN);
}

void gguf_write_packed(GgufWriter *writer, const char *name, const Tensor *source, Dtype dtype) {
    assert(writer->alignment == PACK_ALIGN && packed_can(dtype));
    Tensor stored = {.dtype = dtype, .rows = source->rows, .cols = source->cols, .packed = true};
    add_tensor(writer, name, source, 2, stored);
}

/* ---- Writing ---- */

static bool write_bytes(GgufWriter *writer, const void *data, size_t n_bytes, Error *error) {
    if (n_bytes == 0) return true;
    if (fwrite(data, 1, n_bytes, writer->output.file) != n_bytes)
        return error_set(error, "cannot write: %s", strerror(errno));
    writer->done += n_bytes;
    if (writer->progress && (writer->done - writer->shown >= PROGRESS_STEP || writer->done == writer->total)) {
        writer->shown = writer->done;
        writer->progress(writer->done, writer->total);
    }
    return true;
}

static bool write_padding(GgufWriter *writer, Error *error) {
    return write_bytes(writer, zeros, padding(writer, writer->done), error);
}

/* Row `row` in its new form; values is space for one row. A row that keeps its form keeps its bits. */
static bool convert_row(const Pending *pending, int row, float *values, uint8_t *out, Error *error) {
    const Tensor *source = &pending->source;
    Dtype dtype = pending->stored.dtype;
    Tensor converted = {.dtype = dtype, .rows = 1, .cols = source->cols, .data = out};
    const DtypeInfo *info = &dtype_info[dtype];
    size_t at;
    if (dtype == source->dtype && !source->packed) {
        memcpy(out, tensor_row(source, row), tensor_row_bytes(source));
    } else if (dtype == source->dtype) {
        packed_read_blocks(out, source, row, 0, source->cols / info->block);
    } else {
        dequantize_row(values, source, row);
        quantize_row(out, values, source->cols, dtype);
        if (!tensor_is_finite(&converted, &at))
            return error_set(error, "%s: row %d has values too large for %s", pending->name, row, info->name);
    }
    return true;
}

/* A group of rows; stored has room for them twice: as rows, then packed. */
static bool write_rows(GgufWriter *writer, const Pending *pending, int first, int n, float *values, uint8_t *stored,
                       Error *error) {
    Tensor rows = {.dtype = pending->stored.dtype, .rows = n, .cols = pending->stored.cols, .data = stored};
    size_t row_bytes = tensor_row_bytes(&rows);
    for (int i = 0; i < n; i++)
        if (!convert_row(pending, first + i, values, stored + (size_t)i * row_bytes, error)) return false;
    if (!pending->stored.packed) return write_bytes(writer, stored, (size_t)n * row_bytes, error);
    packed_write_group(stored + PACK_ROWS * row_bytes, &rows, 0);
    return write_bytes(writer, stored + PACK_ROWS * row_bytes, packed_group_bytes(&rows), error);
}

static bool write_tensor(GgufWriter *writer, const Pending *pending, Error *error) {
    size_t cols = (size_t)pending->source.cols, bytes = PACK_ROWS * tensor_row_bytes(&pending->stored);
    bytes += packed_group_bytes(&pending->stored) + cols * sizeof(float);
    uint8_t *memory = memory_alloc(bytes, 1, "rows to convert", error);
    if (!memory) return false;
    bool written = true;
    for (int row = 0; written && row < pending->source.rows; row += PACK_ROWS) {
        int n = pending->source.rows - row < PACK_ROWS ? pending->source.rows - row : PACK_ROWS;
        written = write_rows(writer, pending, row, n, (float *)memory, memory + cols * sizeof(float), error);
    }
    memory_free(memory);
    return written && write_padding(writer, error);
}

static bool write_all(GgufWriter *writer, Error *error) {
    const uint32_t version = 3;
    size_t header = 4 + sizeof version + 2 * sizeof(uint64_t) + writer->values.size + writer->infos.size;
    writer->total = header + padding(writer, header) + writer->data_bytes;
    if (!write_bytes(writer, "GGUF", 4, error) || !write_bytes(writer, &version, sizeof version, error) ||
        !write_bytes(writer, &writer->n_tensors, sizeof(uint64_t), error) ||
        !write_bytes(writer, &writer->n_values, sizeof(uint64_t), error) ||
        !write_bytes(writer, writer->values.data, writer->values.size, error) ||
        !write_bytes(writer, writer->infos.data, writer->infos.size, error) || !write_padding(writer, error))
        return false;
    const Pending *pending = (const Pending *)writer->pending.data;
    for (uint64_t i = 0; i < writer->n_tensors; i++)
        if (!write_tensor(writer, &pending[i], error)) return false;
    return true;
}

/* ---- Opening and closing ---- */

static void release(GgufWriter *writer) {
    memory_free(writer->values.data);
    memory_free(writer->infos.data);
    memory_free(writer->pending.data);
    memory_free(writer);
}

bool gguf_writer_open(GgufWriter **writer, const char *path, Error *error) {
    size_t path_bytes = strlen(path) + 1;
    GgufWriter *opened = memory_alloc(1, sizeof *opened + path_bytes, "GGUF writer", error);
    *writer = NULL;
    if (!opened) return false;
    opened->alignment = ALIGNMENT;
    if (!output_open(&opened->output, memcpy(opened + 1, path, path_bytes), error)) {
        release(opened);
        return false;
    }
    *writer = opened;
    return true;
}

bool gguf_writer_close(GgufWriter *writer, void (*progress)(size_t done, size_t total), Error *error) {
    writer->progress = progress;
    if (!writer->failed) writer->failed = !write_all(writer, &writer->error);
    bool written = !writer->failed && output_close(&writer->output, error);
    if (writer->failed) error_set(error, "%s: %s", writer->output.path, writer->error.message);
    gguf_writer_abandon(writer);
    return written;
}

void gguf_writer_abandon(GgufWriter *writer) {
    output_abandon(&writer->output);
    release(writer);
}

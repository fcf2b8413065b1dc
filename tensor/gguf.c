#include "tensor/gguf.h"

#include <assert.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/memory.h"
#include "tensor/packed.h"

#define MAX_ITEMS       65536 /* values, and tensors: real files have hundreds */
#define MAX_KEY_BYTES   65535 /* as the format's text has it */
#define MIN_VALUE_BYTES 14    /* length, one byte of key, type, one byte of value */
#define MIN_INFO_BYTES  33    /* length, one byte of name, number of dimensions, one of them, type, offset */
#define MIN_ALIGNMENT   8     /* below it f32 and f16 values could straddle */

/* A name in a message ("%.*s"), cut so that it cannot push out the rest. */
#define SHOWN(bytes) (int)((bytes).size < 64 ? (bytes).size : 64), (const char *)(bytes).data

static const struct {
    const char *name;
    size_t bytes; /* 0: the value says */
} value_types[GGUF_TYPE_COUNT] = {
    [GGUF_U8] = {"U8", 1},         [GGUF_I8] = {"I8", 1},       [GGUF_U16] = {"U16", 2}, [GGUF_I16] = {"I16", 2},
    [GGUF_U32] = {"U32", 4},       [GGUF_I32] = {"I32", 4},     [GGUF_F32] = {"F32", 4}, [GGUF_BOOL] = {"BOOL", 1},
    [GGUF_STRING] = {"STRING", 0}, [GGUF_ARRAY] = {"ARRAY", 0}, [GGUF_U64] = {"U64", 8}, [GGUF_I64] = {"I64", 8},
    [GGUF_F64] = {"F64", 8},
};

/* The names of the format's other forms of tensors, for the message about one that dtype_info does not have. */
static const char *const other_types[] = {
    [3] = "Q4_1",     [6] = "Q5_0",   [7] = "Q5_1",    [9] = "Q8_1",   [10] = "Q2_K",    [11] = "Q3_K",
    [12] = "Q4_K",    [13] = "Q5_K",  [14] = "Q6_K",   [15] = "Q8_K",  [16] = "IQ2_XXS", [17] = "IQ2_XS",
    [18] = "IQ3_XXS", [19] = "IQ1_S", [20] = "IQ4_NL", [21] = "IQ3_S", [22] = "IQ2_S",   [23] = "IQ4_XS",
    [24] = "I8",      [25] = "I16",   [26] = "I32",    [27] = "I64",   [28] = "F64",     [29] = "IQ1_M",
    [34] = "TQ1_0",   [35] = "TQ2_0", [39] = "MXFP4",
};

static const char *type_name(GgufType type) { return value_types[type].name; }

/* Packed forms are known to this program alone, so their numbers are far from those that the format may use in
 * future. */
#define PACKED_NUMBERS 1000

uint32_t gguf_dtype_number(Dtype dtype, bool packed) {
    assert(dtype < DTYPE_COUNT && dtype_info[dtype].gguf_type >= 0);
    return (packed ? PACKED_NUMBERS : 0) + (uint32_t)dtype_info[dtype].gguf_type;
}

bool gguf_is(Bytes bytes) { return bytes.size >= 4 && memcmp(bytes.data, "GGUF", 4) == 0; }

/* ---- Reading ---- */

static bool read_string(Cursor *cursor, Bytes *out, const char *what, Error *error) {
    size_t at = cursor->at;
    uint64_t length;
    if (!cursor_u64(cursor, &length, what, error)) return false;
    if (length > cursor_left(cursor))
        return error_set(error, "byte %zu: %s: expected a length of at most %zu, the bytes left, got %" PRIu64, at,
                         what, cursor_left(cursor), length);
    return cursor_bytes(cursor, (size_t)length, out, what, error);
}

static bool read_name(Cursor *cursor, Bytes *out, size_t max_bytes, const char *what, Error *error) {
    size_t at = cursor->at;
    if (!read_string(cursor, out, what, error)) return false;
    if (out->size < 1 || out->size > max_bytes)
        return error_set(error, "byte %zu: %s: expected a length of 1 to %zu, got %zu", at, what, max_bytes, out->size);
    const uint8_t *nul = memchr(out->data, 0, out->size);
    if (!nul) return true;
    return error_set(error, "byte %zu: %s: expected text, got a NUL byte", (size_t)(nul - cursor->bytes.data), what);
}

static bool read_type(Cursor *cursor, GgufType *out, const char *what, Error *error) {
    size_t at = cursor->at;
    uint32_t type;
    if (!cursor_u32(cursor, &type, what, error)) return false;
    if (type >= GGUF_TYPE_COUNT)
        return error_set(error, "byte %zu: %s: expected 0 to %d, got %" PRIu32, at, what, GGUF_TYPE_COUNT - 1, type);
    *out = (GgufType)type;
    return true;
}

/* Reads a count of items of at least min_bytes each, and checks that the remaining bytes can hold them. */
static bool read_count(Cursor *cursor, uint64_t *out, size_t min_bytes, const char *what, Error *error) {
    size_t at = cursor->at;
    if (!cursor_u64(cursor, out, what, error)) return false;
    size_t most = cursor_left(cursor) / min_bytes;
    if (*out <= most) return true;
    return error_set(error, "byte %zu: %s: expected at most %zu in the %zu bytes left, got %" PRIu64, at, what, most,
                     cursor_left(cursor), *out);
}

static bool read_array(Cursor *cursor, GgufValue *value, Error *error) {
    size_t at = cursor->at;
    if (!read_type(cursor, &value->item_type, "item type", error)) return false;
    if (value->item_type == GGUF_ARRAY) return error_set(error, "byte %zu: arrays of arrays are not supported", at);
    size_t item_bytes = value_types[value->item_type].bytes;
    if (!read_count(cursor, &value->count, item_bytes ? item_bytes : sizeof(uint64_t), "number of items", error))
        return false;
    value->offset = cursor->at;
    if (item_bytes) return cursor_bytes(cursor, (size_t)value->count * item_bytes, &value->payload, "items", error);
    for (uint64_t i = 0; i < value->count; i++) {
        Bytes text;
        if (!read_string(cursor, &text, "string", error)) return error_prefix(error, "item %" PRIu64 ": ", i);
    }
    value->payload = (Bytes){cursor->bytes.data + value->offset, cursor->at - value->offset};
    return true;
}

static bool read_payload(Cursor *cursor, GgufValue *value, Error *error) {
    if (!read_type(cursor, &value->type, "value type", error)) return false;
    if (value->type == GGUF_ARRAY) return read_array(cursor, value, error);
    value->item_type = value->type;
    value->count = 1;
    if (value->type == GGUF_STRING) {
        if (!read_string(cursor, &value->payload, "string", error)) return false;
    } else if (!cursor_bytes(cursor, value_types[value->type].bytes, &value->payload, "value", error)) {
        return false;
    }
    value->offset = (size_t)(value->payload.data - cursor->bytes.data);
    return true;
}

static bool read_value(Cursor *cursor, GgufValue *value, Error *error) {
    return read_name(cursor, &value->key, MAX_KEY_BYTES, "key", error) &&
           (read_payload(cursor, value, error) || error_prefix(error, "%.*s: ", SHOWN(value->key)));
}

static bool read_dims(Cursor *cursor, GgufTensor *tensor, Error *error) {
    size_t at = cursor->at, rows = 1;
    uint32_t n_dims;
    if (!cursor_u32(cursor, &n_dims, "number of dimensions", error)) return false;
    if (n_dims < 1 || n_dims > 4)
        return error_set(error, "byte %zu: number of dimensions: expected 1 to 4, got %" PRIu32, at, n_dims);
    tensor->n_dims = (int)n_dims;
    for (int i = 0; i < 4; i++) {
        uint64_t *dim = &tensor->dims[i];
        *dim = 1;
        if (i >= tensor->n_dims) continue;
        size_t dim_at = cursor->at;
        if (!cursor_u64(cursor, dim, "dimension", error)) return false;
        if (*dim < 1 || *dim > INT_MAX)
            return error_set(error, "byte %zu: dimension: expected 1 to %d, got %" PRIu64, dim_at, INT_MAX, *dim);
        if (i > 0 && (!size_multiply(&rows, rows, (size_t)*dim) || rows > INT_MAX))
            return error_set(error, "byte %zu: dimensions: expected at most %d rows, got more", dim_at, INT_MAX);
    }
    tensor->tensor.rows = (int)rows;
    tensor->tensor.cols = (int)tensor->dims[0];
    return true;
}

/* "F32, F16 or Q8_0": the forms that can be read. */
static void list_dtypes(char *out, size_t capacity) {
    const char *name = NULL;
    size_t length = 0;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        if (dtype_info[dtype].gguf_type < 0) continue;
        if (name) length += (size_t)snprintf(out + length, capacity - length, "%s%s", length ? ", " : "", name);
        assert(length < capacity);
        name = dtype_info[dtype].name;
    }
    snprintf(out + length, capacity - length, " or %s", name);
}

static bool unknown_type(size_t at, uint32_t type, bool packed, Error *error) {
    const char *name = type < sizeof other_types / sizeof *other_types ? other_types[type] : NULL;
    char known[256];
    list_dtypes(known, sizeof known);
    return error_set(error, "byte %zu: type: expected %s, got %s (%" PRIu32 ")", at, known,
                     name ? name : "an unknown one", packed ? PACKED_NUMBERS + type : type);
}

static bool read_dtype(Cursor *cursor, Tensor *tensor, Error *error) {
    size_t at = cursor->at;
    uint32_t type;
    if (!cursor_u32(cursor, &type, "type", error)) return false;
    tensor->packed = type >= PACKED_NUMBERS;
    if (tensor->packed) type -= PACKED_NUMBERS;
    int dtype = 0;
    while (dtype < DTYPE_COUNT && (int64_t)dtype_info[dtype].gguf_type != (int64_t)type) dtype++;
    if (dtype == DTYPE_COUNT) return unknown_type(at, type, tensor->packed, error);
    tensor->dtype = (Dtype)dtype;
    const DtypeInfo *info = &dtype_info[dtype];
    if (tensor->cols % info->block != 0)
        return error_set(error, "byte %zu: %s: expected rows of a multiple of %d values, got %d", at, info->name,
                         info->block, tensor->cols);
    return true;
}

/* Leaves the tensor's offset as the file has it: from the start of the data, which is not known yet. */
static bool read_tensor(Cursor *cursor, GgufTensor *tensor, size_t alignment, Error *error) {
    if (!read_name(cursor, &tensor->name, GGUF_NAME_BYTES, "tensor name", error)) return false;
    bool read = read_dims(cursor, tensor, error) && read_dtype(cursor, &tensor->tensor, error);
    size_t at = cursor->at;
    uint64_t offset = 0;
    read = read && cursor_u64(cursor, &offset, "offset", error);
    if (read && (offset > cursor->bytes.size || offset % alignment != 0))
        read =
            error_set(error, "byte %zu: offset: expected a multiple of %zu within the file's %zu bytes, got %" PRIu64,
                      at, alignment, cursor->bytes.size, offset);
    tensor->offset = (size_t)offset;
    return read || error_prefix(error, "%.*s: ", SHOWN(tensor->name));
}

/* ---- Checks of the whole ---- */

/* Orders by bytes, then by position in the file. */
static int compare_names(const void *a, const void *b) {
    const Bytes *x = *(const Bytes *const *)a, *y = *(const Bytes *const *)b;
    int order = memcmp(x->data, y->data, x->size < y->size ? x->size : y->size);
    if (order != 0) return order;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return x->data < y->data ? -1 : x->data > y->data;
}

static bool check_unique(const Bytes **names, size_t n, Bytes file, Error *error) {
    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 1; i < n; i++) {
        const Bytes *a = names[i - 1], *b = names[i];
        if (a->size != b->size || memcmp(a->data, b->data, a->size) != 0) continue;
        return error_set(error, "%.*s: byte %zu: expected this name once, got it at byte %zu before", SHOWN(*b),
                         (size_t)(b->data - file.data), (size_t)(a->data - file.data));
    }
    return true;
}

static int compare_offsets(const void *a, const void *b) {
    const GgufTensor *x = *(const GgufTensor *const *)a, *y = *(const GgufTensor *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x < y ? -1 : x > y;
}

static bool check_no_overlap(const GgufTensor **tensors, size_t n, Error *error) {
    qsort(tensors, n, sizeof *tensors, compare_offsets);
    for (size_t i = 1; i < n; i++) {
        const GgufTensor *a = tensors[i - 1], *b = tensors[i];
        size_t end = a->offset + tensor_bytes(&a->tensor);
        if (b->offset < end)
            return error_set(error, "%.*s: byte %zu: expected its data after that of %.*s, which ends at byte %zu",
                             SHOWN(b->name), b->offset, SHOWN(a->name), end);
    }
    return true;
}

/* One table of pointers serves all three sorts. */
static bool check_all(const Gguf *gguf, Bytes file, Error *error) {
    size_t n = gguf->n_values > gguf->n_tensors ? gguf->n_values : gguf->n_tensors;
    void *table = memory_alloc(n, sizeof(void *), "GGUF names", error);
    if (!table) return false;
    const Bytes **names = table;
    for (size_t i = 0; i < gguf->n_values; i++) names[i] = &gguf->values[i].key;
    bool good = check_unique(names, gguf->n_values, file, error);
    for (size_t i = 0; i < gguf->n_tensors; i++) names[i] = &gguf->tensors[i].name;
    good = good && check_unique(names, gguf->n_tensors, file, error);
    const GgufTensor **tensors = table;
    for (size_t i = 0; i < gguf->n_tensors; i++) tensors[i] = &gguf->tensors[i];
    good = good && check_no_overlap(tensors, gguf->n_tensors, error);
    memory_free(table);
    return good;
}

/* Turns offsets from the start of the data into offsets in the file. start is at most one alignment after the end of
 * the file, so no sum overflows. */
static bool place_tensor(GgufTensor *tensor, Bytes file, size_t start, Error *error) {
    const Tensor *form = &tensor->tensor;
    size_t bytes, end, units = (size_t)(form->packed ? packed_groups(form) : form->rows);
    if (!size_multiply(&bytes, units, form->packed ? packed_group_bytes(form) : tensor_row_bytes(form)) ||
        !size_add(&end, start + tensor->offset, bytes) || end > file.size)
        return error_set(error, "%.*s: byte %zu: expected its %d x %d values of %s there, got a file of %zu bytes",
                         SHOWN(tensor->name), start + tensor->offset, tensor->tensor.rows, tensor->tensor.cols,
                         dtype_info[tensor->tensor.dtype].name, file.size);
    tensor->offset += start;
    tensor->tensor.data = file.data + tensor->offset;
    return true;
}

/* ---- The whole file ---- */

static bool read_version(Cursor *cursor, uint32_t *version, Error *error) {
    size_t at = 4;
    if (!cursor_skip(cursor, 4, "magic", error) || !cursor_u32(cursor, version, "version", error)) return false;
    if (*version == 2 || *version == 3) return true;
    bool swapped = *version != 0 && (*version & 0xffff) == 0;
    return error_set(error, "byte %zu: version: expected 2 or 3, got %" PRIu32 "%s", at, *version,
                     swapped ? " (a big-endian file)" : "");
}

static bool read_counts(Cursor *cursor, uint64_t *n_tensors, uint64_t *n_values, Error *error) {
    size_t at = cursor->at;
    if (!read_count(cursor, n_tensors, MIN_INFO_BYTES, "number of tensors", error) ||
        !read_count(cursor, n_values, MIN_VALUE_BYTES, "number of keys", error))
        return false;
    if (*n_tensors <= MAX_ITEMS && *n_values <= MAX_ITEMS) return true;
    return error_set(error, "byte %zu: expected at most %d tensors and keys, got %" PRIu64 " and %" PRIu64, at,
                     MAX_ITEMS, *n_tensors, *n_values);
}

static bool read_alignment(const Gguf *gguf, size_t *alignment, Error *error) {
    int value = 32;
    if (!gguf_get_int(gguf, "general.alignment", false, MIN_ALIGNMENT, INT_MAX, &value, error)) return false;
    if ((value & (value - 1)) != 0)
        return error_set(error, "general.alignment: byte %zu: expected a power of two, got %d",
                         gguf_find(gguf, "general.alignment")->offset, value);
    *alignment = (size_t)value;
    return true;
}

static bool parse(Gguf *gguf, Bytes bytes, Error *error) {
    Cursor cursor = {bytes, 0};
    uint64_t n_tensors, n_values;
    size_t alignment = 0;
    if (!gguf_is(bytes)) return error_set(error, "byte 0: expected the magic \"GGUF\"");
    if (!read_version(&cursor, &gguf->version, error)) return false;
    if (!read_counts(&cursor, &n_tensors, &n_values, error)) return false;
    gguf->values = memory_alloc((size_t)n_values, sizeof *gguf->values, "GGUF keys", error);
    gguf->tensors = gguf->values ? memory_alloc((size_t)n_tensors, sizeof *gguf->tensors, "GGUF tensors", error) : NULL;
    if (!gguf->tensors) return false;
    for (; gguf->n_values < n_values; gguf->n_values++)
        if (!read_value(&cursor, &gguf->values[gguf->n_values], error)) return false;
    if (!read_alignment(gguf, &alignment, error)) return false;
    for (; gguf->n_tensors < n_tensors; gguf->n_tensors++)
        if (!read_tensor(&cursor, &gguf->tensors[gguf->n_tensors], alignment, error)) return false;
    size_t start = (cursor.at + alignment - 1) / alignment * alignment;
    for (size_t i = 0; i < gguf->n_tensors; i++)
        if (!place_tensor(&gguf->tensors[i], bytes, start, error)) return false;
    return check_all(gguf, bytes, error);
}

bool gguf_parse(Gguf *gguf, Bytes bytes, Error *error) {
    *gguf = (Gguf){0};
    if (parse(gguf, bytes, error)) return true;
    gguf_release(gguf);
    return false;
}

void gguf_release(Gguf *gguf) {
    memory_free(gguf->values);
    memory_free(gguf->tensors);
    *gguf = (Gguf){0};
}

/* ---- Typed reads ---- */

const GgufValue *gguf_find(const Gguf *gguf, const char *key) {
    for (size_t i = 0; i < gguf->n_values; i++)
        if (bytes_equal(gguf->values[i].key, key)) return &gguf->values[i];
    return NULL;
}

/* If an optional key is absent, *value is NULL and the result is true. */
static bool find(const Gguf *gguf, const char *key, bool required, const char *wanted, const GgufValue **value,
                 Error *error) {
    *value = gguf_find(gguf, key);
    if (*value || !required) return true;
    return error_set(error, "%s: expected %s, got no such key", key, wanted);
}

static bool wrong_type(const GgufValue *value, const char *wanted, Error *error) {
    bool array = value->type == GGUF_ARRAY;
    return error_set(error, "%.*s: byte %zu: expected %s, got %s%s", SHOWN(value->key), value->offset, wanted,
                     array ? "an array of " : "", type_name(array ? value->item_type : value->type));
}

/* An integer as i64. A U64 beyond it becomes the largest i64, which is outside the range of every caller. */
static bool value_integer(const GgufValue *value, int64_t *out) {
    const void *from = value->payload.data;
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
    } number = {0};
    if (value->type == GGUF_STRING || value->type == GGUF_ARRAY) return false;
    memcpy(&number, from, value->payload.size);
    switch (value->type) {
    case GGUF_U8:
        *out = number.u8;
        return true;
    case GGUF_I8:
        *out = number.i8;
        return true;
    case GGUF_U16:
        *out = number.u16;
        return true;
    case GGUF_I16:
        *out = number.i16;
        return true;
    case GGUF_U32:
        *out = number.u32;
        return true;
    case GGUF_I32:
        *out = number.i32;
        return true;
    case GGUF_U64:
        *out = number.u64 > INT64_MAX ? INT64_MAX : (int64_t)number.u64;
        return true;
    case GGUF_I64:
        *out = number.i64;
        return true;
    default:
        return false;
    }
}

bool gguf_get_int(const Gguf *gguf, const char *key, bool required, int low, int high, int *out, Error *error) {
    const GgufValue *value;
    int64_t number;
    if (!find(gguf, key, required, "an integer", &value, error)) return false;
    if (!value) return true;
    if (!value_integer(value, &number)) return wrong_type(value, "an integer", error);
    if (number < low || number > high) {
        char range[32];
        snprintf(range, sizeof range, low == high ? "%d" : "%d to %d", low, high);
        return error_set(error, "%s: byte %zu: expected %s, got %s%" PRId64, key, value->offset, range,
                         number == INT64_MAX ? "at least " : "", number);
    }
    *out = (int)number;
    return true;
}

bool gguf_get_float(const Gguf *gguf, const char *key, bool required, float *out, Error *error) {
    const GgufValue *value;
    if (!find(gguf, key, required, "a number", &value, error)) return false;
    if (!value) return true;
    double number;
    if (value->type == GGUF_F64) {
        memcpy(&number, value->payload.data, sizeof number);
    } else if (value->type == GGUF_F32) {
        float single;
        memcpy(&single, value->payload.data, sizeof single);
        number = single;
    } else {
        return wrong_type(value, "F32 or F64", error);
    }
    if (!(fabs(number) <= FLT_MAX))
        return error_set(error, "%s: byte %zu: expected a finite f32, got %g", key, value->offset, number);
    *out = (float)number;
    return true;
}

bool gguf_get_bool(const Gguf *gguf, const char *key, bool required, bool *out, Error *error) {
    const GgufValue *value;
    if (!find(gguf, key, required, "BOOL", &value, error)) return false;
    if (!value) return true;
    if (value->type != GGUF_BOOL) return wrong_type(value, "BOOL", error);
    uint8_t number = value->payload.data[0];
    if (number > 1) return error_set(error, "%s: byte %zu: expected 0 or 1, got %u", key, value->offset, number);
    *out = number == 1;
    return true;
}

bool gguf_get_string(const Gguf *gguf, const char *key, bool required, Bytes *out, Error *error) {
    const GgufValue *value;
    if (!find(gguf, key, required, "STRING", &value, error)) return false;
    if (!value) return true;
    if (value->type != GGUF_STRING) return wrong_type(value, "STRING", error);
    *out = value->payload;
    return true;
}

bool gguf_get_array(const Gguf *gguf, const char *key, bool required, GgufType item_type, const GgufValue **out,
                    Error *error) {
    const GgufValue *value;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "an array of %s", type_name(item_type));
    *out = NULL;
    if (!find(gguf, key, required, wanted, &value, error)) return false;
    if (!value) return true;
    if (value->type != GGUF_ARRAY || value->item_type != item_type) return wrong_type(value, wanted, error);
    *out = value;
    return true;
}

Bytes gguf_next_string(Cursor *cursor) {
    uint64_t length;
    assert(cursor_left(cursor) >= sizeof length);
    memcpy(&length, cursor->bytes.data + cursor->at, sizeof length);
    cursor->at += sizeof length;
    assert(length <= cursor_left(cursor));
    Bytes text = {cursor->bytes.data + cursor->at, (size_t)length};
    cursor->at += text.size;
    return text;
}

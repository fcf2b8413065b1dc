#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensor/gguf.h"
#include "tensor/gguf_writer.h"
#include "tensor/memory.h"
#include "tensor/quant.h"
#include "tests/support/folder.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/test.h"

static char *const path = folder_file;

static Bytes text(const char *characters) { return (Bytes){(const uint8_t *)characters, strlen(characters)}; }

static float matrix[4 * 64];
static const Tensor source = {.dtype = DTYPE_F32, .rows = 4, .cols = 64, .data = matrix};
static const Tensor vector = {.dtype = DTYPE_F32, .rows = 1, .cols = 5, .data = matrix};

static void fill_matrix(void) {
    for (int i = 0; i < 4 * 64; i++) matrix[i] = (float)((i * 37) % 101 - 50) / 16;
}

static void write_everything(GgufWriter *writer) {
    const Bytes words[] = {text("one"), text(""), text("three")};
    const float floats[] = {0.5f, -1};
    const int32_t ints[] = {1, -2, 3};
    fill_matrix();
    gguf_write_int(writer, "int", 42);
    gguf_write_float(writer, "float", 0.25f);
    gguf_write_bool(writer, "bool", true);
    gguf_write_string(writer, "string", text("text"));
    gguf_write_strings(writer, "strings", words, 3);
    gguf_write_floats(writer, "floats", floats, 2);
    gguf_write_ints(writer, "ints", ints, 3);
    gguf_write_strings(writer, "nothing", NULL, 0);
    gguf_write_tensor(writer, "vector", &vector, 1, DTYPE_F32);
    for (int dtype = 0; dtype < DTYPE_Q8_GROUP; dtype++)
        gguf_write_tensor(writer, dtype_info[dtype].name, &source, 2, (Dtype)dtype);
}

static Bytes write_file(void) {
    Error error;
    GgufWriter *writer;
    Bytes bytes;
    must(gguf_writer_open(&writer, path, &error), &error);
    write_everything(writer);
    assert_int_not_equal(access(path, F_OK), 0); /* not before it is whole */
    must(gguf_writer_close(writer, NULL, &error), &error);
    must(bytes_map(&bytes, path, &error), &error);
    assert_int_equal(unlink(path), 0);
    return bytes;
}

/* ---- There and back ---- */

static void check_values(const Gguf *gguf) {
    Error error;
    int number = 0;
    float real = 0;
    bool truth = false;
    Bytes string = {0};
    const GgufValue *array;
    assert_int_equal(gguf->n_values, 8);
    must(gguf_get_int(gguf, "int", true, 0, 42, &number, &error), &error);
    assert_int_equal(number, 42);
    must(gguf_get_float(gguf, "float", true, &real, &error), &error);
    assert_that(real, ==, 0.25f);
    must(gguf_get_bool(gguf, "bool", true, &truth, &error), &error);
    assert_true(truth);
    must(gguf_get_string(gguf, "string", true, &string, &error), &error);
    assert_true(bytes_equal(string, "text"));
    must(gguf_get_array(gguf, "strings", true, GGUF_STRING, &array, &error), &error);
    assert_int_equal(array->count, 3);
    Cursor cursor = {array->payload, 0};
    assert_true(bytes_equal(gguf_next_string(&cursor), "one"));
    assert_true(bytes_equal(gguf_next_string(&cursor), ""));
    assert_true(bytes_equal(gguf_next_string(&cursor), "three"));
    assert_int_equal(cursor_left(&cursor), 0);
    must(gguf_get_array(gguf, "ints", true, GGUF_I32, &array, &error), &error);
    assert_memory_equal(array->payload.data, ((int32_t[]){1, -2, 3}), 12);
    must(gguf_get_array(gguf, "floats", true, GGUF_F32, &array, &error), &error);
    assert_memory_equal(array->payload.data, ((float[]){0.5f, -1}), 8);
    must(gguf_get_array(gguf, "nothing", true, GGUF_STRING, &array, &error), &error);
    assert_int_equal(array->count, 0);
}

static void written_file_reads_back(void **state) {
    (void)state;
    Error error;
    Gguf gguf;
    Bytes bytes = write_file();
    assert_true(gguf_is(bytes));
    must(gguf_parse(&gguf, bytes, &error), &error);
    assert_int_equal(gguf.version, 3);
    check_values(&gguf);
    assert_int_equal(gguf.n_tensors, 1 + DTYPE_Q8_GROUP);
    const GgufTensor *first = &gguf.tensors[0];
    assert_true(bytes_equal(first->name, "vector"));
    assert_int_equal(first->n_dims, 1);
    assert_int_equal(first->tensor.rows, 1);
    assert_memory_equal(first->tensor.data, matrix, 5 * sizeof(float));
    for (int dtype = 0; dtype < DTYPE_Q8_GROUP; dtype++) {
        const GgufTensor *tensor = &gguf.tensors[1 + dtype];
        assert_true(bytes_equal(tensor->name, dtype_info[dtype].name));
        assert_int_equal(tensor->tensor.dtype, dtype);
        assert_int_equal(tensor->n_dims, 2);
        assert_int_equal(tensor->dims[0], 64);
        assert_int_equal(tensor->dims[1], 4);
        assert_int_equal(tensor->offset % 32, 0);
        assert_ptr_equal(tensor->tensor.data, bytes.data + tensor->offset);
        for (int row = 0; row < 4; row++) {
            float expected[64], got[64];
            uint8_t stored[64 * sizeof(float)];
            Tensor one = {.dtype = (Dtype)dtype, .rows = 1, .cols = 64, .data = stored};
            quantize_row(stored, matrix + row * 64, 64, (Dtype)dtype);
            dequantize_row(expected, &one, 0);
            dequantize_row(got, &tensor->tensor, row);
            assert_memory_equal(got, expected, sizeof got);
        }
    }
    gguf_release(&gguf);
    bytes_unmap(&bytes);
}

static void values_copy_from_file_to_file(void **state) {
    (void)state;
    Error error;
    Gguf gguf, copy;
    GgufWriter *writer;
    Bytes bytes = write_file(), copied;
    must(gguf_parse(&gguf, bytes, &error), &error);
    must(gguf_writer_open(&writer, path, &error), &error);
    const GgufValue alignment = {text("general.alignment"), GGUF_U32, GGUF_U32, 1, text("1234"), 0};
    gguf_write_value(writer, &alignment);
    for (size_t i = 0; i < gguf.n_values; i++) gguf_write_value(writer, &gguf.values[i]);
    must(gguf_writer_close(writer, NULL, &error), &error);
    must(bytes_map(&copied, path, &error), &error);
    must(gguf_parse(&copy, copied, &error), &error);
    check_values(&copy);
    assert_int_equal(unlink(path), 0);
    gguf_release(&gguf);
    gguf_release(&copy);
    bytes_unmap(&bytes);
    bytes_unmap(&copied);
}

static size_t progress_done, progress_total;
static void note_progress(size_t done, size_t total) {
    assert_that(done, >, progress_done);
    assert_that(done, <=, total);
    progress_done = done;
    progress_total = total;
}

static void progress_ends_at_the_files_size(void **state) {
    (void)state;
    Error error;
    GgufWriter *writer;
    struct stat status;
    static float large[600][1024];
    Tensor tensor = {.dtype = DTYPE_F32, .rows = 600, .cols = 1024, .data = large};
    must(gguf_writer_open(&writer, path, &error), &error);
    gguf_write_tensor(writer, "large", &tensor, 2, DTYPE_F16);
    progress_done = 0;
    must(gguf_writer_close(writer, note_progress, &error), &error);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(progress_done, status.st_size);
    assert_int_equal(progress_total, status.st_size);
    assert_int_equal(unlink(path), 0);
}

/* ---- Typed reads ---- */

static Gguf typed_values(void) {
    static const uint64_t huge = UINT64_MAX;
    static const double wide = 1e300;
    static const int8_t minus = -3;
    static const uint8_t two = 2;
    static GgufValue values[] = {
        {.key = {0}, .type = GGUF_U64, .count = 1, .payload = {(const uint8_t *)&huge, 8}, .offset = 10},
        {.key = {0}, .type = GGUF_F64, .count = 1, .payload = {(const uint8_t *)&wide, 8}, .offset = 20},
        {.key = {0}, .type = GGUF_I8, .count = 1, .payload = {(const uint8_t *)&minus, 1}, .offset = 30},
        {.key = {0}, .type = GGUF_BOOL, .count = 1, .payload = {&two, 1}, .offset = 40},
        {.key = {0}, .type = GGUF_ARRAY, .item_type = GGUF_I32, .payload = {&two, 0}, .offset = 50},
    };
    const char *keys[] = {"huge", "wide", "minus", "two", "array"};
    for (int i = 0; i < 5; i++) values[i].key = text(keys[i]);
    return (Gguf){.values = values, .n_values = 5};
}

static void typed_reads_refuse_what_does_not_fit(void **state) {
    (void)state;
    Error error;
    Gguf gguf = typed_values();
    int number = 7;
    float real = 7;
    bool truth = false;
    Bytes string = {0};
    const GgufValue *array;
    assert_false(gguf_get_int(&gguf, "huge", true, 0, 9, &number, &error));
    assert_string_equal(error.message, "huge: byte 10: expected 0 to 9, got at least 9223372036854775807");
    assert_false(gguf_get_int(&gguf, "minus", true, 0, 9, &number, &error));
    assert_string_equal(error.message, "minus: byte 30: expected 0 to 9, got -3");
    assert_false(gguf_get_int(&gguf, "wide", true, 0, 9, &number, &error));
    assert_string_equal(error.message, "wide: byte 20: expected an integer, got F64");
    assert_false(gguf_get_int(&gguf, "none", true, 0, 9, &number, &error));
    assert_string_equal(error.message, "none: expected an integer, got no such key");
    must(gguf_get_int(&gguf, "none", false, 0, 9, &number, &error), &error);
    assert_int_equal(number, 7);
    must(gguf_get_int(&gguf, "minus", true, -3, 9, &number, &error), &error);
    assert_int_equal(number, -3);
    assert_false(gguf_get_float(&gguf, "wide", true, &real, &error));
    assert_string_equal(error.message, "wide: byte 20: expected a finite f32, got 1e+300");
    assert_false(gguf_get_float(&gguf, "minus", true, &real, &error));
    assert_string_equal(error.message, "minus: byte 30: expected F32 or F64, got I8");
    assert_false(gguf_get_bool(&gguf, "two", true, &truth, &error));
    assert_string_equal(error.message, "two: byte 40: expected 0 or 1, got 2");
    assert_false(gguf_get_string(&gguf, "two", true, &string, &error));
    assert_string_equal(error.message, "two: byte 40: expected STRING, got BOOL");
    assert_false(gguf_get_array(&gguf, "array", true, GGUF_STRING, &array, &error));
    assert_string_equal(error.message, "array: byte 50: expected an array of STRING, got an array of I32");
    must(gguf_get_array(&gguf, "none", false, GGUF_STRING, &array, &error), &error);
    assert_null(array);
}

/* ---- Bad input ---- */

/* A copy in memory of exactly its size, so that the sanitizers see a read past the end. */
static bool parses(const uint8_t *data, size_t size, Error *error) {
    Gguf gguf;
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    bool parsed = gguf_parse(&gguf, (Bytes){copy, size}, error);
    if (parsed) gguf_release(&gguf);
    free(copy);
    return parsed;
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    Error error;
    Bytes bytes = write_file();
    long alive = memory_hooks_alive();
    for (size_t size = 0; size + 32 < bytes.size; size++) assert_false(parses(bytes.data, size, &error));
    must(parses(bytes.data, bytes.size, &error), &error);
    assert_int_equal(memory_hooks_alive(), alive);
    bytes_unmap(&bytes);
}

static void changed_bytes_never_break_the_parser(void **state) {
    (void)state;
    Error error;
    Bytes bytes = write_file();
    uint8_t *copy = malloc(bytes.size);
    for (size_t at = 0; at < 900; at++) {
        for (int change = 1; change < 256; change += change < 128 ? change : 127) {
            memcpy(copy, bytes.data, bytes.size);
            copy[at] ^= (uint8_t)change;
            memory_hooks_fail_at(0);
            parses(copy, bytes.size, &error);
            assert_in_range(memory_hooks_largest(), 0, 8 * bytes.size);
        }
    }
    free(copy);
    bytes_unmap(&bytes);
}

static void version_2_is_read_too(void **state) {
    (void)state;
    Error error;
    Bytes bytes = write_file();
    uint8_t *copy = malloc(bytes.size);
    memcpy(copy, bytes.data, bytes.size);
    copy[4] = 2;
    must(parses(copy, bytes.size, &error), &error);
    copy[4] = 1;
    assert_false(parses(copy, bytes.size, &error));
    assert_string_equal(error.message, "byte 4: version: expected 2 or 3, got 1");
    free(copy);
    bytes_unmap(&bytes);
}

static void many_keys_are_compared_quickly(void **state) {
    (void)state;
    enum { N = 65536 };
    Error error;
    GgufWriter *writer;
    Bytes bytes;
    Gguf gguf;
    char key[16];
    must(gguf_writer_open(&writer, path, &error), &error);
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof key, "key %d", i == N - 1 ? 17 : i);
        gguf_write_bool(writer, key, true);
    }
    must(gguf_writer_close(writer, NULL, &error), &error);
    must(bytes_map(&bytes, path, &error), &error);
    assert_false(gguf_parse(&gguf, bytes, &error));
    assert_non_null(strstr(error.message, "key 17: byte 1"));
    assert_non_null(strstr(error.message, ": expected this name once, got it at byte 345 before"));
    bytes_unmap(&bytes);
    assert_int_equal(unlink(path), 0);
}

static void failed_allocations_are_reported(void **state) {
    (void)state;
    Error error;
    Bytes bytes = write_file();
    long alive = memory_hooks_alive();
    memory_hooks_fail_at(0);
    must(parses(bytes.data, bytes.size, &error), &error);
    long n = memory_hooks_count();
    assert_that(n, >=, 3);
    for (long i = 1; i <= n; i++) {
        memory_hooks_fail_at(i);
        assert_false(parses(bytes.data, bytes.size, &error));
        assert_non_null(strstr(error.message, "out of memory"));
        assert_int_equal(memory_hooks_alive(), alive);
    }
    memory_hooks_fail_at(0);
    bytes_unmap(&bytes);
}

/* ---- The writer's failures ---- */

static void check_nothing_left(void) { assert_int_equal(folder_count(folder_path), 0); }

static bool write_once(Error *error) {
    GgufWriter *writer;
    if (!gguf_writer_open(&writer, path, error)) return false;
    write_everything(writer);
    return gguf_writer_close(writer, NULL, error);
}

static void writer_reports_failed_allocations(void **state) {
    (void)state;
    Error error;
    long alive = memory_hooks_alive();
    memory_hooks_fail_at(0);
    must(write_once(&error), &error);
    assert_int_equal(unlink(path), 0);
    long n = memory_hooks_count();
    for (long i = 1; i <= n; i++) {
        memory_hooks_fail_at(i);
        assert_false(write_once(&error));
        assert_non_null(strstr(error.message, "out of memory"));
        assert_int_equal(memory_hooks_alive(), alive);
        check_nothing_left();
    }
    memory_hooks_fail_at(0);
}

static void writer_reports_a_full_disk(void **state) {
    (void)state;
    Error error;
    char expected[128];
    struct rlimit old, small;
    void (*old_handler)(int) = signal(SIGXFSZ, SIG_IGN); /* a limit on the file's size stands for a full disk */
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){1000, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    bool written = write_once(&error);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, old_handler);
    assert_false(written);
    snprintf(expected, sizeof expected, "%s: cannot write: File too large", path);
    assert_string_equal(error.message, expected);
    check_nothing_left();
}

static void writer_refuses_bad_targets(void **state) {
    (void)state;
    Error error;
    GgufWriter *writer;
    char expected[128], absent[128];
    assert_false(gguf_writer_open(&writer, folder_path, &error));
    snprintf(expected, sizeof expected, "%s: expected a regular file or none", folder_path);
    assert_string_equal(error.message, expected);
    snprintf(absent, sizeof absent, "%s/none/x", folder_path);
    assert_false(gguf_writer_open(&writer, absent, &error));
    snprintf(expected, sizeof expected, "%s/none/x: cannot create: No such file or directory", folder_path);
    assert_string_equal(error.message, expected);
}

static void writer_refuses_what_a_form_cannot_hold(void **state) {
    (void)state;
    Error error;
    GgufWriter *writer;
    char expected[160];
    const float large[2] = {1, 1e6f};
    Tensor tensor = {.dtype = DTYPE_F32, .rows = 2, .cols = 1, .data = large};
    must(gguf_writer_open(&writer, path, &error), &error);
    gguf_write_tensor(writer, "vector", &vector, 1, DTYPE_Q8_0);
    assert_false(gguf_writer_close(writer, NULL, &error));
    snprintf(expected, sizeof expected, "%s: vector: rows of 5 values cannot be stored as Q8_0, in blocks of 32", path);
    assert_string_equal(error.message, expected);
    must(gguf_writer_open(&writer, path, &error), &error);
    gguf_write_tensor(writer, "large", &tensor, 2, DTYPE_F16);
    assert_false(gguf_writer_close(writer, NULL, &error));
    snprintf(expected, sizeof expected, "%s: large: row 1 has values too large for F16", path);
    assert_string_equal(error.message, expected);
}

static void abandoned_writer_leaves_nothing(void **state) {
    (void)state;
    Error error;
    GgufWriter *writer;
    long alive = memory_hooks_alive();
    must(gguf_writer_open(&writer, path, &error), &error);
    write_everything(writer);
    gguf_writer_abandon(writer);
    assert_int_equal(memory_hooks_alive(), alive);
    check_nothing_left();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_file_reads_back),
        cmocka_unit_test(values_copy_from_file_to_file),
        cmocka_unit_test(progress_ends_at_the_files_size),
        cmocka_unit_test(typed_reads_refuse_what_does_not_fit),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(changed_bytes_never_break_the_parser),
        cmocka_unit_test(version_2_is_read_too),
        cmocka_unit_test(many_keys_are_compared_quickly),
        cmocka_unit_test(failed_allocations_are_reported),
        cmocka_unit_test(writer_reports_failed_allocations),
        cmocka_unit_test(writer_reports_a_full_disk),
        cmocka_unit_test(writer_refuses_bad_targets),
        cmocka_unit_test(writer_refuses_what_a_form_cannot_hold),
        cmocka_unit_test(abandoned_writer_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}

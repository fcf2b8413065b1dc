#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/model.h"
#include "model/part.h"
#include "tensor/gguf_writer.h"
#include "tensor/memory.h"
#include "tensor/packed.h"
#include "tensor/quant.h"
#include "tests/support/folder.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/test.h"

static char *const path = folder_file;

/* ---- A small model, written in every format ---- */

/* dim, hidden_dim, n_layers, n_heads, n_kv_heads, head_dim, rope_dim, vocab_size, context_length, theta, epsilon */
static const Config tiny = {.dim = 32,
                            .hidden_dim = 64,
                            .n_layers = 2,
                            .n_heads = 4,
                            .n_kv_heads = 2,
                            .head_dim = 8,
                            .rope_dim = 8,
                            .vocab_size = 5,
                            .context_length = 16,
                            .rope_theta = 10000,
                            .rms_epsilon = 1e-5f};

/* Value i of a part: -1 .. 1, a different one for each part, layer and i. */
static float weight(Part part, int layer, int i) {
    uint32_t hash = (uint32_t)part * 2654435761u + (uint32_t)layer * 40503u + (uint32_t)i * 2246822519u;
    hash ^= hash >> 15;
    return (float)((int)(hash % 2001) - 1000) / 1000;
}

static float *part_values(Part part, int layer, int *rows, int *cols) {
    part_shape(&tiny, part, rows, cols);
    float *values = malloc((size_t)(*rows * *cols) * sizeof *values);
    for (int i = 0; i < *rows * *cols; i++) values[i] = weight(part, layer, i);
    return values;
}

static void put_f32(FILE *file, Part part, int layer) {
    int rows, cols;
    float *values = part_values(part, layer, &rows, &cols);
    fwrite(values, sizeof *values, (size_t)(rows * cols), file);
    free(values);
}

static void put_groups(FILE *file, Part part, int layer, int group) {
    int rows, cols;
    float *values = part_values(part, layer, &rows, &cols);
    float scales[1024];
    for (int g = 0; g < rows * cols / group; g++) {
        float largest = 0;
        for (int i = 0; i < group; i++) largest = fmaxf(largest, fabsf(values[g * group + i]));
        scales[g] = largest / 127;
        for (int i = 0; i < group; i++) fputc((int8_t)lrintf(values[g * group + i] / scales[g]), file);
    }
    fwrite(scales, sizeof *scales, (size_t)(rows * cols / group), file);
    free(values);
}

static void put_layers(FILE *file, Part part, int group) {
    for (int layer = 0; layer < tiny.n_layers; layer++)
        if (group)
            put_groups(file, part, layer, group);
        else
            put_f32(file, part, layer);
}

static void put_int(FILE *file, int32_t value) { fwrite(&value, sizeof value, 1, file); }

static void put_sizes(FILE *file, int vocab_size) {
    const int sizes[] = {tiny.dim,        tiny.hidden_dim, tiny.n_layers,      tiny.n_heads,
                         tiny.n_kv_heads, vocab_size,      tiny.context_length};
    for (int i = 0; i < 7; i++) put_int(file, sizes[i]);
}

static void write_v0(bool tied) {
    static const Part layered[] = {PART_ATTN_NORM, PART_ATTN_Q,   PART_ATTN_K,   PART_ATTN_V, PART_ATTN_OUTPUT,
                                   PART_FFN_NORM,  PART_FFN_GATE, PART_FFN_DOWN, PART_FFN_UP};
    FILE *file = fopen(path, "wb");
    put_sizes(file, tied ? tiny.vocab_size : -tiny.vocab_size);
    put_f32(file, PART_TOKEN_EMBD, 0);
    for (int i = 0; i < 9; i++) put_layers(file, layered[i], 0);
    put_f32(file, PART_OUTPUT_NORM, 0);
    for (int i = 0; i < tiny.context_length * tiny.head_dim; i++) put_int(file, 0);
    if (!tied) put_f32(file, PART_OUTPUT, 0);
    assert_int_equal(fclose(file), 0);
}

/* Version 1, or version 2 where there is a group size. */
static void write_v1(bool tied, int group) {
    static const Part layered[] = {PART_ATTN_Q,   PART_ATTN_K,   PART_ATTN_V, PART_ATTN_OUTPUT,
                                   PART_FFN_GATE, PART_FFN_DOWN, PART_FFN_UP};
    FILE *file = fopen(path, "wb");
    put_int(file, 0x616b3432);
    put_int(file, group ? 2 : 1);
    put_sizes(file, tiny.vocab_size);
    fputc(tied, file);
    put_int(file, group);
    while (ftell(file) < 256) fputc(0, file);
    put_layers(file, PART_ATTN_NORM, 0);
    put_layers(file, PART_FFN_NORM, 0);
    put_f32(file, PART_OUTPUT_NORM, 0);
    if (group)
        put_groups(file, PART_TOKEN_EMBD, 0, group);
    else
        put_f32(file, PART_TOKEN_EMBD, 0);
    for (int i = 0; i < 7; i++) put_layers(file, layered[i], group);
    if (!tied && group) put_groups(file, PART_OUTPUT, 0, group);
    if (!tied && !group) put_f32(file, PART_OUTPUT, 0);
    assert_int_equal(fclose(file), 0);
}

static void write_gguf_keys(GgufWriter *writer) {
    gguf_write_string(writer, "general.architecture", (Bytes){(const uint8_t *)"llama", 5});
    gguf_write_string(writer, "general.name", (Bytes){(const uint8_t *)"tiny\nmodel", 10});
    gguf_write_int(writer, "llama.block_count", (uint32_t)tiny.n_layers);
    gguf_write_int(writer, "llama.context_length", (uint32_t)tiny.context_length);
    gguf_write_int(writer, "llama.embedding_length", (uint32_t)tiny.dim);
    gguf_write_int(writer, "llama.feed_forward_length", (uint32_t)tiny.hidden_dim);
    gguf_write_int(writer, "llama.attention.head_count", (uint32_t)tiny.n_heads);
    gguf_write_int(writer, "llama.attention.head_count_kv", (uint32_t)tiny.n_kv_heads);
    gguf_write_float(writer, "llama.attention.layer_norm_rms_epsilon", tiny.rms_epsilon);
}

/* The layers in reverse: the order in a GGUF file means nothing. vectors: the form of norms and factors. */
static void write_gguf(bool tied, bool factors, Dtype matrices, Dtype vectors) {
    Error error;
    GgufWriter *writer;
    float *values[64];
    int n_values = 0;
    must(gguf_writer_open(&writer, path, &error), &error);
    write_gguf_keys(writer);
    if (factors) gguf_write_int(writer, "llama.rope.dimension_count", 4);
    for (int i = PART_COUNT - 1; i >= 0; i--) {
        Part part = (Part)i;
        if ((tied && part == PART_OUTPUT) || (part == PART_ROPE_FREQS && !factors)) continue;
        for (int layer = part < PART_OF_LAYER ? tiny.n_layers - 1 : 0; layer >= 0; layer--) {
            char name[MODEL_NAME_BYTES];
            Tensor tensor = {.dtype = DTYPE_F32};
            part_name(name, part, layer);
            tensor.data = values[n_values++] = part_values(part, layer, &tensor.rows, &tensor.cols);
            if (part == PART_ROPE_FREQS) {
                tensor.cols = 2;
                memcpy(values[n_values - 1], ((float[]){0.5f, 8}), 8);
            }
            gguf_write_tensor(writer, name, &tensor, part_is_vector(part) ? 1 : 2,
                              part_is_vector(part) ? vectors : matrices);
        }
    }
    must(gguf_writer_close(writer, NULL, &error), &error);
    for (int i = 0; i < n_values; i++) free(values[i]);
}

static Model *open_written(void) {
    Error error;
    Model *model;
    must(model_map(&model, path, &error), &error);
    assert_int_equal(unlink(path), 0);
    return model;
}

static size_t progress_done, progress_total;

static bool see_progress(void *context, size_t done, size_t total) {
    assert_null(context);
    assert_that(done, >, progress_done);
    assert_that(done, <=, total);
    progress_done = done;
    progress_total = total;
    return true;
}

/* ---- What was bound is what was written ---- */

static void check_matrix(const Tensor *tensor, Part part, int layer, double tolerance) {
    int rows, cols;
    part_shape(&tiny, part, &rows, &cols);
    assert_int_equal(tensor->rows, rows);
    assert_int_equal(tensor->cols, cols);
    float row[64];
    for (int r = 0; r < rows; r++) {
        dequantize_row(row, tensor, r);
        for (int c = 0; c < cols; c++)
            assert_that(fabs((double)row[c] - (double)weight(part, layer, r * cols + c)), <=, tolerance);
    }
}

static void check_vector(const float *vector, Part part, int layer, double tolerance) {
    for (int i = 0; i < tiny.dim; i++)
        assert_that(fabs((double)vector[i] - (double)weight(part, layer, i)), <=, tolerance);
}

static void check_weights(const Model *model, bool tied, double tolerance, double vector_tolerance) {
    for (int i = 0; i < tiny.n_layers; i++) {
        const LayerWeights *layer = &model->layers[i];
        check_vector(layer->attn_norm, PART_ATTN_NORM, i, vector_tolerance);
        check_vector(layer->ffn_norm, PART_FFN_NORM, i, vector_tolerance);
        check_matrix(&layer->w_query, PART_ATTN_Q, i, tolerance);
        check_matrix(&layer->w_key, PART_ATTN_K, i, tolerance);
        check_matrix(&layer->w_value, PART_ATTN_V, i, tolerance);
        check_matrix(&layer->w_output, PART_ATTN_OUTPUT, i, tolerance);
        check_matrix(&layer->w_gate, PART_FFN_GATE, i, tolerance);
        check_matrix(&layer->w_up, PART_FFN_UP, i, tolerance);
        check_matrix(&layer->w_down, PART_FFN_DOWN, i, tolerance);
    }
    check_vector(model->output_norm, PART_OUTPUT_NORM, 0, vector_tolerance);
    check_matrix(&model->token_embedding, PART_TOKEN_EMBD, 0, tolerance);
    check_matrix(&model->output, tied ? PART_TOKEN_EMBD : PART_OUTPUT, 0, tolerance);
    assert_int_equal(model->tied, tied);
}

/* Every matrix that can be packed is packed once, and keeps its values. */
static void check_packing(Model *model, bool tied, double tolerance) {
    Error error;
    progress_total = progress_done = 0;
    must(model_pack(model, see_progress, NULL, &error), &error);
    check_weights(model, tied, tolerance, 0);
    const void *packed = model->packed;
    bool packs = packed_can(model->layers[0].w_query.dtype);
    assert_int_equal(model->layers[0].w_query.packed, packs);
    assert_int_equal(model->token_embedding.packed, packs);
    assert_int_equal(model->output.packed, packs);
    assert_int_equal(packed != NULL, packs);
    assert_int_equal(progress_total > 0, packs);
    assert_int_equal(progress_done, progress_total);
    must(model_pack(model, NULL, NULL, &error), &error);
    assert_ptr_equal(model->packed, packed);
}

static void check_model(bool tied, const char *format, double tolerance) {
    Model *model = open_written();
    assert_string_equal(model->format, format);
    assert_memory_equal(&model->config, &tiny, sizeof tiny);
    check_weights(model, tied, tolerance, 0);
    for (int i = 0; i < tiny.rope_dim / 2; i++)
        assert_that(model->rope_frequencies[i], ==, (float)pow(10000, -2.0 * i / tiny.rope_dim));
    size_t row = tensor_bytes(&model->token_embedding) / (size_t)tiny.vocab_size;
    size_t unread = tied ? 0 : row * (size_t)(tiny.vocab_size - 1);
    assert_int_equal(model_bytes_per_token(model), model_weight_bytes(model) - unread);
    for (int i = 0; i < model->n_tensors; i++)
        assert_ptr_equal(model->tensors[i].tensor.data, model->file.data + model->tensors[i].offset);
    check_packing(model, tied, tolerance);
    model_close(model);
}

static void llama2c_files_are_bound(void **state) {
    (void)state;
    for (int tied = 0; tied < 2; tied++) {
        write_v0(tied);
        check_model(tied, "llama2.c v0", 0);
        write_v1(tied, 0);
        check_model(tied, "llama2.c v1", 0);
        write_v1(tied, 16);
        check_model(tied, "llama2.c v2", 1 / 253.0);
    }
}

static void gguf_files_are_bound(void **state) {
    (void)state;
    const double tolerance[] = {[DTYPE_F32] = 0,
                                [DTYPE_F16] = 1.0 / 2048,
                                [DTYPE_BF16] = 1.0 / 256,
                                [DTYPE_Q8_0] = 1 / 240.0,
                                [DTYPE_Q4_0] = 1 / 7.9};
    for (int dtype = 0; dtype < DTYPE_Q8_GROUP; dtype++) {
        write_gguf(dtype % 2, false, (Dtype)dtype, DTYPE_F32);
        check_model(dtype % 2, "GGUF v3", tolerance[dtype]);
    }
}

static void norms_and_rope_factors_become_f32(void **state) {
    (void)state;
    write_gguf(true, true, DTYPE_F32, DTYPE_F16);
    Model *model = open_written();
    check_weights(model, true, 0, 1.0 / 2048);
    assert_int_equal(model->config.rope_dim, 4);
    assert_that(model->rope_frequencies[0], ==, 2);
    assert_that(model->rope_frequencies[1], ==, (float)(0.01 / 8));
    assert_string_equal(model->name, "tiny?model");
    model_close(model);
}

static void weights_stay_in_the_file(void **state) {
    (void)state;
    write_gguf(false, false, DTYPE_Q8_0, DTYPE_F32);
    memory_hooks_fail_at(0);
    Model *model = open_written();
    assert_in_range(memory_hooks_largest(), 1, 4096); /* tables, no matrix */
    model_close(model);
}

/* Packed matrices are used in place, in the mapped file. */
static void packed_files_are_used_as_they_are(void **state) {
    (void)state;
    Error error;
    for (int dtype = 0; dtype < DTYPE_Q8_GROUP; dtype++) {
        write_gguf(dtype % 2, false, (Dtype)dtype, DTYPE_F32);
        Model *rows = open_written(), *packed;
        GgufWriter *writer;
        float expected[64], got[64];
        must(gguf_writer_open(&writer, path, &error), &error);
        Gguf gguf;
        must(gguf_parse(&gguf, rows->file, &error), &error);
        for (size_t i = 0; i < gguf.n_values; i++) gguf_write_value(writer, &gguf.values[i]);
        gguf_write_aligned(writer);
        for (int i = 0; i < rows->n_tensors; i++) {
            const NamedTensor *named = &rows->tensors[i];
            if (named->tensor.rows == 1)
                gguf_write_tensor(writer, named->name, &named->tensor, 1, DTYPE_F32);
            else
                gguf_write_packed(writer, named->name, &named->tensor, (Dtype)dtype);
        }
        gguf_release(&gguf);
        must(gguf_writer_close(writer, NULL, &error), &error);
        packed = open_written();
        must(model_pack(packed, NULL, NULL, &error), &error);
        assert_null(packed->packed);
        for (int i = 0; i < rows->n_tensors; i++) {
            const Tensor *a = &rows->tensors[i].tensor, *b = &packed->tensors[i].tensor;
            assert_int_equal(b->packed, a->rows > 1);
            assert_int_equal((size_t)((const uint8_t *)b->data - packed->file.data) % PACK_ALIGN, 0);
            for (int r = 0; r < a->rows; r++) {
                dequantize_row(expected, a, r);
                dequantize_row(got, b, r);
                assert_memory_equal(got, expected, (size_t)a->cols * sizeof *got);
            }
        }
        model_close(rows);
        model_close(packed);
    }
}

static void packing_without_memory_changes_nothing(void **state) {
    (void)state;
    Error error;
    write_gguf(false, false, DTYPE_Q8_0, DTYPE_F32);
    Model *model = open_written();
    for (int nth = 1;; nth++) {
        memory_hooks_fail_at(nth);
        bool packed = model_pack(model, NULL, NULL, &error);
        memory_hooks_fail_at(0);
        check_weights(model, false, 1 / 240.0, 0);
        assert_int_equal(model->layers[0].w_query.packed, packed);
        if (packed) break;
        assert_non_null(strstr(error.message, "out of memory"));
    }
    model_close(model);
}

/* ---- Sizes ---- */

static void check_refused(Config config, const char *message) {
    Error error;
    assert_false(config_check(&config, &error));
    assert_string_equal(error.message, message);
}

static void config_check_names_field_expected_got(void **state) {
    (void)state;
    Error error;
    Config config = tiny;
    must(config_check(&config, &error), &error);
#define REFUSED(field, value, message) check_refused((config = tiny, config.field = (value), config), message)
    REFUSED(dim, 0, "dim: expected 1 to 1048576, got 0");
    REFUSED(hidden_dim, -1, "hidden_dim: expected 1 to 1048576, got -1");
    REFUSED(n_layers, 4097, "n_layers: expected 1 to 4096, got 4097");
    REFUSED(n_heads, 0, "n_heads: expected 1 to 1048576, got 0");
    REFUSED(n_kv_heads, 0, "n_kv_heads: expected 1 to 4, got 0");
    REFUSED(n_kv_heads, 5, "n_kv_heads: expected 1 to 4, got 5");
    REFUSED(n_kv_heads, 3, "n_kv_heads: expected a divisor of n_heads 4, got 3");
    REFUSED(head_dim, 1 << 20, "head_dim: expected n_heads 4 of at most 1048576 values together, got 1048576 each");
    REFUSED(rope_dim, 9, "rope_dim: expected 1 to 8, got 9");
    REFUSED(rope_dim, 5, "rope_dim: expected an even number, got 5");
    REFUSED(vocab_size, (1 << 24) + 1, "vocab_size: expected 1 to 16777216, got 16777217");
    REFUSED(context_length, 0, "context_length: expected 1 to 16777216, got 0");
    REFUSED(rope_theta, 0, "rope_theta: expected a positive number, got 0");
    REFUSED(rope_theta, INFINITY, "rope_theta: expected a positive number, got inf");
    REFUSED(rms_epsilon, -1, "rms_epsilon: expected a positive number, got -1");
#undef REFUSED
}

static void part_names_are_found_again(void **state) {
    (void)state;
    const char *const strangers[] = {"blk.3.attn_q.weight",
                                     "blk.01.attn_q.weight",
                                     "blk.-1.attn_q.weight",
                                     "blk.1.attn_q.bias",
                                     "blk.+1.attn_q.weight",
                                     "blk. 1.attn_q.weight",
                                     "blk.attn_q.weight",
                                     "token_embd.weightx",
                                     "blk.0.token_embd.weight",
                                     "blk.99999999999999999999.attn_q.weight",
                                     ""};
    Part part;
    int layer;
    for (int i = 0; i < PART_COUNT; i++) {
        char name[MODEL_NAME_BYTES];
        part_name(name, (Part)i, 2);
        assert_true(part_find(name, 3, &part, &layer));
        assert_int_equal(part, i);
        assert_int_equal(layer, i < PART_OF_LAYER ? 2 : 0);
    }
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        assert_false(part_find(strangers[i], 3, &part, &layer));
}

/* ---- Bad input ---- */

/* A copy in memory of exactly its size, so that the sanitizers see a read past the end. */
static bool parses(const uint8_t *data, size_t size, Error *error) {
    Model *model;
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    memory_hooks_fail_at(0);
    bool parsed = model_parse(&model, (Bytes){copy, size}, error);
    assert_in_range(memory_hooks_largest(), 0, 65536 + 8 * size);
    assert_that(parsed, ==, (model != NULL));
    model_close(model);
    free(copy);
    return parsed;
}

static void damage(void) {
    Error error;
    Bytes bytes;
    long alive = memory_hooks_alive();
    must(bytes_map(&bytes, path, &error), &error);
    assert_int_equal(unlink(path), 0);
    must(parses(bytes.data, bytes.size, &error), &error);
    for (size_t size = 0; size < bytes.size - 32; size += size < 300 ? 1 : 977)
        assert_false(parses(bytes.data, size, &error));
    uint8_t *copy = malloc(bytes.size);
    for (size_t at = 0; at < 700; at++) {
        for (int change = 1; change < 256; change = change * 3 + 1) {
            memcpy(copy, bytes.data, bytes.size);
            copy[at] ^= (uint8_t)change;
            parses(copy, bytes.size, &error);
        }
    }
    free(copy);
    bytes_unmap(&bytes);
    assert_int_equal(memory_hooks_alive(), alive);
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    write_v0(true);
    damage();
    write_v1(false, 0);
    damage();
    write_v1(true, 32);
    damage();
    write_gguf(true, true, DTYPE_Q4_0, DTYPE_F32);
    damage();
}

static void fail_each_allocation(void) {
    Error error;
    Model *model;
    long alive = memory_hooks_alive(), n;
    memory_hooks_fail_at(0);
    must(model_open(&model, path, &error), &error);
    n = memory_hooks_count();
    model_close(model);
    assert_that(n, >=, 6);
    for (long i = 1; i <= n; i++) {
        memory_hooks_fail_at(i);
        assert_false(model_open(&model, path, &error));
        assert_null(model);
        assert_non_null(strstr(error.message, "out of memory"));
        assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
        assert_int_equal(memory_hooks_alive(), alive);
    }
    memory_hooks_fail_at(0);
    assert_int_equal(unlink(path), 0);
}

static void failed_allocations_are_reported(void **state) {
    (void)state;
    write_v0(true);
    fail_each_allocation();
    write_v1(true, 32);
    fail_each_allocation();
    write_gguf(false, true, DTYPE_F32, DTYPE_F32);
    fail_each_allocation();
}

static void check_open(const char *name, const char *message) {
    Error error;
    Model *model;
    char expected[256];
    assert_false(model_open(&model, name, &error));
    assert_null(model);
    snprintf(expected, sizeof expected, "%s: %s", name, message);
    assert_string_equal(error.message, expected);
}

static void what_is_no_file_is_refused(void **state) {
    (void)state;
    check_open(path, "cannot open: No such file or directory");
    check_open(folder_path, "expected a regular file");
    check_open("/dev/null", "expected a regular file");
    assert_int_equal(mkfifo(path, 0600), 0);
    check_open(path, "expected a regular file");
    assert_int_equal(unlink(path), 0);
    fclose(fopen(path, "wb"));
    check_open(path, "the file is empty");
    assert_int_equal(unlink(path), 0);
}

/* ---- Real files ---- */

static void both_stories260K_hold_the_same(void **state) {
    (void)state;
    Error error;
    Model *v0, *v1;
    if (access("../shared/models/stories260K/stories260K_v1.bin", R_OK) != 0) {
        print_message("../shared/models/stories260K is missing\n");
        skip();
    }
    must(model_open(&v0, "../shared/models/stories260K/stories260K.bin", &error), &error);
    must(model_open(&v1, "../shared/models/stories260K/stories260K_v1.bin", &error), &error);
    assert_memory_equal(&v0->config, &v1->config, sizeof v0->config);
    assert_int_equal(v0->config.dim, 64);
    assert_int_equal(v0->config.n_kv_heads, 4);
    assert_int_equal(v0->n_tensors, v1->n_tensors);
    for (int i = 0; i < v0->n_tensors; i++) {
        int j = 0;
        while (strcmp(v1->tensors[j].name, v0->tensors[i].name) != 0) j++;
        const Tensor *a = &v0->tensors[i].tensor, *b = &v1->tensors[j].tensor;
        assert_int_equal(tensor_bytes(a), tensor_bytes(b));
        assert_memory_equal(a->data, b->data, tensor_bytes(a));
    }
    model_close(v0);
    model_close(v1);
}

static void trained_gguf_opens(void **state) {
    (void)state;
    Error error;
    Model *model;
    if (access("../shared/weights/model.gguf", R_OK) != 0) {
        print_message("../shared/weights/model.gguf is missing\n");
        skip();
    }
    must(model_open(&model, "../shared/weights/model.gguf", &error), &error);
    assert_int_equal(model->config.n_layers, 7);
    assert_int_equal(model->config.hidden_dim, 704);
    assert_true(model->tied);
    model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama2c_files_are_bound),
        cmocka_unit_test(gguf_files_are_bound),
        cmocka_unit_test(norms_and_rope_factors_become_f32),
        cmocka_unit_test(weights_stay_in_the_file),
        cmocka_unit_test(packed_files_are_used_as_they_are),
        cmocka_unit_test(packing_without_memory_changes_nothing),
        cmocka_unit_test(config_check_names_field_expected_got),
        cmocka_unit_test(part_names_are_found_again),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(failed_allocations_are_reported),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(both_stories260K_hold_the_same),
        cmocka_unit_test(trained_gguf_opens),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}

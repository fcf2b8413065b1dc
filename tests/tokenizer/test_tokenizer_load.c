/* Reading tokenizer files: what is read from valid ones, and the exact messages about invalid ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tensor/gguf.h"
#include "tensor/memory.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/test.h"
#include "tests/support/vocabularies.h"

static MadeUpVocabulary made_up;

/* The message about a file; no allocation of it may remain. */
static void assert_refused(Bytes bytes, const char *expected) {
    Tokenizer *tokenizer = NULL;
    Error error = {.message = ""};
    long alive = memory_hooks_alive();
    memory_hooks_fail_at(0);
    assert_false(tokenizer_parse(&tokenizer, bytes, &error));
    assert_string_equal(error.message, expected);
    assert_int_equal(memory_hooks_alive(), alive);
}

static size_t find(const Image *image, const char *text) {
    for (size_t at = 0; at + strlen(text) <= image->size; at++)
        if (memcmp(image->data + at, text, strlen(text)) == 0) return at;
    fail_msg("%s: not in the image", text);
    return 0;
}

/* ---- Good files ---- */

static Tokenizer *parse(const Image *image) {
    Tokenizer *tokenizer;
    Error error = {.message = ""};
    must(tokenizer_parse(&tokenizer, image_bytes(image), &error), &error);
    return tokenizer;
}

static void check_facts(const Tokenizer *tokenizer, const MadeUpVocabulary *vocabulary) {
    assert_int_equal(tokenizer_size(tokenizer), vocabulary->n_tokens);
    assert_int_equal(tokenizer_bos(tokenizer), 1);
    assert_int_equal(tokenizer_eos(tokenizer), 2);
    assert_true(tokenizer_adds_bos(tokenizer));
    assert_true(tokenizer_adds_space_prefix(tokenizer));
    for (int i = 0; i < vocabulary->n_tokens; i++) {
        const MadeUpToken *token = &vocabulary->tokens[i];
        Bytes spelling = tokenizer_spelling(tokenizer, i);
        assert_int_equal(tokenizer_type(tokenizer, i), token->type);
        assert_that(tokenizer_score(tokenizer, i), ==, token->score);
        assert_int_equal(spelling.size, token->size);
        assert_memory_equal(spelling.data, token->text, token->size);
    }
}

static void both_forms_hold_the_same(void **state) {
    (void)state;
    made_up_words(&made_up);
    for (int form = 0; form < 3; form++) {
        Image image = {0};
        if (form == 0)
            image_llama2c(&image, &made_up);
        else
            image_gguf(&image, &made_up, form == 1);
        Tokenizer *tokenizer = parse(&image);
        image_free(&image); /* a tokenizer owns what it needs */
        assert_string_equal(tokenizer_kind(tokenizer), form == 0 ? "llama2.c tokenizer.bin" : "GGUF llama");
        check_facts(tokenizer, &made_up);
        assert_int_equal(token_stream_bound(tokenizer), 8 + 3);
        tokenizer_close(tokenizer);
    }
}

/* Renames a key, so that the parser does not find it. */
static void forget(Image *image, const char *key) { image->data[find(image, key)] = '-'; }

static void keys_that_may_be_absent(void **state) {
    (void)state;
    Image image = {0};
    made_up_words(&made_up);
    made_up.adds_space_prefix = false;
    image_gguf(&image, &made_up, true);
    Tokenizer *tokenizer = parse(&image);
    assert_false(tokenizer_adds_space_prefix(tokenizer));
    tokenizer_close(tokenizer);
    forget(&image, "tokenizer.ggml.bos_token_id");
    forget(&image, "tokenizer.ggml.eos_token_id");
    forget(&image, "tokenizer.ggml.add_space_prefix");
    tokenizer = parse(&image);
    assert_int_equal(tokenizer_bos(tokenizer), -1);
    assert_int_equal(tokenizer_eos(tokenizer), -1);
    assert_false(tokenizer_adds_bos(tokenizer));
    assert_true(tokenizer_adds_space_prefix(tokenizer));
    for (int i = 0; i < tokenizer_size(tokenizer); i++) assert_false(tokenizer_ends_text(tokenizer, i));
    tokenizer_close(tokenizer);
    image_free(&image);
}

/* A mark that the file calls a normal piece must not come out of ordinary text all the same. A name is no text, and
 * keeps its U+2581. */
static void the_end_of_turn_ends_text(void **state) {
    (void)state;
    Image image = {0};
    made_up_words(&made_up);
    int turn = made_up_add(&made_up, "t h", 3, 100, TOKEN_NORMAL);
    made_up.end_of_turn = turn;
    int mark = made_up_add(&made_up, "<|a\xe2\x96\x81|>", 8, 0, TOKEN_CONTROL);
    image_gguf(&image, &made_up, true);
    Tokenizer *tokenizer = parse(&image);
    assert_true(tokenizer_ends_text(tokenizer, turn));
    assert_true(tokenizer_ends_text(tokenizer, 2));
    assert_false(tokenizer_ends_text(tokenizer, turn - 1));
    assert_int_equal(tokenizer_type(tokenizer, turn), TOKEN_CONTROL);
    assert_true(bytes_equal(tokenizer_piece(tokenizer, mark, true), (const char *)made_up.tokens[mark].text));
    tokenizer_close(tokenizer);
    image_free(&image);
}

static void equal_pieces_give_the_lowest_id(void **state) {
    (void)state;
    Image image = {0};
    size_t n_tokens;
    int *tokens;
    Error error;
    made_up_words(&made_up);
    int hello = made_up.n_tokens - 1;
    while (made_up.tokens[hello].size != 6 || memcmp(made_up.tokens[hello].text, " hello", 6) != 0) hello--;
    made_up_add(&made_up, " hello", 6, 100, TOKEN_NORMAL);
    image_llama2c(&image, &made_up);
    Tokenizer *tokenizer = parse(&image);
    must(tokenizer_encode(tokenizer, (Bytes){(const uint8_t *)"hello", 5}, false, &tokens, &n_tokens, &error), &error);
    assert_int_equal(n_tokens, 1);
    assert_int_equal(tokens[0], hello);
    memory_free(tokens);
    tokenizer_close(tokenizer);
    image_free(&image);
}

/* ---- Bad files ---- */

/* The file with the four bytes at `at` changed; the message in printf's form. */
__attribute__((format(printf, 4, 5))) static void assert_refused_with(const Image *image, size_t at, uint32_t value,
                                                                      const char *format, ...) {
    char expected[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(expected, sizeof expected, format, arguments);
    va_end(arguments);
    uint8_t *copy = malloc(image->size); /* of exactly this size, so that the sanitizers see a read beyond */
    assert_non_null(copy);
    memcpy(copy, image->data, image->size);
    memcpy(copy + at, &value, sizeof value);
    assert_refused((Bytes){copy, image->size}, expected);
    free(copy);
}

static void refuses_truncated_llama2c_files(void **state) {
    (void)state;
    Image image = {0};
    made_up_words(&made_up);
    image_llama2c(&image, &made_up);
    const uint8_t *data = image.data;
    assert_refused((Bytes){data, 3}, "byte 0: longest piece: expected 4 bytes, got 3");
    assert_refused((Bytes){data, 4}, "byte 4: expected at least 259 tokens, got 0");
    assert_refused((Bytes){data, 6}, "token 0: byte 4: score: expected 4 bytes, got 2");
    assert_refused((Bytes){data, 11}, "token 0: byte 8: length: expected 4 bytes, got 3");
    assert_refused((Bytes){data, 16}, "token 0: byte 12: piece: expected 5 bytes, got 4");
    assert_refused((Bytes){data, 44}, "byte 44: expected at least 259 tokens, got 3");
    image_free(&image);
}

/* unknown: 4 score, 8 length, 12 text; bos: 17, 21, 25; eos: 30, 34, 38; <0x00>: 44, 48, 52. */
static void refuses_lying_llama2c_files(void **state) {
    (void)state;
    Image image = {0};
    made_up_words(&made_up);
    image_llama2c(&image, &made_up);
    assert_refused_with(&image, 0, 0, "byte 0: longest piece: expected 1 to 4096, got 0 (a tokenizer.bin or GGUF?)");
    assert_refused_with(&image, 0, 4097,
                        "byte 0: longest piece: expected 1 to 4096, got 4097 (a tokenizer.bin or GGUF?)");
    assert_refused_with(&image, 0, 5, "token 2: byte 34: length: expected at most 5, the longest piece, got 6");
    assert_refused_with(&image, 4, 0x7fc00000, "token 0: byte 4: score: expected a number, got nan");
    assert_refused_with(&image, 17, 0xff800000, "token 1: byte 17: score: expected a number, got -inf");
    assert_refused_with(&image, 8, UINT32_MAX,
                        "token 0: byte 8: length: expected at most 18, the longest piece, got 4294967295");
    assert_refused_with(&image, 54, 0x3e003030, "token 3: byte 52: expected \"<0x00>\", got \"<000\"");
    image_free(&image);
}

static void refuses_bad_gguf_values(void **state) {
    (void)state;
    Image image = {0};
    made_up_words(&made_up);
    image_gguf(&image, &made_up, true);
    /* After a key: u32 type; a string then has u64 length, an array u32 item type, u64 count. */
    size_t model = find(&image, "tokenizer.ggml.model") + 20 + 4 + 8;
    size_t tokens = find(&image, "tokenizer.ggml.tokens") + 21 + 4 + 12;
    size_t scores = find(&image, "tokenizer.ggml.scores") + 21 + 4 + 12;
    size_t types = find(&image, "tokenizer.ggml.token_type") + 25 + 4 + 12;
    size_t bos = find(&image, "tokenizer.ggml.bos_token_id") + 27 + 4;
    assert_refused_with(&image, model, 0x32747067, "tokenizer.ggml.model: byte %zu: expected \"llama\", got \"gpt2a\"",
                        model);
    assert_refused_with(&image, scores - 12, GGUF_I32,
                        "tokenizer.ggml.scores: byte %zu: expected an array of F32, got an array of I32", scores);
    assert_refused_with(&image, types - 12, GGUF_U32,
                        "tokenizer.ggml.token_type: byte %zu: expected an array of I32, got an array of U32", types);
    assert_refused_with(&image, scores + 4 * 7, 0x7f800000,
                        "tokenizer.ggml.scores: byte %zu: token 7: expected a number, got inf", scores + 4 * 7);
    assert_refused_with(&image, types + 4 * 9, 0,
                        "tokenizer.ggml.token_type: byte %zu: token 9: expected a type from 1 to 6, got 0",
                        types + 4 * 9);
    assert_refused_with(&image, types + 4 * 9, 7,
                        "tokenizer.ggml.token_type: byte %zu: token 9: expected a type from 1 to 6, got 7",
                        types + 4 * 9);
    assert_refused_with(&image, types, TOKEN_BYTE,
                        "tokenizer.ggml.tokens: byte %zu: token 0: expected a byte such as \"<0x0A>\", got \"<unk>\"",
                        tokens + 8);
    assert_refused_with(&image, types + 4 * 3, TOKEN_NORMAL,
                        "tokenizer.ggml.tokens: byte %zu: expected a byte token for each of the 256 bytes, got none "
                        "for <0x00>",
                        tokens);
    assert_refused_with(&image, bos, 302, "tokenizer.ggml.bos_token_id: byte %zu: expected 0 to 301, got 302", bos);
    assert_refused_with(&image, bos, UINT32_MAX,
                        "tokenizer.ggml.bos_token_id: byte %zu: expected 0 to 301, got 4294967295", bos);
    assert_refused_with(&image, bos - 4, GGUF_F32,
                        "tokenizer.ggml.bos_token_id: byte %zu: expected an integer, got F32", bos);
    image_free(&image);
}

static void refuses_gguf_files_that_lack_a_key(void **state) {
    (void)state;
    static const char *const messages[][2] = {
        {"tokenizer.ggml.model", "tokenizer.ggml.model: expected STRING, got no such key"},
        {"tokenizer.ggml.tokens", "tokenizer.ggml.tokens: expected an array of STRING, got no such key"},
        {"tokenizer.ggml.scores", "tokenizer.ggml.scores: expected an array of F32, got no such key"},
    };
    made_up_words(&made_up);
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        Image image = {0};
        image_gguf(&image, &made_up, true);
        forget(&image, messages[i][0]);
        assert_refused(image_bytes(&image), messages[i][1]);
        image_free(&image);
    }
}

/* Lengths that fit the file each, but contradict each other. */
static void refuses_gguf_arrays_of_other_lengths(void **state) {
    (void)state;
    Image image = {0};
    image_add(&image, "GGUF", 4);
    image_add_u32(&image, 3);
    image_add_u64(&image, 0);
    image_add_u64(&image, 3);
    image_add_string(&image, "tokenizer.ggml.model");
    image_add_u32(&image, GGUF_STRING);
    image_add_string(&image, "llama");
    image_add_string(&image, "tokenizer.ggml.scores");
    image_add_u32(&image, GGUF_ARRAY);
    image_add_u32(&image, GGUF_F32);
    image_add_u64(&image, 255);
    size_t scores = image.size;
    for (int i = 0; i < 255; i++) image_add_f32(&image, 0);
    image_add_string(&image, "tokenizer.ggml.tokens");
    image_add_u32(&image, GGUF_ARRAY);
    image_add_u32(&image, GGUF_STRING);
    size_t count = image.size;
    image_add_u64(&image, 256);
    for (int i = 0; i < 255; i++) image_add_string(&image, "");
    size_t last = image.size;
    image_add_u64(&image, 4097);
    for (int i = 0; i < 4097; i++) image_add(&image, "a", 1);
    assert_refused_with(&image, count, 256,
                        "tokenizer.ggml.scores: byte %zu: expected 256 items, as many as there are tokens, got 255",
                        scores);
    assert_refused_with(&image, count, 255, "tokenizer.ggml.tokens: byte %zu: expected 256 to 16777216 tokens, got 255",
                        count + 8);
    /* One score more, made of the key's end: the arrays agree, the last token is too long. */
    uint8_t zeros[4] = {0};
    Image longer = {0};
    image_add(&longer, image.data, scores);
    longer.data[scores - 8] = 0;
    longer.data[scores - 7] = 1;
    image_add(&longer, zeros, 4);
    image_add(&longer, image.data + scores, image.size - scores);
    char expected[128];
    snprintf(expected, sizeof expected,
             "tokenizer.ggml.tokens: byte %zu: token 255: expected at most 4096 bytes, got 4097", last + 4 + 8);
    assert_refused(image_bytes(&longer), expected);
    image_free(&longer);
    image_free(&image);
}

/* ---- Any file ---- */

/* What a file of this size may ask for at most: a table of 16 bytes a token, another twice as wide and at most twice
 * as long as needed, each token at least 8 bytes in the file; and the struct itself. */
static size_t justified(size_t size) { return 8 * size + 16384; }

static void try_parse(const uint8_t *data, size_t size) {
    Tokenizer *tokenizer;
    Error error = {.message = ""};
    uint8_t *copy = malloc(size + 1);
    assert_non_null(copy);
    memcpy(copy + 1, data, size); /* not aligned, and its end is the block's end */
    long alive = memory_hooks_alive();
    memory_hooks_fail_at(0);
    if (tokenizer_parse(&tokenizer, (Bytes){copy + 1, size}, &error)) {
        for (int i = 0; i < tokenizer_size(tokenizer); i++) (void)tokenizer_piece(tokenizer, i, true);
        tokenizer_close(tokenizer);
    } else {
        assert_that(strlen(error.message), >, 0);
    }
    assert_that(memory_hooks_largest(), <=, justified(size));
    assert_int_equal(memory_hooks_alive(), alive);
    free(copy);
}

static void cut_and_changed_files_do_no_harm(void **state) {
    (void)state;
    Random random = random_from(5);
    made_up_words(&made_up);
    for (int form = 0; form < 2; form++) {
        Image image = {0};
        if (form == 0)
            image_llama2c(&image, &made_up);
        else
            image_gguf(&image, &made_up, true);
        for (size_t size = 0; size < image.size; size += 7) try_parse(image.data, size);
        for (int round = 0; round < 3000; round++) {
            size_t at = (size_t)random_int(&random, 0, (int)image.size - 1);
            if (random_chance(&random, 0.3)) at %= 64;
            uint8_t old = image.data[at];
            image.data[at] = random_chance(&random, 0.5) ? 0xff : (uint8_t)random_int(&random, 0, 255);
            try_parse(image.data, image.size);
            image.data[at] = old;
        }
        image_free(&image);
    }
}

static void each_failed_allocation_is_reported_and_leaks_nothing(void **state) {
    (void)state;
    made_up_words(&made_up);
    made_up_add(&made_up, "ud", 2, 0, TOKEN_USER_DEFINED);
    for (int form = 0; form < 2; form++) {
        Image image = {0};
        if (form == 0)
            image_llama2c(&image, &made_up);
        else
            image_gguf(&image, &made_up, true);
        long alive = memory_hooks_alive(), n = 0;
        bool parsed = false;
        while (!parsed) {
            Tokenizer *tokenizer;
            Error error = {.message = ""};
            memory_hooks_fail_at(++n);
            parsed = tokenizer_parse(&tokenizer, image_bytes(&image), &error);
            memory_hooks_fail_at(0);
            if (parsed)
                tokenizer_close(tokenizer);
            else
                assert_non_null(strstr(error.message, "out of memory"));
            assert_int_equal(memory_hooks_alive(), alive);
        }
        assert_int_equal(n - 1, form == 0 ? 6 : 9); /* all of them failed once; a Gguf takes three more */
        image_free(&image);
    }
}

/* ---- Paths ---- */

static void open_names_the_path(void **state) {
    (void)state;
    char path[] = "/tmp/foretell-tokenizer-XXXXXX", expected[128];
    int file = mkstemp(path);
    assert_that(file, >=, 0);
    Image image = {0};
    Tokenizer *tokenizer;
    Error error = {.message = ""};
    made_up_words(&made_up);
    image_gguf(&image, &made_up, true);
    assert_int_equal(write(file, image.data, image.size), (ssize_t)image.size);
    must(tokenizer_open(&tokenizer, path, &error), &error);
    check_facts(tokenizer, &made_up);
    tokenizer_close(tokenizer);
    assert_int_equal(ftruncate(file, 2), 0);
    assert_false(tokenizer_open(&tokenizer, path, &error));
    snprintf(expected, sizeof expected, "%s: byte 0: longest piece: expected 4 bytes, got 2", path);
    assert_string_equal(error.message, expected);
    close(file);
    unlink(path);
    assert_false(tokenizer_open(&tokenizer, path, &error));
    snprintf(expected, sizeof expected, "%s: cannot open: No such file or directory", path);
    assert_string_equal(error.message, expected);
    image_free(&image);
}

static void refuses_other_models_by_name(void **state) {
    (void)state;
    static const char path[] = "../shared/vocab/ggml-vocab-gpt-2.gguf";
    Tokenizer *tokenizer;
    Error error = {.message = ""};
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is missing\n", path);
        skip();
    }
    assert_false(tokenizer_open(&tokenizer, path, &error));
    assert_non_null(strstr(error.message, ": expected \"llama\", got \"gpt2\""));
    assert_int_equal(strncmp(error.message, path, strlen(path)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_hold_the_same),
        cmocka_unit_test(keys_that_may_be_absent),
        cmocka_unit_test(the_end_of_turn_ends_text),
        cmocka_unit_test(equal_pieces_give_the_lowest_id),
        cmocka_unit_test(refuses_truncated_llama2c_files),
        cmocka_unit_test(refuses_lying_llama2c_files),
        cmocka_unit_test(refuses_bad_gguf_values),
        cmocka_unit_test(refuses_gguf_files_that_lack_a_key),
        cmocka_unit_test(refuses_gguf_arrays_of_other_lengths),
        cmocka_unit_test(cut_and_changed_files_do_no_harm),
        cmocka_unit_test(each_failed_allocation_is_reported_and_leaks_nothing),
        cmocka_unit_test(open_names_the_path),
        cmocka_unit_test(refuses_other_models_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

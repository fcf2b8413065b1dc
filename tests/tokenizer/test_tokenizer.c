/* Encoding and decoding: compared with llama.cpp's ids and with a plain twin; round trips of every kind of bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/memory.h"
#include "tensor/utf8.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/naive_tokenizer.h"
#include "tests/support/test.h"

#define MEGABYTE ((size_t)1 << 20)

static const char *const shared_files[] = {
    "../shared/vocab/llama2-tokenizer.bin",    "../shared/vocab/ggml-vocab-llama-spm.gguf",
    "../shared/weights/tokenizer.bin",         "../shared/weights/model.gguf",
    "../shared/models/stories260K/tok512.bin",
};
enum { SHARED_FILES = sizeof shared_files / sizeof *shared_files };

static Tokenizer *parse(const Image *image) {
    Tokenizer *tokenizer;
    Error error = {.message = ""};
    must(tokenizer_parse(&tokenizer, image_bytes(image), &error), &error);
    return tokenizer;
}

static Tokenizer *words(void) {
    static MadeUpVocabulary vocabulary;
    Image image = {0};
    made_up_words(&vocabulary);
    image_llama2c(&image, &vocabulary);
    Tokenizer *tokenizer = parse(&image);
    image_free(&image);
    return tokenizer;
}

/* NULL if the file is missing: then the caller skips. */
static Tokenizer *open_shared(const char *path) {
    Tokenizer *tokenizer;
    Error error = {.message = ""};
    if (tokenizer_open(&tokenizer, path, &error)) return tokenizer;
    must(strstr(error.message, "cannot open"), &error);
    print_message("skipped: %s\n", error.message);
    return NULL;
}

static int *encode(const Tokenizer *tokenizer, Bytes text, bool special, size_t *n_tokens) {
    int *tokens;
    Error error = {.message = ""};
    must(tokenizer_encode(tokenizer, text, special, &tokens, n_tokens, &error), &error);
    return tokens;
}

static Bytes text_bytes(const char *text) { return (Bytes){(const uint8_t *)text, strlen(text)}; }

static size_t decode(const Tokenizer *tokenizer, const int *tokens, size_t n_tokens, bool special, uint8_t *out) {
    TokenStream stream = token_stream_start(tokenizer, special, true);
    size_t n_out = 0;
    for (size_t i = 0; i < n_tokens; i++) n_out += token_stream_push(&stream, tokens[i], out + n_out);
    return n_out + token_stream_finish(&stream, out + n_out);
}

static void check_round_trip(const Tokenizer *tokenizer, Bytes text) {
    for (int special = 0; special <= 1; special++) {
        size_t n_tokens;
        int *tokens = encode(tokenizer, text, special, &n_tokens);
        assert_that(n_tokens, <=, 2 * text.size);
        uint8_t *out = malloc(2 * text.size + token_stream_bound(tokenizer)); /* with the spaces put in front */
        assert_non_null(out);
        size_t n_out = decode(tokenizer, tokens, n_tokens, special, out);
        assert_int_equal(n_out, text.size);
        if (n_out > 0) assert_memory_equal(out, text.data, n_out);
        for (size_t i = 0; i < n_tokens && !special; i++) {
            TokenType type = tokenizer_type(tokenizer, tokens[i]);
            assert_that(type, !=, TOKEN_CONTROL);
            assert_that(type, !=, TOKEN_UNKNOWN);
        }
        free(out);
        memory_free(tokens);
    }
}

static Bytes read_file(const char *path) {
    Bytes bytes;
    Error error;
    if (bytes_map(&bytes, path, &error)) return bytes;
    print_message("skipped: %s\n", error.message);
    skip();
    return (Bytes){0};
}

static uint8_t *random_bytes(size_t size, uint64_t seed) {
    Random random = random_from(seed);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)random_int(&random, 0, 255);
    return bytes;
}

/* ---- llama.cpp's cases ---- */

static Bytes next_case(Bytes *rest) {
    static const char mark[] = "\n__ggml_vocab_test__\n";
    for (size_t i = 0; i + sizeof mark - 1 <= rest->size; i++) {
        if (memcmp(rest->data + i, mark, sizeof mark - 1) != 0) continue;
        Bytes text = {rest->data, i};
        *rest = (Bytes){rest->data + i + sizeof mark - 1, rest->size - i - (sizeof mark - 1)};
        return text;
    }
    fail_msg("no case left");
    return *rest;
}

static void check_case(const Tokenizer *tokenizer, Bytes text, Bytes expected) {
    size_t n_tokens, at = 0;
    int *tokens = encode(tokenizer, text, false, &n_tokens);
    char *line = calloc(n_tokens + 1, 16);
    assert_non_null(line);
    for (size_t i = 0; i < n_tokens; i++) at += (size_t)sprintf(line + at, " %d", tokens[i]);
    if (!bytes_equal(expected, line))
        fail_msg("\"%.*s\": expected%.*s, got%s", (int)text.size, (const char *)text.data, (int)expected.size,
                 (const char *)expected.data, line);
    free(line);
    memory_free(tokens);
}

static void gives_the_ids_of_llama_cpp(void **state) {
    (void)state;
    Bytes texts = read_file("../shared/vocab/ggml-vocab-llama-spm.gguf.inp");
    Bytes ids = read_file("../shared/vocab/ggml-vocab-llama-spm.gguf.out");
    int n_cases = 0;
    for (int file = 0; file < 2; file++) {
        Tokenizer *tokenizer = open_shared(shared_files[file]);
        assert_non_null(tokenizer);
        Bytes rest = texts, lines = ids;
        for (; lines.size > 0; n_cases++) {
            const uint8_t *end = memchr(lines.data, '\n', lines.size);
            assert_non_null(end);
            Bytes line = {lines.data, (size_t)(end - lines.data)};
            lines = (Bytes){end + 1, lines.size - line.size - 1};
            check_case(tokenizer, next_case(&rest), line);
        }
        assert_int_equal(rest.size, 0);
        tokenizer_close(tokenizer);
    }
    assert_int_equal(n_cases, 2 * 46);
    bytes_unmap(&texts);
    bytes_unmap(&ids);
}

/* ---- There and back ---- */

static const Bytes odd_texts[] = {
#define TEXT(literal)                                                                                                  \
    { (const uint8_t *)literal, sizeof literal - 1 }
    {NULL, 0},
    TEXT(" "),
    TEXT("  "),
    TEXT("   leading"),
    TEXT("double  spaces   and    more"),
    TEXT("trailing   "),
    TEXT("\0"),
    TEXT("a\0b\0\0 c"),
    TEXT("\n\t\r\n  \n"),
    TEXT("\xe2\x96\x81"),
    TEXT("\xe2\x96\x81 \xe2\x96\x81\xe2\x96\x81hello\xe2\x96\x81world"),
    TEXT("caf\xc3\xa9, na\xc3\xafve"),
    TEXT("\xf0\x9f\x99\x82\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 "
         "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c"),
    TEXT("\xff\xfe\x80\x80 \xc3 \xe2\x82 \xf0\x9f\x99 \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80"),
    TEXT("<s> <unk></s><0x0A><0x41> \n<s>\n <s"),
    TEXT("<s><s>  hello</s>"),
#undef TEXT
};

static void check_odd_texts(const Tokenizer *tokenizer) {
    for (size_t i = 0; i < sizeof odd_texts / sizeof *odd_texts; i++) check_round_trip(tokenizer, odd_texts[i]);
    for (unsigned byte = 0; byte < 256; byte++) check_round_trip(tokenizer, (Bytes){&(uint8_t){(uint8_t)byte}, 1});
}

static void round_trip_of_odd_texts(void **state) {
    (void)state;
    Tokenizer *tokenizer = words();
    check_odd_texts(tokenizer);
    tokenizer_close(tokenizer);
    for (int i = 0; i < SHARED_FILES; i++) {
        tokenizer = open_shared(shared_files[i]);
        if (!tokenizer) continue;
        check_odd_texts(tokenizer);
        tokenizer_close(tokenizer);
    }
}

static void round_trip_of_a_megabyte_of_random_bytes(void **state) {
    (void)state;
    uint8_t *bytes = random_bytes(MEGABYTE, 1);
    Tokenizer *tokenizer = words();
    check_round_trip(tokenizer, (Bytes){bytes, MEGABYTE});
    tokenizer_close(tokenizer);
    for (int i = 0; i < 2; i++) {
        tokenizer = open_shared(shared_files[i]);
        if (tokenizer) check_round_trip(tokenizer, (Bytes){bytes, MEGABYTE});
        tokenizer_close(tokenizer);
    }
    free(bytes);
}

static void round_trip_of_stories(void **state) {
    (void)state;
    Bytes stories = read_file("../shared/corpus/valid.txt");
    for (int i = 0; i < SHARED_FILES; i += 2) { /* one file of each vocabulary */
        Tokenizer *tokenizer = open_shared(shared_files[i]);
        if (tokenizer) check_round_trip(tokenizer, stories);
        tokenizer_close(tokenizer);
    }
    bytes_unmap(&stories);
}

/* ---- The plain twin ---- */

static size_t random_text(Random *random, uint8_t *text, const MadeUpVocabulary *vocabulary) {
    size_t size = 0;
    int n = random_int(random, 0, 24);
    for (int i = 0; i < n; i++) {
        const char *character = made_up_characters[random_int(random, 0, MADE_UP_CHARACTERS - 1)];
        memcpy(text + size, character, strlen(character));
        size += strlen(character);
        if (random_chance(random, 0.9)) continue;
        const MadeUpToken *token = &vocabulary->tokens[random_int(random, 0, vocabulary->n_tokens - 1)];
        memcpy(text + size, token->text, token->size);
        size += token->size;
    }
    return size;
}

static void check_against_twin(const Tokenizer *tokenizer, const MadeUpVocabulary *vocabulary, Bytes text) {
    int expected[2 * NAIVE_MAX_TEXT];
    for (int special = 0; special <= 1; special++) {
        size_t n_expected = naive_encode(vocabulary, text, special, expected), n_tokens;
        int *tokens = encode(tokenizer, text, special, &n_tokens);
        assert_int_equal(n_tokens, n_expected);
        assert_memory_equal(tokens, expected, n_tokens * sizeof *tokens);
        memory_free(tokens);
    }
    check_round_trip(tokenizer, text);
}

static void encodes_as_the_plain_twin(void **state) {
    (void)state;
    Random random = random_from(2);
    static MadeUpVocabulary vocabulary;
    uint8_t text[NAIVE_MAX_TEXT];
    for (int round = 0; round < 180; round++) {
        Image image = {0};
        bool special = round % 3 == 2;
        if (round == 0)
            made_up_words(&vocabulary);
        else
            made_up_random(&vocabulary, &random, special);
        if (round % 3 == 0)
            image_llama2c(&image, &vocabulary);
        else
            image_gguf(&image, &vocabulary, special);
        Tokenizer *tokenizer = parse(&image);
        image_free(&image);
        for (int i = 0; i < 40; i++)
            check_against_twin(tokenizer, &vocabulary, (Bytes){text, random_text(&random, text, &vocabulary)});
        tokenizer_close(tokenizer);
    }
}

/* ---- Control tokens and user-defined pieces ---- */

static void assert_tokens(const Tokenizer *tokenizer, const char *text, bool special, const char *expected) {
    char spelled[512];
    size_t n_tokens, at = 0;
    int *tokens = encode(tokenizer, text_bytes(text), special, &n_tokens);
    for (size_t i = 0; i < n_tokens; i++) {
        Bytes piece = tokenizer_spelling(tokenizer, tokens[i]);
        const char *around = tokenizer_type(tokenizer, tokens[i]) == TOKEN_CONTROL ? "!" : "";
        at += (size_t)snprintf(spelled + at, sizeof spelled - at, "%s%s%.*s%s", i ? "|" : "", around, (int)piece.size,
                               (const char *)piece.data, around);
    }
    assert_that(n_tokens, >, 0);
    assert_that(at, <, sizeof spelled);
    assert_string_equal(spelled, expected);
    memory_free(tokens);
}

static void control_tokens_come_only_when_asked_for(void **state) {
    (void)state;
    Tokenizer *tokenizer = words();
    assert_tokens(tokenizer, "hello<s>", false, " hello|<s>"); /* <s> is also a normal piece of this vocabulary */
    assert_tokens(tokenizer, "</s>", false, " |<|/|s|>");
    assert_tokens(tokenizer, "<0x0A>", false, " |<|<0x30>|<0x78>|<0x30>|<0x41>|>");
    assert_tokens(tokenizer, "hello<s>hello</s></s>", true, " hello|!<s>!| hello|!</s>!|!</s>!");
    assert_tokens(tokenizer, "<s> hello", true, "!<s>!|  |hello");
    assert_tokens(tokenizer, "\n<s>\n", true, " |<0x0A>|!<s>!| |<0x0A>");
    assert_true(tokenizer_ends_text(tokenizer, 1) && tokenizer_ends_text(tokenizer, 2));
    assert_false(tokenizer_ends_text(tokenizer, 0) || tokenizer_ends_text(tokenizer, 3));
    assert_int_equal(tokenizer_piece(tokenizer, 1, false).size, 0);
    assert_true(bytes_equal(tokenizer_piece(tokenizer, 1, true), "<s>"));
    assert_true(bytes_equal(tokenizer_piece(tokenizer, 3 + 'A', true), "A"));
    assert_true(bytes_equal(tokenizer_spelling(tokenizer, 3 + 'A'), "<0x41>"));
    tokenizer_close(tokenizer);
}

static void user_defined_pieces_go_first(void **state) {
    (void)state;
    static MadeUpVocabulary vocabulary;
    Image image = {0};
    made_up_words(&vocabulary);
    made_up_add(&vocabulary, "ell", 3, -100, TOKEN_USER_DEFINED);
    made_up_add(&vocabulary, "ello w", 6, -100, TOKEN_USER_DEFINED);
    made_up_add(&vocabulary, "o wo", 4, -100, TOKEN_USER_DEFINED);
    made_up_add(&vocabulary, " the", 4, -100, TOKEN_USER_DEFINED);
    image_gguf(&image, &vocabulary, true);
    Tokenizer *tokenizer = parse(&image);
    assert_tokens(tokenizer, "hello", false, " |h|ell|o");
    assert_tokens(tokenizer, "hello world", false, " |h|ello w|o|r|ld");
    assert_tokens(tokenizer, "the", false, " the");
    tokenizer_close(tokenizer);
    image_free(&image);
}

/* The most tokens that a text can give: more than it has bytes. (That they have room is for the sanitizers to see.) */
static void a_space_after_each_control_token(void **state) {
    (void)state;
    static MadeUpVocabulary vocabulary;
    Image image = {0};
    uint8_t text[4000];
    size_t n_tokens;
    made_up_start(&vocabulary);
    made_up_add(&vocabulary, "x", 1, 0, TOKEN_CONTROL);
    image_gguf(&image, &vocabulary, true);
    Tokenizer *tokenizer = parse(&image);
    for (size_t i = 0; i < sizeof text; i++) text[i] = i % 2 ? 'x' : 'a';
    memory_free(encode(tokenizer, (Bytes){text, sizeof text}, true, &n_tokens));
    assert_int_equal(n_tokens, sizeof text / 2 * 3); /* space, a, x */
    check_round_trip(tokenizer, (Bytes){text, sizeof text});
    tokenizer_close(tokenizer);
    image_free(&image);
}

/* ---- Streaming ---- */

/* Characters are given out whole, and as early as possible. */
static void check_stream(const Tokenizer *tokenizer, const int *tokens, size_t n_tokens, bool special) {
    size_t bound = token_stream_bound(tokenizer), n_out = 0, next_start = 0;
    uint8_t *out = malloc((n_tokens + 1) * bound), *expected = malloc((n_tokens + 1) * bound);
    assert_true(out && expected);
    size_t n_expected = naive_decode(tokenizer, tokens, n_tokens, special, expected);
    TokenStream stream = token_stream_start(tokenizer, special, true);
    for (size_t i = 0; i < n_tokens; i++) {
        size_t n = token_stream_push(&stream, tokens[i], out + n_out);
        assert_that(n, <=, bound);
        n_out += n;
        while (next_start < n_out)
            next_start += naive_character((Bytes){expected + next_start, n_expected - next_start});
        assert_int_equal(next_start, n_out);
        if (stream.n_held > 0) assert_int_equal(utf8_length(stream.held, (size_t)stream.n_held), 0);
    }
    n_out += token_stream_finish(&stream, out + n_out);
    assert_int_equal(n_out, n_expected);
    assert_memory_equal(out, expected, n_out);
    assert_int_equal(token_stream_finish(&stream, out), 0);
    free(out);
    free(expected);
}

static void check_random_streams(const Tokenizer *tokenizer, uint64_t seed) {
    Random random = random_from(seed);
    int tokens[64], n_bytes = tokenizer_size(tokenizer) < 259 ? tokenizer_size(tokenizer) : 259;
    for (int round = 0; round < 2000; round++) {
        size_t n_tokens = (size_t)random_int(&random, 0, 64);
        for (size_t i = 0; i < n_tokens; i++) {
            static const uint8_t continuing[] = {0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x99, 0x82, 0xc3, 0xa9, 0xed, 0xa0};
            tokens[i] = random_int(&random, 0, tokenizer_size(tokenizer) - 1);
            if (random_chance(&random, 0.2)) tokens[i] = random_int(&random, 0, n_bytes - 1);
            if (random_chance(&random, 0.4)) tokens[i] = 3 + continuing[random_int(&random, 0, 10)];
        }
        check_stream(tokenizer, tokens, n_tokens, round % 2);
    }
}

static void streams_any_tokens_without_loss(void **state) {
    (void)state;
    Tokenizer *tokenizer = words();
    check_random_streams(tokenizer, 3);
    tokenizer_close(tokenizer);
    tokenizer = open_shared(shared_files[1]);
    if (tokenizer) check_random_streams(tokenizer, 4);
    tokenizer_close(tokenizer);
}

static void stream_holds_and_strips(void **state) {
    (void)state;
    Tokenizer *tokenizer = words();
    uint8_t out[64];
    TokenStream stream = token_stream_start(tokenizer, false, true);
    assert_int_equal(token_stream_push(&stream, 1, out), 0); /* <s> */
    assert_int_equal(token_stream_push(&stream, 3 + ' ', out), 0);
    assert_int_equal(token_stream_push(&stream, 3 + ' ', out), 1);
    assert_int_equal(token_stream_push(&stream, 3 + 0xf0, out), 0);
    assert_int_equal(token_stream_push(&stream, 3 + 0x9f, out), 0);
    assert_int_equal(token_stream_push(&stream, 3 + 0x99, out), 0);
    assert_int_equal(token_stream_push(&stream, 3 + 0x82, out), 4);
    assert_memory_equal(out, "\xf0\x9f\x99\x82", 4);
    assert_int_equal(token_stream_push(&stream, 3 + 0xe2, out), 0);
    assert_int_equal(token_stream_push(&stream, 3 + 0x82, out), 0);
    assert_int_equal(token_stream_push(&stream, 3 + 'a', out), 3);
    assert_memory_equal(out, ((const uint8_t[]){0xe2, 0x82, 'a'}), 3);
    assert_int_equal(token_stream_push(&stream, 3 + 0xff, out), 1);
    assert_int_equal(token_stream_push(&stream, 3 + 0xc3, out), 0);
    assert_int_equal(token_stream_finish(&stream, out), 1);
    stream = token_stream_start(tokenizer, false, false);
    assert_int_equal(token_stream_push(&stream, 3 + ' ', out), 1);
    tokenizer_close(tokenizer);
}

/* ---- Cost ---- */

/* Quadratic time would take minutes here. */
static void long_runs_take_time_and_memory_in_proportion(void **state) {
    (void)state;
    static const char *const patterns[] = {"a", " ", "the "};
    size_t size = MEGABYTE / 4;
    Tokenizer *tokenizer = words();
    uint8_t *text = malloc(size);
    assert_non_null(text);
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        size_t length = strlen(patterns[p]);
        for (size_t at = 0; at < size; at++) text[at] = (uint8_t)patterns[p][at % length];
        memory_hooks_fail_at(0);
        check_round_trip(tokenizer, (Bytes){text, size});
        assert_that(memory_hooks_largest(), <=, 32 * (size + 1));
    }
    free(text);
    tokenizer_close(tokenizer);
}

static void encode_survives_each_failed_allocation(void **state) {
    (void)state;
    Tokenizer *tokenizer = words();
    Bytes text = text_bytes("hello <s>hellohello helloworldaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    for (long n = 1;; n++) {
        long alive = memory_hooks_alive();
        int *tokens;
        size_t n_tokens;
        Error error = {.message = ""};
        memory_hooks_fail_at(n);
        bool encoded = tokenizer_encode(tokenizer, text, true, &tokens, &n_tokens, &error);
        memory_hooks_fail_at(0);
        if (encoded) {
            assert_that(n, >, 6);
            memory_free(tokens);
            assert_int_equal(memory_hooks_alive(), alive);
            break;
        }
        assert_non_null(strstr(error.message, "out of memory"));
        assert_int_equal(memory_hooks_alive(), alive);
    }
    tokenizer_close(tokenizer);
}

static void refuses_text_beyond_a_gigabyte(void **state) {
    (void)state;
    Tokenizer *tokenizer = words();
    int *tokens;
    size_t n_tokens;
    Error error = {.message = ""};
    uint8_t byte = 0; /* the size is looked at before the bytes */
    assert_false(tokenizer_encode(tokenizer, (Bytes){&byte, ((size_t)1 << 30) + 1}, false, &tokens, &n_tokens, &error));
    assert_string_equal(error.message, "text to encode: expected at most 1073741824 bytes, got 1073741825");
    tokenizer_close(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_ids_of_llama_cpp),
        cmocka_unit_test(round_trip_of_odd_texts),
        cmocka_unit_test(round_trip_of_a_megabyte_of_random_bytes),
        cmocka_unit_test(round_trip_of_stories),
        cmocka_unit_test(encodes_as_the_plain_twin),
        cmocka_unit_test(control_tokens_come_only_when_asked_for),
        cmocka_unit_test(user_defined_pieces_go_first),
        cmocka_unit_test(a_space_after_each_control_token),
        cmocka_unit_test(streams_any_tokens_without_loss),
        cmocka_unit_test(stream_holds_and_strips),
        cmocka_unit_test(long_runs_take_time_and_memory_in_proportion),
        cmocka_unit_test(encode_survives_each_failed_allocation),
        cmocka_unit_test(refuses_text_beyond_a_gigabyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

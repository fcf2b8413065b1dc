#include "tests/support/vocabularies.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/gguf.h"

/* ---- Images ---- */

void image_add(Image *image, const void *data, size_t size) {
    if (image->size + size > image->capacity) {
        image->capacity = 2 * (image->size + size);
        image->data = realloc(image->data, image->capacity);
        assert(image->data);
    }
    if (size > 0) memcpy(image->data + image->size, data, size);
    image->size += size;
}

void image_add_u32(Image *image, uint32_t value) { image_add(image, &value, sizeof value); }

void image_add_u64(Image *image, uint64_t value) { image_add(image, &value, sizeof value); }

void image_add_f32(Image *image, float value) { image_add(image, &value, sizeof value); }

void image_add_string(Image *image, const char *text) {
    image_add_u64(image, strlen(text));
    image_add(image, text, strlen(text));
}

void image_free(Image *image) {
    free(image->data);
    *image = (Image){0};
}

Bytes image_bytes(const Image *image) { return (Bytes){image->data, image->size}; }

/* ---- Vocabularies ---- */

const char *const made_up_characters[] = {
    " ", "a", "b", "c", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x99\x82", "\xff", "\xe2\x96\x81", "\xe2\x82",
};

int made_up_add(MadeUpVocabulary *vocabulary, const char *text, size_t size, float score, TokenType type) {
    assert(vocabulary->n_tokens < MADE_UP_TOKENS && size <= MADE_UP_PIECE);
    MadeUpToken *token = &vocabulary->tokens[vocabulary->n_tokens];
    *token = (MadeUpToken){.size = size, .score = score, .type = type};
    memcpy(token->text, text, size);
    return vocabulary->n_tokens++;
}

void made_up_start(MadeUpVocabulary *vocabulary) {
    char text[8];
    *vocabulary = (MadeUpVocabulary){.adds_space_prefix = true};
    made_up_add(vocabulary, "<unk>", 5, 0, TOKEN_UNKNOWN);
    made_up_add(vocabulary, "<s>", 3, 0, TOKEN_CONTROL);
    made_up_add(vocabulary, "</s>", 4, 0, TOKEN_CONTROL);
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(text, sizeof text, "<0x%02X>", byte);
        made_up_add(vocabulary, text, 6, 0, TOKEN_BYTE);
    }
}

void made_up_words(MadeUpVocabulary *vocabulary) {
    static const char *const pieces[] = {
        " t",
        "he",
        " the",
        "in",
        " a",
        "an",
        "nd",
        " and",
        "  ",
        "    ",
        "        ",
        "<s",
        "<s>",
        "aa",
        "aaaa",
        "lo",
        "hel",
        "hello",
        " hello",
        "wor",
        "ld",
        "world",
        " world",
        "t",
        "h",
        "e",
        "i",
        "n",
        "a",
        "d",
        "l",
        "o",
        "w",
        "r",
        " ",
        "<",
        "s",
        ">",
        "/",
        "\xc3\xa9",
        "\xe4\xbd\xa0\xe5\xa5\xbd",
        "\xe4\xbd\xa0",
        "\xe5\xa5\xbd",
    };
    made_up_start(vocabulary);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        made_up_add(vocabulary, pieces[i], strlen(pieces[i]), -(float)i, TOKEN_NORMAL);
}

static void add_random(MadeUpVocabulary *vocabulary, Random *random, TokenType type, int n_characters) {
    char text[MADE_UP_PIECE];
    size_t size = 0;
    for (int i = 0; i < n_characters; i++) {
        const char *character = made_up_characters[random_int(random, 0, MADE_UP_CHARACTERS - 1)];
        if (size + strlen(character) > sizeof text) break;
        memcpy(text + size, character, strlen(character));
        size += strlen(character);
    }
    /* U+2581 in a GGUF piece means a space, so no piece can hold it as itself. */
    for (size_t i = 0; i + 3 <= size; i++)
        if (memcmp(text + i, "\xe2\x96\x81", 3) == 0) memcpy(text + i, "abc", 3);
    made_up_add(vocabulary, text, size, (float)-random_int(random, 0, 12), type);
}

void made_up_random(MadeUpVocabulary *vocabulary, Random *random, bool special) {
    made_up_start(vocabulary);
    vocabulary->adds_space_prefix = !special || random_chance(random, 0.5);
    int n_pieces = random_int(random, 0, 100);
    for (int i = 0; i < n_pieces; i++) add_random(vocabulary, random, TOKEN_NORMAL, random_int(random, 1, 4));
    for (int i = 0; special && i < 8; i++) {
        add_random(vocabulary, random, TOKEN_USER_DEFINED, random_int(random, 2, 4));
        if (i % 2) add_random(vocabulary, random, TOKEN_CONTROL, random_int(random, 2, 4));
        if (i % 4 == 0) add_random(vocabulary, random, TOKEN_UNUSED, random_int(random, 1, 3));
    }
}

/* ---- Files ---- */

void image_llama2c(Image *image, const MadeUpVocabulary *vocabulary) {
    image_add_u32(image, MADE_UP_PIECE + 2);
    for (int i = 0; i < vocabulary->n_tokens; i++) {
        const MadeUpToken *token = &vocabulary->tokens[i];
        const char *around = token->type == TOKEN_CONTROL ? "\n" : "";
        image_add_f32(image, token->score);
        image_add_u32(image, (uint32_t)(token->size + 2 * strlen(around)));
        image_add(image, around, strlen(around));
        image_add(image, token->text, token->size);
        image_add(image, around, strlen(around));
    }
}

static void add_key(Image *image, const char *key, uint32_t type) {
    image_add_string(image, key);
    image_add_u32(image, type);
}

static void add_array(Image *image, const char *key, uint32_t item_type, int count) {
    add_key(image, key, GGUF_ARRAY);
    image_add_u32(image, item_type);
    image_add_u64(image, (uint64_t)count);
}

static void add_piece(Image *image, const MadeUpToken *token) {
    bool plain = token->type == TOKEN_CONTROL || token->type == TOKEN_UNKNOWN;
    size_t size = 0;
    char text[3 * MADE_UP_PIECE + 1];
    for (size_t i = 0; i < token->size; i++) {
        bool marked = token->text[i] == ' ' && !plain;
        memcpy(text + size, marked ? "\xe2\x96\x81" : (const char *)token->text + i, marked ? 3 : 1);
        size += marked ? 3 : 1;
    }
    image_add_u64(image, size);
    image_add(image, text, size);
}

void image_gguf(Image *image, const MadeUpVocabulary *vocabulary, bool with_types) {
    int n = vocabulary->n_tokens;
    image_add(image, "GGUF", 4);
    image_add_u32(image, 3);
    image_add_u64(image, 0);
    image_add_u64(image, 7u + with_types + (vocabulary->end_of_turn > 0));
    add_key(image, "tokenizer.ggml.model", GGUF_STRING);
    image_add_string(image, "llama");
    add_array(image, "tokenizer.ggml.tokens", GGUF_STRING, n);
    for (int i = 0; i < n; i++) add_piece(image, &vocabulary->tokens[i]);
    add_array(image, "tokenizer.ggml.scores", GGUF_F32, n);
    for (int i = 0; i < n; i++) image_add_f32(image, vocabulary->tokens[i].score);
    if (with_types) add_array(image, "tokenizer.ggml.token_type", GGUF_I32, n);
    for (int i = 0; with_types && i < n; i++) image_add_u32(image, vocabulary->tokens[i].type);
    static const char *const id_keys[] = {"tokenizer.ggml.unknown_token_id", "tokenizer.ggml.bos_token_id",
                                          "tokenizer.ggml.eos_token_id"};
    for (uint32_t id = 0; id < 3; id++) {
        add_key(image, id_keys[id], GGUF_U32);
        image_add_u32(image, id);
    }
    if (vocabulary->end_of_turn > 0) {
        add_key(image, "tokenizer.ggml.eot_token_id", GGUF_U32);
        image_add_u32(image, (uint32_t)vocabulary->end_of_turn);
    }
    add_key(image, "tokenizer.ggml.add_space_prefix", GGUF_BOOL);
    image_add(image, &(uint8_t){vocabulary->adds_space_prefix}, 1);
}

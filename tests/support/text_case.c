#include "tests/support/text_case.h"

#include <stdlib.h>

#include "tests/support/continuations.h"
#include "tests/support/looker.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"

enum { FIRST_PIECE = 259 };

/* Stages with memory, random stages, lookahead, and stages that read more than the step. */
static Sampler random_sampler(Random *random) {
    static const char *const policies[] = {"fixed", "linear", "edt", "edt-instance", "kld", "dynatemp"};
    Sampler sampler = sampler_default();
    sampler.seed = random_u64(random);
    must_set(&sampler, "min-p", "0");
    sampler.temperature.base = random_temperature(random);
    must_set(&sampler, "temp-policy", policies[random_int(random, 0, 5)]);
    if (random_chance(random, 0.2)) sampler.mirostat_tau = 2;
    if (random_chance(random, 0.2)) sampler.xtc_probability = 0.5f;
    if (random_chance(random, 0.2)) sampler.repeat.repeat = 1.3f;
    if (random_chance(random, 0.2)) sampler.dry.multiplier = 0.8f;
    if (random_chance(random, 0.2)) must_set(&sampler, "temp-first", NULL);
    sampler.future = random_chance(random, 0.5);
    sampler.lookahead = random_lookahead(random);
    if (sampler.future && random_chance(random, 0.3)) must_set(&sampler, "wave", "sine:1:7");
    if (random_chance(random, 0.3)) must_set(&sampler, "at", "/[abc]$/:temp=1.7");
    if (random_chance(random, 0.3)) must_set(&sampler, "at", "identifier:{min-p=0.2,alpha=0.5}");
    return sampler;
}

/* Short phrases occur often; dense: phrases of one letter, which leave few other tokens to draw. */
static void add_phrases(Random *random, Phrases *phrases, char words[][4], int n, bool dense) {
    Error error;
    for (int i = 0; i < n; i++) {
        int length = dense ? 1 : random_int(random, 1, 3);
        for (int j = 0; j < length; j++) words[i][j] = " abc"[dense ? i : random_int(random, 0, 3)];
        words[i][length] = '\0';
        must(phrases_add(phrases, words[i], "stop", &error), &error);
    }
}

/* A vocabulary of short pieces, and a model in which they are likelier than single bytes. */
static void open_world(Random *random, TextCase *c) {
    Error error;
    Image image = {0};
    MadeUpVocabulary vocabulary;
    do {
        made_up_random(&vocabulary, random, true);
    } while (vocabulary.n_tokens < FIRST_PIECE + 20);
    image_gguf(&image, &vocabulary, true);
    must(tokenizer_parse(&c->tokenizer, image_bytes(&image), &error), &error);
    image_free(&image);
    Config config = random_config(random, DTYPE_F32);
    config.context_length = TEXT_CASE_CONTEXT;
    config.vocab_size = vocabulary.n_tokens;
    c->model = random_model_of(&config, DTYPE_F32, false, random_u64(random));
    for (int row = FIRST_PIECE; row < config.vocab_size; row++)
        for (int col = 0; col < c->model->output.cols; col++) *weight_at(&c->model->output, row, col) *= 4;
    for (int i = 0; i < config.vocab_size; i++) {
        c->pieces[i] = tokenizer_piece(c->tokenizer, i, false);
        c->flags[i] = random_chance(random, 0.5) ? TOKEN_BEGINS_WORD : 0;
        if (random_chance(random, 0.03)) c->flags[i] |= TOKEN_ENDS_TEXT | TOKEN_IS_CONTROL;
    }
    for (int i = 0; i < TEXT_CASE_OTHER; i++) c->other[i] = random_int(random, 0, config.vocab_size - 1);
}

TextCase *text_case_open(uint64_t seed, bool phrases) {
    Random random = random_from(seed);
    TextCase *c = calloc(1, sizeof *c);
    assert_non_null(c);
    open_world(&random, c);
    c->sampler = random_sampler(&random);
    bool dense = random_chance(&random, 0.3);
    if (phrases && random_chance(&random, 0.4))
        add_phrases(&random, &c->stops, c->words, random_int(&random, 1, 3), false);
    if (phrases && (dense || random_chance(&random, 0.7)))
        add_phrases(&random, &c->bans, c->words + 4, random_int(&random, 1, 4), dense);
    c->count = random_int(&random, 1, TEXT_CASE_COUNT);
    c->limit = random_chance(&random, 0.2)   ? -1
               : random_chance(&random, 0.2) ? TEXT_CASE_CONTEXT - CONTINUATIONS_PROMPT + random_int(&random, 0, 3)
                                             : random_int(&random, 0, 24);
    c->number = random_chance(&random, 0.3) ? random_int(&random, 1, 1000) : 0;
    c->ignore_ends = random_chance(&random, 0.3);
    c->special = random_chance(&random, 0.2);
    c->at_start = random_chance(&random, 0.5);
    return c;
}

void text_case_close(TextCase *c) {
    random_model_free(c->model);
    tokenizer_close(c->tokenizer);
    free(c);
}

bool text_case_is_kld(const TextCase *c) { return c->sampler.temperature.kind == TEMPERATURE_KLD; }

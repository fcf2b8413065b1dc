/* Beam search: against a naive twin that computes each text from its first token, and against exhaustive search. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/text/beam.h"
#include "tests/support/continuations.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"
#include "tests/support/vocabularies.h"

enum { CONTEXT = 24, LONGEST = CONTEXT, FUTURE_N = 7, MANY_TEXTS = 1 << 14, FIRST_PIECE = 259 };

typedef struct {
    const Model *model;
    TokenFlags flags[MADE_UP_TOKENS], until;
    int width, limit;
    double length_penalty;
    bool ignore_ends;
    Tokenizer *tokenizer; /* NULL: no phrases are looked for */
    Phrases stops, bans;
} Case;

/* A text as the twin has it; the token that ended it included. */
typedef struct {
    int tokens[LONGEST], n;
    double log_prob;
    TextEnd end;
    size_t n_bytes; /* before a stop string */
} Line;

/* ---- the naive twin ---- */

typedef struct {
    const Case *c;
    Session *session;
    Candidates candidates;
    Line *live, *next, *finished;
    int n_live, n_next, n_finished;
    int lives[LONGEST + 1]; /* beams after each step */
} Twin;

static bool ends_text(const Case *c, int token) { return !c->ignore_ends && c->flags[token] & TOKEN_ENDS_TEXT; }

static double score(const Case *c, const Line *text) { return text->log_prob / pow(text->n, c->length_penalty); }

/* The logits that follow the text, from a session that holds no other text. */
static const float *recompute(Twin *twin, const Line *text) {
    Error error;
    session_drop(twin->session, TRUNK);
    must(session_prefill(twin->session, TRUNK, continuations_prompt, CONTINUATIONS_PROMPT, &error), &error);
    for (int i = 0; i < text->n; i++)
        must(session_decode(twin->session, &(BranchToken){TRUNK, text->tokens[i]}, 1, &error), &error);
    return session_logits(twin->session, TRUNK);
}

/* Into a list of the best, earlier ones first among equals: insertion, without end where the width is 0. */
static void insert(Line *list, int *n, int width, const Line *text, double value,
                   double (*value_of)(const Case *, const Line *), const Case *c) {
    int at = *n;
    while (at > 0 && value_of(c, &list[at - 1]) < value) at--;
    if (width && at == width) return;
    if (!width || *n < width) ++*n;
    for (int i = *n - 1; i > at; i--) list[i] = list[i - 1];
    list[at] = *text;
}

static double log_prob_of(const Case *c, const Line *text) {
    (void)c;
    return text->log_prob;
}

static void finish(Twin *twin, Line text, TextEnd end) {
    text.end = end;
    insert(twin->finished, &twin->n_finished, twin->c->width, &text, score(twin->c, &text), score, twin->c);
}

/* Whether one of the phrases ends with the byte before `end`; *begin: where the longest of them begins. */
static bool ends_with(const Phrases *phrases, const uint8_t *text, size_t end, size_t *begin) {
    *begin = end;
    for (int i = 0; i < phrases->count; i++) {
        size_t size = phrases->items[i].size;
        if (size <= end && memcmp(text + end - size, phrases->items[i].data, size) == 0 && end - size < *begin)
            *begin = end - size;
    }
    return *begin < end;
}

/* The text from its tokens, and byte by byte what its last token completes. */
static EditorVerdict judge(const Case *c, Line *line) {
    uint8_t text[LONGEST * 64], out[64];
    size_t size = 0, from = 0;
    if (!c->tokenizer) return EDITOR_GOES_ON;
    TokenStream stream = token_stream_start(c->tokenizer, false, true);
    for (int i = 0; i < line->n; i++) {
        Bytes bytes = token_stream_bytes(&stream, line->tokens[i]);
        token_stream_push(&stream, line->tokens[i], out);
        if (bytes.size) memcpy(text + size, bytes.data, bytes.size);
        from = size;
        size += bytes.size;
    }
    for (size_t end = from + 1, begin; end <= size; end++) {
        bool stops = ends_with(&c->stops, text, end, &line->n_bytes);
        if (stops) return EDITOR_STOPS;
        if (ends_with(&c->bans, text, end, &begin)) return EDITOR_REWOUND;
    }
    return EDITOR_GOES_ON;
}

/* All extensions of all beams in order; no bound ends the search early. */
static void twin_step(Twin *twin, bool is_last, bool is_full) {
    const Case *c = twin->c;
    twin->n_next = 0;
    for (int i = 0; i < twin->n_live; i++) {
        candidates_from_logits(&twin->candidates, recompute(twin, &twin->live[i]), c->model->config.vocab_size);
        for (int t = 0; t < c->model->config.vocab_size; t++) {
            Line text = twin->live[i];
            text.tokens[text.n++] = t;
            text.log_prob -= candidates_surprisal(&twin->candidates, t);
            if (judge(c, &text) == EDITOR_REWOUND) continue;
            insert(twin->next, &twin->n_next, 0, &text, text.log_prob, log_prob_of, c);
        }
    }
    twin->n_live = 0;
    for (int i = 0; i < twin->n_next && twin->n_live < c->width; i++) {
        int last = twin->next[i].tokens[twin->next[i].n - 1];
        if (ends_text(c, last))
            finish(twin, twin->next[i], TEXT_END_OF_TEXT);
        else if (judge(c, &twin->next[i]) == EDITOR_STOPS)
            finish(twin, twin->next[i], TEXT_STOP_STRING);
        else if (c->flags[last] & c->until)
            finish(twin, twin->next[i], TEXT_LIMIT);
        else
            twin->live[twin->n_live++] = twin->next[i];
    }
    if (!is_last && !is_full) return;
    for (int i = 0; i < twin->n_live; i++) finish(twin, twin->live[i], is_last ? TEXT_LIMIT : TEXT_CONTEXT_FULL);
    twin->n_live = 0;
}

static void twin_search(Twin *twin) {
    twin->live[0] = (Line){0};
    twin->n_live = 1;
    for (int step = 1; twin->n_live > 0; step++) {
        twin_step(twin, step == twin->c->limit, CONTINUATIONS_PROMPT + step > CONTEXT);
        twin->lives[step] = twin->n_live;
    }
}

/* Every possible text, ended or as long as the limit. */
static void try_all(Twin *twin, const Line *text) {
    const Case *c = twin->c;
    int vocab_size = c->model->config.vocab_size;
    double surprisals[8];
    candidates_from_logits(&twin->candidates, recompute(twin, text), vocab_size);
    for (int t = 0; t < vocab_size; t++) surprisals[t] = candidates_surprisal(&twin->candidates, t);
    for (int t = 0; t < vocab_size; t++) {
        Line longer = *text;
        longer.tokens[longer.n++] = t;
        longer.log_prob -= surprisals[t];
        if (ends_text(c, t))
            finish(twin, longer, TEXT_END_OF_TEXT);
        else if (longer.n == c->limit)
            finish(twin, longer, TEXT_LIMIT);
        else
            try_all(twin, &longer);
    }
}

static Twin twin_open(const Case *c) {
    Error error;
    Twin twin = {.c = c};
    must(session_open(&twin.session, c->model,
                      (SessionOptions){.context = CONTEXT, .kv = KV_F32, .threads = 1, .batch = 2}, &error) &&
             candidates_open(&twin.candidates, c->model->config.vocab_size, &error),
         &error);
    twin.live = malloc(TEXTS_MAX * sizeof(Line));
    twin.next = malloc(MANY_TEXTS * sizeof(Line));
    twin.finished = malloc(TEXTS_MAX * sizeof(Line));
    return twin;
}

static void twin_close(Twin *twin) {
    session_close(twin->session);
    candidates_close(&twin->candidates);
    free(twin->live);
    free(twin->next);
    free(twin->finished);
}

/* ---- the search ---- */

/* The figures again, from the twin's session. */
static void check_figures(Twin *twin, const Continuation *item, const Line *text) {
    Figures figures = {0};
    Line before = {0};
    for (int i = 0; i < text->n; i++) {
        figures_add(&figures, recompute(twin, &before), twin->c->model->config.vocab_size, FUTURE_N, text->tokens[i]);
        before.tokens[before.n++] = text->tokens[i];
    }
    figures_add_pairs(&figures, text->tokens, text->n - (text->end == TEXT_END_OF_TEXT));
    assert_same_figures(&item->figures, &figures);
}

static void check_same(Twin *twin, const Beam *beam) {
    assert_int_equal(beam->n_finished, twin->n_finished);
    for (int i = 0; i < beam->n_finished; i++) {
        const Continuation *item = &beam->finished[i];
        const Line *text = &twin->finished[i];
        int n = item->sequence.length - CONTINUATIONS_PROMPT;
        assert_int_equal(item->end, text->end);
        assert_int_equal(n, text->n - (text->end == TEXT_END_OF_TEXT));
        assert_memory_equal(item->sequence.history + CONTINUATIONS_PROMPT, text->tokens, (size_t)n * sizeof(int));
        assert_that(item->figures.log_prob, ==, text->log_prob); /* the same bits */
        assert_that(item->n_bytes, ==, (item->end == TEXT_STOP_STRING ? text->n_bytes : SIZE_MAX));
        if (i < 2) check_figures(twin, item, text);
    }
}

static BeamSetup setup_of(const Case *c, Session *session) {
    return (BeamSetup){.session = session,
                       .flags = c->flags,
                       .vocab_size = c->model->config.vocab_size,
                       .width = c->width,
                       .limit = c->limit,
                       .length_penalty = c->length_penalty,
                       .ignore_ends = c->ignore_ends,
                       .until = c->until,
                       .future_n = FUTURE_N,
                       .stops = c->tokenizer ? &c->stops : NULL,
                       .bans = c->tokenizer ? &c->bans : NULL,
                       .start = c->tokenizer ? token_stream_start(c->tokenizer, false, true) : (TokenStream){0}};
}

/* Runs the search in a session of exactly the stated size; returns the steps it took. */
static int search(Random *random, const Case *c, Twin *twin) {
    int history[CONTEXT + 1], n_steps = 0;
    Error error;
    Session *session;
    Beam beam;
    SessionOptions options = random_session_options(random, CONTEXT);
    options.kv = KV_F32;
    options.branches = beam_branches(c->width);
    options.rows = (int)beam_rows(c->width, CONTINUATIONS_PROMPT, c->limit, options.block_rows);
    Sequence prompt = continuations_start(&session, c->model, options, history);
    int free_branches = session_free_branches(session), free_rows = session_free_rows(session);
    BeamSetup setup = setup_of(c, session);
    must(beam_open(&beam, &setup, &prompt, &error), &error);
    for (; beam.n_live > 0; n_steps++) {
        must(beam_step(&beam, &error), &error);
        int used = options.branches - 1 - session_free_branches(session);
        assert_that(used, <=, 2 * c->width);
        assert_true(beam.n_live > 0 || used == 0);
        if (beam.n_live > 0 && twin->lives[1]) assert_int_equal(beam.n_live, twin->lives[n_steps + 1]);
    }
    assert_int_equal(session_free_branches(session), free_branches);
    assert_int_equal(session_free_rows(session), free_rows);
    check_same(twin, &beam);
    beam_close(&beam);
    session_close(session);
    return n_steps;
}

static Case random_case(Random *random, const Model *model) {
    static const double penalties[] = {0, 0.6, 1, 2};
    Case c = {.model = model, .length_penalty = penalties[random_int(random, 0, 3)]};
    for (int i = 0; i < model->config.vocab_size; i++)
        c.flags[i] = random_chance(random, 0.1) ? TOKEN_ENDS_TEXT | TOKEN_IS_CONTROL : 0;
    c.ignore_ends = random_chance(random, 0.2);
    return c;
}

static Model *small_model(Random *random, int vocab_size) {
    Config config = random_config(random, DTYPE_F32);
    config.context_length = CONTEXT;
    if (vocab_size) config.vocab_size = vocab_size;
    return random_model_of(&config, DTYPE_F32, false, random_u64(random));
}

/* Sharp distributions, where a longer text may cost next to nothing. */
static void sharpen(Model *model, int factor) {
    float *output = (float *)model->output.data;
    for (int i = 0; i < model->output.rows * model->output.cols; i++) output[i] *= (float)factor;
}

/* Tokens that cannot be told from each other, in pairs: so extensions, beams and finished texts are equally likely. */
static void pair_tokens(Model *model) {
    const Tensor *tensors[] = {&model->output, &model->token_embedding};
    for (int t = 0; t < 2; t++) {
        float *data = (float *)tensors[t]->data;
        size_t cols = (size_t)tensors[t]->cols;
        for (size_t i = 0; i + 1 < (size_t)tensors[t]->rows; i += 2)
            memcpy(data + (i + 1) * cols, data + i * cols, cols * sizeof *data);
    }
}

static void equals_the_naive_twin(void **state) {
    (void)state;
    Random random = random_from(5);
    int early = 0, ends = 0;
    for (int i = 0; i < 80; i++) {
        bool sharp = i % 2;
        Model *model = small_model(&random, sharp ? 6 : 0);
        if (sharp) sharpen(model, random_int(&random, 2, 12));
        if (i % 4 == 0) pair_tokens(model);
        Case c = random_case(&random, model);
        c.width = random_int(&random, 1, sharp ? 2 : 6);
        c.limit = random_chance(&random, 0.2) ? CONTEXT - CONTINUATIONS_PROMPT + random_int(&random, 0, 2)
                                              : random_int(&random, 1, 12);
        Twin twin = twin_open(&c);
        twin_search(&twin);
        int n_steps = search(&random, &c, &twin);
        for (int j = 0; j < twin.n_finished; j++) ends |= 1 << twin.finished[j].end;
        early += n_steps < c.limit && n_steps < CONTEXT - CONTINUATIONS_PROMPT;
        twin_close(&twin);
        random_model_free(model);
    }
    assert_that(early, >, 0); /* the bound has ended some before their limit, and nothing was lost by it */
    assert_int_equal(ends, 1 << TEXT_END_OF_TEXT | 1 << TEXT_LIMIT | 1 << TEXT_CONTEXT_FULL);
}

static void wide_enough_is_exhaustive(void **state) {
    (void)state;
    Random random = random_from(6);
    for (int i = 0; i < 30; i++) {
        Model *model = small_model(&random, 5);
        Case c = random_case(&random, model);
        c.flags[random_int(&random, 0, 4)] = TOKEN_ENDS_TEXT;
        c.limit = random_int(&random, 1, i % 6 == 0 ? 4 : 3);
        c.width = (int)pow(model->config.vocab_size, c.limit - 1);
        Twin twin = twin_open(&c);
        try_all(&twin, &(Line){0});
        /* Equally good texts would have another order here, but there are none. */
        for (int j = 1; j < twin.n_finished; j++)
            assert_that(score(&c, &twin.finished[j]), <, score(&c, &twin.finished[j - 1]));
        search(&random, &c, &twin);
        twin_close(&twin);
        random_model_free(model);
    }
}

static void open_vocabulary(Random *random, Case *c, MadeUpVocabulary *vocabulary) {
    Error error;
    Image image = {0};
    do {
        made_up_random(vocabulary, random, true);
    } while (vocabulary->n_tokens < FIRST_PIECE + 20);
    image_gguf(&image, vocabulary, true);
    must(tokenizer_parse(&c->tokenizer, image_bytes(&image), &error), &error);
    image_free(&image);
}

/* A stop string finishes a beam, a banned phrase is never completed, a beam may end with its sentence. */
static void phrases_as_the_naive_twin(void **state) {
    (void)state;
    static const char *const words[] = {"a", "b", "c", " ", "ab", "bc", "ca", "aa", "c ", " a", "abc", "\xe2\x82\xac"};
    enum { WORDS = sizeof words / sizeof words[0] };
    Random random = random_from(15);
    int ends = 0, banned = 0;
    for (int i = 0; i < 40; i++) {
        Error error;
        MadeUpVocabulary vocabulary;
        Case parts = {0};
        open_vocabulary(&random, &parts, &vocabulary);
        Model *model = small_model(&random, vocabulary.n_tokens);
        for (int row = FIRST_PIECE; row < vocabulary.n_tokens; row++)
            for (int col = 0; col < model->output.cols; col++) *weight_at(&model->output, row, col) *= 4;
        Case c = random_case(&random, model);
        c.tokenizer = parts.tokenizer;
        c.width = random_int(&random, 1, 4);
        c.limit = random_int(&random, 1, 7);
        for (int t = 0; t < vocabulary.n_tokens; t++)
            if (random_chance(&random, 0.05)) c.flags[t] |= TOKEN_ENDS_SENTENCE;
        c.until = random_chance(&random, 0.3) ? TOKEN_ENDS_SENTENCE : 0;
        c.ignore_ends = random_chance(&random, 0.6);
        for (int j = random_int(&random, 0, 3); j > 0; j--)
            must(phrases_add(&c.stops, words[random_int(&random, 0, j == 3 ? WORDS - 1 : 3)], "stop", &error), &error);
        for (int j = random_int(&random, 0, 4); j > 0; j--)
            must(phrases_add(&c.bans, words[random_int(&random, 0, WORDS - 1)], "ban", &error), &error);
        banned += c.bans.count > 0;
        Twin twin = twin_open(&c);
        twin_search(&twin);
        search(&random, &c, &twin);
        for (int j = 0; j < twin.n_finished; j++) ends |= 1 << twin.finished[j].end;
        twin_close(&twin);
        random_model_free(model);
        tokenizer_close(c.tokenizer);
    }
    assert_int_equal(ends, 1 << TEXT_END_OF_TEXT | 1 << TEXT_LIMIT | 1 << TEXT_STOP_STRING);
    assert_that(banned, >, 10);
}

static void a_limit_of_nothing_is_the_prompt(void **state) {
    (void)state;
    int history[CONTEXT + 1];
    Error error;
    Session *session;
    Beam beam;
    Model *model = random_model(4, DTYPE_F32, true);
    TokenFlags flags[MADE_UP_TOKENS] = {0};
    Sequence prompt = continuations_start(
        &session, model, (SessionOptions){.context = CONTEXT, .branches = beam_branches(2), .threads = 1}, history);
    BeamSetup setup = setup_of(&(Case){.model = model, .width = 2, .length_penalty = 1}, session);
    setup.flags = flags;
    must(beam_open(&beam, &setup, &prompt, &error), &error);
    assert_int_equal(beam.n_live, 0);
    assert_int_equal(beam.n_finished, 1);
    assert_int_equal(beam.finished[0].sequence.length, CONTINUATIONS_PROMPT);
    beam_close(&beam);
    session_close(session);
    random_model_free(model);
}

static void allocations_may_fail(void **state) {
    (void)state;
    int history[CONTEXT + 1], n = 1;
    Error error;
    Session *session;
    Beam beam;
    Model *model = random_model(4, DTYPE_F32, true);
    TokenFlags flags[MADE_UP_TOKENS] = {0};
    Sequence prompt = continuations_start(
        &session, model, (SessionOptions){.context = CONTEXT, .branches = beam_branches(3), .threads = 1}, history);
    BeamSetup setup = setup_of(&(Case){.model = model, .width = 3, .limit = 12, .length_penalty = 1}, session);
    setup.flags = flags;
    int free_branches = session_free_branches(session);
    long alive = memory_hooks_alive();
    for (;; n++) {
        memory_hooks_fail_at(n);
        bool opened = beam_open(&beam, &setup, &prompt, &error);
        memory_hooks_fail_at(0);
        if (opened) break;
        assert_int_equal(memory_hooks_alive(), alive);
    }
    assert_that(n, >, 6);
    for (int i = 0; i < 5; i++) must(beam_step(&beam, &error), &error);
    assert_int_equal(memory_hooks_count(), 0);
    beam_close(&beam); /* in the middle: the branches are given back */
    assert_int_equal(session_free_branches(session), free_branches);
    assert_int_equal(memory_hooks_alive(), alive);
    session_close(session);
    random_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_naive_twin),     cmocka_unit_test(wide_enough_is_exhaustive),
        cmocka_unit_test(phrases_as_the_naive_twin), cmocka_unit_test(a_limit_of_nothing_is_the_prompt),
        cmocka_unit_test(allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Several texts at once: each is the text of a run of its own, event by event, in sessions without a spare row. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/continuations.h"
#include "tests/support/looker.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"
#include "tests/support/text_record.h"

enum { CONTEXT = TEXT_CASE_CONTEXT };

/* ---- writing ---- */

typedef struct {
    Session *session;
    Writer writer;
    int history[CONTEXT + 1];
    Sequence prompt;
    Texts texts;
    TextEar ear;
} Desk;

static void desk_open(Desk *desk, const TextCase *c, SessionOptions options, TextRecord *records) {
    Error error;
    options.context = CONTEXT;
    memcpy(desk->history, continuations_prompt, sizeof continuations_prompt);
    must(session_open(&desk->session, c->model, options, &error), &error);
    must(writer_open(&desk->writer, desk->session, c->model->config.vocab_size, &c->sampler, c->flags, c->none, c->none,
                     c->pieces, &error),
         &error);
    desk->prompt = (Sequence){
        .branch = TRUNK, .history = desk->history, .length = CONTINUATIONS_PROMPT, .state = sampler_start(&c->sampler)};
    must(writer_read(&desk->writer, &desk->prompt, CONTINUATIONS_PROMPT, &error), &error);
    if (text_case_is_kld(c))
        must(session_root(desk->session, &desk->prompt.without, &error) &&
                 session_prefill(desk->session, desk->prompt.without, c->other, TEXT_CASE_OTHER, &error),
             &error);
    desk->ear = (TextEar){.c = c, .writer = &desk->writer, .records = records, .first = c->number};
}

static void desk_close(Desk *desk) {
    writer_close(&desk->writer);
    session_close(desk->session);
}

static void open_texts(Desk *desk, const TextCase *c, int capacity) {
    Error error;
    TextsSetup setup = {.writer = &desk->writer,
                        .tokenizer = c->tokenizer,
                        .stops = &c->stops,
                        .bans = &c->bans,
                        .special = c->special,
                        .at_start = c->at_start,
                        .ignore_ends = c->ignore_ends,
                        .figures = true,
                        .listener = text_ear_hear,
                        .context = &desk->ear};
    must(texts_open(&desk->texts, &setup, capacity, &error), &error);
}

static bool add_text(Desk *desk, const TextCase *c, int i, bool in_place, Error *error) {
    TextStart start = {.prompt = &desk->prompt,
                       .number = c->number + i,
                       .n_prefix = c->n_prefix,
                       .limit = c->limit,
                       .in_place = in_place};
    return texts_add(&desk->texts, &start, error);
}

static TextsSize size_of(const TextCase *c, bool in_place) {
    int room = texts_room(CONTEXT, CONTINUATIONS_PROMPT);
    return (TextsSize){.n_prompts = 1,
                       .count = c->count,
                       .n_prompt = CONTINUATIONS_PROMPT,
                       .n_without = text_case_is_kld(c) ? TEXT_CASE_OTHER : 0,
                       .limit = c->limit >= 0 && c->limit < room ? c->limit : room,
                       .in_place = in_place,
                       .bans = c->bans.count > 0};
}

/* Returns whether the bans left nothing to draw, with the number of the text that it was. */
static bool write_all(const TextCase *c, TextRecord *records, SessionOptions options, int *stuck) {
    Error error;
    Desk desk;
    must(texts_size(&options, &c->sampler, size_of(c, false), &error), &error);
    desk_open(&desk, c, options, records);
    int free_branches = session_free_branches(desk.session), free_rows = session_free_rows(desk.session);
    open_texts(&desk, c, c->count);
    for (int i = 0; i < c->count; i++) must(add_text(&desk, c, i, false, &error), &error);
    bool done = true;
    while (done && desk.texts.n_live > 0) {
        long long passes = session_counts(desk.session).passes;
        done = texts_step(&desk.texts, &error);
        if (done && !c->sampler.future && c->bans.count == 0)
            assert_that(session_counts(desk.session).passes - passes, <=, 1); /* one for all */
    }
    if (!done && !strstr(error.message, "leave no token possible")) fail_msg("%s", error.message);
    if (!done) *stuck = c->count == 1 ? 0 : atoi(error.message + strlen("text ")) - 1 - c->number;
    texts_close(&desk.texts);
    assert_int_equal(session_free_branches(desk.session), free_branches);
    assert_int_equal(session_free_rows(desk.session), free_rows);
    desk_close(&desk);
    return !done;
}

/* As `run` writes one text: on the prompt's own branch. */
static bool write_alone(const TextCase *c, int i, TextRecord *record) {
    Error error;
    Desk desk;
    SessionOptions options = {.context = CONTEXT, .threads = 1, .kv = KV_F32, .block_rows = 3, .batch = 2};
    must(texts_size(&options, &c->sampler, size_of(c, true), &error), &error);
    desk_open(&desk, c, options, record);
    desk.ear.first = c->number + i;
    desk.ear.alone = true;
    desk.ear.start = session_counts(desk.session);
    open_texts(&desk, c, 1);
    must(add_text(&desk, c, i, true, &error), &error);
    bool done = true;
    while (done && desk.texts.n_live > 0) done = texts_step(&desk.texts, &error);
    if (!done && !strstr(error.message, "leave no token possible")) fail_msg("%s", error.message);
    texts_close(&desk.texts);
    desk_close(&desk);
    return !done;
}

static bool contains(const TextRecord *record, Bytes phrase) {
    for (size_t i = 0; i + phrase.size <= record->n_text; i++)
        if (memcmp(record->text + i, phrase.data, phrase.size) == 0) return true;
    return false;
}

static int count_events(const TextRecord *record, TextEventKind kind) {
    int n = 0;
    for (int i = 0; i < record->n_events; i++) n += record->events[i].kind == kind;
    return n;
}

static void check_text(const TextCase *c, const TextRecord *record) {
    const TextHeard *last = &record->events[record->n_events - 1];
    assert_int_equal(last->kind, TEXT_DONE);
    for (int i = 0; i < c->bans.count; i++) assert_false(contains(record, c->bans.items[i]));
    for (int i = 0; i < c->stops.count; i++) assert_false(contains(record, c->stops.items[i]));
    assert_true(c->stops.count > 0 || last->end != TEXT_STOP_STRING);
}

static SessionOptions random_shape(Random *random) {
    SessionOptions options = random_session_options(random, CONTEXT);
    options.kv = KV_F32;
    return options;
}

/* What happened to a batch of texts. */
typedef struct {
    int ends, rewinds, stuck;
} Seen;

static void check_case(TextCase *c, Random *random, Seen *seen) {
    TextRecord *records = calloc(TEXT_CASE_COUNT + 1, sizeof *records), *alone = &records[TEXT_CASE_COUNT];
    int which = -1;
    assert_non_null(records);
    bool stuck = write_all(c, records, random_shape(random), &which);
    seen->stuck += stuck;
    for (int i = 0; i < c->count; i++) {
        memset(alone, 0, sizeof *alone);
        if (stuck && i != which) continue;
        assert_int_equal(write_alone(c, i, alone), stuck);
        text_record_same(alone, &records[i]);
        if (stuck) continue;
        check_text(c, alone);
        seen->ends |= 1 << alone->events[alone->n_events - 1].end;
        seen->rewinds += count_events(alone, TEXT_REWOUND);
    }
    free(records);
}

static void texts_are_separate_runs(void **state) {
    (void)state;
    Random random = random_from(11);
    Seen seen = {0};
    for (uint64_t seed = 0; seed < 60; seed++) {
        TextCase *c = text_case_open(seed, seed % 4 > 0);
        check_case(c, &random, &seen);
        text_case_close(c);
    }
    assert_int_equal(seen.ends,
                     1 << TEXT_END_OF_TEXT | 1 << TEXT_LIMIT | 1 << TEXT_CONTEXT_FULL | 1 << TEXT_STOP_STRING);
    assert_that(seen.rewinds, >, 500);
    assert_that(seen.stuck, <, 6);
}

/* ---- beside a plain loop ---- */

/* The loop without phrases, text or listener: tokens and figures. */
static TextEnd write_plainly(const TextCase *c, Desk *desk, Sequence *sequence, Figures *figures) {
    Error error;
    Writer *writer = &desk->writer;
    int more = sequence->without ? TEXT_CASE_OTHER - CONTINUATIONS_PROMPT : 0,
        context = CONTEXT - (more > 0 ? more : 0);
    for (int n = 0; n != c->limit; n++) {
        if (sequence->length + writer_positions(&c->sampler) > context) return TEXT_CONTEXT_FULL;
        must(writer_draw(writer, sequence, &error), &error);
        int token = writer_drawn(writer).token;
        figures_add(figures, session_logits(desk->session, sequence->branch), c->model->config.vocab_size,
                    c->sampler.lookahead.n, token);
        if (c->flags[token] & TOKEN_ENDS_TEXT && !c->ignore_ends) return TEXT_END_OF_TEXT;
        if (n + 1 == c->limit || sequence->length == context) {
            sequence->history[sequence->length++] = token;
            return n + 1 == c->limit ? TEXT_LIMIT : TEXT_CONTEXT_FULL;
        }
        must(writer_advance(writer, sequence, &error), &error);
    }
    return TEXT_LIMIT;
}

static void texts_are_those_of_a_plain_loop(void **state) {
    (void)state;
    for (uint64_t seed = 100; seed < 130; seed++) {
        Error error;
        Desk desk, plain;
        TextRecord record = {0};
        Figures figures = {0};
        TextCase *c = text_case_open(seed, false);
        SessionOptions options = {.context = CONTEXT, .threads = 1, .kv = KV_F32, .batch = 2};
        must(texts_size(&options, &c->sampler, size_of(c, true), &error), &error);
        desk_open(&desk, c, options, &record);
        desk_open(&plain, c, options, NULL);
        open_texts(&desk, c, 1);
        must(add_text(&desk, c, 0, true, &error), &error);
        while (desk.texts.n_live > 0) must(texts_step(&desk.texts, &error), &error);
        plain.prompt.number = c->number;
        TextEnd end = write_plainly(c, &plain, &plain.prompt, &figures);
        const Continuation *item = &desk.texts.items[0].item;
        assert_int_equal(item->end, end);
        assert_int_equal(item->sequence.length, plain.prompt.length);
        assert_memory_equal(item->sequence.history, plain.history, (size_t)plain.prompt.length * sizeof(int));
        figures_add_pairs(&figures, plain.history + CONTINUATIONS_PROMPT, plain.prompt.length - CONTINUATIONS_PROMPT);
        assert_same_figures(&item->figures, &figures);
        texts_close(&desk.texts);
        desk_close(&desk);
        desk_close(&plain);
        text_case_close(c);
    }
}

/* ---- the prefix ---- */

/* A phrase that begins in the prefix and ends in the drawn text. */
static void phrases_cross_the_prefix(void **state) {
    (void)state;
    int crossed = 0;
    for (uint64_t seed = 200; seed < 240; seed++) {
        Error error;
        uint8_t whole[TEXT_RECORD_BYTES], prefix[64];
        char phrase[3] = "";
        size_t n_prefix = 0;
        TextRecord plain = {0}, stopped = {0}, banned = {0};
        TextCase *c = text_case_open(seed, false);
        c->n_prefix = 2;
        c->limit = 12;
        c->ignore_ends = true;
        TokenStream stream = token_stream_start(c->tokenizer, c->special, c->at_start);
        for (int i = CONTINUATIONS_PROMPT - 2; i < CONTINUATIONS_PROMPT; i++) {
            Bytes bytes = token_stream_bytes(&stream, continuations_prompt[i]);
            token_stream_push(&stream, continuations_prompt[i], prefix + n_prefix);
            if (bytes.size) memcpy(prefix + n_prefix, bytes.data, bytes.size);
            n_prefix += bytes.size;
        }
        assert_false(write_alone(c, 0, &plain));
        bool usable = n_prefix > 0 && plain.n_text > 0 && prefix[n_prefix - 1] && plain.text[0];
        if (usable) {
            memcpy(whole, prefix, n_prefix);
            memcpy(whole + n_prefix, plain.text, plain.n_text);
            phrase[0] = (char)prefix[n_prefix - 1];
            phrase[1] = (char)plain.text[0];
            must(phrases_add(&c->stops, phrase, "stop", &error), &error);
            assert_false(write_alone(c, 0, &stopped));
            assert_int_equal(stopped.events[stopped.n_events - 1].end, TEXT_STOP_STRING);
            assert_int_equal(stopped.n_text, 0);
            c->bans = c->stops;
            c->stops.count = 0;
            if (!write_alone(c, 0, &banned)) {
                assert_that(count_events(&banned, TEXT_REWOUND), >, 0);
                assert_false(contains(&banned, c->bans.items[0]));
                assert_that(banned.text[0], !=, plain.text[0]);
            }
            crossed++;
        }
        text_case_close(c);
    }
    assert_that(crossed, >, 10);
}

/* A first token that is taken back takes its place at the beginning of the text along: the space of the next one is not
 * text either. */
static void going_back_to_the_start(void **state) {
    (void)state;
    int stripped = 0;
    for (uint64_t seed = 400; seed < 520; seed++) {
        Error error;
        TextRecord plain = {0}, banned = {0};
        char first[2] = "";
        TextCase *c = text_case_open(seed, false);
        c->at_start = c->ignore_ends = true;
        c->limit = 2;
        assert_false(write_alone(c, 0, &plain));
        first[0] = (char)(plain.n_text ? plain.text[0] : 0);
        if (first[0] && tokenizer_adds_space_prefix(c->tokenizer)) {
            must(phrases_add(&c->bans, first, "ban", &error), &error);
            bool stuck = write_alone(c, 0, &banned); /* check_whole */
            int n = banned.n_events;
            for (int i = 0; i < n && !stuck; i++)
                stripped += banned.events[i].kind == TEXT_DRAWN && banned.events[i].position == CONTINUATIONS_PROMPT &&
                            tokenizer_piece(c->tokenizer, banned.events[i].token, false).size > 0 &&
                            tokenizer_piece(c->tokenizer, banned.events[i].token, false).data[0] == ' ' && i > 0;
        }
        text_case_close(c);
    }
    assert_that(stripped, >, 0);
}

/* ---- interruptions, memory ---- */

static void an_interruption_gives_out_what_is_held(void **state) {
    (void)state;
    for (uint64_t seed = 300; seed < 315; seed++) {
        Error error;
        Desk desk;
        TextCase *c = text_case_open(seed, true);
        TextRecord *records = calloc(TEXT_CASE_COUNT, sizeof *records);
        SessionOptions options = {.threads = 1, .kv = KV_F32};
        must(texts_size(&options, &c->sampler, size_of(c, false), &error), &error);
        desk_open(&desk, c, options, records);
        int free_branches = session_free_branches(desk.session);
        open_texts(&desk, c, c->count);
        for (int i = 0; i < c->count; i++) must(add_text(&desk, c, i, false, &error), &error);
        bool done = true;
        for (int i = 0; i < 4 && done && desk.texts.n_live > 0; i++) done = texts_step(&desk.texts, &error);
        must(!done || texts_interrupt(&desk.texts, &error), &error);
        for (int i = 0; i < c->count && done; i++) {
            const Continuation *item = &desk.texts.items[i].item;
            size_t n_bytes = 0;
            uint8_t out[64];
            TokenStream stream = token_stream_start(c->tokenizer, c->special, c->at_start);
            for (int j = CONTINUATIONS_PROMPT; j < item->sequence.length; j++) {
                n_bytes += token_stream_bytes(&stream, item->sequence.history[j]).size;
                token_stream_push(&stream, item->sequence.history[j], out);
            }
            assert_int_equal(records[i].events[records[i].n_events - 1].kind, TEXT_DONE);
            assert_int_equal(item->n_bytes, records[i].n_text);
            if (item->end != TEXT_STOP_STRING) assert_int_equal(item->n_bytes, n_bytes);
        }
        texts_close(&desk.texts);
        assert_int_equal(session_free_branches(desk.session), free_branches);
        desk_close(&desk);
        free(records);
        text_case_close(c);
    }
}

static void allocations_may_fail(void **state) {
    (void)state;
    Error error;
    Desk desk;
    int n = 1;
    TextRecord records[3] = {0};
    TextCase *c = text_case_open(3, false);
    c->sampler = sampler_default();
    c->limit = 10;
    c->count = 3;
    must(phrases_add(&c->bans, "abab", "ban", &error), &error);
    SessionOptions options = {.threads = 1, .kv = KV_F32};
    must(texts_size(&options, &c->sampler, size_of(c, false), &error), &error);
    desk_open(&desk, c, options, records);
    long alive = memory_hooks_alive();
    int free_branches = session_free_branches(desk.session);
    TextsSetup setup = {.writer = &desk.writer,
                        .tokenizer = c->tokenizer,
                        .stops = &c->stops,
                        .bans = &c->bans,
                        .figures = true,
                        .listener = text_ear_hear,
                        .context = &desk.ear};
    for (;; n++) {
        memory_hooks_fail_at(n);
        bool opened = texts_open(&desk.texts, &setup, 3, &error), added = opened;
        for (int i = 0; i < 3 && added; i++) added = add_text(&desk, c, i, false, &error);
        memory_hooks_fail_at(0);
        if (added) break;
        if (opened) texts_close(&desk.texts);
        assert_int_equal(memory_hooks_alive(), alive);
        assert_int_equal(session_free_branches(desk.session), free_branches);
    }
    assert_that(n, >, 12);
    while (desk.texts.n_live > 0) {
        must(texts_step(&desk.texts, &error), &error);
        assert_int_equal(memory_hooks_count(), 0); /* what is held back is short */
        memory_hooks_fail_at(0);
    }
    texts_close(&desk.texts);
    assert_int_equal(memory_hooks_alive(), alive);
    desk_close(&desk);
    text_case_close(c);
}

static void no_branch_is_left_for_more(void **state) {
    (void)state;
    Error error;
    Desk desk;
    TextRecord records[3] = {0};
    TextCase *c = text_case_open(3, false);
    c->sampler = sampler_default();
    c->count = 2;
    c->limit = 5;
    SessionOptions options = {.threads = 1, .kv = KV_F32};
    must(texts_size(&options, &c->sampler, size_of(c, false), &error), &error);
    desk_open(&desk, c, options, records);
    open_texts(&desk, c, 3);
    for (int i = 0; i < 2; i++) must(add_text(&desk, c, i, false, &error), &error);
    assert_false(add_text(&desk, c, 2, false, &error));
    assert_non_null(strstr(error.message, "no free branch"));
    texts_close(&desk.texts);
    assert_int_equal(session_free_branches(desk.session), 2);
    desk_close(&desk);
    text_case_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_separate_runs),
        cmocka_unit_test(texts_are_those_of_a_plain_loop),
        cmocka_unit_test(phrases_cross_the_prefix),
        cmocka_unit_test(going_back_to_the_start),
        cmocka_unit_test(an_interruption_gives_out_what_is_held),
        cmocka_unit_test(allocations_may_fail),
        cmocka_unit_test(no_branch_is_left_for_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

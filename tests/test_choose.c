/* Samples side by side: each is what a run of its own writes, in sessions with not a row to spare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/continuations.h"
#include "tests/support/looker.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/random_model.h"

enum { CONTEXT = 40, VOCAB = 67 };

typedef struct {
    const Model *model;
    Sampler sampler;
    TokenFlags flags[VOCAB];
    bool none[VOCAB];
    int count, limit;
    bool ignore_ends;
} Case;

/* Stages that remember, that draw, that look ahead. */
static Sampler random_sampler(Random *random) {
    Sampler sampler = sampler_default();
    sampler.seed = random_u64(random);
    sampler.temperature.base = random_temperature(random);
    if (random_chance(random, 0.2)) sampler.mirostat_tau = 2;
    if (random_chance(random, 0.2)) sampler.temperature.kind = TEMPERATURE_LINEAR;
    if (random_chance(random, 0.2)) sampler.xtc_probability = 0.5f;
    if (random_chance(random, 0.2)) sampler.repeat.repeat = 1.3f;
    if (random_chance(random, 0.2)) sampler.dry.multiplier = 0.8f;
    sampler.future = random_chance(random, 0.6);
    sampler.lookahead = random_lookahead(random);
    sampler.waves = random_chance(random, 0.3);
    sampler.wave = wave_default();
    sampler.wave.period = 5;
    return sampler;
}

/* The loop of a program that writes one text. */
static ChooseEnd write_alone(const Case *c, Writer *writer, Sequence *sequence, Figures *figures) {
    Error error;
    int context = session_options(writer->session).context;
    ChooseEnd end = CHOOSE_LIMIT;
    for (int n = 0; n < c->limit; n++) {
        if (sequence->length + writer_positions(&c->sampler) > context) {
            end = CHOOSE_CONTEXT_FULL;
            break;
        }
        if (!writer_draw(writer, sequence, &error)) fail_msg("%s", error.message);
        int token = writer_drawn(writer).token;
        figures_add(figures, session_logits(writer->session, sequence->branch), c->model->config.vocab_size,
                    c->sampler.lookahead.n, token);
        if (c->flags[token] & TOKEN_ENDS_TEXT && !c->ignore_ends) {
            end = CHOOSE_TEXT_ENDED;
            break;
        }
        if (n + 1 == c->limit || sequence->length == context) {
            sequence->history[sequence->length++] = token;
            end = n + 1 == c->limit ? CHOOSE_LIMIT : CHOOSE_CONTEXT_FULL;
            break;
        }
        if (!writer_advance(writer, sequence, &error)) fail_msg("%s", error.message);
    }
    figures_add_pairs(figures, sequence->history + CONTINUATIONS_PROMPT, sequence->length - CONTINUATIONS_PROMPT);
    return end;
}

static void open_writer(Writer *writer, Session *session, const Case *c) {
    Error error;
    if (!writer_open(writer, session, c->model->config.vocab_size, &c->sampler, c->flags, c->none, c->none, NULL,
                     &error))
        fail_msg("%s", error.message);
}

static void check_alone(const Case *c, const Continuation *item, int number) {
    int history[CONTEXT + 1];
    Session *session;
    Writer writer;
    Figures figures = {0};
    Sequence sequence = continuations_start(
        &session, c->model,
        (SessionOptions){.context = CONTEXT, .branches = 1 + 2 * LOOKAHEAD_MAX_K, .threads = 1, .kv = KV_F32}, history);
    open_writer(&writer, session, c);
    sequence.number = number;
    sequence.state = sampler_start(&c->sampler);
    ChooseEnd end = write_alone(c, &writer, &sequence, &figures);
    assert_int_equal(item->sequence.number, number);
    assert_int_equal(item->sequence.length, sequence.length);
    assert_memory_equal(item->sequence.history, history, (size_t)sequence.length * sizeof(int));
    assert_memory_equal(&item->sequence.state.clock, &sequence.state.clock, sizeof sequence.state.clock);
    assert_true(item->sequence.state.mirostat.mu == sequence.state.mirostat.mu);
    assert_int_equal(item->end, end);
    assert_same_figures(&item->figures, &figures);
    writer_close(&writer);
    session_close(session);
}

static Case random_case(Random *random, const Model *model) {
    Case c = {.model = model, .sampler = random_sampler(random)};
    for (int i = 0; i < model->config.vocab_size; i++) {
        c.flags[i] = random_chance(random, 0.5) ? TOKEN_BEGINS_WORD : 0;
        if (random_chance(random, 0.06)) c.flags[i] |= TOKEN_ENDS_TEXT | TOKEN_IS_CONTROL;
    }
    c.count = random_int(random, 1, 7);
    c.limit = random_chance(random, 0.3) ? CONTEXT - CONTINUATIONS_PROMPT + random_int(random, 1, 3)
                                         : random_int(random, 0, 24);
    c.ignore_ends = random_chance(random, 0.3);
    return c;
}

/* Returns how each ended, as bits. */
static int check_case(Random *random, const Case *c) {
    int history[CONTEXT + 1], ends = 0;
    Error error;
    Session *session;
    Writer writer;
    Choose choose;
    SessionOptions options = random_session_options(random, CONTEXT);
    options.kv = KV_F32;
    options.branches = choose_branches(&c->sampler, c->count);
    options.rows = (int)choose_rows(&c->sampler, c->count, CONTINUATIONS_PROMPT, c->limit, options.block_rows);
    Sequence prompt = continuations_start(&session, c->model, options, history);
    prompt.state = sampler_start(&c->sampler);
    open_writer(&writer, session, c);
    int free_branches = session_free_branches(session), free_rows = session_free_rows(session);
    if (!choose_open(&choose, &writer, &prompt, c->count, c->limit, c->ignore_ends, &error))
        fail_msg("%s", error.message);
    long long passes = session_counts(session).passes, n_steps = 0;
    for (; choose.n_live > 0; n_steps++)
        if (!choose_step(&choose, &error)) fail_msg("%s", error.message);
    if (!c->sampler.future) assert_true(session_counts(session).passes - passes <= n_steps); /* one a step, for all */
    assert_int_equal(session_free_branches(session), free_branches);
    assert_int_equal(session_free_rows(session), free_rows);
    for (int i = 0; i < c->count; i++) check_alone(c, &choose.items[i], i);
    for (int i = 0; i < c->count; i++) ends |= 1 << choose.items[i].end;
    choose_close(&choose);
    writer_close(&writer);
    session_close(session);
    return ends;
}

static void samples_are_separate_runs(void **state) {
    (void)state;
    Random random = random_from(11);
    int ends = 0;
    for (int i = 0; i < 25; i++) {
        Config config = random_config(&random, DTYPE_F32);
        config.context_length = CONTEXT;
        Model *model = random_model_of(&config, DTYPE_F32, false, random_u64(&random));
        Case c = random_case(&random, model);
        ends |= check_case(&random, &c);
        random_model_free(model);
    }
    assert_int_equal(ends, 1 << CHOOSE_TEXT_ENDED | 1 << CHOOSE_LIMIT | 1 << CHOOSE_CONTEXT_FULL);
}

/* Blocks that are begun and never filled are reckoned with. */
static void rows_are_enough(void **state) {
    (void)state;
    Random random = random_from(12);
    Model *model = random_model(3, DTYPE_F32, false);
    Case c = {.model = model, .sampler = sampler_default(), .count = 6};
    for (c.limit = 1; c.limit < 10; c.limit++)
        for (int i = 0; i < 3; i++) assert_int_equal(check_case(&random, &c), 1 << CHOOSE_LIMIT);
    c.limit = CONTEXT; /* more than fits */
    assert_int_equal(check_case(&random, &c), 1 << CHOOSE_CONTEXT_FULL);
    random_model_free(model);
}

static void samples_differ(void **state) {
    (void)state;
    int history[CONTEXT + 1];
    Error error;
    Session *session;
    Writer writer;
    Choose choose;
    Model *model = random_model(3, DTYPE_F32, false);
    Case c = {.model = model, .sampler = sampler_default()};
    c.sampler.temperature.base = 2;
    Sequence prompt = continuations_start(&session, model,
                                          (SessionOptions){.context = CONTEXT, .branches = 3, .threads = 1}, history);
    prompt.state = sampler_start(&c.sampler);
    open_writer(&writer, session, &c);
    assert_true(choose_open(&choose, &writer, &prompt, 2, 10, false, &error));
    for (int i = 0; i < 3; i++) assert_true(choose_step(&choose, &error));
    const int *first = choose.items[0].sequence.history, *second = choose.items[1].sequence.history;
    assert_memory_not_equal(first + CONTINUATIONS_PROMPT, second + CONTINUATIONS_PROMPT, 3 * sizeof(int));
    assert_int_equal(session_free_branches(session), 0);
    choose_close(&choose); /* unfinished: the branches are given back */
    assert_int_equal(session_free_branches(session), 2);
    assert_false(choose_open(&choose, &writer, &prompt, 3, 10, false, &error));
    assert_non_null(strstr(error.message, "no free branch"));
    assert_int_equal(session_free_branches(session), 2);
    writer_close(&writer);
    session_close(session);
    random_model_free(model);
}

static void allocations_may_fail(void **state) {
    (void)state;
    int history[CONTEXT + 1], n = 1;
    Error error;
    Session *session;
    Writer writer;
    Choose choose;
    Model *model = random_model(3, DTYPE_F32, false);
    Case c = {.model = model, .sampler = sampler_default()};
    Sequence prompt = continuations_start(&session, model,
                                          (SessionOptions){.context = CONTEXT, .branches = 4, .threads = 1}, history);
    open_writer(&writer, session, &c);
    long alive = memory_hooks_alive();
    for (;; n++) {
        memory_hooks_fail_at(n);
        bool opened = choose_open(&choose, &writer, &prompt, 3, 10, false, &error);
        memory_hooks_fail_at(0);
        if (opened) break;
        assert_int_equal(memory_hooks_alive(), alive);
        assert_int_equal(session_free_branches(session), 3);
    }
    assert_true(n > 4);
    while (choose.n_live > 0) {
        if (!choose_step(&choose, &error)) fail_msg("%s", error.message);
        assert_int_equal(memory_hooks_count(), 0);
        memory_hooks_fail_at(0);
    }
    choose_close(&choose);
    assert_int_equal(memory_hooks_alive(), alive);
    writer_close(&writer);
    session_close(session);
    random_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_separate_runs),
        cmocka_unit_test(rows_are_enough),
        cmocka_unit_test(samples_differ),
        cmocka_unit_test(allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The editor on random models whose tokens have short random texts, so that phrases are frequent and cross tokens. */
#include <stdio.h>
#include <string.h>

#include "sampler/text/editor.h"
#include "tests/support/continuations.h"
#include "tests/support/looker.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"

enum { CONTEXT = 80, PROMPT = 45, VOCAB_MAX = 300, BANS_MAX = 4096, TOKEN_BYTES = 3 };

/* The model and vocabulary of the texts. */
typedef struct {
    Model *model;
    Sampler sampler;
    int prompt[PROMPT], other[PROMPT], n_other; /* the other: without the source, for kld */
    char pieces[VOCAB_MAX][TOKEN_BYTES + 1];
    TokenFlags flags[VOCAB_MAX];
    bool none[VOCAB_MAX];
} World;

typedef struct {
    const World *world;
    Session *session;
    Writer writer;
    Sequence sequence;
    int history[CONTEXT + 1];
} Desk;

static Sampler random_sampler(Random *random) {
    static const char *const policies[] = {"fixed", "linear", "edt", "edt-instance", "kld", "dynatemp", "target"};
    Sampler sampler = sampler_default();
    sampler.seed = random_u64(random);
    must_set(&sampler, "min-p", "0");
    must_set(&sampler, "temp", random_chance(random, 0.2) ? "0" : "1.5");
    must_set(&sampler, "temp-policy", policies[random_int(random, 0, 6)]);
    must_set(&sampler, "entropy-target", "2@0.7");
    if (random_chance(random, 0.5)) must_set(&sampler, "mirostat-tau", "3");
    if (random_chance(random, 0.5)) must_set(&sampler, "repeat-penalty", "1.2");
    if (random_chance(random, 0.3)) must_set(&sampler, "temp-first", NULL);
    sampler.future = random_chance(random, 0.5);
    sampler.lookahead = random_lookahead(random);
    if (random_chance(random, 0.3)) must_set(&sampler, "wave", "sine:1:7");
    return sampler;
}

static World world_of(uint64_t seed, int vocab_size) {
    Random random = random_from(seed);
    World world = {.sampler = random_sampler(&random)};
    Config config = random_config(&random, DTYPE_F32);
    config.context_length = CONTEXT;
    if (vocab_size > 0) config.vocab_size = vocab_size;
    world.model = random_model_of(&config, DTYPE_F32, false, seed);
    for (int i = 0; i < PROMPT; i++) world.prompt[i] = random_int(&random, 0, config.vocab_size - 1);
    for (int i = 0; i < PROMPT; i++) world.other[i] = random_int(&random, 0, config.vocab_size - 1);
    world.n_other = random_int(&random, 1, PROMPT);
    for (int t = 0; t < config.vocab_size; t++) {
        int length = random_int(&random, 0, TOKEN_BYTES);
        for (int i = 0; i < length; i++) world.pieces[t][i] = (char)random_int(&random, 'a', 'c');
    }
    random_flags(&random, world.flags, config.vocab_size);
    return world;
}

static World world_open(uint64_t seed) { return world_of(seed, 0); }

static void world_close(World *world) { random_model_free(world->model); }

static void desk_open(Desk *desk, const World *world) {
    Error error;
    const Sampler *sampler = &world->sampler;
    SessionOptions options = {.threads = 1, .block_rows = 4, .branches = 4 + writer_branches(sampler)};
    options.rows = 2 * (CONTEXT + 4) + writer_rows(sampler, 4);
    *desk = (Desk){.world = world,
                   .sequence = {.branch = TRUNK, .length = PROMPT, .number = 3, .state = sampler_start(sampler)}};
    Sequence *sequence = &desk->sequence;
    sequence->history = desk->history;
    memcpy(desk->history, world->prompt, sizeof world->prompt);
    bool done = session_open(&desk->session, world->model, options, &error) &&
                writer_open(&desk->writer, desk->session, world->model->config.vocab_size, sampler, world->flags,
                            world->none, world->none, NULL, &error) &&
                writer_read(&desk->writer, sequence, PROMPT, &error);
    if (done && sampler->temperature.kind == TEMPERATURE_KLD)
        done = session_root(desk->session, &sequence->without, &error) &&
               session_prefill(desk->session, sequence->without, world->other, world->n_other, &error);
    must(done && writer_mark(&desk->writer, sequence, &error), &error);
}

static void desk_close(Desk *desk) {
    writer_close(&desk->writer);
    session_close(desk->session);
}

static bool has_room(const Desk *desk) {
    return desk->sequence.length + 1 + writer_positions(&desk->world->sampler) <= CONTEXT;
}

/* The text that an editor has given out, and the bans that led to it. */
typedef struct {
    char text[TOKEN_BYTES * CONTEXT + 1];
    size_t size;
    TokenBan bans[BANS_MAX];
    int n_bans, rewinds;
    bool stopped, stuck;
    char refusal[200]; /* too many bans or rewinds */
} Outcome;

static void gather(Outcome *outcome, Bytes bytes) {
    memcpy(outcome->text + outcome->size, bytes.data, bytes.size);
    outcome->size += bytes.size;
}

static void gather_ban(Outcome *outcome, const Editor *editor) {
    TokenBan ban = editor->bans[editor->n_bans - 1];
    int kept = 0;
    for (int i = 0; i < outcome->n_bans; i++) {
        bool again = outcome->bans[i].position == ban.position && outcome->bans[i].token == ban.token;
        assert_false(again); /* each is new, so it ends */
        if (outcome->bans[i].position <= ban.position) outcome->bans[kept++] = outcome->bans[i];
    }
    assert_that(kept, <, BANS_MAX);
    outcome->bans[kept++] = ban;
    outcome->n_bans = kept;
}

static size_t open_end(const Phrases *phrases, const Outcome *outcome, const Editor *editor) {
    char text[sizeof outcome->text];
    size_t held = editor->size - editor->given;
    memcpy(text, outcome->text, outcome->size);
    memcpy(text + outcome->size, editor->text + editor->given, held);
    return phrases_open_end(phrases, (Bytes){(const uint8_t *)text, outcome->size + held});
}

/* Bytes that may become part of a phrase are held back, and no others. */
static void check_held(const Outcome *outcome, const Editor *editor) {
    size_t ban = open_end(editor->banned, outcome, editor), stop = open_end(editor->stops, outcome, editor);
    size_t held = editor->size - editor->given;
    assert_that(held, >=, ban);
    assert_that(held, >=, stop);
    if (ban == 0) assert_int_equal(held, stop);
}

static void write_text(Desk *desk, const Phrases *stops, const Phrases *bans, Outcome *outcome) {
    Error error;
    Editor editor;
    Writer *writer = &desk->writer;
    *outcome = (Outcome){0};
    must(editor_open(&editor, stops, bans, &error), &error);
    while (has_room(desk) && !outcome->stopped) {
        EditorVerdict verdict;
        if (!editor_draw(&editor, writer, &desk->sequence, &error)) {
            outcome->stuck = strstr(error.message, "leave no token possible") != NULL;
            must(outcome->stuck, &error);
            break;
        }
        const char *piece = desk->world->pieces[writer_drawn(writer).token];
        Bytes bytes = {(const uint8_t *)piece, strlen(piece)};
        if (!editor_read(&editor, writer, &desk->sequence, bytes, &verdict, &error)) {
            assert_non_null(strstr(error.message, "no more are tried"));
            strcpy(outcome->refusal, error.message);
            break;
        }
        outcome->stopped = verdict == EDITOR_STOPS;
        if (verdict == EDITOR_REWOUND) gather_ban(outcome, &editor);
        if (verdict != EDITOR_GOES_ON) continue;
        gather(outcome, editor_ready(&editor, 0));
        check_held(outcome, &editor);
        must(writer_advance(writer, &desk->sequence, &error), &error);
    }
    gather(outcome, editor_rest(&editor));
    outcome->rewinds = editor.rewinds;
    desk->sequence.bans = NULL;
    desk->sequence.n_bans = 0;
    editor_close(&editor);
}

static Phrases random_phrases(Random *random, char words[][6], int n) {
    Error error;
    Phrases phrases = {0};
    for (int i = 0; i < n; i++) {
        int length = random_int(random, 3, 5);
        for (int j = 0; j < length; j++) words[i][j] = (char)random_int(random, 'a', 'c');
        words[i][length] = '\0';
        must(phrases_add(&phrases, words[i], "ban", &error), &error);
    }
    return phrases;
}

static void same_row(const Desk *a, const Desk *b, int branch_a, int branch_b) {
    const float *x = session_logits(a->session, branch_a), *y = session_logits(b->session, branch_b);
    assert_non_null(x);
    assert_non_null(y);
    assert_memory_equal(x, y, (size_t)a->world->model->config.vocab_size * sizeof *x);
}

static void same_desks(const Desk *a, const Desk *b) {
    assert_int_equal(a->sequence.length, b->sequence.length);
    assert_memory_equal(a->history, b->history, (size_t)a->sequence.length * sizeof(int));
    same_row(a, b, a->sequence.branch, b->sequence.branch);
    if (a->sequence.without) same_row(a, b, a->sequence.without, b->sequence.without);
    assert_same_state(&a->sequence.state, &b->sequence.state);
}

/* A run in which the banned tokens have no probability from the beginning. */
static void write_with_bans(Desk *desk, const Outcome *outcome, int length) {
    Error error;
    desk->sequence.bans = outcome->bans;
    desk->sequence.n_bans = outcome->n_bans;
    while (desk->sequence.length < length)
        must(writer_draw(&desk->writer, &desk->sequence, &error) &&
                 writer_advance(&desk->writer, &desk->sequence, &error),
             &error);
}

static void check_text(const Desk *desk, const Outcome *outcome, const Phrases *bans) {
    char whole[TOKEN_BYTES * CONTEXT + 1] = "";
    size_t begin, end;
    for (int i = PROMPT; i < desk->sequence.length; i++) strcat(whole, desk->world->pieces[desk->history[i]]);
    assert_int_equal(outcome->size, strlen(whole));
    assert_memory_equal(outcome->text, whole, outcome->size);
    assert_false(phrases_find(bans, (Bytes){(const uint8_t *)whole, strlen(whole)}, 0, &begin, &end));
}

static void banned_tokens_might_never_have_been_drawn(void **state) {
    (void)state;
    int rewinds = 0, stuck = 0;
    static Outcome outcome;
    for (uint64_t seed = 0; seed < 80; seed++) {
        char words[3][6];
        Random random = random_from(seed + 1000);
        World world = world_open(seed);
        Phrases stops = {0}, bans = random_phrases(&random, words, random_int(&random, 1, 2));
        Desk desk, other;
        desk_open(&desk, &world);
        desk_open(&other, &world);
        write_text(&desk, &stops, &bans, &outcome);
        check_text(&desk, &outcome, &bans);
        rewinds += outcome.rewinds;
        stuck += outcome.stuck;
        if (!outcome.stuck) {
            write_with_bans(&other, &outcome, desk.sequence.length);
            same_desks(&desk, &other);
        }
        desk_close(&desk);
        desk_close(&other);
        world_close(&world);
    }
    assert_that(rewinds, >, 300);
    assert_that(stuck, <, 20);
}

static void the_text_ends_before_the_first_stop_string(void **state) {
    (void)state;
    int stopped = 0;
    static Outcome free_text, cut;
    for (uint64_t seed = 0; seed < 60; seed++) {
        char words[2][6];
        Random random = random_from(seed + 2000);
        World world = world_open(seed);
        Phrases none = {0}, stops = random_phrases(&random, words, 2);
        Desk desk;
        size_t begin, end;
        desk_open(&desk, &world);
        write_text(&desk, &none, &none, &free_text);
        desk_close(&desk);
        desk_open(&desk, &world);
        write_text(&desk, &stops, &none, &cut);
        desk_close(&desk);
        Bytes text = {(const uint8_t *)free_text.text, free_text.size};
        assert_int_equal(cut.stopped, phrases_find(&stops, text, 0, &begin, &end));
        assert_int_equal(cut.size, cut.stopped ? begin : text.size);
        assert_memory_equal(cut.text, free_text.text, cut.size);
        stopped += cut.stopped;
        world_close(&world);
    }
    assert_that(stopped, >, 20);
    assert_that(stopped, <, 60);
}

/* If every token completes the banned phrase, all are tried; then it is an error, and no byte is given out. */
static void a_position_where_all_is_banned_is_an_error(void **state) {
    (void)state;
    Error error;
    static Outcome outcome;
    World world = world_open(7);
    int vocab_size = world.model->config.vocab_size;
    for (int t = 0; t < vocab_size; t++) strcpy(world.pieces[t], "ab");
    Phrases stops = {0}, bans = {0};
    must(phrases_add(&bans, "b", "ban", &error), &error);
    must(phrases_add(&stops, "aba", "stop", &error), &error);
    Desk desk;
    desk_open(&desk, &world);
    write_text(&desk, &stops, &bans, &outcome);
    assert_true(outcome.stuck);
    assert_int_equal(outcome.rewinds, vocab_size);
    assert_int_equal(outcome.size, 0);
    assert_int_equal(desk.sequence.length, PROMPT);
    desk_close(&desk);
    world_close(&world);
}

/* More tokens complete the banned phrase than can be banned at one position. */
static void bans_at_a_position_are_limited(void **state) {
    (void)state;
    Error error;
    static Outcome outcome;
    World world = world_of(7, 300);
    for (int t = 0; t < 300; t++) strcpy(world.pieces[t], "ab");
    world.sampler.top_k = (Steer){0, 0, true};
    Phrases stops = {0}, bans = {0};
    must(phrases_add(&bans, "b", "ban", &error), &error);
    Desk desk;
    desk_open(&desk, &world);
    write_text(&desk, &stops, &bans, &outcome);
    assert_string_equal(outcome.refusal,
                        "position 45: banned phrase 'b': 256 tokens are banned here, no more are tried");
    assert_int_equal(outcome.rewinds, EDITOR_BANS);
    assert_int_equal(outcome.size, 0);
    desk_close(&desk);
    world_close(&world);
}

/* Nested phrases: each a at the first position costs a round of all b and c at the later ones, whose bans are
 * forgotten each time. No position has many, and it would still take long. */
static void rewinds_are_limited(void **state) {
    (void)state;
    enum { EACH = 20 };
    static const char *const phrases[] = {"b", "cc", "aa", "acd"}; /* the last one holds the a of "ac" */
    static Outcome outcome;
    Error error;
    World world = world_of(9, 3 * EACH + 1);
    world.sampler = sampler_default();
    must_set(&world.sampler, "temp", "0");
    for (int t = 0; t < 3 * EACH; t++) {
        char bias[32];
        int kind = t / EACH; /* b before c before a, whatever the model says */
        snprintf(bias, sizeof bias, "%d+%d", t, 3000 - 1000 * kind);
        must_set(&world.sampler, "logit-bias", bias);
        strcpy(world.pieces[t], (const char *[]){"b", "c", "a"}[kind]);
    }
    strcpy(world.pieces[3 * EACH], "e");
    Phrases stops = {0}, bans = {0};
    for (int i = 0; i < 4; i++) must(phrases_add(&bans, phrases[i], "ban", &error), &error);
    Desk desk;
    desk_open(&desk, &world);
    write_text(&desk, &stops, &bans, &outcome);
    assert_non_null(strstr(outcome.refusal, ": 4096 rewinds without progress, no more are tried"));
    assert_int_equal(outcome.rewinds, EDITOR_REWINDS);
    for (int i = 0; i < outcome.n_bans; i++) {
        int here = 0;
        for (int j = 0; j < outcome.n_bans; j++) here += outcome.bans[j].position == outcome.bans[i].position;
        assert_that(here, <, EDITOR_BANS);
    }
    desk_close(&desk);
    world_close(&world);
}

/* If one token completes both, the phrase that ends first counts; the stop string if they end together. */
static void the_phrase_that_ends_first_counts(void **state) {
    (void)state;
    static const struct {
        const char *stop, *ban;
        bool stops;
    } cases[] = {{"ab", "bc", true}, {"bc", "ab", false}, {"c", "abc", true}, {"abc", "c", true}};
    static Outcome outcome;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Error error;
        World world = world_open(11);
        for (int t = 0; t < world.model->config.vocab_size; t++) strcpy(world.pieces[t], "abc");
        Phrases stops = {0}, bans = {0};
        must(phrases_add(&stops, cases[i].stop, "stop", &error), &error);
        must(phrases_add(&bans, cases[i].ban, "ban", &error), &error);
        Desk desk;
        desk_open(&desk, &world);
        write_text(&desk, &stops, &bans, &outcome);
        assert_int_equal(outcome.stopped, cases[i].stops);
        assert_int_equal(outcome.size, cases[i].stops ? strstr("abc", cases[i].stop) - "abc" : 0);
        desk_close(&desk);
        world_close(&world);
    }
}

static void failed_allocations_are_reported(void **state) {
    (void)state;
    Error error;
    Editor editor;
    Phrases none = {0}, bans = {0};
    must(phrases_add(&bans, "abc", "ban", &error), &error);
    long alive = memory_hooks_alive();
    for (long n = 1; n <= 3; n++) {
        memory_hooks_fail_at(n);
        assert_false(editor_open(&editor, &none, &bans, &error));
        assert_int_equal(memory_hooks_alive(), alive);
    }
    memory_hooks_fail_at(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(banned_tokens_might_never_have_been_drawn),
        cmocka_unit_test(the_text_ends_before_the_first_stop_string),
        cmocka_unit_test(a_position_where_all_is_banned_is_an_error),
        cmocka_unit_test(bans_at_a_position_are_limited),
        cmocka_unit_test(rewinds_are_limited),
        cmocka_unit_test(the_phrase_that_ends_first_counts),
        cmocka_unit_test(failed_allocations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rules (--at) in the writer on random models whose tokens hold quotes, digits and newlines: each step's sampler is
 * that of the places that a twin finds in the whole text, whatever was rewound, forked, promoted or banned before. */
#include <stdio.h>
#include <string.h>

#include "sampler/text/editor.h"
#include "tensor/utf8.h"
#include "tests/support/continuations.h"
#include "tests/support/looker.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/naive_places.h"
#include "tests/support/random_model.h"
#include "tests/support/test.h"

enum { CONTEXT = 80, PROMPT = 25, VOCAB_MAX = 67, TEXT = 8 * CONTEXT };

static const char *const texts[] = {
    "\"", " \"", ",\"", ".",       "\n", "\n\n",         " ",    "3",        "1.", "$",       "a", " b", "Ab",
    "_",  "c9",  "`",   "\n```\n", "",   "\xe2\x80\x9c", "\x9d", "\xe2\x80", "!",  "\xc3\xa9"};

typedef struct {
    Model *model;
    Sampler sampler;
    int prompt[PROMPT], vocab;
    Bytes pieces[VOCAB_MAX];
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

/* Each rule has a T of its own, which identifies it. */
static Sampler random_sampler(Random *random) {
    static const char *const places[] = {"speech",          "number",     "code",     "identifier", "sentence-start",
                                         "paragraph-start", "line-start", "/[ab].?/", "/\"[^\"]*/"};
    static const char *const more[] = {"",
                                       ",top-k=5",
                                       ",fe,alpha=0.5",
                                       ",fe,fe-k=9,fe-depth=2,fe-at=token",
                                       ",preset=precise",
                                       ",repeat-penalty=1.3",
                                       ",wave=sine:1:5"};
    Sampler sampler = sampler_default();
    sampler.seed = random_u64(random);
    must_set(&sampler, "min-p", "0");
    sampler.future = random_chance(random, 0.3);
    sampler.lookahead.k = 4;
    for (int i = random_int(random, 1, 6); i > 0; i--) {
        char rule[200];
        snprintf(rule, sizeof rule, "%s:temp=%d.5%s", places[random_int(random, 0, 8)], i,
                 more[random_int(random, 0, 6)]);
        must_set(&sampler, "at", rule);
    }
    return sampler;
}

static World world_open(uint64_t seed) {
    Random random = random_from(seed);
    World world = {.sampler = random_sampler(&random)};
    Config config = random_config(&random, DTYPE_F32);
    config.context_length = CONTEXT;
    world.vocab = config.vocab_size;
    world.model = random_model_of(&config, DTYPE_F32, false, seed);
    for (int i = 0; i < PROMPT; i++) world.prompt[i] = random_int(&random, 0, config.vocab_size - 1);
    for (int t = 0; t < config.vocab_size; t++) {
        const char *text = texts[random_int(&random, 0, (int)(sizeof texts / sizeof texts[0]) - 1)];
        world.pieces[t] = (Bytes){(const uint8_t *)text, strlen(text)};
        world.flags[t] = (TokenFlags)(random_chance(&random, 0.5) ? TOKEN_BEGINS_WORD : 0);
    }
    world.flags[1] |= TOKEN_ENDS_TEXT;
    return world;
}

static void world_close(World *world) { random_model_free(world->model); }

static void open_writer(Writer *writer, Session *session, const World *world) {
    Error error;
    must(writer_open(writer, session, world->vocab, &world->sampler, world->flags, world->none, world->none,
                     world->pieces, &error),
         &error);
}

static void desk_open(Desk *desk, const World *world, int context) {
    Error error;
    const Sampler *sampler = &world->sampler;
    SessionOptions options = {
        .threads = 1, .block_rows = 4, .branches = 3 + writer_branches(sampler), .context = context};
    options.rows = 2 * (CONTEXT + 4) + writer_rows(sampler, 4);
    *desk = (Desk){.world = world,
                   .sequence = {.branch = TRUNK, .length = PROMPT, .number = 3, .state = sampler_start(sampler)}};
    desk->sequence.history = desk->history;
    memcpy(desk->history, world->prompt, sizeof world->prompt);
    must(session_open(&desk->session, world->model, options, &error), &error);
    open_writer(&desk->writer, desk->session, world);
    if (!writer_read(&desk->writer, &desk->sequence, 7, &error) || /* in parts, as a long prompt is */
        !writer_read(&desk->writer, &desk->sequence, PROMPT - 7, &error) ||
        !writer_mark(&desk->writer, &desk->sequence, &error))
        fail_msg("%s", error.message);
}

static void desk_close(Desk *desk) {
    writer_close(&desk->writer);
    session_close(desk->session);
}

/* The bytes of the tokens since the last that ends a text. */
static Bytes text_of(const World *world, const int *history, int n, char *out) {
    size_t size = 0;
    for (int i = 0; i < n; i++) {
        Bytes piece = world->pieces[history[i]];
        memcpy(out + size, piece.data, piece.size);
        size = world->flags[history[i]] & TOKEN_ENDS_TEXT ? 0 : size + piece.size;
    }
    return (Bytes){(const uint8_t *)out, size};
}

/* The two patterns of random_sampler without PCRE2; each byte that is not UTF-8 is a character. */
static bool pattern_holds(const char *rule, Bytes text) {
    char last = ' ', before = ' '; /* 'x' for what is not ASCII */
    bool quote = false;
    for (size_t i = 0; i < text.size;) {
        int length = utf8_length(text.data + i, text.size - i);
        if (length == 0) break;
        before = last;
        last = length == 1 ? (char)text.data[i] : 'x';
        quote = quote || last == '"';
        i += length < 0 ? 1 : (size_t)length;
    }
    if (rule[1] == '"') return quote;
    return last == 'a' || last == 'b' || ((before == 'a' || before == 'b') && last != '\n');
}

static PlaceSet expected_rules(const World *world, const int *history, int n) {
    char out[TEXT];
    bool holds[PLACE_KINDS];
    PlaceSet set = 0;
    Bytes text = text_of(world, history, n, out);
    naive_places(text, holds);
    if (text.size > 0 && text.data[0] == ' ') text.data++, text.size--;
    for (int i = 0; i < world->sampler.n_rules; i++) {
        const PlaceRule *rule = &world->sampler.rules[i];
        if (rule->place == PLACE_REGEX ? pattern_holds(rule->text, text) : holds[rule->place]) set |= (PlaceSet)1 << i;
    }
    return set;
}

/* T of the last rule that holds, which is in its text; what the base has where none does. */
static double expected_temperature(const World *world, PlaceSet held) {
    double temperature = world->sampler.temperature.base;
    for (int i = 0; i < world->sampler.n_rules; i++) {
        const char *settings = world->sampler.rules[i].text + world->sampler.rules[i].settings;
        if (!(held >> i & 1)) continue;
        temperature = strstr(settings, "precise") ? 0.3 : settings[5] - '0' + 0.5;
    }
    return temperature;
}

static void check_step(const World *world, const Writer *writer, const Sequence *sequence) {
    PlaceSet held = expected_rules(world, sequence->history, sequence->length);
    if (writer->held != held) {
        char out[TEXT];
        Bytes text = text_of(world, sequence->history, sequence->length, out);
        for (int i = 0; i < world->sampler.n_rules; i++) print_message("%d %s\n", i, world->sampler.rules[i].text);
        fail_msg("held %x, expected %x after {%.*s}", writer->held, held, (int)text.size, (const char *)text.data);
    }
    assert_that(writer->temperature, ==, expected_temperature(world, held));
}

static bool has_room(const Desk *desk) {
    return desk->sequence.length + 1 + writer_positions(&desk->world->sampler) <= CONTEXT;
}

/* ---- Each step, with bans that rewind ---- */

static void rules_hold_where_they_say(void **unused) {
    (void)unused;
    Error error;
    int held = 0, steps = 0, rewinds = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        World world = world_open(seed);
        Desk desk;
        Editor editor;
        Phrases stops = {0}, bans = {0};
        must(phrases_add(&bans, "\"a", "ban", &error), &error);
        must(phrases_add(&bans, "3.", "ban", &error), &error);
        must(phrases_add(&bans, "\n3", "ban", &error), &error);
        desk_open(&desk, &world, 0);
        must(editor_open(&editor, &stops, &bans, &error), &error);
        while (has_room(&desk)) {
            EditorVerdict verdict;
            if (!editor_draw(&editor, &desk.writer, &desk.sequence, &error)) break; /* all are banned */
            check_step(&world, &desk.writer, &desk.sequence);
            held += desk.writer.held != 0;
            steps++;
            Bytes piece = world.pieces[writer_drawn(&desk.writer).token];
            must(editor_read(&editor, &desk.writer, &desk.sequence, piece, &verdict, &error), &error);
            if (verdict == EDITOR_GOES_ON) must(writer_advance(&desk.writer, &desk.sequence, &error), &error);
            PlaceState again = {0};
            char out[TEXT];
            place_read(&again, text_of(&world, desk.history, desk.sequence.length, out));
            assert_memory_equal(&again, &desk.sequence.state.place, sizeof again);
        }
        rewinds += editor.rewinds;
        editor_close(&editor);
        desk_close(&desk);
        world_close(&world);
    }
    assert_that(held, >, steps / 4);
    assert_that(held, <, steps);
    assert_that(rewinds, >, 50);
}

/* ---- Lazy and eager, and tokens that are given instead of drawn ---- */

static void write_all(Desk *desk) {
    Error error;
    while (has_room(desk)) {
        must(writer_draw(&desk->writer, &desk->sequence, &error), &error);
        must(writer_advance(&desk->writer, &desk->sequence, &error), &error);
    }
}

static void lazy_is_eager(void **unused) {
    (void)unused;
    for (uint64_t seed = 100; seed < 130; seed++) {
        World world = world_open(seed);
        Desk lazy, eager;
        desk_open(&lazy, &world, 0);
        write_all(&lazy);
        desk_close(&lazy);
        world.sampler.lookahead.eager = true;
        desk_open(&eager, &world, 0);
        write_all(&eager);
        desk_close(&eager);
        assert_int_equal(lazy.sequence.length, eager.sequence.length);
        assert_memory_equal(lazy.history, eager.history, (size_t)lazy.sequence.length * sizeof(int));
        world_close(&world);
    }
}

static void taken_as_drawn(void **unused) {
    (void)unused;
    Error error;
    for (uint64_t seed = 200; seed < 220; seed++) {
        World world = world_open(seed);
        Desk drawn, taken;
        desk_open(&drawn, &world, 0);
        desk_open(&taken, &world, 0);
        while (has_room(&drawn)) {
            must(writer_draw(&drawn.writer, &drawn.sequence, &error), &error);
            Candidate candidate = writer_drawn(&drawn.writer);
            must(writer_take(&taken.writer, &taken.sequence, candidate.token, &error), &error);
            assert_int_equal(drawn.writer.held, taken.writer.held);
            must(writer_advance(&drawn.writer, &drawn.sequence, &error), &error);
            BranchToken step = {taken.sequence.branch, candidate.token};
            must(session_decode(taken.session, &step, 1, &error), &error);
            taken.history[taken.sequence.length++] = candidate.token;
            assert_memory_equal(&drawn.sequence.state.place, &taken.sequence.state.place, sizeof(PlaceState));
            assert_same_clock(&drawn.sequence.state.clock, &taken.sequence.state.clock);
        }
        desk_close(&drawn);
        desk_close(&taken);
        world_close(&world);
    }
}

/* A setting of the sampler that moves while its rules hold. */
static void sampler_may_change(void **unused) {
    (void)unused;
    Error error;
    World world = world_open(1);
    world.sampler = sampler_default();
    must_set(&world.sampler, "fe", NULL);
    must_set(&world.sampler, "at", "//:temp=0.5");
    Desk desk;
    desk_open(&desk, &world, 0);
    for (double alpha = -0.5; alpha <= 0.5; alpha += 0.5) {
        world.sampler.lookahead.alpha = alpha;
        writer_forget_sampler(&desk.writer);
        must(writer_draw(&desk.writer, &desk.sequence, &error), &error);
        assert_that(desk.writer.alpha, ==, alpha);
        assert_that(desk.writer.temperature, ==, 0.5);
        must(writer_advance(&desk.writer, &desk.sequence, &error), &error);
    }
    desk_close(&desk);
    world_close(&world);
}

/* ---- Mistakes ---- */

static void wrong_rules_are_refused(void **unused) {
    (void)unused;
    Error error;
    Writer writer;
    World world = world_open(1);
    Desk desk;
    desk_open(&desk, &world, 0);
    Sampler sampler = sampler_default();
    must_set(&sampler, "at", "number:logit-bias=9999+1");
    assert_false(writer_open(&writer, desk.session, world.vocab, &sampler, world.flags, world.none, world.none,
                             world.pieces, &error));
    assert_string_equal(strchr(error.message, ','), ", got 9999");
    assert_memory_equal(error.message, "at number: logit-bias: expected a token id below ", 46);
    sampler = sampler_default();
    must_set(&sampler, "at", "/a/:temp=1");
    long alive = memory_hooks_alive();
    for (long n = 1;; n++) {
        memory_hooks_fail_at(n);
        bool done = writer_open(&writer, desk.session, world.vocab, &sampler, world.flags, world.none, world.none,
                                world.pieces, &error);
        memory_hooks_fail_at(0);
        if (done) break;
        assert_int_equal(memory_hooks_alive(), alive);
        assert_that(n, <, 20);
    }
    writer_close(&writer);
    assert_int_equal(memory_hooks_alive(), alive);
    desk_close(&desk);
    world_close(&world);
}

/* Each is right alone; together they are not, and no assert hears of it. */
static void rules_that_contradict_each_other(void **unused) {
    (void)unused;
    Error error;
    World world = world_open(1);
    world.sampler = sampler_default();
    must_set(&world.sampler, "temp-policy", "linear");
    must_set(&world.sampler, "at", "//:entropy-range=3:4");
    must_set(&world.sampler, "at", "//:entropy-cap=2");
    must_set(&world.sampler, "at", "//:entropy-cap=2.5");
    Desk desk;
    assert_false(sampler_check(&world.sampler, &error));
    assert_string_equal(error.message, "at //: entropy-cap: expected a number above the LO of entropy-range, 3, got 2");
    desk_open(&desk, &world, 0); /* a caller that does not check */
    assert_false(writer_draw(&desk.writer, &desk.sequence, &error));
    assert_memory_equal(error.message, "position 25: at //: entropy-", 28);
    desk_close(&desk);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_hold_where_they_say),
        cmocka_unit_test(lazy_is_eager),
        cmocka_unit_test(taken_as_drawn),
        cmocka_unit_test(sampler_may_change),
        cmocka_unit_test(wrong_rules_are_refused),
        cmocka_unit_test(rules_that_contradict_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

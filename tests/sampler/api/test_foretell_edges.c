/* The public interface at its limits: full contexts, text held back, odd values of settings, settings that change. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sampler/api/tiny_case.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/random.h"

static foretell_session *open_session(int context, int texts, int depth) {
    foretell_session_options options = {
        .size = sizeof options, .context = context, .texts = texts, .depth = depth, .threads = 1};
    foretell_session *session;
    ok(foretell_session_open(&session, model, &options));
    return session;
}

static foretell_text *open_text(foretell_session *session, const char *settings) {
    foretell_text *text;
    ok(foretell_text_open(&text, session, NULL));
    ok(foretell_text_set(text, "settings", settings));
    return text;
}

static size_t length_of(const foretell_text *text) {
    const int32_t *tokens;
    size_t n;
    ok(foretell_text_tokens(text, &tokens, &n));
    return n;
}

/* ---- Room ---- */

/* No token ends the text: the two that can are banned. */
#define ENDLESS "temp 1.5, min-p 0, top-k 0, logit-bias 2-inf"

static void a_context_is_the_most_tokens(void **state) {
    (void)state;
    static const char *const chains[] = {ENDLESS, ENDLESS ", fe, fe-k 4", ENDLESS ", fe, fe-k 4, fe-depth 3"};
    for (int context = 3; context < 12; context++) {
        for (int i = 0; i < 3; i++) {
            size_t most = (size_t)context - (i == 2 ? 2 : 0), n;
            foretell_session *session = open_session(context, 1, 3);
            foretell_text *text = open_text(session, chains[i]);
            foretell_step step = {.size = sizeof step};
            const float *logits;
            ok(foretell_text_append_tokens(text, (int32_t[]){1, 270}, 2));
            while (!step.end) ok(foretell_text_next(text, &step));
            assert_int_equal(step.end, FORETELL_CONTEXT_FULL);
            assert_int_equal(length_of(text), most < 2 ? 2 : most);
            ok(foretell_text_next(text, &step));
            assert_int_equal(step.token, -1);
            assert_int_equal(step.end, FORETELL_CONTEXT_FULL);
            ok(foretell_text_logits(text, &logits, &n));
            refused(FORETELL_FULL, foretell_text_force(text, 270, &step));
            ok(foretell_text_rewind(text, most - 1));
            step.end = FORETELL_GOES_ON;
            if (most > 2) ok(foretell_text_next(text, &step));
            if (i < 2) assert_int_equal(step.end, FORETELL_CONTEXT_FULL);
            foretell_text_close(text);
            foretell_session_close(session);
        }
    }
}

static void hundreds_of_texts_share_a_pass(void **state) {
    (void)state;
    enum { N = 300 };
    static foretell_text *texts[N];
    static foretell_step steps[N];
    static int32_t tokens[N][4];
    foretell_session *session = open_session(12, N, 1), *alone = open_session(12, 1, 1);
    texts[0] = open_text(session, ENDLESS ", fe, fe-k 3");
    ok(foretell_text_append_tokens(texts[0], (int32_t[]){1, 270}, 2));
    for (int i = 1; i < N; i++) {
        ok(foretell_text_fork(texts[i / 2], &texts[i]));
        ok(foretell_text_renumber(texts[i], i));
    }
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < N; i++) steps[i].size = sizeof steps[i];
        ok(foretell_texts_next(texts, N, steps));
        for (int i = 0; i < N; i++) tokens[i][j] = steps[i].token;
    }
    for (int i = 0; i < N; i += 37) {
        foretell_text *text = open_text(alone, ENDLESS ", fe, fe-k 3");
        ok(foretell_text_append_tokens(text, (int32_t[]){1, 270}, 2));
        ok(foretell_text_renumber(text, i));
        for (int j = 0; j < 4; j++) {
            ok(foretell_text_next(text, steps));
            assert_int_equal(steps->token, tokens[i][j]);
        }
        foretell_text_close(text);
    }
    for (int i = 0; i < N; i++) foretell_text_close(texts[i * 7 % N]);
    foretell_session_close(session);
    foretell_session_close(alone);
}

/* ---- Text held back ---- */

/* Given out and held back together are always the text of the tokens that were drawn. */
static void what_is_held_back_can_be_had(void **state) {
    (void)state;
    static const char *const phrases[] = {"aaaaaaaa", "ab ", "eeeee", "  ", "ca d"};
    int n_held = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        Random random = random_from(seed);
        foretell_session *session = open_session(60, 2, 1);
        foretell_text *text = open_text(session, ENDLESS), *fork;
        foretell_step step = {.size = sizeof step};
        char given[4096], expected[4096], number[24];
        const char *rest, *rest_of_fork;
        const int32_t *tokens;
        size_t n_given = 0, n, n_tokens, n_expected, n_of_fork;
        snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
        ok(foretell_text_set(text, "seed", number));
        for (int i = 0; i < 5; i++) ok(foretell_text_stop(text, phrases[i], strlen(phrases[i])));
        ok(foretell_text_append_tokens(text, (int32_t[]){1, 270}, 2));
        for (int i = 0; i < 40 && !step.end; i++) {
            ok(foretell_text_next(text, &step));
            memcpy(given + n_given, step.bytes, step.n_bytes);
            n_given += step.n_bytes;
            ok(foretell_text_rest(text, &rest, &n));
            memcpy(given + n_given, rest, n);
            n_held += n > 0;
            ok(foretell_text_tokens(text, &tokens, &n_tokens));
            ok(foretell_decode(model, tokens, n_tokens, 0, expected, sizeof expected, &n_expected));
            size_t n_prompt;
            char prompt[64];
            ok(foretell_decode(model, tokens, 2, 0, prompt, sizeof prompt, &n_prompt));
            if (step.end == FORETELL_STOPPED) {
                assert_int_equal(n, 0);
            } else {
                assert_int_equal(n_given + n, n_expected - n_prompt);
                assert_memory_equal(given, expected + n_prompt, n_given + n);
            }
            if (random_chance(&random, 0.2)) {
                ok(foretell_text_fork(text, &fork));
                ok(foretell_text_rest(fork, &rest_of_fork, &n_of_fork));
                assert_int_equal(n_of_fork, n);
                assert_memory_equal(rest_of_fork, rest, n);
                foretell_text_close(fork);
            }
        }
        foretell_text_close(text);
        foretell_session_close(session);
    }
    assert_that(n_held, >, 20);
}

/* What an append finds held back belongs to the text: it comes with the next step, and can be had before. */
static void an_append_keeps_what_is_held_back(void **state) {
    (void)state;
    foretell_session *session = open_session(0, 1, 1);
    foretell_text *text = open_text(session, ENDLESS);
    foretell_step step = {.size = sizeof step};
    int32_t tokens[8];
    const char *rest;
    size_t n;
    invalid(foretell_text_rest(NULL, &rest, &n));
    invalid(foretell_text_rest(text, NULL, &n));
    ok(foretell_text_rest(text, &rest, &n));
    assert_int_equal(n, 0);
    ok(foretell_text_stop(text, "ab", 2));
    ok(foretell_text_append_tokens(text, (int32_t[]){1, 270}, 2));
    ok(foretell_encode(model, "a", 1, 0, tokens, 8, &n));
    ok(foretell_text_force(text, tokens[n - 1], &step));
    assert_int_equal(step.n_bytes, 0);
    ok(foretell_text_append_tokens(text, (int32_t[]){270}, 1));
    ok(foretell_text_rest(text, &rest, &n));
    assert_int_equal(n, 1);
    assert_memory_equal(rest, "a", 1);
    ok(foretell_text_force(text, 270, &step));
    assert_that(step.n_bytes, >=, 1);
    assert_memory_equal(step.bytes, "a", 1);
    foretell_text_close(text);
    foretell_session_close(session);
}

/* ---- Settings ---- */

static void a_list_may_hold_the_seed(void **state) {
    (void)state;
    static const char *const lists[] = {"temp 0.8, seed 7",       "seed=7,temp=0.8",     "seed 7",
                                        "fe, seed 7 , alpha 0.5", "preset wave, seed 7", "seed 7, preset wave"};
    foretell_session *session = open_session(0, 1, 1);
    foretell_text *text = open_text(session, "");
    char value[64];
    size_t n;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        ok(foretell_text_set(text, "seed", "1"));
        ok(foretell_text_set(text, "settings", lists[i]));
        ok(foretell_text_get(text, "seed", value, sizeof value, &n));
        assert_string_equal(value, "7");
    }
    invalid(foretell_text_set(text, "settings", "seed"));
    invalid(foretell_text_set(text, "settings", "seed -1"));
    invalid(foretell_text_set(text, "seed", "18446744073709551616"));
    invalid(foretell_text_set(text, "seed", ""));
    invalid(foretell_text_set(text, "seed", NULL));
    invalid(foretell_text_set(text, "at", "number:seed=0"));
    ok(foretell_text_get(text, "seed", value, sizeof value, &n));
    assert_string_equal(value, "7");
    foretell_text_close(text);
    foretell_session_close(session);
}

static void settings_tell_all(void **state) {
    (void)state;
    foretell_setting_info info = {.size = sizeof info};
    foretell_session *session = open_session(0, 1, 1);
    bool has_unit = false;
    char value[512];
    size_t n;
    for (size_t i = 0; foretell_setting(i, &info) == FORETELL_OK; i++) {
        foretell_text *text;
        ok(foretell_text_open(&text, session, NULL));
        ok(foretell_text_get(text, info.name, value, sizeof value, &n));
        assert_string_equal(info.value, value); /* whole, however long */
        assert_non_null(info.unit);
        if (strcmp(info.name, "mirostat-tau") == 0) has_unit = strcmp(info.unit, "bits") == 0;
        foretell_text_close(text);
    }
    assert_true(has_unit);
    foretell_session_close(session);
}

/* Each setting with each of these: a status, a message of one line, and the next step is made or says why not. */
static void odd_values_are_statuses(void **state) {
    (void)state;
    static char long_value[100000];
    static const char *const odd[] = {
        "",      " ",    "0",     "-0",     "1",        "-1",      "nan",     "-inf",        "1e308",       "1e-320",
        "1e999", "0x10", "1,2",   "1:2",    "2:1",      "0:0",     "%s%n",    "\x1b[2J\n",   "2147483648",  "1e6",
        "none",  "fe",   "seed",  "wave",   "sine:1:7", "a;b;c",   ":",       "at:",         "/(/:temp=1",  "number:",
        "{",     "}",    "0-inf", "0+1e30", "1+nan",    "270+100", "0:1,1:0", "number:at=1", "word:fe-k=9", "off",
        "on",    "edt",  "fixed", "target", "\xff\xfe", "0.5",     "100",     long_value};
    foretell_setting_info info = {.size = sizeof info};
    foretell_session *session = open_session(16, 2, 2);
    int n_set = 0;
    memset(long_value, 'a', sizeof long_value - 1);
    for (size_t i = 0; foretell_setting(i, &info) == FORETELL_OK; i++) {
        for (size_t j = 0; j <= sizeof odd / sizeof *odd; j++) {
            const char *value = j < sizeof odd / sizeof *odd ? odd[j] : NULL;
            foretell_text *text = open_text(session, i % 2 ? "fe, fe-k 3" : "");
            foretell_step step = {.size = sizeof step};
            char list[256];
            foretell_status status = foretell_text_set(text, info.name, value);
            assert_true(status == FORETELL_OK || status == FORETELL_INVALID);
            if (status) assert_null(strpbrk(foretell_message(), "\n\x1b"));
            n_set += !status;
            snprintf(list, sizeof list, "%s %.60s", info.name, value ? value : "");
            status = foretell_text_set(text, "settings", list);
            assert_true(status == FORETELL_OK || status == FORETELL_INVALID);
            ok(foretell_text_append_tokens(text, (int32_t[]){1, 270, 275}, 3));
            for (int k = 0; k < 3; k++) {
                status = foretell_text_next(text, &step);
                assert_true(status == FORETELL_OK || status == FORETELL_FAILED);
            }
            foretell_text_close(text);
        }
    }
    assert_that(n_set, >, 100);
    foretell_session_close(session);
}

static const char *const switched[] = {
    "fe, fe-k 4, alpha 0.5", "fe off",          "mirostat-tau 3",     "mirostat-tau 0",
    "wave sine:1:7",         "temp-policy edt", "temp-policy linear", "temp 1.9",
    "repeat-penalty 1.5",    "fe-eager",        "at number:temp=0.3", "dry-multiplier 1"};

static void switch_to(foretell_text *text, int i) {
    if (strcmp(switched[i], "fe off") == 0)
        ok(foretell_text_set(text, "fe", "off"));
    else
        ok(foretell_text_set(text, "settings", switched[i]));
}

static void draw(foretell_text *text, int n, int32_t *tokens) {
    foretell_step step = {.size = sizeof step};
    for (int i = 0; i < n; i++) {
        ok(foretell_text_next(text, &step));
        tokens[i] = step.token;
    }
}

/* A text whose settings change between steps and which is rewound then is the text that had them where it is now. */
static void settings_may_change_over_a_rewind(void **state) {
    (void)state;
    enum { N = (int)(sizeof switched / sizeof *switched) };
    for (int a = 0; a < N; a++) {
        for (int b = 0; b < N; b++) {
            foretell_session *session = open_session(40, 3, 1);
            foretell_text *text = open_text(session, ENDLESS), *other = open_text(session, ENDLESS), *fork;
            int32_t tokens[8], others[8], forks[8];
            ok(foretell_text_append_tokens(text, (int32_t[]){1, 270, 280}, 3));
            ok(foretell_text_append_tokens(other, (int32_t[]){1, 270, 280}, 3));
            draw(text, 4, tokens);
            draw(other, 4, others);
            switch_to(text, a);
            draw(text, 5, tokens);
            ok(foretell_text_fork(text, &fork));
            switch_to(text, b);
            draw(text, 5, tokens);
            ok(foretell_text_rewind(text, 7));
            switch_to(fork, b);
            ok(foretell_text_rewind(fork, 7));
            switch_to(other, a);
            switch_to(other, b);
            draw(text, 6, tokens);
            draw(other, 6, others);
            draw(fork, 6, forks);
            for (int i = 0; i < 6; i++)
                if (tokens[i] != others[i] || tokens[i] != forks[i])
                    fail_msg("'%s', then '%s': token %d is %d, %d in a fork, expected %d", switched[a], switched[b], i,
                             tokens[i], forks[i], others[i]);
            foretell_text_close(text);
            foretell_text_close(other);
            foretell_text_close(fork);
            foretell_session_close(session);
        }
    }
}

/* How each token of a text came into it: tokens of one append have the same number, a drawn or forced one has 0. */
typedef struct {
    int32_t tokens[64];
    int appends[64];
    size_t n;
} Origin;

static void note_tokens(Origin *origin, const foretell_text *text, int append) {
    const int32_t *tokens;
    size_t n;
    ok(foretell_text_tokens(text, &tokens, &n));
    for (size_t i = origin->n; i < n; i++) {
        origin->tokens[i] = tokens[i];
        origin->appends[i] = append;
    }
    origin->n = n;
}

static void do_anything(foretell_text **text, Origin *origin, Random *random, int append) {
    foretell_step step = {.size = sizeof step};
    foretell_score scores[3];
    int32_t tokens[3];
    foretell_text *fork;
    for (int i = 0; i < 3; i++) tokens[i] = random_int(random, TINY_WORDS, TINY_VOCAB - 1);
    switch (random_int(random, 0, 6)) {
    case 0:
        ok(foretell_text_append_tokens(*text, tokens, (size_t)random_int(random, 1, 3)));
        break;
    case 1:
        ok(foretell_text_score(*text, tokens, (size_t)random_int(random, 1, 3), scores));
        break;
    case 2:
        ok(foretell_text_force(*text, tokens[0], &step));
        append = 0;
        break;
    case 3:
        origin->n = (size_t)random_int(random, 2, (int)origin->n);
        ok(foretell_text_rewind(*text, origin->n));
        break;
    case 4:
        ok(foretell_text_fork(*text, &fork));
        if (random_chance(random, 0.5)) ok(foretell_text_next(*text, &step)); /* the fork does not notice */
        foretell_text_close(*text);
        *text = fork;
        break;
    default:
        ok(foretell_text_next(*text, &step));
        append = 0;
    }
    note_tokens(origin, *text, append);
}

static void make_again(foretell_text *text, const Origin *origin) {
    foretell_step step = {.size = sizeof step};
    for (size_t i = 0, n = 1; i < origin->n; i += n, n = 1) {
        if (origin->appends[i] == 0) {
            ok(foretell_text_force(text, origin->tokens[i], &step));
            continue;
        }
        while (i + n < origin->n && origin->appends[i + n] == origin->appends[i]) n++;
        ok(foretell_text_append_tokens(text, origin->tokens + i, n));
    }
}

/* Whatever was done to a text: it goes on as a new one that gets the same tokens in the same way. */
static void a_text_is_what_its_tokens_make_it(void **state) {
    (void)state;
    static const char *const chains[] = {
        ENDLESS, ENDLESS ", fe, fe-k 4, alpha 0.5", ENDLESS ", mirostat-tau 4",
        ENDLESS ", temp-policy linear, fe, fe-k 3, wave sine:1:5, fe-at word, at number:temp=0.4, repeat-penalty 1.4"};
    for (uint64_t seed = 0; seed < 200; seed++) {
        Random random = random_from(seed);
        Origin origin = {{1, 270, 280}, {1, 1, 1}, 3};
        foretell_session *session = open_session(60, 2, 1);
        foretell_text *text = open_text(session, chains[seed % 4]), *other;
        foretell_step step = {.size = sizeof step}, again = {.size = sizeof again};
        ok(foretell_text_stop(text, "ab ca d", 7));
        ok(foretell_text_append_tokens(text, origin.tokens, 3));
        for (int i = 0; i < 15; i++) do_anything(&text, &origin, &random, i + 2);
        other = open_text(session, chains[seed % 4]);
        ok(foretell_text_stop(other, "ab ca d", 7));
        make_again(other, &origin);
        for (int i = 0; i < 6; i++) {
            ok(foretell_text_next(text, &step));
            ok(foretell_text_next(other, &again));
            if (step.token != again.token || step.logprob != again.logprob || step.end != again.end)
                fail_msg("seed %d, step %d: token %d, expected %d", (int)seed, i, step.token, again.token);
        }
        foretell_text_close(text);
        foretell_text_close(other);
        foretell_session_close(session);
    }
}

/* ---- Callers' mistakes ---- */

static void sizes_that_were_never_set_are_refused(void **state) {
    (void)state;
    foretell_session *session = open_session(0, 2, 1);
    foretell_text *texts[2] = {open_text(session, ""), open_text(session, "")};
    foretell_step steps[2];
    memset(steps, 0xaa, sizeof steps);
    for (int i = 0; i < 2; i++) ok(foretell_text_append(texts[i], "a", 1, 0));
    invalid(foretell_texts_next(texts, 2, steps));
    invalid(foretell_texts_next(texts, 2, NULL));
    invalid(foretell_text_next(texts[0], NULL));
    assert_int_equal(length_of(texts[0]), 3);
    invalid(foretell_text_append(texts[0], "a", 1, 8));
    assert_non_null(strstr(foretell_message(), "got 0x8"));
    foretell_session_options options = {.size = sizeof options, .texts = 4096, .context = 1 << 24};
    foretell_session *none;
    invalid(foretell_session_open(&none, model, &options));
    assert_null(none);
    foretell_text_close(texts[0]);
    foretell_text_close(texts[1]);
    foretell_session_close(session);
}

static double worth_of(void *context, const foretell_candidate *candidate, const float *logits, size_t n) {
    (void)candidate, (void)logits, (void)n;
    return *(const double *)context;
}
static double bound_of(void *context, const foretell_candidate *candidate) {
    (void)candidate;
    return ((const double *)context)[1];
}

/* The text is as it was, and goes on with another scorer as if there had been none. */
static void a_scorer_that_misbehaves_ends_its_step(void **state) {
    (void)state;
    static const double cases[][2] = {{NAN, 1}, {-1, 1}, {INFINITY, INFINITY}, {2, 1},
                                      {1, NAN}, {1, -1}, {-INFINITY, 1},       {1, -INFINITY}};
    foretell_session *session = open_session(0, 1, 1);
    foretell_text *text = open_text(session, ENDLESS ", fe, fe-k 4");
    foretell_step step = {.size = sizeof step};
    int32_t expected[4], tokens[4];
    ok(foretell_text_append_tokens(text, (int32_t[]){1, 270}, 2));
    draw(text, 4, expected);
    ok(foretell_text_rewind(text, 2));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double values[2] = {cases[i][0], cases[i][1]};
        foretell_scorer scorer = {sizeof scorer, worth_of, bound_of, values};
        ok(foretell_text_scorer(text, &scorer));
        foretell_status status = foretell_text_next(text, &step);
        if (status != FORETELL_INVALID) fail_msg("worth %g, bound %g: status %d", cases[i][0], cases[i][1], status);
        assert_int_equal(length_of(text), 2);
        ok(foretell_text_scorer(text, NULL));
        draw(text, 4, tokens);
        assert_memory_equal(tokens, expected, sizeof expected);
        ok(foretell_text_rewind(text, 2));
    }
    double zero[2] = {0, 0}, huge[2] = {1e300, 1e300};
    ok(foretell_text_scorer(text, &(foretell_scorer){sizeof(foretell_scorer), worth_of, bound_of, huge}));
    ok(foretell_text_next(text, &step));
    ok(foretell_text_scorer(text, &(foretell_scorer){sizeof(foretell_scorer), worth_of, bound_of, zero}));
    foretell_status status = foretell_text_next(text, &step);
    assert_true(status == FORETELL_OK || status == FORETELL_INVALID);
    foretell_text_close(text);
    foretell_session_close(session);
}

/* ---- Memory ---- */

static foretell_status work(foretell_session *session) {
    foretell_text *texts[3] = {0};
    foretell_step steps[3] = {{.size = sizeof *steps}, {.size = sizeof *steps}, {.size = sizeof *steps}};
    foretell_score scores[3];
    const float *logits;
    size_t n;
    foretell_status status;
    if (!(status = foretell_text_open(&texts[0], session, NULL)) &&
        !(status = foretell_text_stop(texts[0], "aab", 3)) && !(status = foretell_text_ban(texts[0], "aac", 3)) &&
        !(status = foretell_text_score(texts[0], (int32_t[]){1, 270, 280}, 3, scores)) &&
        !(status = foretell_text_next(texts[0], steps)) && !(status = foretell_text_fork(texts[0], &texts[1])) &&
        !(status = foretell_text_set(texts[1], "settings", "fe, fe-k 5, wave sine:1:7, fe-at word")) &&
        !(status = foretell_text_fork(texts[1], &texts[2])) && !(status = foretell_texts_next(texts, 3, steps)) &&
        !(status = foretell_text_append(texts[2], "aaa", 3, 0)) && !(status = foretell_text_rewind(texts[1], 2)) &&
        !(status = foretell_text_logits(texts[1], &logits, &n)) &&
        !(status = foretell_text_force(texts[2], 270, steps)))
        status = foretell_texts_next(texts, 3, steps);
    for (int i = 0; i < 3; i++) foretell_text_close(texts[i]);
    return status;
}

/* The session outlives each failure and works as before. */
static void a_session_survives_failed_allocations(void **state) {
    (void)state;
    foretell_session *session = open_session(30, 3, 1);
    memory_hooks_fail_at(0);
    ok(work(session));
    long n = memory_hooks_count(), alive = memory_hooks_alive();
    assert_that(n, >, 10);
    for (long i = 1; i <= n; i++) {
        memory_hooks_fail_at(i);
        refused(FORETELL_NO_MEMORY, work(session));
        assert_int_equal(memory_hooks_alive(), alive);
    }
    memory_hooks_fail_at(0);
    ok(work(session));
    foretell_session_close(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_is_the_most_tokens),
        cmocka_unit_test(hundreds_of_texts_share_a_pass),
        cmocka_unit_test(what_is_held_back_can_be_had),
        cmocka_unit_test(an_append_keeps_what_is_held_back),
        cmocka_unit_test(a_list_may_hold_the_seed),
        cmocka_unit_test(settings_tell_all),
        cmocka_unit_test(odd_values_are_statuses),
        cmocka_unit_test(settings_may_change_over_a_rewind),
        cmocka_unit_test(a_text_is_what_its_tokens_make_it),
        cmocka_unit_test(sizes_that_were_never_set_are_refused),
        cmocka_unit_test(a_scorer_that_misbehaves_ends_its_step),
        cmocka_unit_test(a_session_survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Places: the state machine compared with a twin that reads the whole text again; rules as text; regular expressions.
 * */
#include <stdio.h>
#include <string.h>

#include "sampler/sampler.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/naive_places.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

/* ---- The machine ---- */

static Bytes bytes_of(const char *text) { return (Bytes){(const uint8_t *)text, strlen(text)}; }

static PlaceState state_of(Bytes text) {
    PlaceState state = {0};
    place_read(&state, text);
    return state;
}

static const char *const fragments[] = {"\"",
                                        "\"",
                                        "\xe2\x80\x9c",
                                        "\xe2\x80\x9d",
                                        "\xe2\x80\x98",
                                        "\xe2\x80\x99",
                                        "\xe2\x80\x9e",
                                        "\xc2\xab",
                                        "\xc2\xbb",
                                        "'",
                                        "`",
                                        "`",
                                        "```",
                                        "\n```\n",
                                        "````",
                                        "\n```c\n",
                                        "\n",
                                        "\n\n",
                                        "\n \n",
                                        " ",
                                        " ",
                                        "\t",
                                        "\r\n",
                                        "\xc2\xa0",
                                        "a",
                                        "Hi",
                                        "fooBar",
                                        "don",
                                        "t",
                                        "Mr",
                                        "Prof",
                                        "J",
                                        "I",
                                        ".",
                                        "!",
                                        "?",
                                        ",",
                                        "3",
                                        "1,0",
                                        "42",
                                        "$",
                                        "\xe2\x82\xac",
                                        "_",
                                        "max_k",
                                        "x2",
                                        "(",
                                        ")",
                                        "*",
                                        "\xc3\xa9",
                                        "\xe2\x80\xa6",
                                        "\xe2\x80\x94",
                                        "\xff",
                                        "\xe2",
                                        "\x80",
                                        "-",
                                        "   `",
                                        "    ```\n",
                                        ":",
                                        "\xe2\x80",
                                        "\xf0\x9f\x98\x80"};

static size_t random_text(Random *random, char *text, size_t capacity) {
    size_t size = 0;
    int n = random_int(random, 0, 40), some = random_int(random, 3, 60); /* few kinds meet more often */
    int from = random_int(random, 0, 60);
    for (int i = 0; i < n; i++) {
        int which = (from + random_int(random, 0, some) * 7) % (int)(sizeof fragments / sizeof fragments[0]);
        size_t length = strlen(fragments[which]);
        if (size + length > capacity) break;
        memcpy(text + size, fragments[which], length);
        size += length;
    }
    return size;
}

static void check_places(const PlaceState *state, Bytes text, int *held) {
    bool expected[PLACE_KINDS];
    naive_places(text, expected);
    for (int i = 0; i < PLACE_KINDS; i++) {
        held[i] += expected[i];
        if (place_table[i].holds(state) != expected[i])
            fail_msg("%s: expected %d after {%.*s}", place_table[i].name, expected[i], (int)text.size,
                     (const char *)text.data);
    }
}

static void as_the_twin_finds_them(void **unused) {
    (void)unused;
    Random random = random_from(5);
    int held[PLACE_KINDS] = {0}, prefixes = 0;
    for (int i = 0; i < 20000; i++) {
        char text[512];
        size_t size = random_text(&random, text, sizeof text);
        PlaceState state = {0};
        for (size_t n = 0; n <= size; n++, prefixes++) {
            check_places(&state, (Bytes){(const uint8_t *)text, n}, held);
            if (n < size) place_read(&state, (Bytes){(const uint8_t *)text + n, 1});
        }
    }
    for (int i = 0; i < PLACE_KINDS; i++) {
        assert_that(held[i], >, prefixes / 50);
        assert_that(held[i], <, prefixes - prefixes / 50);
    }
}

static void however_the_text_is_cut(void **unused) {
    (void)unused;
    Random random = random_from(6);
    for (int i = 0; i < 3000; i++) {
        char text[512];
        size_t size = random_text(&random, text, sizeof text), at = 0;
        PlaceState whole = state_of((Bytes){(const uint8_t *)text, size}), state = {0};
        while (at < size) {
            size_t n = (size_t)random_int(&random, 0, 9);
            if (n > size - at) n = size - at;
            place_read(&state, (Bytes){(const uint8_t *)text + at, n});
            at += n;
        }
        assert_memory_equal(&state, &whole, sizeof whole);
    }
}

static bool holds_after(const char *place, const char *text) {
    PlaceState state = state_of(bytes_of(text));
    for (int i = 0; i < PLACE_KINDS; i++)
        if (strcmp(place_table[i].name, place) == 0) return place_table[i].holds(&state);
    fail_msg("%s", place);
    return false;
}

/* Examples of the definitions in place.h, which the machine and its twin might both have misunderstood. */
static void as_defined(void **unused) {
    (void)unused;
    static const struct {
        const char *place, *yes[14], *no[14];
    } cases[] = {
        {"speech",
         {"\"", "She said, \"Go", "\"Go.\" \"No", "\xe2\x80\x9cGo", "\xc2\xab Va", "\xc2\xbbGeh", "\xe2\x80\x9eGeh",
          "\xe2\x80\x98I don\xe2\x80\x99t", "\"one line\nanother"},
         {"", "She said.", "\"Go.\"", "5'10\" tall", "he said.\" Then", "\"Go.\n\nShe", "\xc2\xabVa\xc2\xbb",
          "It's 'so", "`\"`", "```\n\"", "\xe2\x80\x98No,\xe2\x80\x99", "\xe2\x80\x98so\xe2\x80\x99 "}},
        {"number",
         {"3", "3.", "1,0", "in 1914", "$", "\xe2\x82\xac", "$5", "2nd 3", "\"7"},
         {"", "No. ", "#", "tok5", "3 ", "3rd", "US$", "a.", "5.a"}},
        {"code",
         {"```", "```c\nint", "  ```\n", "say `make", "```\n`", "````\n```\n"},
         {"", "``", "say `make`", "```\nx\n```", "```\nx\n```\n", "`open\n", "    ```\n"}},
        {"identifier",
         {"utf8", "max_k", "fooBar", "`foo", "```\nint", "x2 y3"},
         {"", "Hello", "_Hello", "3rd", "max_k ", "`3", "NASA"}},
        {"sentence-start",
         {"", " ", "Go.", "Go! ", "Go?\" ", "one\n", "in 1914. ", "(Go.) (", "So did I."},
         {"Go", "Go,", "3.", "in 1914.", "Mr.", "Mr. ", "J. ", "`a.", "Go. T"}},
        {"paragraph-start", {"", "Go.\n\n", "Go.\n \n  "}, {"Go.\n", "Go", "\n\nGo", "```\n\n"}},
        {"line-start", {"", "Go\n", "Go\n  ", "```\n"}, {"Go", "Go\nT"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int j = 0; cases[i].yes[j]; j++)
            if (!holds_after(cases[i].place, cases[i].yes[j])) fail_msg("%s: {%s}", cases[i].place, cases[i].yes[j]);
        for (int j = 0; cases[i].no[j]; j++)
            if (holds_after(cases[i].place, cases[i].no[j])) fail_msg("%s: not {%s}", cases[i].place, cases[i].no[j]);
    }
}

/* ---- Regular expressions ---- */

enum { TOKENS = 8, HISTORY = 4000 };
static int history[HISTORY];
static TokenFlags flags[TOKENS] = {[7] = TOKEN_ENDS_TEXT};
static Bytes pieces[TOKENS];

static bool matches(const char *rule, int n) {
    Error error;
    PlaceRule parsed;
    PlaceRegexes *regexes = NULL;
    must(place_parse(&parsed, rule, &error) && place_regexes_open(&regexes, &parsed, 1, &error), &error);
    PlaceSet set = place_matches(regexes, (PlaceText){history, n, pieces, flags});
    assert_int_equal(place_limited(regexes), 0);
    place_regexes_close(regexes);
    return set == 1;
}

/* Tokens 0 .. of these texts, one after another. */
static int write(const char *const *texts) {
    int n = 0;
    for (; texts[n]; n++) {
        pieces[n] = bytes_of(texts[n]);
        history[n] = n;
    }
    return n;
}

static void at_the_end_of_the_text(void **unused) {
    (void)unused;
    int n = write((const char *[]){" Once", " in chap", "ter 1", "2", NULL});
    assert_true(matches("/chapter [0-9]+$/:temp=1", n));
    assert_true(matches("/chapter [0-9]+/:temp=1", n)); /* anchored without the $ */
    assert_false(matches("/chapter [0-9]$/:temp=1", n));
    assert_false(matches("/chapter/:temp=1", n));
    assert_true(matches("/^Once.*/:temp=1", n)); /* without the vocabulary's space */
    assert_true(matches("/a\\/b|12/:temp=1", n));
    assert_true(matches("/(?i)CHAP.*/:temp=1", n));
    n = write((const char *[]){"caf\xc3", "\xa9", NULL});
    assert_true(matches("/caf\xc3\xa9/:temp=1", n));
    assert_true(matches("/^\\w{4}/:temp=1", n));
    assert_false(matches("/\xc3\xa9/:temp=1", 1)); /* half a character is none */
    n = write((const char *[]){"", "a", "b\n", NULL});
    assert_false(matches("/b$/:temp=1", n)); /* the newline is a part of the text */
    assert_true(matches("/\\n/:temp=1", n));
    assert_true(matches("//:temp=1", 0));
}

static void of_the_present_text_alone(void **unused) {
    (void)unused;
    write((const char *[]){"a", "b", NULL});
    int all[] = {0, 7, 1};
    memcpy(history, all, sizeof all);
    assert_false(matches("/ab/:temp=1", 3)); /* token 7 ends a text */
    assert_true(matches("/^b/:temp=1", 3));
}

static void within_the_window(void **unused) {
    (void)unused;
    write((const char *[]){"x", "ab", " ", "\xc3\xa9", NULL});
    for (int i = 0; i < HISTORY; i++) history[i] = 0;
    history[10] = 1;
    assert_true(matches("/abx*/:temp=1", 10 + 1 + PLACE_WINDOW - 2));
    assert_false(matches("/abx*/:temp=1", 10 + 1 + PLACE_WINDOW - 1));
    assert_true(matches("/^x*/:temp=1", 5));
    history[10] = 0;
    assert_true(matches("/^x*/:temp=1", PLACE_WINDOW));
    assert_false(matches("/^x*/:temp=1", PLACE_WINDOW + 1)); /* it begins before the window */
    assert_false(matches("/\\bx+/:temp=1", PLACE_WINDOW + 1));
    history[0] = 2;
    assert_true(matches("/^x*/:temp=1", PLACE_WINDOW + 1)); /* the space is none of the text */
    for (int i = 0; i < HISTORY; i++) history[i] = i == HISTORY - 1 ? 0 : 3;
    for (int n = HISTORY - 3; n <= HISTORY; n++) assert_int_equal(matches("/\\x{e9}+x/:temp=1", n), n == HISTORY);
}

static void limits_count_as_no_match(void **unused) {
    (void)unused;
    Error error;
    PlaceRule rules[2];
    PlaceRegexes *regexes;
    for (int i = 0; i < HISTORY; i++) history[i] = 0;
    write((const char *[]){"a", NULL});
    for (int i = 0; i < HISTORY; i++) history[i] = 0;
    must(place_parse(&rules[0], "/a+/:temp=1", &error), &error);
    must(place_parse(&rules[1], "/(a+)+[bc]/:temp=1", &error), &error);
    long alive = memory_hooks_alive();
    must(place_regexes_open(&regexes, rules, 2, &error), &error);
    PlaceText text = {history, HISTORY, pieces, flags};
    for (int i = 0; i < 5; i++) assert_int_equal(place_matches(regexes, text), 1);
    assert_int_equal(place_limited(regexes), 2);
    place_regexes_close(regexes);
    must(place_parse(&rules[1], "/a*?a*?.[bc]/:temp=1", &error),
         &error); /* not deep, but 45,000 steps from the first a */
    must(place_regexes_open(&regexes, rules, 2, &error), &error);
    text.n = 300;
    assert_int_equal(place_matches(regexes, text), 1);
    assert_int_equal(place_limited(regexes), 2);
    place_regexes_close(regexes);
    assert_int_equal(memory_hooks_alive(), alive);
    for (long n = 1; n <= 6; n++) {
        memory_hooks_fail_at(n);
        bool done = place_regexes_open(&regexes, rules, 2, &error);
        memory_hooks_fail_at(0);
        if (done) place_regexes_close(regexes);
        assert_true(n > 5 || !done);
        assert_int_equal(memory_hooks_alive(), alive);
    }
}

/* ---- Rules ---- */

static void refuses(const char *rule, const char *expected) {
    Error error;
    Sampler sampler = sampler_default(), before = sampler;
    assert_false(sampler_set(&sampler, "at", rule, &error));
    assert_string_equal(error.message, expected);
    assert_true(sampler_equal(&sampler, &before));
}

static void wrong_rules_are_refused(void **unused) {
    (void)unused;
    char text[PLACE_RULE_BYTES + 40] = "number:temp-table=";
    refuses("number", "at: expected PLACE:SETTINGS or /REGEX/:SETTINGS, got 'number'");
    refuses("number:", "at: expected PLACE:SETTINGS or /REGEX/:SETTINGS, got 'number:'");
    refuses(":temp=1", "at: expected PLACE:SETTINGS or /REGEX/:SETTINGS, got ':temp=1'");
    refuses("/a:temp=1", "at: expected PLACE:SETTINGS or /REGEX/:SETTINGS, got '/a:temp=1'");
    refuses("/a/b/:temp=1", "at: expected PLACE:SETTINGS or /REGEX/:SETTINGS, got '/a/b/:temp=1'");
    refuses("", "at: expected PLACE:SETTINGS or /REGEX/:SETTINGS, got ''");
    refuses("number:{}", "at number: expected settings, got {}");
    refuses("nummer:temp=1", "at: no such place 'nummer': expected speech, number, code, identifier, sentence-start, "
                             "paragraph-start, line-start, or /REGEX/");
    refuses("/a(/:temp=1", "at /a(/: byte 2: missing closing parenthesis");
    refuses("/\\C/:temp=1", "at /\\C/: byte 2: using \\C is disabled by the application");
    refuses("/a\nb/:temp=1", "at /REGEX/: expected no control characters in it (\\n, \\t)");
    refuses("number:temp=101", "at number: temp: expected a number from 0 to 100, got '101'");
    refuses("number:tmp=1", "at number: tmp: no such setting of the sampler");
    refuses("number:seed=1", "at number: expected no seed, which applies to the whole text");
    refuses("number:{at=code:temp=1}", "at number: expected no rule (at) within it");
    refuses("number:preset=code", "at number: expected no rule (at) within it");
    refuses("number:mirostat-tau=3", "at number: expected no mirostat, whose state is the whole text's");
    refuses("number:mirostat-eta=0.5", "at number: expected no mirostat, whose state is the whole text's");
    refuses("number:temp-policy=kld", "at number: expected no temp-policy kld, which reads the prompt");
    refuses("number:temp-policy=edt-instance",
            "at number: expected no temp-policy edt-instance, which reads the prompt");
    refuses("number:fe-eager", "at number: expected no fe-eager and fe-chunk, which change no text");
    refuses("number:fe-chunk=3", "at number: expected no fe-eager and fe-chunk, which change no text");
    memset(text + strlen(text), '1', PLACE_RULE_BYTES);
    refuses(text, "at number:temp-table=1111111111111111111111...: expected at most 511 characters");
}

static void one_too_many(void **unused) {
    (void)unused;
    Error error;
    Sampler sampler = sampler_default();
    for (int i = 0; i < PLACE_RULES - 1; i++) must_set(&sampler, "at", "number:temp=0.2");
    Sampler before = sampler;
    assert_false(sampler_set(&sampler, "preset", "code", &error)); /* it has three */
    assert_true(sampler_equal(&sampler, &before));
    must_set(&sampler, "at", "number:temp=0.2");
    assert_false(sampler_set(&sampler, "at", "number:temp=0.2", &error));
    assert_string_equal(error.message, "at: expected at most 16 of them");
}

static Sampler under(const Sampler *sampler, PlaceSet held) {
    Error error;
    Sampler out;
    must(sampler_under(sampler, held, &out, &error), &error);
    assert_int_equal(out.n_rules, 0);
    return out;
}

static void later_rules_override_earlier_ones(void **unused) {
    (void)unused;
    Sampler sampler = sampler_default();
    sampler.seed = 9;
    sampler.lookahead.eager = true;
    must_set(&sampler, "at", "number:temp=0.2,top-k=7");
    must_set(&sampler, "at", "speech:temp=0.6,fe,fe-k=30");
    must_set(&sampler, "at", "/x/:{preset=creative,fe-depth=3}");
    assert_that(under(&sampler, 1).temperature.base, ==, 0.2);
    assert_that(under(&sampler, 1).top_k.low, ==, 7);
    assert_that(under(&sampler, 2).temperature.base, ==, 0.6);
    assert_that(under(&sampler, 2).top_k.low, ==, 40);
    assert_that(under(&sampler, 3).temperature.base, ==, 0.6);
    assert_that(under(&sampler, 3).top_k.low, ==, 7);
    Sampler all = under(&sampler, 7);
    assert_that(all.temperature.base, ==, 1.2);
    assert_false(all.future);
    assert_that(all.seed, ==, 9);
    assert_true(all.lookahead.eager);
    assert_false(sampler.future);
    assert_true(sampler_looks_ahead(&sampler));
    assert_int_equal(sampler_largest_lookahead(&sampler).k, 30);
    assert_int_equal(sampler_largest_lookahead(&sampler).depth, 3);
    must_set(&sampler, "fe-k", "50");
    assert_int_equal(sampler_largest_lookahead(&sampler).k, 50);
    sampler = sampler_default();
    must_set(&sampler, "fe-k", "5");
    must_set(&sampler, "at", "number:preset=future-entropy");
    assert_int_equal(sampler_largest_lookahead(&sampler).k, 20);
}

static void contradictions_are_found(void **unused) {
    (void)unused;
    Error error;
    Sampler sampler = sampler_default();
    must_set(&sampler, "at", "number:temp-policy=table");
    assert_false(sampler_check(&sampler, &error));
    assert_string_equal(error.message, "at number: temp-policy table: expected temp-table with 1 to 16 knots");
    must_set(&sampler, "temp-table", "0:0.2,2:1");
    must(sampler_check(&sampler, &error), &error);
}

/* Places that are said never to meet never hold together, and rules there do not contradict each other. */
static void places_apart(void **unused) {
    (void)unused;
    static const char letters[] = "aB1_$ .,!?\"'`\n(";
    Random random = random_from(11);
    PlaceRule rules[PLACE_KINDS];
    int met[PLACE_KINDS][PLACE_KINDS] = {{0}};
    Error error;
    for (int i = 0; i < PLACE_KINDS; i++) rules[i] = (PlaceRule){.place = i};
    for (int round = 0; round < 20000; round++) {
        PlaceState state = {0};
        for (int n = 0; n < 12; n++) {
            uint8_t letter = (uint8_t)letters[random_int(&random, 0, (int)sizeof letters - 2)];
            for (int i = random_chance(&random, .1) ? 3 : 1; i > 0; i--) place_read(&state, (Bytes){&letter, 1});
            for (int i = 0; i < PLACE_KINDS; i++)
                for (int j = 0; j < PLACE_KINDS; j++)
                    met[i][j] += place_table[i].holds(&state) && place_table[j].holds(&state);
        }
    }
    for (int i = 0; i < PLACE_KINDS; i++)
        for (int j = 0; j < PLACE_KINDS; j++)
            if (place_may_meet(&rules[i], &rules[j]) != (met[i][j] > 0))
                fail_msg("%s and %s: met %d times", place_table[i].name, place_table[j].name, met[i][j]);
    Sampler sampler = sampler_default();
    must_set(&sampler, "temp-policy", "linear");
    must_set(&sampler, "at", "number:entropy-range=3:4");
    must_set(&sampler, "at", "line-start:entropy-cap=2");
    assert_true(sampler_check(&sampler, &error));
    must_set(&sampler, "at", "speech:entropy-cap=1");
    assert_false(sampler_check(&sampler, &error));
    assert_string_equal(error.message,
                        "at speech: entropy-cap: expected a number above the LO of entropy-range, 3, got 1");
}

static void in_lists_and_presets(void **unused) {
    (void)unused;
    Error error;
    Sampler sampler = sampler_default();
    const char *list = "at number:{temp=0.2,top-k=5}, temp 0.7,at=/a,temp=3{1,2}/:top-p=0.5,fe";
    must(sampler_set_list(&sampler, list, &error), &error);
    assert_int_equal(sampler.n_rules, 2);
    assert_string_equal(sampler.rules[0].text, "number:temp=0.2,top-k=5");
    assert_string_equal(sampler.rules[1].text, "/a,temp=3{1,2}/:top-p=0.5");
    assert_true(sampler.future);
    assert_that(sampler.temperature.base, ==, 0.7);
    assert_that(sampler.top_k.low, ==, 40);
    must_set(&sampler, "preset", "code"); /* keeps what the user said, takes away what the last preset did */
    must_set(&sampler, "preset", "code");
    assert_int_equal(sampler.n_rules, 5);
    assert_string_equal(sampler.rules[4].text, "code:preset=precise,temp=0.2");
    Sampler code = under(&sampler, 1 << 4);
    assert_false(code.future);
    assert_that(code.temperature.base, ==, 0.2);
    must_set(&sampler, "preset", "precise");
    assert_int_equal(sampler.n_rules, 2);
    char chain[SAMPLER_CHAIN_BYTES];
    sampler_print(&sampler, chain, sizeof chain);
    assert_non_null(strstr(chain, "; at number: temp 0.2,top-k 5; at /a,temp=3{1,2}/: top-p 0.5"));
}

static void longest_chain_fits(void **unused) {
    (void)unused;
    char rule[PLACE_RULE_BYTES] = "/", chain[SAMPLER_CHAIN_BYTES];
    Sampler sampler = sampler_default();
    memset(rule + 1, 'a', sizeof rule - 1);
    strcpy(rule + sizeof rule - 10, "/:temp=.1");
    for (int i = 0; i < PLACE_RULES; i++) must_set(&sampler, "at", rule);
    int length = sampler_print(&sampler, chain, sizeof chain);
    assert_that(length, >, PLACE_RULES * (PLACE_RULE_BYTES - 1));
    assert_that(length + 2500, <, (int)sizeof chain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_twin_finds_them),
        cmocka_unit_test(however_the_text_is_cut),
        cmocka_unit_test(as_defined),
        cmocka_unit_test(at_the_end_of_the_text),
        cmocka_unit_test(of_the_present_text_alone),
        cmocka_unit_test(within_the_window),
        cmocka_unit_test(limits_count_as_no_match),
        cmocka_unit_test(wrong_rules_are_refused),
        cmocka_unit_test(one_too_many),
        cmocka_unit_test(later_rules_override_earlier_ones),
        cmocka_unit_test(contradictions_are_found),
        cmocka_unit_test(places_apart),
        cmocka_unit_test(in_lists_and_presets),
        cmocka_unit_test(longest_chain_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

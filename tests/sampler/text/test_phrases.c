/* Phrases in a growing text: compared with a search at every position. */
#include <stdio.h>
#include <string.h>

#include "sampler/text/phrases.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

static Phrases phrases_of(const char *const *texts, int n) {
    Error error;
    Phrases phrases = {0};
    for (int i = 0; i < n; i++) must(phrases_add(&phrases, texts[i], "stop", &error), &error);
    return phrases;
}

static Bytes bytes_of(const char *text) { return (Bytes){(const uint8_t *)text, strlen(text)}; }

static void finds(const Phrases *phrases, const char *text, size_t from, size_t begin, size_t end) {
    size_t b, e;
    assert_true(phrases_find(phrases, bytes_of(text), from, &b, &e));
    assert_int_equal(b, begin);
    assert_int_equal(e, end);
}

static void the_first_to_end_then_the_longest(void **state) {
    (void)state;
    size_t begin, end;
    Phrases phrases = phrases_of((const char *const[]){"cd", "abcd", "bc", "xyz"}, 4);
    assert_int_equal(phrases_longest(&phrases), 4);
    finds(&phrases, "abcd", 0, 1, 3);  /* bc ends first */
    finds(&phrases, "abcd", 3, 0, 4);  /* abcd is longer than cd */
    finds(&phrases, ".cdcd", 3, 3, 5); /* what ended before is over */
    assert_false(phrases_find(&phrases, bytes_of("abcd"), 4, &begin, &end));
    assert_false(phrases_find(&phrases, bytes_of(""), 0, &begin, &end));
    assert_false(phrases_find(&phrases, bytes_of("BC xy"), 0, &begin, &end));
}

static void the_longest_end_that_may_go_on(void **state) {
    (void)state;
    Phrases phrases = phrases_of((const char *const[]){"aab", "ab", "\xc3\xa9!"}, 3);
    assert_int_equal(phrases_open_end(&phrases, bytes_of("xaaa")), 2);
    assert_int_equal(phrases_open_end(&phrases, bytes_of("aab")), 0);
    assert_int_equal(phrases_open_end(&phrases, bytes_of("a")), 1);
    assert_int_equal(phrases_open_end(&phrases, bytes_of("")), 0);
    assert_int_equal(phrases_open_end(&phrases, bytes_of(" \xc3\xa9")), 2);
    assert_int_equal(phrases_open_end(&phrases, bytes_of(" \xc3")), 1);
    phrases.count = 0;
    assert_int_equal(phrases_longest(&phrases), 0);
    assert_int_equal(phrases_open_end(&phrases, bytes_of("a")), 0);
}

static void wrong_phrases_are_refused(void **state) {
    (void)state;
    Error error;
    Phrases phrases = {0};
    assert_false(phrases_add(&phrases, "", "stop", &error));
    assert_string_equal(error.message, "stop: expected a text that is not empty");
    for (int i = 0; i < PHRASES_MAX; i++) must(phrases_add(&phrases, "x", "ban", &error), &error);
    assert_false(phrases_add(&phrases, "x", "ban", &error));
    assert_string_equal(error.message, "ban: expected at most 64 of them");
    assert_int_equal(phrases.count, PHRASES_MAX);
}

static bool stands_at(Bytes text, size_t end, const char *phrase) {
    size_t n = strlen(phrase);
    return n <= end && memcmp(text.data + end - n, phrase, n) == 0;
}

static void as_in_every_place(void **state) {
    (void)state;
    Random random = random_from(5);
    for (int round = 0; round < 5000; round++) {
        char words[3][5], text[13];
        const char *list[3];
        int n = random_int(&random, 0, 3), size = random_int(&random, 0, 12);
        for (int i = 0; i < n; i++) {
            int length = random_int(&random, 1, 4);
            for (int j = 0; j < length; j++) words[i][j] = (char)random_int(&random, 'a', 'b');
            words[i][length] = '\0';
            list[i] = words[i];
        }
        for (int j = 0; j < size; j++) text[j] = (char)random_int(&random, 'a', 'b');
        text[size] = 0;
        Phrases phrases = phrases_of(list, n);
        Bytes bytes = bytes_of(text);
        size_t from = (size_t)random_int(&random, 0, size), first = 0, longest = 0, begin, end, open = 0;
        for (size_t e = bytes.size; e > from; e--) {
            size_t here = 0;
            for (int i = 0; i < n; i++)
                if (stands_at(bytes, e, list[i]) && strlen(list[i]) > here) here = strlen(list[i]);
            if (here) first = e, longest = here;
        }
        assert_int_equal(phrases_find(&phrases, bytes, from, &begin, &end), first > 0);
        if (first > 0) {
            assert_int_equal(end, first);
            assert_int_equal(begin, first - longest);
        }
        for (int i = 0; i < n; i++) {
            char start[5];
            for (size_t m = 1; m < strlen(list[i]); m++) {
                snprintf(start, sizeof start, "%.*s", (int)m, list[i]);
                if (m > open && stands_at(bytes, bytes.size, start)) open = m;
            }
        }
        assert_int_equal(phrases_open_end(&phrases, bytes), open);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_to_end_then_the_longest),
        cmocka_unit_test(the_longest_end_that_may_go_on),
        cmocka_unit_test(wrong_phrases_are_refused),
        cmocka_unit_test(as_in_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

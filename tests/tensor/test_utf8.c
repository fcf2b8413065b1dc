/* The length of a UTF-8 character, against a twin that works out the code point. */

#include "tensor/utf8.h"
#include "tests/support/naive_tokenizer.h"
#include "tests/support/test.h"

static void utf8_length_of_every_start(void **state) {
    (void)state;
    for (uint32_t start = 0; start < 1 << 16; start++) {
        /* Whole characters: the two bytes and every kind of continuation after them. */
        static const uint8_t ends[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
        for (size_t i = 0; i < sizeof ends * sizeof ends; i++) {
            uint8_t bytes[4] = {(uint8_t)(start >> 8), (uint8_t)start, ends[i / sizeof ends], ends[i % sizeof ends]};
            int length = utf8_length(bytes, 4);
            assert_int_not_equal(length, 0);
            assert_int_equal(length < 0 ? 1 : length, naive_character((Bytes){bytes, 4}));
            /* A part can be completed by some bytes, or by none. */
            for (size_t size = 1; size < 4; size++) {
                int part = utf8_length(bytes, size);
                if (length > 0)
                    assert_int_equal(part, (size_t)length <= size ? length : 0);
                else
                    assert_that(part, <=, 0);
            }
        }
    }
    assert_int_equal(utf8_length((const uint8_t *)"\xe0\x9f", 2), -1);
    assert_int_equal(utf8_length((const uint8_t *)"\xed\xa0", 2), -1);
    assert_int_equal(utf8_length((const uint8_t *)"\xf0\x8f", 2), -1);
    assert_int_equal(utf8_length((const uint8_t *)"\xf4\x90", 2), -1);
    assert_int_equal(utf8_length((const uint8_t *)"\xf4\x8f", 2), 0);
}

/* Every code point, encoded here by the bits of the standard's table 3-6. */
static void utf8_decode_of_every_code_point(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        uint8_t last = (uint8_t)(0x80 | (c & 63)), middle = (uint8_t)(0x80 | (c >> 6 & 63)),
                upper = (uint8_t)(0x80 | (c >> 12 & 63));
        const uint8_t forms[4][4] = {{(uint8_t)c},
                                     {(uint8_t)(0xc0 | c >> 6), last},
                                     {(uint8_t)(0xe0 | c >> 12), middle, last},
                                     {(uint8_t)(0xf0 | c >> 18), upper, middle, last}};
        int length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (c >= 0xd800 && c < 0xe000) continue; /* surrogates are no characters */
        assert_int_equal(utf8_length(forms[length - 1], (size_t)length), length);
        assert_that(utf8_decode(forms[length - 1], length), ==, c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(utf8_length_of_every_start),
                                       cmocka_unit_test(utf8_decode_of_every_code_point)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/support/naive_places.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "tensor/utf8.h"

typedef struct {
    uint32_t at[NAIVE_PLACES_BYTES];
    uint8_t code[NAIVE_PLACES_BYTES]; /* after the character: 0 none, 1 in a line, 2 a fence */
    int n;
} Text;

static void decode_all(Text *text, Bytes bytes) {
    assert(bytes.size <= NAIVE_PLACES_BYTES);
    text->n = 0;
    for (size_t i = 0; i < bytes.size;) {
        int length = utf8_length(bytes.data + i, bytes.size - i);
        if (length == 0) return;
        uint32_t c = length < 0 ? 0xfffd : length == 1 ? bytes.data[i] : bytes.data[i] & (0x7fu >> length);
        for (int j = 1; j < length; j++) c = c * 64 + bytes.data[i + (size_t)j] % 64;
        text->at[text->n++] = c;
        i += length < 0 ? 1 : (size_t)length;
    }
}

static bool among(uint32_t c, const char *ascii, const uint32_t *others) {
    if (c < 0x80) return c && strchr(ascii, (int)c);
    for (; *others; others++)
        if (*others == c) return true;
    return false;
}

static bool is_digit(uint32_t c) { return c >= '0' && c <= '9'; }
static bool is_blank(uint32_t c) { return among(c, " \t\r", (uint32_t[]){0xa0, 0}); }
static bool is_currency(uint32_t c) {
    return among(c, "$", (uint32_t[]){0xa3, 0xa5, 0}) || (c >= 0x20a0 && c <= 0x20cf);
}
static bool is_word(uint32_t c) {
    if (c < 0x80) return among(c, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", (uint32_t[]){0});
    if (among(c, "", (uint32_t[]){0xaa, 0xb5, 0xba, 0})) return true;
    bool punctuation = c < 0xc0 || among(c, "", (uint32_t[]){0xd7, 0xf7, 0xfffd, 0}) || is_currency(c) ||
                       (c >= 0x2000 && c < 0x2070) || (c >= 0x3000 && c < 0x3040);
    return !punctuation;
}

/* ---- Code: line by line ---- */

static void mark_code(Text *text) {
    int fence = 0;
    for (int begin = 0, end; begin < text->n; begin = end + 1) {
        for (end = begin; end < text->n && text->at[end] != '\n';) end++;
        int first = begin, run = 0, i = begin, toggles = 0;
        while (first < end && text->at[first] == ' ') first++;
        while (first + run < end && text->at[first + run] == '`') run++;
        bool is_fence = first - begin <= 3 && run >= (fence ? fence : 3);
        if (fence && !is_fence) {
            for (; i <= end; i++) text->code[i] = 2;
            continue;
        }
        if (fence) {
            for (; i < first + fence - 1; i++) text->code[i] = 2;
            for (; i < first + run; i++) text->code[i] = 0;
            fence = 0;
        } else if (is_fence) {
            fence = run;
            for (; i < first; i++) text->code[i] = 0;
            for (; i <= end; i++) text->code[i] = i == first ? 1 : i == first + 1 ? 0 : 2;
            continue;
        }
        for (; i < end; i++) {
            toggles += text->at[i] == '`';
            text->code[i] = toggles % 2 != 0;
        }
        text->code[end] = 0; /* the newline, or the place after the text */
    }
}

static int code_at_end(const Text *text) { return text->n ? text->code[text->n - 1] : 0; }

/* ---- Speech: paragraph by paragraph, mark by mark ---- */

static bool may_open(const Text *text, int i) {
    static const uint32_t closing[] = {0x2026, 0x2019, 0};
    return i == 0 || !(is_word(text->at[i - 1]) || among(text->at[i - 1], ".,!?", closing));
}

static bool opens(const Text *text, int i) {
    uint32_t c = text->at[i];
    if (c == '"' || c == 0xbb) return may_open(text, i);
    return among(c, "", (uint32_t[]){0x201c, 0x201e, 0x2018, 0xab, 0});
}

static bool matches(uint32_t opening, uint32_t c) {
    static const uint32_t pairs[][2] = {{'"', '"'},       {0x201c, 0x201d}, {0x201e, 0x201c}, {0x201e, 0x201d},
                                        {0x2018, 0x2019}, {0xab, 0xbb},     {0xbb, 0xab}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (pairs[i][0] == opening && pairs[i][1] == c) return true;
    return false;
}

/* The mark that closes the quotation opened at i, before `end`; -1: none. */
static int find_close(const Text *text, int i, int end) {
    for (int j = i + 1; j < end; j++) {
        if (text->code[j] || !matches(text->at[i], text->at[j])) continue;
        bool doubtful = text->at[j] == 0x2019 && is_word(text->at[j - 1]);
        if (doubtful && (j + 1 == text->n || is_word(text->at[j + 1]))) continue;
        return j;
    }
    return -1;
}

/* The first character after the paragraph that begins at i, or the fence that ends it earlier. */
static int end_of_paragraph(const Text *text, int i) {
    bool blank = false;
    for (; i < text->n; i++) {
        if (text->code[i] == 2) return i;
        if (text->at[i] == '\n' && blank) return i;
        if (text->at[i] == '\n')
            blank = true;
        else if (!is_blank(text->at[i]))
            blank = false;
    }
    return i;
}

static bool in_speech(const Text *text) {
    for (int i = 0, end; i < text->n; i = end + 1) {
        end = end_of_paragraph(text, i);
        for (int at = i; at < end; at++) {
            if (text->code[at] || !opens(text, at)) continue;
            int close = find_close(text, at, end);
            if (close < 0 && end == text->n) return true;
            if (close < 0) break;
            at = close;
        }
    }
    return false;
}

/* ---- The others: backwards from the end ---- */

static bool ends_with_digits(const Text *text, int n) {
    int i = n;
    while (i > 0 && is_digit(text->at[i - 1])) i--;
    return i < n && (i == 0 || !is_word(text->at[i - 1]));
}

static bool in_number(const Text *text) {
    int n = text->n;
    if (n == 0) return false;
    if (is_currency(text->at[n - 1])) return n == 1 || !is_word(text->at[n - 2]);
    return ends_with_digits(text, n - among(text->at[n - 1], ".,", (uint32_t[]){0}));
}

static bool is_letter(uint32_t c) { return is_word(c) && c != '_' && !is_digit(c); }

static bool in_identifier(const Text *text) {
    int begin = text->n;
    bool letter = false, mixed = false;
    while (begin > 0 && is_word(text->at[begin - 1])) begin--;
    if (begin == text->n || is_digit(text->at[begin])) return false;
    for (int i = begin; i < text->n; i++) {
        uint32_t c = text->at[i], before = i > begin ? text->at[i - 1] : 0;
        mixed |= is_digit(c) || (c == '_' && letter) || (c >= 'A' && c <= 'Z' && before >= 'a' && before <= 'z');
        letter |= is_letter(c);
    }
    return mixed || code_at_end(text);
}

/* Whether the word that ends at n is an abbreviation, so that a point after it does not end the sentence. */
static bool is_abbreviation(const Text *text, int n) {
    static const char *const all[] = {"Mr", "Mrs", "Ms", "Dr", "St", "Prof", "A", "B", "C", "D", "E",
                                      "F",  "G",   "H",  "J",  "K",  "L",    "M", "N", "O", "P", "Q",
                                      "R",  "S",   "T",  "U",  "V",  "W",    "X", "Y", "Z"};
    int begin = n;
    while (begin > 0 && is_word(text->at[begin - 1])) begin--;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int j = 0;
        while (all[i][j] && begin + j < n && text->at[begin + j] == (uint32_t)all[i][j]) j++;
        if (!all[i][j] && begin + j == n) return true;
    }
    return false;
}

static bool at_sentence(const Text *text) {
    static const uint32_t brackets[] = {0xab, 0xbb, 0x2018, 0x2019, 0x201c, 0x201d, 0x201e, 0};
    int i = text->n - 1;
    while (i >= 0 && (is_blank(text->at[i]) || among(text->at[i], "\"'()[]{}*_", brackets))) i--;
    if (code_at_end(text)) return false;
    if (i < 0 || among(text->at[i], "\n!?", (uint32_t[]){0x2026, 0})) return true;
    if (text->at[i] != '.') return false;
    return ends_with_digits(text, i) ? i < text->n - 1 : !is_abbreviation(text, i);
}

/* Only white space since the beginning, or since that number of newlines. */
static bool follows_newlines(const Text *text, int newlines) {
    int i = text->n - 1;
    for (; i >= 0 && newlines > 0 && (text->at[i] == '\n' || is_blank(text->at[i])); i--)
        newlines -= text->at[i] == '\n';
    return newlines == 0 || i < 0;
}

void naive_places(Bytes bytes, bool *holds) {
    static Text text;
    memset(text.code, 0, sizeof text.code);
    decode_all(&text, bytes);
    mark_code(&text);
    holds[0] = in_speech(&text);
    holds[1] = in_number(&text);
    holds[2] = code_at_end(&text) != 0;
    holds[3] = in_identifier(&text);
    holds[4] = at_sentence(&text);
    holds[5] = follows_newlines(&text, 2) && !holds[2];
    holds[6] = follows_newlines(&text, 1);
}

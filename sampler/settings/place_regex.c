/* Matches regular expressions against the end of the text, with PCRE2. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "sampler/settings/place.h"
#include "tensor/memory.h"
#include "tensor/utf8.h"

enum { MATCH_STEPS = 10000, MATCH_DEPTH = 10000, MATCH_KIB = 1024 };
enum { END_BYTES = PLACE_WINDOW + 5 }; /* the window, an ignored space, and a character before the window */

struct PlaceRegexes {
    pcre2_general_context *memory;
    pcre2_match_context *limits;
    pcre2_match_data *found;
    pcre2_code *codes[PLACE_RULES]; /* NULL: no pattern */
    PlaceSet limited;
};

static void *allocate(size_t size, void *data) {
    Error error;
    (void)data;
    return memory_alloc(size, 1, "regular expression", &error);
}

static void release(void *block, void *data) {
    (void)data;
    memory_free(block);
}

static bool compile(pcre2_code **code, pcre2_general_context *memory, Bytes pattern, Error *error) {
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C;
    int number;
    size_t at;
    char message[128];
    pcre2_compile_context *context = pcre2_compile_context_create(memory);
    *code = context ? pcre2_compile(pattern.data, pattern.size, options, &number, &at, context) : NULL;
    pcre2_compile_context_free(context);
    if (*code) return true;
    if (!context) return error_set_kind(error, ERROR_NO_MEMORY, "no memory for a regular expression");
    pcre2_get_error_message(number, (PCRE2_UCHAR *)message, sizeof message);
    ErrorKind kind = number == PCRE2_ERROR_HEAP_FAILED ? ERROR_NO_MEMORY : ERROR_FAILED;
    return error_set_kind(error, kind, "byte %zu: %s", at, message);
}

bool place_check_pattern(Bytes pattern, Error *error) {
    pcre2_code *code;
    pcre2_general_context *memory = pcre2_general_context_create(allocate, release, NULL);
    if (!memory) return error_set_kind(error, ERROR_NO_MEMORY, "no memory for a regular expression");
    bool done = compile(&code, memory, pattern, error);
    pcre2_code_free(code);
    pcre2_general_context_free(memory);
    return done;
}

static bool open_all(PlaceRegexes *all, const PlaceRule *rules, int n_rules, Error *error) {
    all->memory = pcre2_general_context_create(allocate, release, NULL);
    all->limits = all->memory ? pcre2_match_context_create(all->memory) : NULL;
    all->found = all->limits ? pcre2_match_data_create(1, all->memory) : NULL;
    if (!all->found) return error_set_kind(error, ERROR_NO_MEMORY, "no memory for regular expressions");
    pcre2_set_match_limit(all->limits, MATCH_STEPS);
    pcre2_set_depth_limit(all->limits, MATCH_DEPTH);
    pcre2_set_heap_limit(all->limits, MATCH_KIB);
    for (int i = 0; i < n_rules; i++) {
        if (rules[i].place != PLACE_REGEX) continue;
        Bytes pattern = {(const uint8_t *)rules[i].text + 1, (size_t)place_length(&rules[i]) - 2};
        if (!compile(&all->codes[i], all->memory, pattern, error)) return place_error(&rules[i], error);
    }
    return true;
}

bool place_regexes_open(PlaceRegexes **regexes, const PlaceRule *rules, int n_rules, Error *error) {
    bool any = false;
    *regexes = NULL;
    for (int i = 0; i < n_rules; i++) any = any || rules[i].place == PLACE_REGEX;
    if (!any) return true;
    *regexes = memory_alloc(1, sizeof **regexes, "regular expressions", error);
    if (!*regexes) return false;
    if (open_all(*regexes, rules, n_rules, error)) return true;
    place_regexes_close(*regexes);
    *regexes = NULL;
    return false;
}

void place_regexes_close(PlaceRegexes *regexes) {
    if (!regexes) return;
    for (int i = 0; i < PLACE_RULES; i++) pcre2_code_free(regexes->codes[i]);
    pcre2_match_data_free(regexes->found);
    pcre2_match_context_free(regexes->limits);
    pcre2_general_context_free(regexes->memory);
    memory_free(regexes);
}

PlaceSet place_limited(const PlaceRegexes *regexes) { return regexes ? regexes->limited : 0; }

/* Copies the last bytes of the text, at most `capacity`, to the end of out; returns their number. */
static size_t copy_end(PlaceText text, uint8_t *out, size_t capacity) {
    size_t used = 0;
    for (int i = text.n - 1; i >= 0 && used < capacity; i--) {
        if (text.flags[text.history[i]] & TOKEN_ENDS_TEXT) break;
        Bytes piece = text.pieces[text.history[i]];
        size_t size = piece.size < capacity - used ? piece.size : capacity - used;
        used += size;
        if (size > 0) memcpy(out + capacity - used, piece.data + piece.size - size, size);
    }
    return used;
}

/* Copies bytes as valid UTF-8, as place_read reads them: a byte that belongs to no character becomes U+FFFD, an
 * incomplete character at the end is left out. *start: the index in out of the byte at `begin`. Returns the size. */
static size_t copy_valid(uint8_t *out, size_t *start, Bytes bytes, size_t begin) {
    size_t n = 0;
    *start = 0;
    for (size_t i = 0; i < bytes.size;) {
        if (i <= begin) *start = n;
        int length = utf8_length(bytes.data + i, bytes.size - i);
        if (length == 0) break;
        memcpy(out + n, length < 0 ? (const uint8_t *)"\xef\xbf\xbd" : bytes.data + i, length < 0 ? 3 : (size_t)length);
        n += length < 0 ? 3 : (size_t)length;
        i += length < 0 ? 1 : (size_t)length;
    }
    return n;
}

/* Writes the window, preceded by one more character, which \b and ^ examine. Matches may begin from *start on. */
static size_t find_window(PlaceText text, uint8_t *out, size_t *start) {
    uint8_t end[END_BYTES];
    size_t size = copy_end(text, end, sizeof end), cut = 0, before = 0;
    Bytes bytes = {end + sizeof end - size, size};
    if (size > 0 && size < sizeof end && *bytes.data == ' ') bytes.data++, bytes.size--;
    if (bytes.size > PLACE_WINDOW) {
        cut = bytes.size - PLACE_WINDOW;
        for (int i = 0; i < 3 && utf8_continues(bytes.data[cut]); i++) cut++;
        for (before = cut - 1; before > 0 && cut - before < 4 && utf8_continues(bytes.data[before]);) before--;
    }
    return copy_valid(out, start, (Bytes){bytes.data + before, bytes.size - before}, cut - before);
}

PlaceSet place_matches(PlaceRegexes *regexes, PlaceText text) {
    uint8_t window[3 * END_BYTES];
    size_t start, size = find_window(text, window, &start);
    PlaceSet matches = 0;
    for (int i = 0; i < PLACE_RULES; i++) {
        if (!regexes->codes[i]) continue;
        int result =
            pcre2_match(regexes->codes[i], window, size, start, PCRE2_NO_UTF_CHECK, regexes->found, regexes->limits);
        if (result >= 0)
            matches |= (PlaceSet)1 << i;
        else if (result != PCRE2_ERROR_NOMATCH)
            regexes->limited |= (PlaceSet)1 << i;
    }
    return matches;
}

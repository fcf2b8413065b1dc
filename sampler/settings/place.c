#include "sampler/settings/place.h"

#include <string.h>

#include "sampler/chain/line.h"
#include "tensor/utf8.h"

enum { NO_QUOTE, STRAIGHT, CURLY, LOW, SINGLE, GUILLEMETS, REVERSED }; /* quote */
enum { AFTER_OTHER, AFTER_WORD, AFTER_CLOSING };                       /* previous */
enum { NO_CODE, INLINE, FENCE };                                       /* code */
enum { RUN_IN_LINE, RUN_AT_BEGINNING, RUN_OPENS, RUN_IS_DONE };        /* run, while ticks > 0 */
enum { NO_NUMBER, DIGITS, MARK, CURRENCY };                            /* number */
enum {
    SENTENCE_BEGINS,
    IN_SENTENCE,
    AFTER_POINT
}; /* sentence; AFTER_POINT: after a digit's point, which ends a sentence if a space follows */
enum { FENCE_INDENT = 3, FENCE_TICKS = 3, REPLACEMENT = 0xfffd };

/* ---- Characters ---- */

static bool is_digit(uint32_t c) { return c >= '0' && c <= '9'; }
static bool is_upper(uint32_t c) { return c >= 'A' && c <= 'Z'; }
static bool is_lower(uint32_t c) { return c >= 'a' && c <= 'z'; }
static bool is_blank(uint32_t c) { return c == ' ' || c == '\t' || c == '\r' || c == 0xa0; }
static bool is_currency(uint32_t c) { return c == '$' || c == 0xa3 || c == 0xa5 || (c >= 0x20a0 && c <= 0x20cf); }

static bool is_word(uint32_t c) {
    if (c < 0x80) return is_digit(c) || is_upper(c) || is_lower(c) || c == '_';
    if (c < 0xc0) return c == 0xaa || c == 0xb5 || c == 0xba;
    return c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c <= 0x206f) && !is_currency(c) &&
           !(c >= 0x3000 && c <= 0x303f) && c != REPLACEMENT;
}

static bool is_one_of(uint32_t c, const uint32_t *some, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (some[i] == c) return true;
    return false;
}

static bool is_closing(uint32_t c) { /* a straight quotation mark after it opens no quotation */
    static const uint32_t some[] = {'.', ',', '!', '?', 0x2026, 0x2019};
    return is_one_of(c, some, sizeof some / sizeof some[0]);
}

static bool is_bracket(uint32_t c) { /* a bracket, a quotation mark or *: a sentence may begin after it */
    static const uint32_t some[] = {'"', '\'', '(',  ')',    '[',    ']',    '{',    '}',   '*',
                                    '_', 0xab, 0xbb, 0x2018, 0x2019, 0x201c, 0x201d, 0x201e};
    return is_one_of(c, some, sizeof some / sizeof some[0]);
}

/* ---- The machine ----
 * Each read_* function updates its part of the state for one character. read_character calls them in order: each sees
 * the new state of the parts before it, and the old state of the parts after it. */

static void read_tick(PlaceState *s) {
    if (s->ticks == 0) s->run = !s->in_line && s->indent <= FENCE_INDENT ? RUN_AT_BEGINNING : RUN_IN_LINE;
    if (s->ticks < UINT8_MAX) s->ticks++;
    if (s->run == RUN_IS_DONE) return;
    if (s->run == RUN_OPENS) {
        s->fence = s->ticks;
    } else if (s->code == FENCE) {
        if (s->run != RUN_AT_BEGINNING || s->ticks < s->fence) return;
        s->code = NO_CODE;
        s->run = RUN_IS_DONE;
    } else if (s->run == RUN_AT_BEGINNING && s->ticks == FENCE_TICKS) {
        s->code = FENCE;
        s->fence = FENCE_TICKS;
        s->run = RUN_OPENS;
    } else {
        s->code = s->code == INLINE ? NO_CODE : INLINE;
    }
}

static void read_code(PlaceState *s, uint32_t c) {
    if (c == '`') {
        read_tick(s);
        return;
    }
    s->ticks = s->run = 0;
    if (c == '\n' && s->code == INLINE) s->code = NO_CODE;
}

static uint8_t quote_opened_by(const PlaceState *s, uint32_t c) {
    switch (c) {
    case '"':
        return s->previous == AFTER_OTHER ? STRAIGHT : NO_QUOTE;
    case 0x201c:
        return CURLY;
    case 0x201e:
        return LOW;
    case 0x2018:
        return SINGLE;
    case 0xab:
        return GUILLEMETS;
    case 0xbb:
        return s->previous == AFTER_OTHER ? REVERSED : NO_QUOTE;
    default:
        return NO_QUOTE;
    }
}

static bool closes(uint8_t quote, uint32_t c) {
    switch (quote) {
    case STRAIGHT:
        return c == '"';
    case CURLY:
        return c == 0x201d;
    case LOW:
        return c == 0x201c || c == 0x201d;
    case SINGLE:
        return c == 0x2019;
    case GUILLEMETS:
        return c == 0xbb;
    default:
        return c == 0xab;
    }
}

static void read_quote(PlaceState *s, uint32_t c) {
    if (s->apostrophe && !is_word(c)) s->quote = NO_QUOTE;
    s->apostrophe = 0;
    if (s->code == FENCE || (c == '\n' && !s->in_line)) s->quote = NO_QUOTE;
    if (s->code != NO_CODE) return;
    if (s->quote == NO_QUOTE)
        s->quote = quote_opened_by(s, c);
    else if (closes(s->quote, c) && s->quote == SINGLE && s->previous == AFTER_WORD)
        s->apostrophe = 1; /* the next character decides whether it is one */
    else if (closes(s->quote, c))
        s->quote = NO_QUOTE;
}

static void read_number(PlaceState *s, uint32_t c) {
    bool in_word = s->n_word > 0;
    if (is_digit(c))
        s->number = s->number != NO_NUMBER || !in_word ? DIGITS : NO_NUMBER;
    else if (c == '.' || c == ',')
        s->number = s->number == DIGITS ? MARK : NO_NUMBER;
    else
        s->number = is_currency(c) && !in_word ? CURRENCY : NO_NUMBER;
}

static bool is_abbreviation(const PlaceState *s) {
    static const char *const some[] = {"Mr", "Mrs", "Ms", "Dr", "St", "Prof"};
    if (s->n_word == 1 && is_upper(s->word[0])) return s->word[0] != 'I';
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
        if (strlen(some[i]) == s->n_word && memcmp(some[i], s->word, s->n_word) == 0) return true;
    return false;
}

static void read_sentence(PlaceState *s, uint32_t c, bool after_digit) {
    if (c == '\n' || (is_blank(c) && s->sentence == AFTER_POINT))
        s->sentence = SENTENCE_BEGINS;
    else if (c == '.')
        s->sentence = after_digit ? AFTER_POINT : is_abbreviation(s) ? IN_SENTENCE : SENTENCE_BEGINS;
    else if (c == '!' || c == '?' || c == 0x2026 || (is_bracket(c) && s->sentence == AFTER_POINT))
        s->sentence = SENTENCE_BEGINS;
    else if (!is_blank(c) && !is_bracket(c))
        s->sentence = IN_SENTENCE;
}

static void read_word(PlaceState *s, uint32_t c) {
    if (!is_word(c)) {
        memset(s->word, 0, sizeof s->word);
        s->n_word = s->has_letter = s->is_mixed = s->last_is_lower = 0;
        return;
    }
    bool begins = s->n_word == 0, is_letter = !is_digit(c) && c != '_';
    bool follows_letter = s->has_letter || (!begins && s->word[0] == '_');
    if (begins ? false
               : (is_digit(c) && follows_letter) || (c == '_' && s->has_letter) || (is_upper(c) && s->last_is_lower))
        s->is_mixed = !is_digit(s->word[0]);
    if (s->n_word < sizeof s->word) s->word[s->n_word] = c < 0x80 ? (uint8_t)c : 0xff;
    if (s->n_word < UINT8_MAX) s->n_word++;
    s->has_letter |= is_letter;
    s->last_is_lower = is_lower(c);
}

static void read_line(PlaceState *s, uint32_t c) {
    if (c == '\n') {
        if (!s->in_line) s->in_paragraph = 0;
        s->in_line = s->indent = 0;
    } else if (is_blank(c)) {
        s->indent = c == ' ' && s->indent <= FENCE_INDENT ? s->indent + 1 : FENCE_INDENT + 1;
    } else {
        s->in_line = s->in_paragraph = 1;
    }
}

static void read_character(PlaceState *s, uint32_t c) {
    bool after_digit = s->number == DIGITS;
    read_code(s, c);
    read_quote(s, c);
    read_number(s, c);
    read_sentence(s, c, after_digit);
    read_word(s, c);
    read_line(s, c);
    s->previous = is_word(c) ? AFTER_WORD : is_closing(c) ? AFTER_CLOSING : AFTER_OTHER;
}

void place_read(PlaceState *state, Bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        state->held[state->n_held++] = text.data[i];
        while (state->n_held > 0) {
            int length = utf8_length(state->held, state->n_held);
            if (length == 0) break;
            read_character(state, length < 0 ? REPLACEMENT : utf8_decode(state->held, length));
            uint8_t used = length < 0 ? 1 : (uint8_t)length;
            state->n_held -= used;
            memmove(state->held, state->held + used, state->n_held);
            memset(state->held + state->n_held, 0, sizeof state->held - state->n_held);
        }
    }
}

/* ---- The table ---- */

static bool in_speech(const PlaceState *s) { return s->quote != NO_QUOTE; }
static bool in_number(const PlaceState *s) { return s->number != NO_NUMBER; }
static bool in_code(const PlaceState *s) { return s->code != NO_CODE; }
static bool in_identifier(const PlaceState *s) {
    return s->n_word > 0 && !is_digit(s->word[0]) && (s->is_mixed || s->code != NO_CODE);
}
static bool at_sentence(const PlaceState *s) { return s->sentence == SENTENCE_BEGINS && s->code == NO_CODE; }
static bool at_paragraph(const PlaceState *s) { return !s->in_paragraph && s->code == NO_CODE; }
static bool at_line(const PlaceState *s) { return !s->in_line; }

/* The order of the table. */
enum { SPEECH, NUMBER, CODE, IDENTIFIER, SENTENCE, PARAGRAPH, LINE };
#define STARTS (1u << SENTENCE | 1u << PARAGRAPH | 1u << LINE)

const PlaceRow place_table[PLACE_KINDS] = {
    {"speech", "in quotation marks, up to the closing one or the end of the paragraph", "speech:alpha=0.6", in_speech,
     1u << PARAGRAPH},
    {"number", "after a digit, after . or , that follows a digit, or after a currency sign", "number:temp=0.2",
     in_number, STARTS | 1u << IDENTIFIER},
    {"code", "between ``` fences, or between two ` in one line", "code:preset=precise", in_code,
     1u << SENTENCE | 1u << PARAGRAPH},
    {"identifier", "inside a word like utf8, max_k or fooBar; in code, inside any word", "identifier:temp=0.3",
     in_identifier, STARTS | 1u << NUMBER},
    {"sentence-start", "after . ! ? and closing quotes or brackets, or after a newline", "sentence-start:temp=1.3",
     at_sentence, 1u << NUMBER | 1u << CODE | 1u << IDENTIFIER},
    {"paragraph-start", "at the beginning, or after an empty line", "paragraph-start:top-k=0", at_paragraph,
     1u << SPEECH | 1u << NUMBER | 1u << CODE | 1u << IDENTIFIER},
    {"line-start", "at the beginning, or after a newline", "line-start:temp=1.2", at_line,
     1u << NUMBER | 1u << IDENTIFIER},
};

bool place_may_meet(const PlaceRule *a, const PlaceRule *b) {
    return a->place == PLACE_REGEX || b->place == PLACE_REGEX || !(place_table[a->place].apart >> b->place & 1);
}

/* ---- Rules ---- */

/* The length of the "/REGEX/" that text begins with; 0 if no slash closes it. */
static size_t pattern_length(const char *text) {
    for (size_t i = 1; text[i]; i++) {
        if (text[i] == '/') return i + 1;
        if (text[i] == '\\' && text[i + 1]) i++;
    }
    return 0;
}

static size_t name_length(const char *text) { return *text == '/' ? pattern_length(text) : strcspn(text, ":"); }

size_t place_prefix(const char *text) {
    size_t length = name_length(text);
    if (length == 0 || text[length] != ':') return 0;
    const char *settings = text + length + 1, *end = *settings == '{' ? strchr(settings, '}') : NULL;
    return length + 1 + (end ? (size_t)(end - settings) + 1 : 0);
}

int place_length(const PlaceRule *rule) { return rule->settings - 1; }

bool place_error(const PlaceRule *rule, Error *error) {
    return error_prefix(error, "at %.*s: ", place_length(rule), rule->text);
}

static bool find_place(int *place, const char *text, size_t length, Error *error) {
    for (int i = 0; i < PLACE_KINDS; i++)
        if (strlen(place_table[i].name) == length && memcmp(place_table[i].name, text, length) == 0) {
            *place = i;
            return true;
        }
    char names[256];
    Line line = line_begin(names, sizeof names);
    for (int i = 0; i < PLACE_KINDS; i++) line_add(&line, "%s, ", place_table[i].name);
    return error_set(error, "at: no such place '%.*s': expected %sor /REGEX/", (int)(length < 200 ? length : 200), text,
                     names);
}

static bool check_regex(const char *text, size_t length, Error *error) {
    Bytes pattern = {(const uint8_t *)text + 1, length - 2};
    for (size_t i = 0; i < pattern.size; i++)
        if (pattern.data[i] < ' ' || pattern.data[i] == 0x7f)
            return error_set(error, "at /REGEX/: expected no control characters in it (\\n, \\t)");
    return place_check_pattern(pattern, error) || error_prefix(error, "at %.*s: ", (int)length, text);
}

bool place_parse(PlaceRule *rule, const char *text, Error *error) {
    size_t length = name_length(text), size = strlen(text);
    if (length == 0 || text[length] != ':' || text[length + 1] == '\0')
        return error_set(error, "at: expected PLACE:SETTINGS or /REGEX/:SETTINGS, got '%.200s'", text);
    if (size >= sizeof rule->text)
        return error_set(error, "at %.40s...: expected at most %zu characters", text, sizeof rule->text - 1);
    *rule = (PlaceRule){.place = PLACE_REGEX, .settings = (int)length + 1, .k = 1, .depth = 1};
    if (*text == '/' ? !check_regex(text, length, error) : !find_place(&rule->place, text, length, error)) return false;
    bool braces = text[length + 1] == '{' && text[size - 1] == '}';
    const char *settings = text + length + 1 + braces;
    size_t n_settings = size - length - 1 - 2 * (size_t)braces;
    memcpy(rule->text, text, length + 1);
    memcpy(rule->text + length + 1, settings, n_settings);
    return n_settings > 0 || error_set(error, "at %.*s: expected settings, got {}", (int)length, text);
}

PlaceSet place_find(const PlaceRule *rules, int n_rules, const PlaceState *state, PlaceRegexes *regexes,
                    PlaceText text) {
    PlaceSet held = regexes ? place_matches(regexes, text) : 0;
    for (int i = 0; i < n_rules; i++)
        if (rules[i].place != PLACE_REGEX && place_table[rules[i].place].holds(state)) held |= (PlaceSet)1 << i;
    return held;
}

/* Place: the kind of position of the next token in the text, so that settings can apply only there (at PLACE:SETTINGS).
 *
 *   It was 3.5 miles. "Go on," she said.
 *           ^^^        ^^^^^^^            the place of these characters: number, speech
 *
 * A state machine reads the text, the prompt included, character by character; its state is plain data. It reads bytes,
 * so the state does not depend on the tokens' borders. An incomplete character at the end has no effect yet. After a
 * token that ends a text a new text begins. A /REGEX/ needs no state: it is matched against the end of the text.
 *
 *   word               a run of letters, digits and _. Characters beyond ASCII are letters, except punctuation
 *   speech             inside a quotation: straight double marks, curly marks, guillemets both ways. A straight mark
 *                      opens no quotation directly after a word or one of . , ! ?. A straight single mark is always an
 *                      apostrophe, a curly one between two letters is one. Inside a quotation only its closing mark is
 *                      recognised. The end of a paragraph closes it. In code there are no quotation marks
 *   number             after a digit whose word has only digits so far; after . or , directly after such a digit;
 *                      after a currency sign that follows no word: "3", "3.", "$", but not "tok5" or "No. "
 *   code               from ``` at the beginning of a line to ``` at the beginning of another; from ` to ` in one line
 *   identifier         in a word that begins with a letter or _ and has a digit, an _ after a letter, or an upper-case
 *                      letter after a lower-case one. In code, in every word that does not begin with a digit
 *   sentence-start     the text is empty or ends with . ! ? or a newline; spaces, quotation marks and brackets may
 *                      follow these. Not in code. A point after a digit needs a space after it, since another digit may
 *                      follow. A point after Mr, Mrs, Ms, Dr, St, Prof or an initial ends no sentence
 *   paragraph-start    only white space since the beginning or an empty line. Not in code
 *   line-start         only white space since the beginning or a newline
 *
 * To add a place: one row of place_table, one function, its lines in tests/sampler/settings/test_place.c and
 * naive_places.c. */
#ifndef SAMPLER_SETTINGS_PLACE_H
#define SAMPLER_SETTINGS_PLACE_H

#include "sampler/chain/token_flags.h"
#include "tensor/bytes.h"

#define PLACE_RULES      16
#define PLACE_RULE_BYTES 512
#define PLACE_WINDOW     1024 /* bytes at the end of the text that a /REGEX/ sees */
#define PLACE_KINDS      7
#define PLACE_REGEX      PLACE_KINDS /* no row of the table: /REGEX/ */

/* The state of the machine. All zero: at the beginning of a text. */
typedef struct {
    uint8_t held[4], n_held; /* the bytes of an incomplete character */
    uint8_t quote, apostrophe,
        previous;                    /* the open quotation; its possible closing mark came last; the last character */
    uint8_t code, fence, ticks, run; /* backticks of the fence and of the present run; the kind of that run */
    uint8_t word[4], n_word;         /* its first characters, its length (at most 255) */
    uint8_t has_letter, is_mixed, last_is_lower;
    uint8_t number, sentence, indent, in_line, in_paragraph;
} PlaceState;

typedef struct {
    const char *name, *meaning, *example;
    bool (*holds)(const PlaceState *state);
    unsigned apart; /* bit i: it never holds at the same position as row i */
} PlaceRow;

extern const PlaceRow place_table[PLACE_KINDS];

/* "PLACE:SETTINGS" as plain data. sampler_add_rule parses the settings. */
typedef struct {
    int place;                   /* its row of place_table, or PLACE_REGEX */
    int settings;                /* where they begin in text */
    int k, depth;                /* of the lookahead; 1 if the rule does not set them */
    bool future, of_preset;      /* it looks ahead; it came with a preset */
    char text[PLACE_RULE_BYTES]; /* "PLACE:SETTINGS", without braces */
} PlaceRule;

typedef uint32_t PlaceSet; /* bit i: rule i holds */

/* Parses "PLACE:SETTINGS" or "PLACE:{SETTINGS}" into place, settings and text. Errors begin with "at": not of this
 * form, too long, an unknown place (the error lists the places), a pattern that does not compile (with the byte). */
bool place_parse(PlaceRule *rule, const char *text, Error *error);
/* The length of the "PLACE:" that text begins with, and of the "{...}" after it if there is one. A comma within these
 * does not end an item of a list. 0: text does not begin with a place. */
size_t place_prefix(const char *text);
/* The length of the place in rule->text: of "number" or "/chapter [0-9]+$/". */
int place_length(const PlaceRule *rule);
/* Prepends "at PLACE: " to the error; returns false. */
bool place_error(const PlaceRule *rule, Error *error);

/* Whether both rules can hold at the same position; a pattern may match anywhere. */
bool place_may_meet(const PlaceRule *a, const PlaceRule *b);

/* Reads the next bytes of the text. */
void place_read(PlaceState *state, Bytes text);

/* ---- Regular expressions: PCRE2, in UTF-8, anchored at the end of the text ---- */

/* The compiled patterns of a list of rules. Limits: 10,000 steps from each position where a match may begin, a depth of
 * 10,000, 1 MiB of memory. A match that reaches a limit counts as no match. */
typedef struct PlaceRegexes PlaceRegexes;

/* The text so far. A space at its beginning is ignored, because encoding inserts one there. */
typedef struct {
    const int *history; /* (n,) */
    int n;
    const Bytes *pieces;     /* (vocab_size,) */
    const TokenFlags *flags; /* (vocab_size,) */
} PlaceText;

/* *regexes is NULL if no rule has a pattern. Errors: out of memory, a pattern that does not compile. */
bool place_regexes_open(PlaceRegexes **regexes, const PlaceRule *rules, int n_rules, Error *error);
void place_regexes_close(PlaceRegexes *regexes);
/* The rules whose pattern has reached a limit so far; regexes may be NULL. */
PlaceSet place_limited(const PlaceRegexes *regexes);
/* The rules whose pattern matches at the end of the text. */
PlaceSet place_matches(PlaceRegexes *regexes, PlaceText text);
/* Whether a pattern compiles. Errors: the message of PCRE2, with the byte. */
bool place_check_pattern(Bytes pattern, Error *error);

/* All rules that hold. regexes: the patterns of the same rules, or NULL. */
PlaceSet place_find(const PlaceRule *rules, int n_rules, const PlaceState *state, PlaceRegexes *regexes,
                    PlaceText text);

#endif

/* Place: where in the text the next token stands, so that settings can hold there alone (--at PLACE:SETTINGS).
 *
 *   It was 3.5 miles. "Go on," she said.
 *          ^^^^       ^^^^^^^             number, speech: the tokens drawn where these are marked
 *
 * A state machine reads the text character by character, the prompt's included; what it remembers is plain data. It reads
 * bytes, so its state does not depend on how tokens cut the text; a character that is not complete has not been read. A
 * token that ends a text begins a new one. /REGEX/ keeps no state: it is matched against the end of the text itself.
 *
 *   a word             a run of letters, digits and _; characters beyond ASCII are letters, but for punctuation
 *   number             after a digit that no letter precedes in its word, after a . or , that follows one, and after
 *                      $ (or another sign of a currency) that follows no word: "3", "3.", "$", not "tok5" or "No. "
 *   speech             between quotation marks: "", the curly ones, guillemets in both directions. A straight mark opens
 *                      nothing where it follows a word or one of . , ! ?. A straight single mark is an apostrophe; a curly
 *                      one between two letters, too. The first open quotation counts, those within it do not. The end of
 *                      a paragraph closes it
 *   code               from ``` at the beginning of a line to the same at another, and between ` and ` in one line
 *   identifier         in a word that begins with a letter or _, and has a digit, an _ after a letter or an upper-case
 *                      letter after a lower-case one; in code in any word that does not begin with a digit
 *   sentence-start     the text is empty, or ends with one of . ! ? or a newline, with spaces, quotation marks and
 *                      brackets after it; not in code. A point after a digit wants a space after it, since a digit may
 *                      follow; one after Mr, Mrs, Ms, Dr, St, Prof or an initial is none
 *   paragraph-start    nothing but white space since the beginning or an empty line; not in code
 *   line-start         nothing but white space since the beginning or a newline
 *
 * A new place is one row of place_table, and its test. */
#ifndef SAMPLER_PLACE_H
#define SAMPLER_PLACE_H

#include "sampler/token_flags.h"
#include "tensor/bytes.h"

#define PLACE_RULES      16
#define PLACE_RULE_BYTES 512
#define PLACE_WINDOW     1024 /* bytes at the end of the text that a /REGEX/ sees */
#define PLACE_KINDS      7
#define PLACE_REGEX      PLACE_KINDS /* no row of the table: /REGEX/ */

/* The machine. All zero: at the beginning of a text. */
typedef struct {
    uint8_t held[4], n_held;             /* the beginning of a character */
    uint8_t quote, apostrophe, previous; /* the open quotation; its closing mark may be an apostrophe; what came last */
    uint8_t code, fence, ticks, run;     /* backticks of the fence, of the present run, and what that run is */
    uint8_t word[4], n_word;             /* its first characters, its length (at most 255) */
    uint8_t has_letter, is_mixed, last_is_lower;
    uint8_t number, sentence, indent, in_line, in_paragraph;
} PlaceState;

typedef struct {
    const char *name, *meaning, *example;
    bool (*holds)(const PlaceState *state);
} PlaceRow;

extern const PlaceRow place_table[PLACE_KINDS];

/* "PLACE:SETTINGS" as plain data. The settings are the sampler's to read: see sampler_add_rule. */
typedef struct {
    int place;                   /* in place_table, or PLACE_REGEX */
    int settings;                /* where they begin in text */
    int k, depth;                /* of looking ahead, as far as the rule sets them; else 1 */
    bool future, of_preset;      /* it looks ahead; it came with a preset */
    char text[PLACE_RULE_BYTES]; /* "PLACE:SETTINGS", without braces */
} PlaceRule;

typedef uint32_t PlaceSet; /* bit i: rule i holds */

/* Fills place, settings and text. The settings may stand in braces. Errors name --at: another form, too long, no such place
 * (they are listed), a pattern that does not compile (with the place in it). */
bool place_parse(PlaceRule *rule, const char *text, Error *error);
/* The length of "PLACE:" at the beginning of text, and of "{...}" if that follows: commas in them end no item of a list. */
size_t place_prefix(const char *text);
/* "number" or "/chapter [0-9]+$/" of rule->text. */
int place_length(const PlaceRule *rule);

void place_read(PlaceState *state, Bytes text);

/* ---- Regular expressions: PCRE2, in UTF-8, anchored at the end of the text ---- */

/* The compiled patterns of some rules, and their limits: a match may try 10,000 steps for each place where it could begin,
 * 10,000 deep, in 1 MiB. One that runs into a limit counts as none. */
typedef struct PlaceRegexes PlaceRegexes;

/* The text so far. Its first byte is left out where that is a space, since vocabularies put one there. */
typedef struct {
    const int *history; /* (n,) */
    int n;
    const Bytes *pieces;     /* (vocab_size,) */
    const TokenFlags *flags; /* (vocab_size,) */
} PlaceText;

/* *regexes is NULL where no rule has a pattern. Errors: out of memory, a pattern that does not compile. */
bool place_regexes_open(PlaceRegexes **regexes, const PlaceRule *rules, int n_rules, Error *error);
void place_regexes_close(PlaceRegexes *regexes);
/* Rules whose pattern has run into a limit so far; regexes may be NULL. */
PlaceSet place_limited(const PlaceRegexes *regexes);
/* The rules whose pattern matches at the end of the text. */
PlaceSet place_matches(PlaceRegexes *regexes, PlaceText text);
/* Whether a pattern compiles. Errors: the message of PCRE2, with the byte. */
bool place_check_pattern(Bytes pattern, Error *error);

/* All the rules that hold. regexes: those of the same rules. */
PlaceSet place_find(const PlaceRule *rules, int n_rules, const PlaceState *state, PlaceRegexes *regexes,
                    PlaceText text);

#endif

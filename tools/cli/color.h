/* Color: tints each printed token by one of its figures, only on a terminal and not if NO_COLOR is set. color_explain
 * prints the candidates that a token was drawn from. */
#ifndef TOOLS_CLI_COLOR_H
#define TOOLS_CLI_COLOR_H

#include "sampler/text/step.h"
#include "tokenizer/tokenizer.h"
#include "tools/cli/units.h"

/* In the order of COLOR_CHOICES. */
typedef enum {
    COLOR_NONE,
    COLOR_P,         /* in the model's own distribution */
    COLOR_SURPRISAL, /* -ln p */
    COLOR_ENTROPY,   /* of the distribution that the token was drawn from */
    COLOR_FUTURE,    /* Hhat of the token; no tint without lookahead */
    COLOR_ALPHA,
    COLOR_RANK /* among all tokens, 1 the likeliest */
} ColorBy;
#define COLOR_CHOICES "none|p|surprisal|entropy|future|alpha|rank"

/* The tint of a token whose text is not completely printed yet. */
typedef struct {
    int position;
    /* Where its text begins, in bytes after the prompt. A character belongs to the token that completes it. */
    size_t begin;
    char sequence[48]; /* the escape sequence; empty: no tint */
} Tint;

typedef struct {
    ColorBy by;  /* COLOR_NONE: nothing is tinted */
    Units units; /* of surprisal and entropy */
    bool true_color;
    Tint *tints; /* (n_tints,) by position; the first one is for the next byte. Freed with memory_free. */
    size_t n_tints, capacity, n_printed;
} Color;

/* Reads what standard output is, and the environment: TERM, COLORTERM, NO_COLOR. */
Color color_open(ColorBy by, Units units);
/* Prints the scale on standard error, unless nothing is tinted. */
void color_legend(const Color *color);

/* Adds the drawn token. begin: the size of the text before it, in whole characters. Errors: out of memory. */
bool color_step(Color *color, const Step *step, const Writer *writer, size_t begin, Error *error);
/* Removes the tokens from this position on, which were taken back. */
void color_rewind(Color *color, int position);
/* Prints the text's next bytes to standard output, each token with its tint. Newlines are not tinted, so that no tint
 * fills the rest of a line. */
bool color_write(Color *color, const uint8_t *text, size_t n_bytes, Error *error);

/* Prints the likeliest candidates on standard error, with p, and with Hhat and s if the step looked ahead. */
void color_explain(const Step *step, const Writer *writer, const Tokenizer *tokenizer, Units units);

#endif

/* Color: tints what is printed of each token by one of its numbers, for people: only on a terminal, and not under
 * NO_COLOR. `color_explain` prints the candidates that it was drawn from. */
#ifndef TOOLS_CLI_COLOR_H
#define TOOLS_CLI_COLOR_H

#include "sampler/text/step.h"
#include "tokenizer/tokenizer.h"
#include "tools/cli/units.h"

/* In the order of COLOR_CHOICES. */
typedef enum {
    COLOR_NONE,
    COLOR_P,         /* natural probability */
    COLOR_SURPRISAL, /* -ln p */
    COLOR_ENTROPY,   /* of the step */
    COLOR_FUTURE,    /* Hhat of the token; none without lookahead */
    COLOR_ALPHA,
    COLOR_RANK /* among all tokens, 1 the likeliest */
} ColorBy;
#define COLOR_CHOICES "none|p|surprisal|entropy|future|alpha|rank"

/* The tint of a token whose text is not all printed yet. */
typedef struct {
    int position;
    /* Of its text, bytes from the end of the prompt; a character belongs to the token that completes it. */
    size_t begin;
    char sequence[48]; /* that tints it; empty: no tint */
} Tint;

typedef struct {
    ColorBy by;  /* COLOR_NONE where nothing is to be tinted */
    Units units; /* of surprisal and entropy */
    bool true_color;
    Tint *tints; /* (n_tints,) by position, the first is that of the next byte; memory_free */
    size_t n_tints, capacity, n_printed;
} Color;

/* Looks at standard output and the environment: TERM, COLORTERM, NO_COLOR. */
Color color_open(ColorBy by, Units units);
/* The scale, on standard error; nothing where nothing is tinted. */
void color_legend(const Color *color);

/* The token that was drawn: begin is the size of the text before it, whole characters alone. Errors: out of memory. */
bool color_step(Color *color, const Step *step, const Writer *writer, size_t begin, Error *error);
/* The tokens from this position on are taken back. */
void color_rewind(Color *color, int position);
/* Prints the text's next bytes to standard output, each token's with its tint, newlines without, so that no tint runs
 * to the end of a line. */
bool color_write(Color *color, const uint8_t *text, size_t n_bytes, Error *error);

/* The table of the likeliest candidates with p, and Hhat and s where it looked ahead, on standard error. */
void color_explain(const Step *step, const Writer *writer, const Tokenizer *tokenizer, Units units);

#endif

/* Color: tints what is printed of each token by one of its numbers, for people: only on a terminal, and not under
 * NO_COLOR. `color_explain` prints the candidates that it was drawn from. */
#ifndef TOOLS_COLOR_H
#define TOOLS_COLOR_H

#include "tokenizer/tokenizer.h"
#include "tools/step.h"
#include "tools/units.h"

/* In the order of COLOR_CHOICES. */
typedef enum {
    COLOR_NONE,
    COLOR_P,         /* natural probability */
    COLOR_SURPRISAL, /* -ln p */
    COLOR_ENTROPY,   /* of the step */
    COLOR_FUTURE,    /* Hhat of the token; none where nobody looked ahead */
    COLOR_ALPHA,
    COLOR_RANK /* among all tokens, 1 the likeliest */
} ColorBy;
#define COLOR_CHOICES "none|p|surprisal|entropy|future|alpha|rank"

typedef struct {
    ColorBy by;  /* COLOR_NONE where nothing is to be tinted */
    Units units; /* of surprisal and entropy */
    bool true_color;
    char start[48]; /* the sequence that tints the token; empty: as it is */
} Color;

/* Looks at standard output and the environment: TERM, COLORTERM, NO_COLOR. */
Color color_open(ColorBy by, Units units);
/* The scale, on standard error; nothing where nothing is tinted. */
void color_legend(const Color *color);

/* The tint of the token to be printed. */
void color_step(Color *color, const Step *step, const Writer *writer);
/* Prints bytes to standard output with it, newlines without, so that no tint runs to the end of a line. */
bool color_write(const Color *color, const uint8_t *text, size_t n_bytes, Error *error);

/* The table of the likeliest candidates with p, and Hhat and s where it looked ahead, on standard error. */
void color_explain(const Step *step, const Writer *writer, const Tokenizer *tokenizer, Units units);

#endif

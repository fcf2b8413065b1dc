/* Wave: an alpha that varies periodically as the text grows, and the clock that counts time for it.
 *
 *   alpha(t) = clamp(bias + amplitude * shape((t + phase) / period), -1, 1)
 *
 * t is the clock's count; period and phase have its unit. The values of each shape at the quarters of a period:
 *
 *               0    1/4    1/2    3/4
 *   sine        0     1      0     -1       sin(2 pi x)
 *   triangle    0     1      0     -1       linear between these
 *   square      1     1     -1     -1       +1 in the first half, -1 in the second
 *   ramp       -1   -1/2     0     1/2      rises linearly, and jumps back to -1 at the end
 *
 * Both are plain data: copied with `=`, the clock forks and rewinds with its sequence. */
#ifndef SAMPLER_FUTURE_WAVE_H
#define SAMPLER_FUTURE_WAVE_H

#include <stddef.h>

#include "sampler/chain/token_flags.h"
#include "tensor/error.h"

typedef enum { WAVE_SINE, WAVE_TRIANGLE, WAVE_SQUARE, WAVE_RAMP, WAVE_SHAPES } WaveShape;
typedef enum { WAVE_TOKEN, WAVE_WORD, WAVE_SENTENCE, WAVE_LINE, WAVE_UNITS } WaveUnit;

typedef struct {
    WaveShape shape;
    WaveUnit clock;
    double amplitude, period, phase, bias;
} Wave;

/* The length of the generated text so far, in each unit; all zero before the first token. */
typedef struct {
    int count[WAVE_UNITS];
    TokenFlags last; /* the flags of the last token */
} WaveClock;

/* The names of the shapes and of the units, in the order of the enums (choice.h). */
#define WAVE_SHAPE_NAMES "sine|triangle|square|ramp"
#define WAVE_UNIT_NAMES  "token|word|sentence|line"

Wave wave_default(void); /* sine:1:60:0:0, counted in tokens */

/* Parses "SHAPE:AMPLITUDE:PERIOD[:PHASE[:BIAS]]". Phase and bias default to 0; the clock does not change. Errors begin
 * with "wave": not of this form; an unknown shape (the error lists the shapes); not a number; out of range. */
bool wave_parse(Wave *wave, const char *text, Error *error);

/* All five fields, in the form that wave_parse reads. Cut to capacity, and returns the uncut length, as snprintf
 * does. */
int wave_print(const Wave *wave, char *out, size_t capacity);

/* Alpha at time t, in [-1, 1]. If t and period are integers, alpha repeats bit for bit after each period. */
double wave_alpha(const Wave *wave, double t);

/* Counts one generated token. A word is counted at the token that begins it (a punctuation mark is a word), a sentence
 * or a line at the token that ends it. If several consecutive tokens end a sentence or a line, only the first counts:
 * "?!" ends one sentence, and an empty line is not a line. */
void wave_clock_count(WaveClock *clock, TokenFlags flags);

#endif

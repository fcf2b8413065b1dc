/* Wave: an alpha that changes periodically while the text grows, and the clock that counts its time.
 *
 *   alpha(t) = clamp(bias + amplitude * shape((t + phase) / period), -1, 1)
 *
 * The clock counts t; period and phase are in its units. One period of each shape at its quarters:
 *
 *               0    1/4    1/2    3/4
 *   sine        0     1      0     -1       sin(2 pi x)
 *   triangle    0     1      0     -1       linear between these
 *   square      1     1     -1     -1       +1 in the first half, -1 in the second
 *   ramp       -1   -1/2     0     1/2      rises linearly, and falls back to -1 at the end
 *
 * Plain data: it copies with `=`, so it rewinds and forks together with the branch that owns it. */
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

/* What was generated so far, in each unit; all zero before the first token. */
typedef struct {
    int count[WAVE_UNITS];
    TokenFlags last; /* of the last token */
} WaveClock;

/* The names of both, in the order of the enums (choice.h). */
#define WAVE_SHAPE_NAMES "sine|triangle|square|ramp"
#define WAVE_UNIT_NAMES  "token|word|sentence|line"

Wave wave_default(void); /* sine:1:60:0:0, by tokens */

/* "SHAPE:AMPLITUDE:PERIOD[:PHASE[:BIAS]]"; phase and bias are 0 where they are not given, the clock stays as it is.
 * Errors begin with "wave": another form, no such shape (they are listed), not a number, out of range (which is named). */
bool wave_parse(Wave *wave, const char *text, Error *error);

/* All five fields, as wave_parse reads them. Cut to capacity as snprintf does; returns the length it wants. */
int wave_print(const Wave *wave, char *out, size_t capacity);

/* In [-1, 1]. For integer t and period, alpha repeats bit for bit after each period. */
double wave_alpha(const Wave *wave, double t);

/* Counts one generated token. The token that begins a word counts the word (a punctuation mark is a word). The token
 * that ends a sentence or a line counts it; of several such tokens in a row only the first counts: "?!" ends one
 * sentence, and an empty line is not a line. */
void wave_clock_count(WaveClock *clock, TokenFlags flags);

#endif

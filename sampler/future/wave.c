#include "sampler/future/wave.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/chain/choice.h"
#include "sampler/chain/number.h"

#define PI            3.14159265358979323846
#define FORM          "SHAPE:AMPLITUDE:PERIOD[:PHASE[:BIAS]]"
#define MAX_AMPLITUDE 10  /* of amplitude and bias: a larger one gives practically a square wave */
#define MAX_PERIOD    1e6 /* of period and phase */

Wave wave_default(void) { return (Wave){.shape = WAVE_SINE, .clock = WAVE_TOKEN, .amplitude = 1, .period = 60}; }

bool wave_parse(Wave *wave, const char *text, Error *error) {
    const struct {
        const char *what;
        NumberRange range;
    } fields[] = {{"wave: amplitude", {.low = -MAX_AMPLITUDE, .high = MAX_AMPLITUDE}},
                  {"wave: period", {.low = 0, .high = MAX_PERIOD, .low_open = true}},
                  {"wave: phase", {.low = -MAX_PERIOD, .high = MAX_PERIOD}},
                  {"wave: bias", {.low = -MAX_AMPLITUDE, .high = MAX_AMPLITUDE}}};
    int n_fields = 0;
    for (const char *c = text; *c; c++) n_fields += *c == ':';
    if (n_fields < 2 || n_fields > 4) return error_set(error, "wave: expected " FORM ", got '%s'", text);

    size_t length = strcspn(text, ":");
    int shape = choice_find(WAVE_SHAPE_NAMES, text, length);
    if (shape < 0)
        return error_set(error, "wave: no such shape '%.*s': expected sine, triangle, square or ramp",
                         (int)(length < 200 ? length : 200), text);
    double values[4] = {0};
    for (int i = 0; i < n_fields; i++) {
        text += length + 1;
        length = strcspn(text, ":");
        if (!number_parse(&values[i], text, length, fields[i].range, fields[i].what, error)) return false;
    }
    *wave = (Wave){(WaveShape)shape, wave->clock, values[0], values[1], values[2], values[3]};
    return true;
}

int wave_print(const Wave *wave, char *out, size_t capacity) {
    double values[] = {wave->amplitude, wave->period, wave->phase, wave->bias};
    char shape[16], text[4][32];
    for (int i = 0; i < 4; i++) number_print(values[i], text[i], sizeof text[i]);
    choice_print(WAVE_SHAPE_NAMES, (int)wave->shape, shape, sizeof shape);
    return snprintf(out, capacity, "%s:%s:%s:%s:%s", shape, text[0], text[1], text[2], text[3]);
}

/* x in [0, 1). The sine is computed from its first quarter, so that its zeros are exact and its halves are equal. */
static double shape_at(WaveShape shape, double x) {
    double half = x < 0.5 ? x : x - 0.5, sign = x < 0.5 ? 1 : -1;
    double quarter = half <= 0.25 ? half : 0.5 - half;
    switch (shape) {
    case WAVE_SINE:
        return sign * sin(2 * PI * quarter);
    case WAVE_TRIANGLE:
        return sign * 4 * quarter;
    case WAVE_SQUARE:
        return sign;
    default:
        return 2 * x - 1;
    }
}

/* x modulo the period, in [0, period). fmod is exact, but a tiny negative remainder plus the period may round to the
 * period. */
static double wrap(double x, double period) {
    double rest = fmod(x, period);
    if (rest < 0) rest += period;
    return rest < period ? rest : 0;
}

double wave_alpha(const Wave *wave, double t) {
    assert(wave->period > 0);
    /* t is reduced before the phase is added: t + 0.1 would round differently for a large t than for a small one. */
    double x = wrap(wrap(t, wave->period) + wave->phase, wave->period) / wave->period;
    double alpha = wave->bias + wave->amplitude * shape_at(wave->shape, x);
    return fmin(fmax(alpha, -1), 1);
}

void wave_clock_count(WaveClock *clock, TokenFlags flags) {
    TokenFlags first = flags & (TokenFlags)~clock->last;
    clock->count[WAVE_TOKEN]++;
    clock->count[WAVE_WORD] += (flags & TOKEN_BEGINS_WORD) != 0;
    clock->count[WAVE_SENTENCE] += (first & TOKEN_ENDS_SENTENCE) != 0;
    clock->count[WAVE_LINE] += (first & TOKEN_HAS_NEWLINE) != 0;
    clock->last = flags;
}

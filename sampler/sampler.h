/* Sampler: the chain of stages as plain data: it parses, prints, compares and copies with `=`.
 *
 *   top-k -> top-p -> min-p -> temp -> draw
 *
 * A stage is one row of the table in sampler.c: its flag, its range, its formula and its function; from there it is in
 * the command line, the help and the printed chain. */
#ifndef SAMPLER_SAMPLER_H
#define SAMPLER_SAMPLER_H

#include <stdint.h>

#include "sampler/candidates.h"

#define SAMPLER_STAGES 4

typedef struct {
    float value[SAMPLER_STAGES]; /* by the table's order */
    uint64_t seed;
} Sampler;

typedef struct {
    const char *name;    /* "top-k"; its flag is --top-k, as in llama.cpp */
    const char *metavar; /* "K" */
    bool whole;          /* takes whole numbers only */
    double low, high;    /* allowed values, both included */
    double off;          /* the value at which the stage does nothing */
    double usual;        /* the default */
    const char *formula, *source;
    void (*apply)(Candidates *candidates, float value); /* NULL for temp, which the draw reads */
} SamplerStage;

extern const SamplerStage sampler_stages[SAMPLER_STAGES];

Sampler sampler_default(void); /* the table's usual values, seed 0 */

/* Sets one stage by name. Errors: no such stage (they are listed), not a number, out of range (which is named). */
bool sampler_set(Sampler *sampler, const char *name, const char *value, Error *error);

/* "top-k 40 -> top-p 0.95 -> min-p 0.05 -> temp 0.8 -> draw, seed 42"; stages that are off are left out, and temp 0
 * prints as "greedy". Cut to capacity as snprintf does; returns the length it wants. */
int sampler_print(const Sampler *sampler, char *out, size_t capacity);

float sampler_temperature(const Sampler *sampler);

/* Applies the truncating stages in order. */
void sampler_apply(const Sampler *sampler, Candidates *candidates);

/* The index of the candidate drawn from softmax(logit / T) over those that are left, by Gumbel-max with the noise of
 * (seed, token, position, sequence); the likeliest for T < 1e-4. */
int sampler_draw(const Sampler *sampler, const Candidates *candidates, int position, int sequence);

#endif

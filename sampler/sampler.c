#include "sampler/sampler.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/noise.h"

#define GREEDY_BELOW 1e-4f

static void top_k(Candidates *candidates, float value) { candidates_top_k(candidates, (int)value); }

enum { TOP_K, TOP_P, MIN_P, TEMP };

const SamplerStage sampler_stages[SAMPLER_STAGES] = {
    [TOP_K] = {"top-k", "K", true, 0, 1e6, 0, 40, "the K largest; 0 keeps all", "", top_k},
    [TOP_P] = {"top-p", "P", false, 0, 1, 1, 0.95, "the shortest prefix by probability with sum >= P",
               "Holtzman et al. 2019, 1904.09751", candidates_top_p},
    [MIN_P] = {"min-p", "P", false, 0, 1, 0, 0.05, "probability >= P * the largest", "Nguyen et al. 2024, 2407.01082",
               candidates_min_p},
    [TEMP] = {"temp", "T", false, 0, 100, 1, 0.8, "draws from softmax(logit / T); 0 takes the likeliest", "", NULL},
};

Sampler sampler_default(void) {
    Sampler sampler = {0};
    for (int i = 0; i < SAMPLER_STAGES; i++) sampler.value[i] = (float)sampler_stages[i].usual;
    return sampler;
}

static bool unknown_stage(const char *name, Error *error) {
    char known[256] = "";
    size_t length = 0;
    for (int i = 0; i < SAMPLER_STAGES && length < sizeof known; i++)
        length +=
            (size_t)snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", sampler_stages[i].name);
    return error_set(error, "--%s: no such sampler stage: expected one of %s", name, known);
}

bool sampler_set(Sampler *sampler, const char *name, const char *value, Error *error) {
    int i = 0;
    while (i < SAMPLER_STAGES && strcmp(sampler_stages[i].name, name) != 0) i++;
    if (i == SAMPLER_STAGES) return unknown_stage(name, error);
    const SamplerStage *stage = &sampler_stages[i];

    char *end;
    double number = strtod(value, &end);
    bool is_number = end != value && *end == '\0' && !isspace((unsigned char)value[0]);
    bool fits = number >= stage->low && number <= stage->high && (!stage->whole || number == floor(number));
    if (!is_number || !fits)
        return error_set(error, "--%s: expected a %snumber from %.7g to %.7g, got '%s'", name,
                         stage->whole ? "whole " : "", stage->low, stage->high, value);
    sampler->value[i] = (float)number;
    return true;
}

/* Appends to a text of `length` characters as snprintf would have gone on; returns the new length. */
static int append(char *out, size_t capacity, int length, const char *name, double value) {
    size_t left = (size_t)length < capacity ? capacity - (size_t)length : 0;
    return length + snprintf(left ? out + length : NULL, left, "%s %.7g -> ", name, value);
}

int sampler_print(const Sampler *sampler, char *out, size_t capacity) {
    bool greedy = sampler_temperature(sampler) < GREEDY_BELOW;
    int length = 0;
    for (int i = 0; i < SAMPLER_STAGES; i++) {
        if (sampler->value[i] == (float)sampler_stages[i].off || (i == TEMP && greedy)) continue;
        length = append(out, capacity, length, sampler_stages[i].name, sampler->value[i]);
    }
    size_t left = (size_t)length < capacity ? capacity - (size_t)length : 0;
    return length + snprintf(left ? out + length : NULL, left, "%s, seed %llu", greedy ? "greedy" : "draw",
                             (unsigned long long)sampler->seed);
}

float sampler_temperature(const Sampler *sampler) { return sampler->value[TEMP]; }

void sampler_apply(const Sampler *sampler, Candidates *candidates) {
    for (int i = 0; i < SAMPLER_STAGES; i++)
        if (sampler_stages[i].apply) sampler_stages[i].apply(candidates, sampler->value[i]);
}

int sampler_draw(const Sampler *sampler, const Candidates *candidates, int position, int sequence) {
    double temperature = sampler_temperature(sampler), best_key = -INFINITY;
    int best = candidates_argmax(candidates);
    if (temperature < GREEDY_BELOW) return best;
    for (int i = 0; i < candidates->count; i++) {
        const Candidate *item = &candidates->items[i];
        double noise = noise_gumbel(sampler->seed, item->token, position, sequence, NOISE_DRAW);
        double key = item->logit / temperature + noise;
        if (key > best_key || (key == best_key && item->token < candidates->items[best].token)) {
            best = i;
            best_key = key;
        }
    }
    return best;
}

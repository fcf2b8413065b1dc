/* The two settings of a temperature policy that are lists of numbers: temp-table and entropy-target. */
#include <stdio.h>
#include <string.h>

#include "sampler/chain/line.h"
#include "sampler/settings/settings.h"

static const NumberRange nats = {.low = 0, .high = SETTINGS_MAX_NATS};
static const NumberRange temperatures = {.low = 0, .high = SETTINGS_MAX_TEMP};
static const NumberRange fractions = {.low = 0, .high = 1};

static void append_number(Line *line, const char *between, double value) {
    char number[32];
    number_print(value, number, sizeof number);
    line_add(line, "%s%s", between, number);
}

/* ---- temp-table: H:T,H:T,... ---- */

/* H of each knot must be above that of the previous knot. number: of the knot, from 1. */
static bool check_knot(const TemperatureKnot *knots, int number, Error *error) {
    if (number == 1 || knots[number - 1].entropy > knots[number - 2].entropy) return true;
    return error_set(error, "temp-table: knot %d: expected H above the %.7g of the knot before, got %.7g", number,
                     knots[number - 2].entropy, knots[number - 1].entropy);
}

/* Parses "H:T", the first `length` characters of text, into the knot of this number. */
static bool read_knot(TemperatureKnot *knots, int number, const char *text, size_t length, Error *error) {
    char what[64];
    TemperatureKnot *knot = &knots[number - 1];
    size_t colon = strcspn(text, ":");
    if (colon >= length)
        return error_set(error, "temp-table: knot %d: expected H:T, got '%.*s'", number,
                         (int)(length < 200 ? length : 200), text);
    snprintf(what, sizeof what, "temp-table: knot %d: H", number);
    if (!number_parse(&knot->entropy, text, colon, nats, what, error)) return false;
    snprintf(what, sizeof what, "temp-table: knot %d: T", number);
    return number_parse(&knot->temperature, text + colon + 1, length - colon - 1, temperatures, what, error) &&
           check_knot(knots, number, error);
}

bool settings_set_table(Sampler *sampler, const char *text, Error *error) {
    TemperatureKnot knots[TEMPERATURE_KNOTS];
    for (int number = 1; number <= TEMPERATURE_KNOTS; number++) {
        size_t length = strcspn(text, ",");
        if (!read_knot(knots, number, text, length, error)) return false;
        if (text[length] == '\0') {
            memcpy(sampler->temperature.knots, knots, (size_t)number * sizeof *knots);
            sampler->temperature.n_knots = number;
            return true;
        }
        text += length + 1;
    }
    return error_set(error, "temp-table: expected at most %d knots, got more", TEMPERATURE_KNOTS);
}

int settings_show_table(const Sampler *sampler, char *out, size_t capacity) {
    Line line = line_begin(out, capacity);
    for (int i = 0; i < sampler->temperature.n_knots; i++) {
        append_number(&line, i ? "," : "", sampler->temperature.knots[i].entropy);
        append_number(&line, ":", sampler->temperature.knots[i].temperature);
    }
    return line.length;
}

bool settings_check_table(const TemperaturePolicy *policy, Error *error) {
    if (policy->n_knots < 0 || policy->n_knots > TEMPERATURE_KNOTS)
        return error_set(error, "temp-table: expected at most %d knots, got %d", TEMPERATURE_KNOTS, policy->n_knots);
    if (policy->kind == TEMPERATURE_TABLE && policy->n_knots == 0)
        return error_set(error, "temp-policy table: expected temp-table with 1 to %d knots", TEMPERATURE_KNOTS);
    for (int i = 0; i < policy->n_knots; i++) {
        if (!number_check(policy->knots[i].entropy, nats, "temp-table: H", error)) return false;
        if (!number_check(policy->knots[i].temperature, temperatures, "temp-table: T", error)) return false;
        if (!check_knot(policy->knots, i + 1, error)) return false;
    }
    return true;
}

/* ---- entropy-target: X, @F or X@F ---- */

bool settings_set_target(Sampler *sampler, const char *text, Error *error) {
    size_t length = strcspn(text, "@");
    double target = -1, fraction = -1;
    if (text[0] == '\0') return error_set(error, "entropy-target: expected NATS, @FRACTION or NATS@FRACTION, got ''");
    if (length > 0 && !number_parse(&target, text, length, nats, "entropy-target", error)) return false;
    if (text[length] != '\0' && !number_parse(&fraction, text + length + 1, strlen(text + length + 1), fractions,
                                              "entropy-target: fraction", error))
        return false;
    sampler->temperature.target_nats = target;
    sampler->temperature.target_fraction = fraction;
    return true;
}

int settings_show_target(const Sampler *sampler, char *out, size_t capacity) {
    Line line = line_begin(out, capacity);
    const TemperaturePolicy *policy = &sampler->temperature;
    if (policy->target_nats >= 0) append_number(&line, "", policy->target_nats);
    if (policy->target_fraction >= 0) append_number(&line, "@", policy->target_fraction);
    return line.length;
}

bool settings_check_target(const TemperaturePolicy *policy, Error *error) {
    bool has_nats = policy->target_nats != -1, has_fraction = policy->target_fraction != -1;
    if (policy->kind == TEMPERATURE_TARGET && !has_nats && !has_fraction)
        return error_set(error, "temp-policy target: expected entropy-target with it");
    return (!has_nats || number_check(policy->target_nats, nats, "entropy-target", error)) &&
           (!has_fraction || number_check(policy->target_fraction, fractions, "entropy-target: fraction", error));
}

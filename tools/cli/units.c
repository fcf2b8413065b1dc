#include "tools/cli/units.h"

#include <math.h>
#include <stdio.h>

double units_of(Units units, double nats) { return units == UNITS_BITS ? nats / log(2) : nats; }

const char *units_name(Units units) { return units == UNITS_BITS ? "bits" : "nats"; }

const char *units_suffix(Units units) { return units == UNITS_BITS ? " bits" : ""; }

const char *units_field(Units units, const char *name, char *out, size_t capacity) {
    snprintf(out, capacity, "%s%s", name, units == UNITS_BITS ? "_bits" : "");
    return out;
}

int units_scale(Units units) { return units == UNITS_BITS ? 12 : 8; }

/* Units: what entropies and surprisals are shown in. Everything is computed and set in nats; views convert here, and nowhere else. */
#ifndef TOOLS_CLI_UNITS_H
#define TOOLS_CLI_UNITS_H

#include <stddef.h>

/* In the order of UNITS_CHOICES. */
typedef enum { UNITS_NATS, UNITS_BITS } Units;
#define UNITS_CHOICES "nats|bits"
#define UNITS_HELP    "unit of entropies and surprisals"

double units_of(Units units, double nats);

const char *units_name(Units units); /* "nats", "bits" */
/* What follows a figure in listings, which leave nats unnamed: "", " bits". */
const char *units_suffix(Units units);
/* The same for a field's name: "mean_H", "mean_H_bits". Cut to capacity as snprintf does; returns `out`. */
const char *units_field(Units units, const char *name, char *out, size_t capacity);

/* The end of a scale of colours, in these units: 8 nats, 12 bits. */
int units_scale(Units units);

#endif

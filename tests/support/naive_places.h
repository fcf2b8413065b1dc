/* The plain twin of place.h: finds the places by reading the whole text again, each in a way of its own. */
#ifndef TESTS_SUPPORT_NAIVE_PLACES_H
#define TESTS_SUPPORT_NAIVE_PLACES_H

#include <stdbool.h>

#include "tensor/bytes.h"

#define NAIVE_PLACES_BYTES 4096 /* the longest text */

/* holds: (PLACE_KINDS,) for the token that follows the text, by the rows of place_table. */
void naive_places(Bytes text, bool *holds);

#endif

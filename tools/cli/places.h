/* Places: what the program prints about settings by place. */
#ifndef TOOLS_CLI_PLACES_H
#define TOOLS_CLI_PLACES_H

#include "sampler/text/writer.h"

/* Prints the places on standard output, for --list-samplers. */
void places_list(void);

/* Prints a line on standard error for each rule whose pattern has reached its limit of steps. */
void places_warn(const Writer *writer);

#endif

/* Places: what the program says of settings by place. */
#ifndef TOOLS_CLI_PLACES_H
#define TOOLS_CLI_PLACES_H

#include "sampler/text/writer.h"

/* The places on standard output, for --list-samplers. */
void places_list(void);

/* One line on standard error for each rule whose pattern has run into its limits. */
void places_warn(const Writer *writer);

#endif

/* Beams: what `foretell run` does with --beam: it searches for the likeliest text, or samples on from the beams
 * (--then). */
#ifndef TOOLS_GENERATE_BEAMS_H
#define TOOLS_GENERATE_BEAMS_H

#include "tools/generate/many.h"

/* Searches and prints the best beam. */
bool beams_write(const Many *many, ManyRun *run, Error *error);
/* Searches, writes several texts from each beam that has not ended, and prints the best text. */
bool beams_continue(const Many *many, ManyRun *run, Error *error);

#endif

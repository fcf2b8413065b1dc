/* Export: random weights as a GGUF file. */
#ifndef TOOLS_FILES_EXPORT_H
#define TOOLS_FILES_EXPORT_H

#include "tools/files/shapes.h"

/* Writes the weights that model_random gives with the same arguments, and an arbitrary vocabulary of the right size.
 * The file appears only when it is complete. */
bool export_random(const char *path, const Shape *shape, Dtype dtype, uint64_t seed, Error *error);

#endif

/* Export: random weights as a file that any program can read that reads GGUF. */
#ifndef TOOLS_FILES_EXPORT_H
#define TOOLS_FILES_EXPORT_H

#include "tools/files/shapes.h"

/* Writes weights of that shape, those of model_random with the same arguments, and a vocabulary of the right size that
 * means nothing. The file appears only when it is complete. */
bool export_random(const char *path, const Shape *shape, Dtype dtype, uint64_t seed, Error *error);

#endif

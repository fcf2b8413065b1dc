/* Shapes: the sizes of known models, for random weights. */
#ifndef TOOLS_FILES_SHAPES_H
#define TOOLS_FILES_SHAPES_H

#include "model/model.h"

typedef struct {
    const char *name;
    Config config;
    bool tied;
} Shape;

#define SHAPES_NAMES "stories260k, stories15m, stories110m, smollm2-135m, tinyllama-1.1b"

/* The shape of that name. An unknown name is a usage error that names the option. */
const Shape *shapes_find(const char *option, const char *name);

/* The types that weights may be given, a choice of tools/cli/options.h; shapes_dtype takes the place in this list. */
#define SHAPES_DTYPES "f32|f16|bf16|q8_0|q4_0"
enum { SHAPES_Q8_0 = 3 };
Dtype shapes_dtype(int choice);

#endif

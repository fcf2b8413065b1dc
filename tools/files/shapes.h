/* Shapes: the sizes of known models, for random weights: measuring and exporting need no more of them. */
#ifndef TOOLS_FILES_SHAPES_H
#define TOOLS_FILES_SHAPES_H

#include "model/model.h"

typedef struct {
    const char *name;
    Config config;
    bool tied;
} Shape;

#define SHAPES_NAMES "stories260k, stories15m, stories110m, smollm2-135m, tinyllama-1.1b"

/* The shape of that name; where there is none a line that names the option, and exit status 2. */
const Shape *shapes_find(const char *option, const char *name);

/* The forms that random weights may have, in the order of SHAPES_DTYPES, a choice of tools/cli/options.h. */
#define SHAPES_DTYPES "f32|f16|bf16|q8_0|q4_0"
enum { SHAPES_Q8_0 = 3 };
Dtype shapes_dtype(int choice);

#endif

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

/* "f32|f16|...": the forms that foretell writes, a choice of tools/cli/options.h. A form's place in it is its Dtype. */
const char *shapes_dtypes(void);

#endif

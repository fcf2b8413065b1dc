#include "tools/files/shapes.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "tools/cli/options.h"

#define SHAPE(dim_, hidden, layers, heads, kv_heads, head, vocab, context, theta)                                      \
    {                                                                                                                  \
        .dim = dim_, .hidden_dim = hidden, .n_layers = layers, .n_heads = heads, .n_kv_heads = kv_heads,               \
        .head_dim = head, .rope_dim = head, .vocab_size = vocab, .context_length = context, .rope_theta = theta,       \
        .rms_epsilon = 1e-5f                                                                                           \
    }
static const Shape shapes[] = {
    {"stories260k", SHAPE(64, 172, 5, 8, 4, 8, 512, 512, 1e4f), true},
    {"stories15m", SHAPE(288, 768, 6, 6, 6, 48, 32000, 256, 1e4f), true},
    {"stories110m", SHAPE(768, 2048, 12, 12, 12, 64, 32000, 1024, 1e4f), true},
    {"smollm2-135m", SHAPE(576, 1536, 30, 9, 3, 64, 49152, 8192, 1e5f), true},
    {"tinyllama-1.1b", SHAPE(2048, 5632, 22, 32, 4, 64, 32000, 2048, 1e4f), false},
};

const Shape *shapes_find(const char *option, const char *name) {
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    option_usage_error("--%s: expected one of " SHAPES_NAMES ", got '%s'", option, name);
}

const char *shapes_dtypes(void) {
    static char text[256];
    char *end = text;
    for (int dtype = 0; dtype < DTYPE_Q8_GROUP; dtype++) {
        const char *name = dtype_info[dtype].name;
        assert(end + strlen(name) + 2 < text + sizeof text);
        if (dtype > 0) *end++ = '|';
        while (*name) *end++ = (char)tolower(*name++);
    }
    *end = '\0';
    return text;
}

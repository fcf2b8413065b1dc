#include "tools/files/shapes.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "tools/cli/options.h"

/* {dim, hidden_dim, n_layers, n_heads, n_kv_heads, head_dim, rope_dim, vocab_size, context_length, theta, epsilon} */
static const Shape shapes[] = {
    {"stories260k", {64, 172, 5, 8, 4, 8, 8, 512, 512, 1e4f, 1e-5f}, true},
    {"stories15m", {288, 768, 6, 6, 6, 48, 48, 32000, 256, 1e4f, 1e-5f}, true},
    {"stories110m", {768, 2048, 12, 12, 12, 64, 64, 32000, 1024, 1e4f, 1e-5f}, true},
    {"smollm2-135m", {576, 1536, 30, 9, 3, 64, 64, 49152, 8192, 1e5f, 1e-5f}, true},
    {"tinyllama-1.1b", {2048, 5632, 22, 32, 4, 64, 64, 32000, 2048, 1e4f, 1e-5f}, false},
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

#include "tools/cli/prompt.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "sampler/text/prompt.h"
#include "tensor/memory.h"

bool prompt_encode(int **ids, int *n_ids, const Tokenizer *tokenizer, Bytes text, bool special, int context,
                   const char *what, Error *error) {
    int *tokens;
    size_t n_tokens;
    *ids = NULL;
    if (!tokenizer_encode(tokenizer, text, special, &tokens, &n_tokens, error)) return false;
    int bos = prompt_bos(tokenizer, n_tokens);
    size_t n_bos = bos >= 0, n_all = n_tokens + n_bos;
    if (n_all == 0)
        error_set(error, "%s is empty, and this vocabulary has no token to begin a text with", what);
    else if (n_all > (size_t)context)
        error_set(error, "%s has %zu tokens, the context only %d (-c N takes another)", what, n_all, context);
    else if ((*ids = memory_alloc((size_t)context + 1, sizeof **ids, "history", error))) {
        (*ids)[0] = bos;
        if (n_tokens) memcpy(*ids + n_bos, tokens, n_tokens * sizeof *tokens);
        *n_ids = (int)n_all;
    }
    memory_free(tokens);
    return *ids != NULL;
}

uint64_t prompt_random_seed(void) {
    uint32_t seed; /* 32 bits: short enough to type again */
    if (getrandom(&seed, sizeof seed, 0) == sizeof seed) return seed;
    return (uint64_t)time(NULL) ^ (uint64_t)getpid() << 16;
}

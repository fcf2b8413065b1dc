#include "sampler/text/prompt.h"

int prompt_bos(const Tokenizer *tokenizer, size_t n_tokens) {
    return tokenizer_adds_bos(tokenizer) || n_tokens == 0 ? tokenizer_bos(tokenizer) : -1;
}

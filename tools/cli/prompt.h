/* Prompt: what a text is begun with: the tokens to go on from, and a seed where none is given. */
#ifndef TOOLS_CLI_PROMPT_H
#define TOOLS_CLI_PROMPT_H

#include "tokenizer/tokenizer.h"

/* bos, where the vocabulary wants it or there is nothing else to start from, then the text: *ids (context + 1,), of which
 * *n_ids are filled; memory_free. what: how errors call it. Errors: nothing to begin with, more than the context. */
bool prompt_encode(int **ids, int *n_ids, const Tokenizer *tokenizer, Bytes text, bool special, int context,
                   const char *what, Error *error);

uint64_t prompt_random_seed(void);

#endif

/* Prompt: the tokens that a text begins with, and a random seed if none is given. */
#ifndef TOOLS_CLI_PROMPT_H
#define TOOLS_CLI_PROMPT_H

#include "tokenizer/tokenizer.h"

/* bos, if the vocabulary adds it or the text is empty, then the text: *ids (context + 1,), of which
 * *n_ids are filled; memory_free. what: the name of the text in errors. Errors: nothing to begin with, more than the context. */
bool prompt_encode(int **ids, int *n_ids, const Tokenizer *tokenizer, Bytes text, bool special, int context,
                   const char *what, Error *error);

uint64_t prompt_random_seed(void);

#endif

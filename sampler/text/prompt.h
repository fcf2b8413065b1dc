/* Prompt: the begin-of-text token before a prompt. */
#ifndef SAMPLER_TEXT_PROMPT_H
#define SAMPLER_TEXT_PROMPT_H

#include "tokenizer/tokenizer.h"

/* The token to put before a prompt of n_tokens tokens: bos if the vocabulary says so or the prompt is empty; -1:
 * none. */
int prompt_bos(const Tokenizer *tokenizer, size_t n_tokens);

#endif

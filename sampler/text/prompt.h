/* Prompt: how a text begins. */
#ifndef SAMPLER_TEXT_PROMPT_H
#define SAMPLER_TEXT_PROMPT_H

#include "tokenizer/tokenizer.h"

/* The token to put in front of a prompt of n_tokens: bos, where the vocabulary wants it or where the prompt is empty.
 * -1: none. */
int prompt_bos(const Tokenizer *tokenizer, size_t n_tokens);

#endif

/* Traits: what the samplers know of each token's text, read off the vocabulary once. */
#ifndef SAMPLER_TEXT_TRAITS_H
#define SAMPLER_TEXT_TRAITS_H

#include "sampler/chain/token_flags.h"
#include "tokenizer/tokenizer.h"

typedef struct {
    TokenFlags *flags; /* (vocab_size,) */
    bool *breakers;    /* (vocab_size,) DRY does not look across them: they hold a newline, ':', '"' or '*' */
    bool *exempt;      /* (vocab_size,) XTC leaves them alone: ends of text and newlines */
    Bytes *pieces;     /* (vocab_size,) the bytes each stands for, which are the tokenizer's; none for control tokens */
} Traits;

bool traits_open(Traits *traits, const Tokenizer *tokenizer, Error *error);
void traits_close(Traits *traits);

#endif

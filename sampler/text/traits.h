/* Traits: properties of each token's text that the sampler's stages read, computed once from the vocabulary. */
#ifndef SAMPLER_TEXT_TRAITS_H
#define SAMPLER_TEXT_TRAITS_H

#include "sampler/chain/token_flags.h"
#include "tokenizer/tokenizer.h"

typedef struct {
    TokenFlags *flags; /* (vocab_size,) */
    bool *breakers;    /* (vocab_size,) contains a newline, ':', '"' or '*': DRY's matches end there */
    bool *exempt;      /* (vocab_size,) ends the text or contains a newline: XTC never drops it */
    Bytes *pieces;     /* (vocab_size,) the token's bytes, owned by the tokenizer; empty for control tokens */
} Traits;

bool traits_open(Traits *traits, const Tokenizer *tokenizer, Error *error);
void traits_close(Traits *traits);

#endif

/* Token flags: what samplers know of a token's text: one byte of bits for each token of the vocabulary, (vocab_size,).
 * Who knows the tokenizer fills the array; samplers read nothing else of the text, so sampler/ needs no tokenizer. */
#ifndef SAMPLER_CHAIN_TOKEN_FLAGS_H
#define SAMPLER_CHAIN_TOKEN_FLAGS_H

#include <stdint.h>

typedef enum {
    TOKEN_BEGINS_WORD = 1 << 0,   /* with it the word before is whole: a leading space or newline, or punctuation */
    TOKEN_ENDS_TEXT = 1 << 1,     /* end of text, or of a turn: generation stops here */
    TOKEN_IS_CONTROL = 1 << 2,    /* stands for no bytes of text; a token that ends the text is one, too */
    TOKEN_HAS_NEWLINE = 1 << 3,   /* is a newline, or contains one */
    TOKEN_ENDS_SENTENCE = 1 << 4, /* its text, less closing quotes and brackets, ends with one of . ! ? */
    TOKEN_BREAKS_DRY = 1 << 5     /* DRY looks for no repetition across it: newline : " * */
} TokenFlag;

typedef uint8_t TokenFlags; /* TokenFlag bits */

#endif

/* Token flags: what the sampler's stages know about the text of a token. An array (vocab_size,) has the bits of each
 * token; sampler/text/traits.h fills it, so that the stages do not depend on the tokenizer. */
#ifndef SAMPLER_CHAIN_TOKEN_FLAGS_H
#define SAMPLER_CHAIN_TOKEN_FLAGS_H

#include <stdint.h>

typedef enum {
    TOKEN_BEGINS_WORD = 1 << 0,   /* the previous word ends before it: it begins with white space or punctuation */
    TOKEN_ENDS_TEXT = 1 << 1,     /* end of the text or of a turn: generation stops here */
    TOKEN_IS_CONTROL = 1 << 2,    /* stands for no bytes of text; tokens that end the text are control tokens, too */
    TOKEN_HAS_NEWLINE = 1 << 3,   /* contains a newline */
    TOKEN_ENDS_SENTENCE = 1 << 4, /* ends with . ! or ?, apart from closing quotation marks and brackets */
    TOKEN_BREAKS_DRY = 1 << 5     /* contains a newline or : " *; DRY's matches end there */
} TokenFlag;

typedef uint8_t TokenFlags; /* TokenFlag bits */

#endif

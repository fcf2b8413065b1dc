/* Beside: the vocabulary that goes with a model file. */
#ifndef TOKENIZER_BESIDE_H
#define TOKENIZER_BESIDE_H

#include <limits.h>

#include "tokenizer/tokenizer.h"

/* path (PATH_MAX,): `given`; if that is NULL, the model itself where it is a GGUF file, else tokenizer.bin or the only
 * tok*.bin in its folder. Errors: none or several are there. */
bool tokenizer_find_beside(char *path, const char *given, const char *model_path, Error *error);

/* tokenizer_open of the vocabulary at this path. Errors: also that it does not have the model's vocab_size tokens; then
 * *tokenizer is NULL. */
bool tokenizer_open_beside(Tokenizer **tokenizer, const char *path, const char *model_path, int vocab_size,
                           Error *error);

#endif

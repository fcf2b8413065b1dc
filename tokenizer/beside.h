/* Beside: finds the vocabulary of a model file. */
#ifndef TOKENIZER_BESIDE_H
#define TOKENIZER_BESIDE_H

#include <limits.h>

#include "tokenizer/tokenizer.h"

/* path (PATH_MAX,) = `given`. If that is NULL: the model file itself if it is a GGUF file, else tokenizer.bin or the
 * only tok*.bin in its folder. Errors: the folder has none, or several. */
bool tokenizer_find_beside(char *path, const char *given, const char *model_path, Error *error);

/* Opens the vocabulary at this path (tokenizer_open). Errors: also a vocabulary without exactly vocab_size tokens; then
 * *tokenizer is NULL. */
bool tokenizer_open_beside(Tokenizer **tokenizer, const char *path, const char *model_path, int vocab_size,
                           Error *error);

#endif

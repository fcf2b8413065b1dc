/* Load: reads the two file formats of a tokenizer into a Tokenizer. */
#ifndef TOKENIZER_LOAD_H
#define TOKENIZER_LOAD_H

#include "tokenizer/vocabulary.h"

enum { TOKENIZER_MAX_ENDS = 3 };

struct Tokenizer {
    const char *kind;
    Vocabulary vocabulary;
    int bos, eos;
    int ends[TOKENIZER_MAX_ENDS]; /* eos and other tokens that end a turn; -1: the file names none */
    bool adds_bos, adds_space_prefix;
};

/* Each fills a zeroed Tokenizer. After success and after an error tokenizer_close releases its memory.
 *
 * llama2.c's tokenizer.bin, to the file's end (the number of tokens is not stored):
 *   u32 longest piece, then for each id: f32 score, u32 length, bytes
 * Ids 0, 1 and 2 are the unknown token, bos and eos (the last two with their names between newlines), 3 to 258 the
 * bytes, and all others normal pieces, with plain spaces. */
bool tokenizer_load_llama2c(Tokenizer *tokenizer, Bytes bytes, Error *error);

/* The keys tokenizer.ggml.* of a GGUF file whose tokenizer.ggml.model is "llama". */
bool tokenizer_load_gguf(Tokenizer *tokenizer, Bytes bytes, Error *error);

#endif

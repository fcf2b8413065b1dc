/* Metadata: writes the keys of a GGUF file that describe a LLaMA model and its vocabulary. */
#ifndef TOOLS_FILES_METADATA_H
#define TOOLS_FILES_METADATA_H

#include "model/config.h"
#include "tensor/gguf_writer.h"

/* general.architecture, general.name (unless it is empty) and llama.* */
void metadata_write_config(GgufWriter *writer, const Config *config, const char *name);

/* general.file_type of a file with matrices of this form. */
void metadata_write_file_type(GgufWriter *writer, Dtype dtype);

/* A SentencePiece vocabulary in the form of tokenizer.ggml: a space is spelled U+2581, token 0 is the unknown token. */
typedef struct {
    const Bytes *texts;
    const float *scores;
    const int32_t *types; /* TokenType */
    size_t size;
    int bos, eos;
    bool adds_bos, adds_space_prefix;
} MetadataVocabulary;

void metadata_write_vocabulary(GgufWriter *writer, const MetadataVocabulary *vocabulary);

#endif

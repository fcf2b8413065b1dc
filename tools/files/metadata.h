/* Metadata: the keys of a GGUF file that say what a LLaMA model and its vocabulary are, for code that writes one. */
#ifndef TOOLS_FILES_METADATA_H
#define TOOLS_FILES_METADATA_H

#include "model/config.h"
#include "tensor/gguf_writer.h"

/* general.architecture, general.name (unless it is empty) and llama.* */
void metadata_write_config(GgufWriter *writer, const Config *config, const char *name);

/* The number that general.file_type has for a form of the matrices: llama.cpp's. */
uint32_t metadata_file_type(Dtype dtype);

/* A SentencePiece vocabulary as tokenizer.ggml wants it: a space is spelled U+2581. Token 0 is the unknown one. */
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

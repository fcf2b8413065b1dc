/* Open: finds and opens a model and the vocabulary that goes with it. */
#ifndef TOOLS_CLI_OPEN_H
#define TOOLS_CLI_OPEN_H

#include <limits.h>

#include "model/session.h"
#include "tokenizer/tokenizer.h"

/* The rows of a subcommand's table of options (options.h) that say what to compute with. target: a const char *, of the
 * threads an int. */
#define OPEN_MODEL_HELP    "model file: GGUF or llama2.c .bin"
#define OPEN_MODEL_DEFAULT "the shipped model"
#define OPEN_MODEL_OPTION(target)                                                                                      \
    { "model", 'm', "FILE", OPTION_STRING, target, 0, 0, OPEN_MODEL_HELP, OPEN_MODEL_DEFAULT }
#define OPEN_TOKENIZER_OPTION(target)                                                                                  \
    { "tokenizer", 0, "FILE", OPTION_STRING, target, 0, 0, "vocabulary: a tokenizer.bin or GGUF file", "the model's" }
#define OPEN_THREADS_OPTION(target)                                                                                    \
    { "threads", 't', "N", OPTION_INT, target, 1, 1024, "threads to compute with", "all processors" }
/* What the end of the help says about the model and the vocabulary. */
#define OPEN_NOTES                                                                                                     \
    "Without -m the model is $FORETELL_MODEL, or the shipped model if that is not set. A GGUF file contains its\n"     \
    "vocabulary; that of a .bin model is in its folder: tokenizer.bin, or the only tok*.bin."

typedef char Path[PATH_MAX];

/* The model file: the one given, else $FORETELL_MODEL, else the shipped one, which lies in weights/ beside the program or
 * two folders up (in the source tree), or in ../share/foretell (installed). Errors: none is there. */
bool open_find_model(Path path, const char *given, Error *error);

/* The vocabulary of that model: the file given, else the model itself if it is a GGUF file, else tokenizer.bin or the
 * only tok*.bin in its folder. Errors: none or several are there. */
bool open_find_tokenizer(Path path, const char *model_path, const char *given, Error *error);

/* Opens the vocabulary of a model: given or found. Errors: also that its number of tokens is not the model's. */
bool open_vocabulary(Tokenizer **tokenizer, const Model *model, const char *model_path, const char *given,
                     Error *error);

/* Finds and opens both; given names may be NULL. On failure both are NULL. */
bool open_both(Model **model, Tokenizer **tokenizer, const char *model_given, const char *tokenizer_given,
               Error *error);

/* Starts the threads to compute with (0: one per processor) and returns their number. Where the system refuses some of them,
 * a line on standard error says so. */
int open_threads(int wanted);

/* session_open, with the same line. */
bool open_computing(Session **session, const Model *model, SessionOptions options, Error *error);

#endif

/* Many: what `foretell run` does where more than one continuation is asked for: samples, the best of them, or beams. */
#ifndef TOOLS_MANY_H
#define TOOLS_MANY_H

#include <signal.h>

#include "sampler/beam.h"
#include "tokenizer/tokenizer.h"
#include "tools/options.h"
#include "tools/units.h"

#define MANY_OPTIONS 7 /* rows that many_add_options adds */

typedef struct {
    int samples, best_of, beam; /* as given; 0: not */
    const char *rank, *rerank, *length_penalty_text;
    bool rank_all;
    Ranking ranking;
    double length_penalty;
} Many;

/* What a run has when its prompt was read. */
typedef struct {
    Session *session;
    Writer *writer;
    const Sequence *prompt; /* of the trunk */
    const Tokenizer *tokenizer;
    const TokenFlags *flags;             /* (vocab_size,) */
    Bytes text;                          /* printed before each continuation; empty for none */
    bool special, ignore_ends, at_start; /* as token_stream_start */
    int limit;                           /* of many_limit */
    Units units;                         /* of the figures listed */
    const volatile sig_atomic_t *interrupted;
    long long n_decoded, future_rows; /* out: tokens appended, rows computed to look ahead */
} ManyRun;

int many_add_options(Option *options, int n_options, Many *many);
/* Reads the options' texts and ends the program at contradictions, before any model is loaded. */
void many_check(Many *many, const Sampler *sampler);
bool many_is_on(const Many *many);

/* Tokens that each may have, n_predict being -1 for as many as fit; that is said on stderr. */
int many_limit(int n_predict, int n_prompt, int context);
/* Branches and key/value rows for all of them. Errors: more rows than a session can have. */
bool many_session(const Many *many, const Sampler *sampler, int n_prompt, int limit, SessionOptions *options,
                  Error *error);

/* What is printed before the run: how the tokens are chosen. */
void many_print_chain(const Many *many, const Sampler *sampler);
/* Writes them all, prints the texts on stdout and their figures on stderr. */
bool many_write(const Many *many, ManyRun *run, Error *error);

#endif

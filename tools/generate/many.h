/* Many: `foretell run` with several continuations of a prompt: samples (-N), the best of them (--best-of), beams
 * (--beam), or samples that continue beams (--then). */
#ifndef TOOLS_GENERATE_MANY_H
#define TOOLS_GENERATE_MANY_H

#include "sampler/text/beam.h"
#include "tools/cli/options.h"
#include "tools/cli/units.h"
#include "tools/trace/traces.h"

#define MANY_OPTIONS 10 /* rows that many_add_options adds */

typedef struct {
    int samples, best_of, beam;  /* 0: not given */
    int beam_length, beam_until; /* 0: not given; -1: not given, else BeamUntil */
    const char *rank, *rerank, *length_penalty_text, *then;
    bool rank_all;
    Ranking ranking;
    double length_penalty;
} Many;

/* Where the beams that are continued end, in the order of BEAM_UNTIL_CHOICES. */
typedef enum { BEAM_UNTIL_SENTENCE, BEAM_UNTIL_LENGTH } BeamUntil;
#define BEAM_UNTIL_CHOICES "sentence|length"

/* The state of a run after the prompt was read. */
typedef struct {
    TextsSetup setup;
    const Model *model;
    const Sequence *prompt; /* of the trunk */
    Bytes text;             /* printed before each continuation; empty for none */
    int limit;              /* tokens of each, -1: as many as fit */
    int first;              /* the sequence number of the first text's noise */
    Units units;            /* of the figures listed */
    const int *without;     /* (n_without,) ids of the second prompt, for kld; NULL: none */
    int n_without;
    Traces *traces; /* open; without items if nothing is traced */
    const TraceHeader *header;
    long long n_decoded, future_rows; /* out: tokens appended; rows computed to look ahead */
    int rewinds;                      /* out: the number of times a banned phrase was taken back */
} ManyRun;

int many_add_options(Option *options, int n_options, Many *many);
/* Parses the options that are text, and ends the program if options contradict each other, before a model is loaded.
 * With --then the sampler becomes the one that continues the beams. */
void many_check(Many *many, Sampler *sampler);
bool many_is_on(const Many *many);
/* The most texts that can be traced. */
int many_traces(const Many *many);

/* Sets the branches and key/value rows that all texts need. The limit and the lengths of the prompts are those of
 * `size`; limit -1: as many tokens as fit, which is printed on stderr. Errors: more rows than a session can have. */
bool many_session(const Many *many, const Sampler *sampler, TextsSize size, SessionOptions *options, Error *error);

/* Prints on stderr how the tokens are chosen. */
void many_print_chain(const Many *many, const Sampler *sampler);
/* Writes all texts, prints the texts on stdout and their figures on stderr. */
bool many_write(const Many *many, ManyRun *run, Error *error);

/* ---- Shared by the samples (many.c) and the beams (beams.c) ---- */

int many_count(const Many *many);                     /* texts per prompt */
int many_limit(int limit, int n_prompt, int context); /* most tokens of a text; limit -1: as many as fit */
int many_beam_limit(const Many *many, int limit);     /* most tokens of a beam, which --then may continue */
/* Writes until all texts have ended, or until Ctrl-C. */
bool many_write_texts(ManyRun *run, Texts *texts, Error *error);
/* Returns false if a text has failed, with the error of the first that did. */
bool many_check_texts(const Texts *texts, Error *error);

#endif

/* Trace: the record of a run as lines of JSON: a header, one line per step, an end. TRACE.md has the schema.
 *
 *   run      calls trace_open, writes the header and a line per event of the text (texts.h), calls trace_close
 *   replay   calls trace_read_header, makes the same lines again and compares them with the file's
 *
 * Both make their lines with the same functions, so a difference comes from what was computed. */
#ifndef TOOLS_TRACE_TRACE_H
#define TOOLS_TRACE_TRACE_H

#include <jansson.h>

#include "model/session.h"
#include "sampler/text/step.h"
#include "sampler/text/texts.h"
#include "tensor/output.h"
#include "tools/cli/units.h"

#define TRACE_SCHEMA 1

/* The header without the model and vocabulary: all that is needed to repeat the run. */
typedef struct {
    Sampler sampler;
    const int *prompt; /* (n_prompt,) ids */
    int n_prompt, context, n_predict;
    int n_prefix;       /* ids at the end of the prompt that are part of the text: those of a beam */
    int sequence;       /* the text's number, from 1 */
    const int *without; /* (n_without,) ids of the prompt without the source, for kld; NULL: none */
    int n_without;
    Phrases stops, bans;
    bool at_start; /* whether the text begins where nothing was before it; recorded only with phrases */
    KvType kv;
    bool special, ignore_eos;
    bool hashed; /* trace_hash_files was called; several headers need it only once */
    uint64_t model_hash, vocabulary_hash;
    void *owned[3];       /* what trace_read_header allocated */
    char model_file[256]; /* its name without the folder; cut to this size */
    char kernels[16];     /* name of the table of kernels in use */
    char program[32];     /* version */
} TraceHeader;

/* Fills in the fields that identify this program: kernels, program. */
void trace_identify(TraceHeader *header);

void trace_hash_files(TraceHeader *header, const Model *model, const Tokenizer *tokenizer);

/* NULL: out of memory. */
json_t *trace_header_json(const TraceHeader *header, const Model *model, const Tokenizer *tokenizer);

/* Reads the first line. *prompt is allocated (memory_free) or NULL, also after an error; trace_free_header frees what
 * else the header points to, also after an error. Errors name the field; those of the sampler name the setting. */
bool trace_read_header(TraceHeader *header, int **prompt, const json_t *line, Error *error);
void trace_free_header(TraceHeader *header);

/* Parses one line, without its newline. Errors: not JSON, duplicate keys, not an object. */
bool trace_parse(json_t **line, Bytes bytes, Error *error);

/* Whether both lines are equal. The error names the first field that differs, with the recorded and the new value. */
bool trace_same(const json_t *recorded, const json_t *made, Error *error);

/* Sums over the steps of the text. */
typedef struct {
    int steps, looked; /* looked: those that looked ahead */
    double surprisal, entropy, hhat;
    uint64_t text_hash;
} TraceTally;

/* All that the lines of a text need of earlier ones. Before the first event all fields but the first three are zero. */
typedef struct {
    const Writer *writer;
    const Tokenizer *tokenizer;
    Units units; /* of the means in the end line */
    TraceTally tally;
    TraceTally *before; /* (n_most,) the tally before each token of the text; NULL if nothing is banned */
    SessionCounts last; /* after the last step */
    int n_lines, n_rewinds;
} TraceSums;

/* The line of an event: a step for DRAWN, a rewind for REWOUND, the end for DONE, which says what stopped the text.
 * There is none for READY, which must not be passed. NULL: out of memory. */
json_t *trace_event_json(TraceSums *sums, const TextEvent *event);
/* Removes fields from a step that early traces of version 0.1.0 lack, if the recorded step lacks them: the drawn token
 * among the candidates of a step without lookahead, the input of the policy, and what --temp-first dropped at T = 0. */
void trace_drop_added(json_t *made, const json_t *recorded);
void trace_free_sums(TraceSums *sums);

/* The units of the means in a recorded end line. */
Units trace_units(const json_t *end);
extern const char *const trace_stops[TEXT_FAILED]; /* a failed text has no complete trace */

/* A trace being written. The file appears under its name when it is complete. */
typedef struct {
    FILE *file; /* that of the output; NULL: no trace is open */
    Output output;
    TraceSums sums;
} Trace;

/* The caller keeps the path until the trace is closed. Errors: as output_open. */
bool trace_open(Trace *trace, const char *path, Error *error);
bool trace_write(Trace *trace, json_t *line, Error *error); /* frees the line; NULL: out of memory */
bool trace_close(Trace *trace, Error *error);
/* Removes the unfinished file, after an error. Does nothing if no file is open. */
void trace_abandon(Trace *trace);

/* Takes the value. Returns false if memory ran out; so object and value may be NULL. */
bool trace_put(json_t *object, const char *key, json_t *value);
json_t *trace_hash(uint64_t hash);       /* 16 hexadecimal digits */
json_t *trace_phrase_json(Bytes phrase); /* a string; if it is not UTF-8, an array of its bytes */

#endif

/* Trace: what a run did, as lines of JSON: a header, a line a step, an end. TRACE.md gives the schema.
 *
 *   run      trace_open, the header, a line for each event of the text (texts.h), trace_close
 *   replay   trace_read_header, then the same lines made again and compared with those of the file
 *
 * The lines of both are made by the same functions, so that what differs is what the sampler did. */
#ifndef TOOLS_TRACE_TRACE_H
#define TOOLS_TRACE_TRACE_H

#include <jansson.h>

#include "model/session.h"
#include "sampler/text/step.h"
#include "sampler/text/texts.h"
#include "tensor/output.h"
#include "tools/cli/units.h"

#define TRACE_SCHEMA 1

/* What the header says beside the model: enough to do the run again. */
typedef struct {
    Sampler sampler;
    const int *prompt; /* (n_prompt,) ids */
    int n_prompt, context, n_predict;
    int n_prefix;       /* ids at the end of the prompt that are part of the text: a beam's */
    int sequence;       /* the text's number, from 1 */
    const int *without; /* (n_without,) ids of the prompt without the source, for kld; NULL: none */
    int n_without;
    Phrases stops, bans;
    bool at_start; /* whether the text begins where nothing was before it; known where there are phrases */
    KvType kv;
    bool special, ignore_eos;
    bool hashed; /* by trace_hash_files, so that several headers need it once */
    uint64_t model_hash, vocabulary_hash;
    void *owned[3];       /* what trace_read_header allocated */
    char model_file[256]; /* its name without the folder; cut where it is longer */
    char kernels[16];     /* the table of inner loops in use */
    char program[32];     /* version */
} TraceHeader;

/* Fills in what this program is: kernels, program. */
void trace_identify(TraceHeader *header);

void trace_hash_files(TraceHeader *header, const Model *model, const Tokenizer *tokenizer);

/* NULL: out of memory. */
json_t *trace_header_json(const TraceHeader *header, const Model *model, const Tokenizer *tokenizer);

/* Reads the first line. The prompt is allocated (memory_free) also where it returns false, or NULL; what else the
 * header points to is freed by trace_free_header, in both cases. Errors name the field, those of the sampler its
 * flag. */
bool trace_read_header(TraceHeader *header, int **prompt, const json_t *line, Error *error);
void trace_free_header(TraceHeader *header);

/* One line, without its newline, as an object. Errors: not JSON, duplicate keys, another thing than an object. */
bool trace_parse(json_t **line, Bytes bytes, Error *error);

/* Whether both say the same; the error names the first field that does not, with what was recorded and what was made now. */
bool trace_same(const json_t *recorded, const json_t *made, Error *error);

/* What the steps of the text add up to. */
typedef struct {
    int steps, looked; /* looked: those that looked ahead */
    double surprisal, entropy, hhat;
    uint64_t text_hash;
} TraceTally;

/* Before the first event all fields except the first three are zero. */
typedef struct {
    const Writer *writer;
    const Tokenizer *tokenizer;
    Units units; /* of the means in the end line, which names them */
    TraceTally tally;
    TraceTally *before; /* (n_most,) the tally before each token of the text; NULL where nothing is banned */
    SessionCounts last; /* after the last step */
    int n_lines, n_rewinds;
} TraceSums;

/* The line that an event makes: DRAWN a step, REWOUND a rewind, DONE the end, which says what stopped the text. NULL:
 * out of memory. READY makes none, and is not to be given here. */
json_t *trace_event_json(TraceSums *sums, const TextEvent *event);
/* Traces of 0.1.0 could lack the drawn token among the candidates of a step without lookahead, what the policy read, and
 * what --temp-first dropped at T = 0: where the recorded step lacks them, they are removed from the one made now. */
void trace_drop_added(json_t *made, const json_t *recorded);
void trace_free_sums(TraceSums *sums);

/* How the units are named in the end line. */
Units trace_units(const json_t *end);
extern const char *const trace_stops[TEXT_FAILED]; /* a text that failed has no complete trace */

/* The file, which appears under its name when it is complete. */
typedef struct {
    FILE *file; /* that of the output; NULL: no trace is open */
    Output output;
    TraceSums sums;
} Trace;

/* The path is the caller's until the end. Errors: as output_open. */
bool trace_open(Trace *trace, const char *path, Error *error);
bool trace_write(Trace *trace, json_t *line, Error *error); /* takes the line, which may be NULL: out of memory */
bool trace_close(Trace *trace, Error *error);
/* After an error: the unfinished file is removed. Does nothing where none is open. */
void trace_abandon(Trace *trace);

/* Both may be NULL where memory ran out; then false. */
bool trace_put(json_t *object, const char *key, json_t *value);
json_t *trace_hash(uint64_t hash);       /* 16 hexadecimal digits */
json_t *trace_phrase_json(Bytes phrase); /* a string, or where it is not UTF-8 an array of its bytes */

#endif

/* Trace: what a run did, as lines of JSON: a header, a line a step, an end. TRACE.md gives the schema.
 *
 *   run      trace_open, then trace_step between each writer_draw and writer_advance, then trace_close
 *   replay   trace_read_header, then the lines of the steps made anew and compared with those of the file
 *
 * The lines of both are made by the same functions, so that what differs is what the sampler did. */
#ifndef TOOLS_TRACE_H
#define TOOLS_TRACE_H

#include <jansson.h>

#include "model/session.h"
#include "sampler/writer.h"
#include "tensor/output.h"
#include "tokenizer/tokenizer.h"
#include "tools/step.h"
#include "tools/units.h"

#define TRACE_SCHEMA 1

/* What the header says beside the model: enough to do the run again. */
typedef struct {
    Sampler sampler;
    const int *prompt; /* (n_prompt,) ids */
    int n_prompt, context, n_predict;
    KvType kv;
    bool special, ignore_eos;
    char model_file[256]; /* its name without the folder; cut where it is longer */
    char kernels[16];     /* the table of inner loops in use */
    char program[32];     /* version */
} TraceHeader;

/* Fills in what this program is: kernels, program. */
void trace_identify(TraceHeader *header);

/* NULL: out of memory. */
json_t *trace_header_json(const TraceHeader *header, const Model *model, const Tokenizer *tokenizer);

/* Reads the first line. The prompt is allocated (memory_free) also where it returns false, or NULL. Errors name the field;
 * those of the sampler its flag. */
bool trace_read_header(TraceHeader *header, int **prompt, const json_t *line, Error *error);

/* One line, without its newline, as an object. Errors: not JSON, duplicate keys, another thing than an object. */
bool trace_parse(json_t **line, Bytes bytes, Error *error);

/* Whether both say the same; the error names the first field that does not, with what was recorded and what was made now. */
bool trace_same(const json_t *recorded, const json_t *made, Error *error);

/* What the steps add up to. */
typedef struct {
    const Writer *writer;
    const Tokenizer *tokenizer;
    SessionCounts start, last; /* before the first step, after the last */
    int n_steps, n_looked;     /* those that looked ahead */
    double surprisal, entropy, hhat;
    uint64_t text_hash;
} TraceSums;

TraceSums trace_start(const Writer *writer, const Tokenizer *tokenizer); /* after the prompt was read */
json_t *trace_step_json(TraceSums *sums, const Sequence *sequence);

typedef enum { TRACE_END_OF_TEXT, TRACE_PREDICT, TRACE_CONTEXT, TRACE_INTERRUPTED, TRACE_STOPS } TraceStop;
extern const char *const trace_stops[TRACE_STOPS];
/* The means are in these units, which then are in the fields' names; trace_units reads them from a line. */
json_t *trace_end_json(const TraceSums *sums, const char *stop, Units units);
Units trace_units(const json_t *end);

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
json_t *trace_hash(uint64_t hash); /* 16 hexadecimal digits */

#endif

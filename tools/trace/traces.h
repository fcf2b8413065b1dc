/* Traces: the trace of each text of a run, in a file of its own: run.jsonl for one text, run-1.jsonl, run-2.jsonl, ...
 * for several. */
#ifndef TOOLS_TRACE_TRACES_H
#define TOOLS_TRACE_TRACES_H

#include "tools/trace/trace.h"

typedef struct {
    Trace *items; /* (count,) */
    int count;    /* 0: nothing is traced */
    int first;    /* the sequence number of the first text's noise */
    Units units;  /* of the means at the end */
    char (*paths)[PATH_MAX];
} Traces;

/* Creates the files. numbered: the text's number, from 1, comes before the file's extension. Errors: as trace_open, a
 * path that is too long, out of memory; traces_close is to be called after an error, too. */
bool traces_open(Traces *traces, const char *path, int count, int first, bool numbered, Units units, Error *error);
/* Writes the header of the i-th file; its number is filled in here. */
bool traces_begin(Traces *traces, int i, TraceHeader header, const Model *model, const Writer *writer,
                  const Tokenizer *tokenizer, Error *error);
/* Writes the line of an event, if it makes one, to the file of its text, which is complete with TEXT_DONE. */
bool traces_tell(Traces *traces, const TextEvent *event, Error *error);
/* Removes what is not complete. */
void traces_close(Traces *traces);

#endif

/* Traces: a trace file per text of a run: run.jsonl for one text, run-1.jsonl, run-2.jsonl, ... for several. */
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

/* Creates the files. numbered: the number of the text, from 1, is inserted before the extension. Errors: as trace_open,
 * a path that is too long, out of memory; call traces_close after an error, too. */
bool traces_open(Traces *traces, const char *path, int count, int first, bool numbered, Units units, Error *error);
/* Writes the header of the i-th file, with its sequence number. */
bool traces_begin(Traces *traces, int i, TraceHeader header, const Model *model, const Writer *writer,
                  const Tokenizer *tokenizer, Error *error);
/* Writes the line of an event, if it has one, to the file of its text. TEXT_DONE completes the file. */
bool traces_tell(Traces *traces, const TextEvent *event, Error *error);
/* Removes incomplete files. */
void traces_close(Traces *traces);

#endif

#include "tools/trace/traces.h"

#include <stdio.h>
#include <string.h>

#include "tensor/memory.h"

/* run.jsonl -> run-3.jsonl. A dot at the beginning of the file's name does not begin an extension. */
static bool name_numbered(char *out, const char *path, int number, Error *error) {
    const char *name = path + output_folder_length(path), *dot = strrchr(name, '.');
    const char *end = dot && dot != name ? dot : path + strlen(path);
    if (!*name) return error_set(error, "%.200s: expected the name of a file, got that of a folder", path);
    int length = snprintf(out, PATH_MAX, "%.*s-%d%s", (int)(end - path), path, number, end);
    return (length >= 0 && length < PATH_MAX) || error_set(error, "%.200s...: the path is too long", path);
}

bool traces_open(Traces *traces, const char *path, int count, int first, bool numbered, Units units, Error *error) {
    *traces = (Traces){.first = first, .units = units};
    traces->items = memory_alloc((size_t)count, sizeof *traces->items, "traces", error);
    traces->paths = traces->items ? memory_alloc((size_t)count, sizeof *traces->paths, "paths", error) : NULL;
    if (!traces->paths) return false;
    for (int i = 0; i < count; i++) {
        if (numbered && !name_numbered(traces->paths[i], path, first + i + 1, error)) return false;
        if (!trace_open(&traces->items[i], numbered ? traces->paths[i] : path, error)) return false;
        traces->count++;
    }
    return true;
}

bool traces_begin(Traces *traces, int i, TraceHeader header, const Model *model, const Writer *writer,
                  const Tokenizer *tokenizer, Error *error) {
    Trace *trace = &traces->items[i];
    header.sequence = traces->first + i + 1;
    trace->sums = (TraceSums){.writer = writer, .tokenizer = tokenizer, .units = traces->units};
    return trace_write(trace, trace_header_json(&header, model, tokenizer), error);
}

bool traces_tell(Traces *traces, const TextEvent *event, Error *error) {
    if (traces->count == 0 || event->kind == TEXT_READY) return true;
    Trace *trace = &traces->items[event->text->item.sequence.number - traces->first];
    if (event->kind == TEXT_DONE && event->text->item.end == TEXT_FAILED) {
        trace_abandon(trace);
        return true;
    }
    return trace_write(trace, trace_event_json(&trace->sums, event), error) &&
           (event->kind != TEXT_DONE || trace_close(trace, error));
}

void traces_close(Traces *traces) {
    for (int i = 0; i < traces->count; i++) {
        trace_abandon(&traces->items[i]);
        trace_free_sums(&traces->items[i].sums);
    }
    memory_free(traces->items);
    memory_free(traces->paths);
    *traces = (Traces){0};
}

/* Any bytes as the lines of a trace: each line is parsed or refused with a message of one line, the first one as a
 * header, and each line agrees with itself. */
#include <assert.h>
#include <string.h>

#include "tensor/memory.h"
#include "tools/trace/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const Error *error) { assert(error->message[0] != '\0' && !strchr(error->message, '\n')); }

static void read_line(Bytes bytes, bool is_first) {
    Error error = {0};
    json_t *line;
    if (!trace_parse(&line, bytes, &error)) {
        check_refusal(&error);
        return;
    }
    TraceHeader header = {0};
    int *prompt = NULL;
    assert(trace_same(line, line, &error));
    if (is_first && !trace_read_header(&header, &prompt, line, &error)) check_refusal(&error);
    trace_free_header(&header);
    memory_free(prompt);
    json_decref(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = data + size;
    for (const uint8_t *at = data, *next; at < end; at = next) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        next = newline ? newline + 1 : end;
        read_line((Bytes){at, (size_t)((newline ? newline : end) - at)}, at == data);
    }
    return 0;
}

/* The speed of the tokenizer, from bytes to ids. */
#include "tensor/memory.h"
#include "tokenizer/tokenizer.h"
#include "tools/bench/bench.h"
#include "tools/cli/terminal.h"

/* Text that the encoder treats like prose: pieces of the vocabulary in a mixed order. */
static void fill_text(const Tokenizer *tokenizer, uint8_t *out, size_t size) {
    size_t n = 0;
    for (uint32_t state = 1; n < size; state = state * 1664525u + 1013904223u) {
        Bytes piece = tokenizer_piece(tokenizer, (int)(state >> 8) % tokenizer_size(tokenizer), false);
        for (size_t i = 0; i < piece.size && n < size; i++) out[n++] = piece.data[i];
    }
}

static bool time_encode(const Tokenizer *tokenizer, Bytes text, double *seconds, Error *error) {
    int *tokens;
    size_t n_tokens;
    double start = terminal_seconds();
    if (!tokenizer_encode(tokenizer, text, false, &tokens, &n_tokens, error)) return false;
    *seconds = terminal_seconds() - start;
    memory_free(tokens);
    return true;
}

static bool measure_encode(const Bench *b, const Tokenizer *tokenizer, size_t size, const char *name, Error *error) {
    uint8_t *text = memory_alloc(size, 1, "text to encode", error);
    double seconds[BENCH_MAX_RUNS];
    bool done = text != NULL;
    if (done) fill_text(tokenizer, text, size);
    for (int i = 0; done && i < b->runs; i++) done = time_encode(tokenizer, (Bytes){text, size}, &seconds[i], error);
    if (done) {
        Timing t = bench_timing(seconds, b->runs);
        bench_report(b, (BenchLine){.what = "encode", .shape = name, .dtype = "-"}, t, (double)size / t.median,
                     "%9.1f MB/s", 1e-6 * (double)size / t.median);
    }
    memory_free(text);
    return done;
}

bool bench_tokenizer(const Bench *b, const char *path, Error *error) {
    Tokenizer *tokenizer;
    if (!tokenizer_open(&tokenizer, path, error)) return false;
    bool done = measure_encode(b, tokenizer, 250000, "0.25 MB of text", error) &&
                measure_encode(b, tokenizer, 1000000, "1 MB of text", error) &&
                measure_encode(b, tokenizer, 4000000, "4 MB of text", error);
    tokenizer_close(tokenizer);
    return done;
}

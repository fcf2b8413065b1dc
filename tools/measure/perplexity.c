/* foretell perplexity: measures how well a model predicts a text. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/text/score.h"
#include "tensor/memory.h"
#include "tools/cli/commands.h"
#include "tools/cli/open.h"
#include "tools/cli/terminal.h"
#include "tools/cli/text.h"
#include "tools/cli/units.h"

typedef struct {
    const char *model, *tokenizer, *file, *separator;
    int context, threads, kv, units;
} PerplexitySettings;

/* The text as tokens: those of each document; if separators are used, each document is followed by eos, and bos stands
 * between documents. */
typedef struct {
    int *tokens;
    size_t n_tokens, n_bytes, n_documents; /* n_bytes: of the documents, without separators */
} Stream;

typedef struct {
    const PerplexitySettings *settings;
    Model *model;
    Tokenizer *tokenizer;
    Session *session;
    Stream stream;
    int *inputs;   /* (context,) of a window: bos, then all its targets but the last */
    Score *scores; /* (context,) of its targets */
    Candidates natural;
    size_t n_scored, n_windows;
    double nats;
} Perplexity;

/* Takes the next line from rest, without its newline; false at the end. */
static bool next_line(Bytes *rest, Bytes *line) {
    if (rest->size == 0) return false;
    const uint8_t *newline = memchr(rest->data, '\n', rest->size);
    *line = (Bytes){rest->data, newline ? (size_t)(newline - rest->data) : rest->size};
    size_t used = line->size + (newline != NULL);
    *rest = (Bytes){rest->data + used, rest->size - used};
    return true;
}

static Bytes trim_newlines(Bytes text) {
    while (text.size && text.data[0] == '\n') text = (Bytes){text.data + 1, text.size - 1};
    while (text.size && text.data[text.size - 1] == '\n') text.size--;
    return text;
}

/* Takes the next document that is not empty from rest; false at the end. Without separators all of rest is one. */
static bool next_document(Bytes *rest, const char *separator, Bytes *document) {
    if (!separator) {
        *document = *rest;
        *rest = (Bytes){0};
        return document->size > 0;
    }
    while (rest->size) {
        Bytes line;
        const uint8_t *begin = rest->data, *end = begin;
        while (next_line(rest, &line) && !bytes_equal(line, separator)) end = line.data + line.size;
        *document = trim_newlines((Bytes){begin, (size_t)(end - begin)});
        if (document->size) return true;
    }
    return false;
}

static bool append_document(Perplexity *p, Bytes document, Error *error) {
    Stream *stream = &p->stream;
    int *tokens, bos = tokenizer_bos(p->tokenizer), eos = tokenizer_eos(p->tokenizer);
    size_t n_tokens;
    if (!tokenizer_encode(p->tokenizer, document, false, &tokens, &n_tokens, error)) return false;
    if (stream->n_documents++) stream->tokens[stream->n_tokens++] = bos;
    memcpy(stream->tokens + stream->n_tokens, tokens, n_tokens * sizeof *tokens);
    stream->n_tokens += n_tokens;
    stream->n_bytes += document.size;
    if (p->settings->separator && eos >= 0) stream->tokens[stream->n_tokens++] = eos;
    memory_free(tokens);
    return true;
}

/* A byte becomes at most one token; a document adds at most three: the vocabulary's own space, bos and eos. */
static bool read_stream(Perplexity *p, Bytes text, Error *error) {
    const char *separator = p->settings->separator;
    size_t n_documents = 0;
    Bytes document;
    for (Bytes rest = text; next_document(&rest, separator, &document);) n_documents++;
    if (n_documents == 0) return error_set(error, "the text is empty");
    p->stream.tokens = memory_alloc(text.size + 3 * n_documents, sizeof(int), "tokens", error);
    if (!p->stream.tokens) return false;
    for (Bytes rest = text; next_document(&rest, separator, &document);)
        if (!append_document(p, document, error)) return false;
    return true;
}

static bool score_window(Perplexity *p, const int *targets, size_t n, Error *error) {
    p->inputs[0] = tokenizer_bos(p->tokenizer);
    memcpy(p->inputs + 1, targets, (n - 1) * sizeof(int));
    session_drop(p->session, TRUNK);
    if (!score_tokens(p->session, TRUNK, p->inputs, (int)n, targets, (int)n, p->scores, &p->natural, error))
        return false;
    for (size_t i = 0; i < n; i++) p->nats -= p->scores[i].logprob;
    p->n_scored += n;
    p->n_windows++;
    return true;
}

/* Cuts the tokens into windows of the context's length. Each window begins with a bos that is not scored. A bos between
 * documents that falls on the beginning of a window serves as this bos. So every other token is scored once. */
static bool score_windows(Perplexity *p, Error *error) {
    int bos = tokenizer_bos(p->tokenizer);
    size_t context = (size_t)session_options(p->session).context, n_tokens = p->stream.n_tokens, n;
    for (size_t start = 0; start < n_tokens; start += n) {
        const int *targets = p->stream.tokens + start;
        n = targets[0] == bos ? 1 : n_tokens - start < context ? n_tokens - start : context;
        if (targets[0] == bos) continue;
        if (!score_window(p, targets, n, error)) return error_prefix(error, "window at token %zu: ", start);
        terminal_progress("perplexity", start + n, n_tokens);
    }
    return true;
}

static void print_result(const Perplexity *p) {
    double nats = p->nats / (double)p->n_scored;
    Units units = (Units)p->settings->units;
    printf("tokens      %zu in %zu windows of %d\n", p->n_scored, p->n_windows, session_options(p->session).context);
    printf("bytes       %zu in %zu document%s\n", p->stream.n_bytes, p->stream.n_documents,
           p->stream.n_documents == 1 ? "" : "s");
    printf("%s/token  %.4f\n", units_name(units), units_of(units, nats));
    printf("perplexity  %.4f\n", exp(nats));
    printf("bits/byte   %.4f\n", units_of(UNITS_BITS, p->nats) / (double)p->stream.n_bytes);
}

static bool measure(Perplexity *p, Bytes text, Error *error) {
    const PerplexitySettings *settings = p->settings;
    SessionOptions options = {
        .context = settings->context, .threads = settings->threads, .kv = settings->kv ? KV_F32 : KV_F16};
    if (!open_both(&p->model, &p->tokenizer, settings->model, settings->tokenizer, error)) return false;
    if (tokenizer_bos(p->tokenizer) < 0)
        return error_set(error, "this vocabulary has no token to begin a text with, and a window begins with it");
    if (!read_stream(p, text, error) || !open_computing(&p->session, p->model, options, error)) return false;
    size_t context = (size_t)session_options(p->session).context;
    p->inputs = memory_alloc(context, sizeof *p->inputs, "window", error);
    p->scores = p->inputs ? memory_alloc(context, sizeof *p->scores, "scores", error) : NULL;
    return p->scores && candidates_open(&p->natural, p->model->config.vocab_size, error) && score_windows(p, error);
}

static int perplexity(const PerplexitySettings *settings) {
    Error error;
    Bytes text;
    Perplexity p = {.settings = settings};
    if (!text_read(&text, settings->file, &error)) return command_fail(&error);
    bool done = measure(&p, text, &error);
    if (done) print_result(&p);
    memory_free(p.inputs);
    memory_free(p.scores);
    candidates_close(&p.natural);
    memory_free(p.stream.tokens);
    session_close(p.session);
    tokenizer_close(p.tokenizer);
    model_close(p.model);
    text_free(&text);
    return done ? 0 : command_fail(&error);
}

static int perplexity_main(int argc, char **argv) {
    PerplexitySettings s = {0};
    const Option options[] = {
        OPEN_MODEL_OPTION(&s.model),
        OPEN_TOKENIZER_OPTION(&s.tokenizer),
        {"file", 'f', "FILE", OPTION_STRING, &s.file, 0, 0, "the text; - is standard input", "standard input"},
        {"documents", 0, "LINE", OPTION_STRING, &s.separator, 0, 0, "a line equal to this separates two documents",
         "one"},
        {"ctx-size", 'c', "N", OPTION_INT, &s.context, 1, CONFIG_MAX_CONTEXT, "window length in tokens",
         "the model's context"},
        OPEN_THREADS_OPTION(&s.threads),
        {"kv", 0, "f16|f32", OPTION_CHOICE, &s.kv, 0, 0, "number format of the key/value cache", NULL},
        {"units", 0, UNITS_CHOICES, OPTION_CHOICE, &s.units, 0, 0, "unit of the mean surprisal of a token", NULL},
    };
    int next = options_parse(&perplexity_command, options, sizeof options / sizeof *options, argc, argv);
    if (next < argc && !s.file) s.file = argv[next++];
    if (next < argc) option_usage_error("perplexity: unexpected argument '%s'", argv[next]);
    if (s.separator && !*s.separator) option_usage_error("--documents: expected a line that is not empty");
    if (!s.file) s.file = "-";
    return perplexity(&s);
}

const Command perplexity_command = {
    "perplexity", "[FILE]", "Measures how well a model predicts a text: nats and perplexity per token, bits per byte.",
    "The text is cut into windows that do not overlap; each begins with the token that begins a text,\n"
    "and every token is scored once. With --documents each document is encoded by itself, without the\n"
    "newlines around it, and followed by the token that ends a text, which is scored, too.\n"
    "bits/byte counts the documents' bytes.\n" OPEN_NOTES,
    perplexity_main};

/* foretell replay: repeats the run that a trace recorded, and reports the first difference. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/text/traits.h"
#include "tensor/memory.h"
#include "tools/cli/commands.h"
#include "tools/cli/open.h"
#include "tools/cli/places.h"
#include "tools/cli/text.h"
#include "tools/trace/trace.h"

typedef struct {
    const char *path, *model, *tokenizer;
    int threads, units; /* units -1: prints no means */
} ReplaySettings;

typedef struct {
    const ReplaySettings *settings;
    Bytes rest;   /* the part of the file that was not read yet */
    int line;     /* number of the last line read, from 1 */
    json_t *next; /* a line that was read and not compared yet, or NULL */
    TraceHeader header;
    Model *model;
    Tokenizer *tokenizer;
    Session *session;
    Traits traits;
    Writer writer;
    Sequence sequence;
    int *history; /* (context + 1,) begins with the prompt */
    Texts texts;  /* one */
    TraceSums sums;
} Replay;

/* Reads the next line of the file; the caller frees it with json_decref. */
static bool read_line(Replay *replay, json_t **line, Error *error) {
    const uint8_t *end = replay->rest.size ? memchr(replay->rest.data, '\n', replay->rest.size) : NULL;
    *line = NULL;
    replay->line++;
    if (replay->rest.size == 0) return error_set(error, "the file ends before its \"end\" line");
    if (!end) return error_set(error, "the line is cut off");
    Bytes text = {replay->rest.data, (size_t)(end - replay->rest.data)};
    replay->rest = (Bytes){end + 1, replay->rest.size - text.size - 1};
    return trace_parse(line, text, error);
}

static bool same_as(const json_t *recorded, json_t *made, Error *error) {
    bool same = made ? trace_same(recorded, made, error) : error_set(error, "out of memory");
    json_decref(made);
    return same;
}

/* Opens the model and the vocabulary, and compares them and every setting with the header. */
static bool open_models(Replay *replay, const json_t *line, Error *error) {
    const ReplaySettings *settings = replay->settings;
    const TraceHeader *header = &replay->header;
    bool is_kld = header->sampler.temperature.kind == TEMPERATURE_KLD;
    if (!open_both(&replay->model, &replay->tokenizer, settings->model, settings->tokenizer, error)) return false;
    if (!same_as(line, trace_header_json(header, replay->model, replay->tokenizer), error)) return false;
    if (is_kld != (header->without != NULL))
        return error_set(error, "without: expected with temp-policy kld, and only with it");
    int vocab_size = replay->model->config.vocab_size;
    return trace_check_ids(header->prompt, header->n_prompt, vocab_size, "prompt", error) &&
           trace_check_ids(header->without, header->n_without, vocab_size, "without", error);
}

/* Opens the session with the options that run uses, so that it computes the same bits. */
static bool open_session(Replay *replay, Error *error) {
    const TraceHeader *header = &replay->header;
    TextsSize size = {.n_prompts = 1,
                      .count = 1,
                      .n_prompt = header->n_prompt,
                      .n_without = header->n_without,
                      .in_place = true,
                      .bans = header->bans.count > 0};
    SessionOptions options = {.context = header->context, .threads = replay->settings->threads, .kv = header->kv};
    return texts_size(&options, &header->sampler, size, error) &&
           open_computing(&replay->session, replay->model, options, error);
}

static bool read_prompt(Replay *replay, Sequence *prompt, Error *error) {
    const TraceHeader *header = &replay->header;
    return writer_read(&replay->writer, prompt, header->n_prompt, error) &&
           (!header->without ||
            (session_root(replay->session, &prompt->without, error) &&
             session_prefill(replay->session, prompt->without, header->without, header->n_without, error)));
}

static bool open_text(Replay *replay, TextListener *listener, Error *error) {
    const TraceHeader *header = &replay->header;
    TextsSetup setup = {.writer = &replay->writer,
                        .tokenizer = replay->tokenizer,
                        .stops = &header->stops,
                        .bans = &header->bans,
                        .special = header->special,
                        .at_start = header->at_start,
                        .ignore_ends = header->ignore_eos,
                        .listener = listener,
                        .context = replay};
    Sequence prompt = {.branch = TRUNK,
                       .history = replay->history,
                       .length = header->n_prompt,
                       .state = sampler_start(&header->sampler)};
    TextStart start = {.prompt = &prompt,
                       .number = header->sequence - 1,
                       .n_prefix = header->n_prefix,
                       .limit = header->n_predict,
                       .in_place = true};
    return read_prompt(replay, &prompt, error) && texts_open(&replay->texts, &setup, 1, error) &&
           texts_add(&replay->texts, &start, error);
}

static bool prepare(Replay *replay, TextListener *listener, Error *error) {
    json_t *line;
    const TraceHeader *header = &replay->header;
    bool done = read_line(replay, &line, error) && trace_read_header(&replay->header, &replay->history, line, error) &&
                open_models(replay, line, error);
    json_decref(line);
    if (!done || !open_session(replay, error) || !traits_open(&replay->traits, replay->tokenizer, error) ||
        !writer_open(&replay->writer, replay->session, replay->model->config.vocab_size, &header->sampler,
                     replay->traits.flags, replay->traits.breakers, replay->traits.exempt, replay->traits.pieces,
                     error))
        return false;
    replay->writer.futures = true;
    replay->sums = (TraceSums){.writer = &replay->writer, .tokenizer = replay->tokenizer};
    return open_text(replay, listener, error);
}

/* ---- Comparing ---- */

/* Makes sure that replay->next is the next line of the file. */
static bool peek_line(Replay *replay, Error *error) { return replay->next || read_line(replay, &replay->next, error); }

static bool is_interrupted(const json_t *line) {
    const char *stop = json_string_value(json_object_get(line, "stop"));
    return stop && strcmp(stop, trace_stops[TEXT_GOES_ON]) == 0;
}

/* Makes the trace line of an event and compares it with the next line of the file. */
static bool compare_event(void *context, const TextEvent *event, Error *error) {
    Replay *replay = context;
    if (event->kind == TEXT_READY) return true;
    if (!peek_line(replay, error)) return false;
    json_t *line = replay->next;
    replay->next = NULL;
    int step = replay->sums.n_lines, position = event->text->item.sequence.length;
    Text text = *event->text;
    TextEvent now = *event;
    now.text = &text;
    if (event->kind == TEXT_DONE && is_interrupted(line))
        text.item.end = TEXT_GOES_ON; /* interrupted in the last step */
    replay->sums.units = trace_units(line);
    json_t *made = trace_event_json(&replay->sums, &now);
    if (made && event->kind == TEXT_DRAWN) trace_drop_added(made, line);
    bool same = same_as(line, made, error);
    json_decref(line);
    if (!same && event->kind == TEXT_DRAWN) error_prefix(error, "step %d (position %d): ", step, position);
    return same;
}

/* Writes the text again until it ends, or until the recorded run was interrupted. */
static bool compare(Replay *replay, Error *error) {
    Texts *texts = &replay->texts;
    while (texts->n_live > 0) {
        if (!peek_line(replay, error)) return false;
        if (is_interrupted(replay->next)) break;
        if (!texts_step(texts, error)) return false;
    }
    return texts_interrupt(texts, error) &&
           (replay->rest.size == 0 || error_set(error, "expected nothing after the \"end\" line"));
}

/* Warns that another table of kernels or another version computed the trace, which explains a difference. */
static void say_what_is_other(const TraceHeader *header) {
    TraceHeader here;
    trace_identify(&here);
    if (strcmp(here.kernels, header->kernels) != 0)
        fprintf(stderr, "foretell: recorded with the kernels %s, now with %s: results agree only within rounding\n",
                header->kernels, here.kernels);
    if (strcmp(here.program, header->program) != 0)
        fprintf(stderr, "foretell: recorded by version %s, this is %s\n", header->program, here.program);
}

static void release(Replay *replay) {
    json_decref(replay->next);
    trace_free_sums(&replay->sums);
    texts_close(&replay->texts);
    writer_close(&replay->writer);
    traits_close(&replay->traits);
    session_close(replay->session);
    memory_free(replay->history);
    trace_free_header(&replay->header);
    tokenizer_close(replay->tokenizer);
    model_close(replay->model);
}

static void print_means(const TraceTally *tally, Units units) {
    double n = tally->steps, surprisal = tally->surprisal / n;
    if (tally->steps == 0) return;
    printf("mean surprisal %.4f %s, mean H %.4f %s, perplexity %.4f\n", units_of(units, surprisal), units_name(units),
           units_of(units, tally->entropy / n), units_name(units), exp(surprisal));
}

static int replay_settings(const ReplaySettings *settings) {
    Error error;
    Bytes file;
    Replay replay = {.settings = settings};
    if (!bytes_map(&file, settings->path, &error)) return command_fail(&error);
    replay.rest = file;
    bool same = prepare(&replay, compare_event, &error);
    if (same) {
        say_what_is_other(&replay.header);
        same = compare(&replay, &error);
    }
    if (!same) error_prefix(&error, "%s:%d: ", settings->path, replay.line);
    TraceTally tally = replay.sums.tally;
    int n_lines = replay.sums.n_lines;
    if (same) places_warn(&replay.writer);
    release(&replay);
    bytes_unmap(&file);
    if (!same) return command_fail(&error);
    printf("%d steps agree\n", n_lines);
    if (settings->units >= 0) print_means(&tally, (Units)settings->units);
    return 0;
}

static int replay_main(int argc, char **argv) {
    ReplaySettings settings = {.units = -1};
    const Option options[] = {
        OPEN_MODEL_OPTION(&settings.model),
        OPEN_TOKENIZER_OPTION(&settings.tokenizer),
        OPEN_THREADS_OPTION(&settings.threads),
        {"units", 0, UNITS_CHOICES, OPTION_CHOICE, &settings.units, 0, 0,
         "also print the means of the steps, in this unit", "no means"},
    };
    int next = options_parse(&replay_command, options, sizeof options / sizeof options[0], argc, argv);
    if (next == argc) option_usage_error("replay: expected a trace, FILE.jsonl");
    settings.path = argv[next++];
    if (next < argc) option_usage_error("replay: expected one trace, got '%s' too", argv[next]);
    return replay_settings(&settings);
}

const Command replay_command = {
    "replay", "FILE", "Repeats the run that a trace recorded, and names the first step and field that differ.",
    "If all steps agree, their number is printed; otherwise the exit status is 1. Model and vocabulary must be those "
    "of\n"
    "the recorded run; the trace has their hashes. With the same kernels (KERNELS) every number is the same, bit for "
    "bit.\n" OPEN_NOTES,
    replay_main};

/* foretell replay: does again what a trace tells of, and says where it goes another way. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/memory.h"
#include "tools/commands.h"
#include "tools/open.h"
#include "tools/places.h"
#include "tools/text.h"
#include "tools/trace.h"
#include "tools/traits.h"

typedef struct {
    const char *path, *model, *tokenizer;
    int threads, units; /* units -1: no means are printed */
} Settings;

typedef struct {
    const Settings *settings;
    Bytes rest; /* of the file, from the next line on */
    int line;   /* the number of the last one read, from 1 */
    TraceHeader header;
    Model *model;
    Tokenizer *tokenizer;
    Session *session;
    Traits traits;
    Writer writer;
    Sequence sequence;
    int *history; /* (context + 1,) it begins with the prompt */
    TraceSums sums;
} Replay;

/* The next line of the file, to be freed with json_decref. */
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

/* All that can be checked without computing: the model, the vocabulary, every setting. */
static bool open_models(Replay *replay, const json_t *line, Error *error) {
    const Settings *settings = replay->settings;
    const TraceHeader *header = &replay->header;
    if (header->sampler.temperature.kind == TEMPERATURE_KLD)
        return error_set(error, "--temp-policy kld: reads a second prompt, which a trace does not hold");
    if (!open_both(&replay->model, &replay->tokenizer, settings->model, settings->tokenizer, error)) return false;
    if (!same_as(line, trace_header_json(header, replay->model, replay->tokenizer), error)) return false;
    for (int i = 0; i < header->n_prompt; i++)
        if (header->prompt[i] >= replay->model->config.vocab_size)
            return error_set(error, "prompt: %d: expected an id below %d, got %d", i, replay->model->config.vocab_size,
                             header->prompt[i]);
    return true;
}

/* As run opens it: sessions of the same shape compute the same bits. */
static bool open_session(Replay *replay, Error *error) {
    const TraceHeader *header = &replay->header;
    enum { BLOCK_ROWS = 16 };
    SessionOptions options = {.context = header->context,
                              .threads = replay->settings->threads,
                              .kv = header->kv,
                              .block_rows = BLOCK_ROWS,
                              .branches = 1 + writer_branches(&header->sampler),
                              .rows = header->context + writer_rows(&header->sampler, BLOCK_ROWS)};
    return open_computing(&replay->session, replay->model, options, error);
}

static bool prepare(Replay *replay, Error *error) {
    json_t *line;
    const TraceHeader *header = &replay->header;
    bool done = read_line(replay, &line, error) && trace_read_header(&replay->header, &replay->history, line, error) &&
                open_models(replay, line, error);
    json_decref(line);
    if (!done || !open_session(replay, error)) return false;
    if (!traits_open(&replay->traits, replay->tokenizer, error) ||
        !writer_open(&replay->writer, replay->session, replay->model->config.vocab_size, &header->sampler,
                     replay->traits.flags, replay->traits.breakers, replay->traits.exempt, replay->traits.pieces,
                     error))
        return false;
    replay->writer.futures = true;
    replay->sequence = (Sequence){.branch = TRUNK,
                                  .history = replay->history,
                                  .length = header->n_prompt,
                                  .state = sampler_start(&header->sampler)};
    if (!writer_read(&replay->writer, &replay->sequence, header->n_prompt, error)) return false;
    replay->sums = trace_start(&replay->writer, replay->tokenizer);
    return true;
}

static bool same_step(Replay *replay, const json_t *line, Error *error) {
    if (replay->sums.n_steps > 0 && !writer_advance(&replay->writer, &replay->sequence, error)) return false;
    if (replay->sequence.length + writer_positions(&replay->header.sampler) > replay->header.context)
        return error_set(error, "expected the end, the context of %d tokens is full", replay->header.context);
    if (!writer_draw(&replay->writer, &replay->sequence, error)) return false;
    int step = replay->sums.n_steps, position = replay->sequence.length;
    json_t *made = trace_step_json(&replay->sums, &replay->sequence);
    if (made && !json_object_get(line, "policy_input")) json_object_del(made, "policy_input"); /* an older trace */
    return same_as(line, made, error) || error_prefix(error, "step %d (position %d): ", step, position);
}

/* Why it stopped is not decided anew: Ctrl-C would not be pressed again. */
static bool same_end(Replay *replay, const json_t *line, Error *error) {
    const char *stop = json_string_value(json_object_get(line, "stop"));
    int i = 0;
    while (stop && i < TRACE_STOPS && strcmp(trace_stops[i], stop) != 0) i++;
    if (!stop || i == TRACE_STOPS)
        return error_set(error, "stop: expected \"%s\", \"%s\", \"%s\" or \"%s\"", trace_stops[0], trace_stops[1],
                         trace_stops[2], trace_stops[3]);
    if (!same_as(line, trace_end_json(&replay->sums, stop, trace_units(line)), error)) return false;
    return replay->rest.size == 0 || error_set(error, "expected nothing behind the \"end\" line");
}

static bool compare(Replay *replay, Error *error) {
    for (bool ended = false; !ended;) {
        json_t *line;
        if (!read_line(replay, &line, error)) return false;
        const char *type = json_string_value(json_object_get(line, "type"));
        ended = type && strcmp(type, "end") == 0;
        bool same = ended ? same_end(replay, line, error) : same_step(replay, line, error);
        json_decref(line);
        if (!same) return false;
    }
    return true;
}

/* Between tables of inner loops, results agree only within rounding; that is worth knowing before the difference. */
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
    writer_close(&replay->writer);
    traits_close(&replay->traits);
    session_close(replay->session);
    memory_free(replay->history);
    tokenizer_close(replay->tokenizer);
    model_close(replay->model);
}

static void print_means(const TraceSums *sums, Units units) {
    double n = sums->n_steps, surprisal = sums->surprisal / n;
    if (sums->n_steps == 0) return;
    printf("mean surprisal %.4f %s, mean H %.4f %s, perplexity %.4f\n", units_of(units, surprisal), units_name(units),
           units_of(units, sums->entropy / n), units_name(units), exp(surprisal));
}

static int replay_settings(const Settings *settings) {
    Error error;
    Bytes file;
    Replay replay = {.settings = settings};
    if (!bytes_map(&file, settings->path, &error)) return command_fail(&error);
    replay.rest = file;
    bool same = prepare(&replay, &error);
    if (same) {
        say_what_is_other(&replay.header);
        same = compare(&replay, &error);
    }
    if (!same) error_prefix(&error, "%s:%d: ", settings->path, replay.line);
    TraceSums sums = replay.sums;
    if (same) places_warn(&replay.writer);
    release(&replay);
    bytes_unmap(&file);
    if (!same) return command_fail(&error);
    printf("%d steps agree\n", sums.n_steps);
    if (settings->units >= 0) print_means(&sums, (Units)settings->units);
    return 0;
}

static int replay_main(int argc, char **argv) {
    Settings settings = {.units = -1};
    const Option options[] = {
        {"model", 'm', "FILE", OPTION_STRING, &settings.model, 0, 0, OPEN_MODEL_HELP, OPEN_MODEL_DEFAULT},
        {"tokenizer", 0, "FILE", OPTION_STRING, &settings.tokenizer, 0, 0, OPEN_TOKENIZER_HELP, OPEN_TOKENIZER_DEFAULT},
        {"threads", 't', "N", OPTION_INT, &settings.threads, 1, 1024, "threads to compute with", "all processors"},
        {"units", 0, UNITS_CHOICES, OPTION_CHOICE, &settings.units, 0, 0, "print the means of the steps, too, in these",
         "no means"},
    };
    int next = options_parse(&replay_command, options, sizeof options / sizeof options[0], argc, argv);
    if (next == argc) option_usage_error("replay: expected a trace, FILE.jsonl");
    settings.path = argv[next++];
    if (next < argc) option_usage_error("replay: expected one trace, got '%s' too", argv[next]);
    return replay_settings(&settings);
}

const Command replay_command = {
    "replay", "FILE", "Does again what a trace of run tells of, and names the first step and field that differ.",
    "Standard output has the number of steps that agree, all of them, or nothing: then the exit status is 1.\n"
    "It must be the same model and vocabulary, which the trace knows by their hashes. On the same inner loops\n"
    "(KERNELS) every number is the same, bit for bit.\n" OPEN_NOTES,
    replay_main};

/* foretell run: continues a prompt. The loop is in sampler/text/texts.h; this file opens, prints and counts. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "model/session.h"
#include "sampler/text/traits.h"
#include "tensor/memory.h"
#include "tensor/minmax.h"
#include "tools/cli/color.h"
#include "tools/cli/commands.h"
#include "tools/cli/interrupts.h"
#include "tools/cli/open.h"
#include "tools/cli/places.h"
#include "tools/cli/prompt.h"
#include "tools/cli/terminal.h"
#include "tools/cli/text.h"
#include "tools/generate/many.h"
#include "tools/trace/traces.h"

typedef struct {
    const char *model, *tokenizer, *prompt, *file, *trace, *without;
    int n_predict, context, threads, kv, color_by, units;
    int sequence; /* the first text's number, from 1 */
    Sampler sampler;
    Many many;
    Phrases stops, bans;
    bool hide_prompt, special, ignore_eos, list_samplers, explain;
} RunSettings;

typedef struct {
    const RunSettings *settings;
    Model *model;
    Tokenizer *tokenizer;
    Session *session;
    Writer writer;
    Sequence prompt; /* its history is (context + 1,) and begins with the prompt's ids */
    Traits traits;
    Traces traces;
    TraceHeader header;
    Color color;
    int *without; /* (n_without,) ids of the prompt that lacks the source text, for kld */
    int n_without;
    long long n_decoded, future_rows, prompt_passes;
    int rewinds;
    bool context_is_full, at_start;
    uint32_t logits; /* hash of the last ones */
    double load_seconds, prompt_seconds, decode_seconds;
} Run;

/* Passes the drawn step to the colours and --explain. */
static bool show_step(Run *run, const Text *text, Error *error) {
    const RunSettings *settings = run->settings;
    if (run->color.by == COLOR_NONE && !settings->explain) return true;
    Step step = step_of(&run->writer, &text->item.sequence);
    if (settings->explain) color_explain(&step, &run->writer, run->tokenizer, (Units)settings->units);
    return color_step(&run->color, &step, &run->writer, text->n_read - (size_t)text->stream.n_held, error);
}

/* Several texts are printed when all are done. */
static bool on_event(void *context, const TextEvent *event, Error *error) {
    Run *run = context;
    if (!traces_tell(&run->traces, event, error)) return false;
    if (many_is_on(&run->settings->many)) return true;
    if (event->kind == TEXT_DRAWN) return show_step(run, event->text, error);
    if (event->kind == TEXT_REWOUND) color_rewind(&run->color, event->ban.position);
    return event->kind != TEXT_READY || color_write(&run->color, event->bytes.data, event->bytes.size, error);
}

static TextsSetup setup_of(Run *run) {
    const RunSettings *settings = run->settings;
    return (TextsSetup){.writer = &run->writer,
                        .tokenizer = run->tokenizer,
                        .stops = &settings->stops,
                        .bans = &settings->bans,
                        .special = settings->special,
                        .at_start = run->at_start,
                        .ignore_ends = settings->ignore_eos,
                        .listener = on_event,
                        .context = run};
}

/* FNV-1a of 32 bits over the floats' bytes: runs with equal hashes have equal bits. */
static uint32_t hash_logits(const Run *run, int branch) {
    const uint8_t *bytes = (const uint8_t *)session_logits(run->session, branch);
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < (size_t)run->model->config.vocab_size * sizeof(float); i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

static void keep_results(Run *run, const Texts *texts) {
    const Text *text = &texts->items[0];
    run->context_is_full = text->item.end == TEXT_CONTEXT_FULL;
    run->rewinds = text->editor.rewinds;
    run->logits = hash_logits(run, text->item.sequence.branch);
    run->n_decoded = texts->n_decoded;
    run->future_rows = texts->future_rows;
}

/* Bytes that were held back are part of the text, even if an error ends it. */
static void write_rest(Run *run, Texts *texts) {
    Error other;
    if (texts->count == 0) return;
    Bytes rest = editor_rest(&texts->items[0].editor);
    color_write(&run->color, rest.data, rest.size, &other);
}

/* Writes one text, on the prompt's own branch; on_event prints it. */
static bool generate(Run *run, Error *error) {
    Texts texts;
    TextsSetup setup = setup_of(run);
    const TextStart start = {.prompt = &run->prompt,
                             .number = run->settings->sequence - 1,
                             .limit = run->settings->n_predict,
                             .in_place = true};
    if (!texts_open(&texts, &setup, 1, error)) return false;
    bool done = texts_add(&texts, &start, error);
    while (done && texts.n_live > 0 && !interrupted) done = texts_step(&texts, error);
    done = done && texts_interrupt(&texts, error);
    if (done)
        keep_results(run, &texts);
    else
        write_rest(run, &texts);
    texts_close(&texts);
    return done;
}

static bool encode(const Run *run, Bytes text, const char *what, int **ids, int *n_ids, Error *error) {
    int context = run->settings->context ? run->settings->context : run->model->config.context_length;
    return prompt_encode(ids, n_ids, run->tokenizer, text, run->settings->special, context, what, error);
}

/* A newline at the end comes from an editor or from echo, and is not part of the prompt. */
static void drop_last_newline(Bytes *text) { text->size -= text->size && text->data[text->size - 1] == '\n'; }

/* Opens a session with room for the context and for the forks of a sampler that looks ahead. */
static bool open_session(Run *run, Error *error) {
    const RunSettings *settings = run->settings;
    int context = settings->context ? settings->context : run->model->config.context_length;
    SessionOptions options = {
        .context = context, .threads = settings->threads, .kv = settings->kv ? KV_F32 : KV_F16, .block_rows = 16};
    TextsSize size = {.n_prompts = 1,
                      .count = 1,
                      .n_prompt = run->prompt.length,
                      .n_without = run->n_without,
                      .limit = settings->n_predict,
                      .in_place = true,
                      .bans = settings->bans.count > 0};
    bool many = many_is_on(&settings->many);
    return (many ? many_session(&settings->many, &settings->sampler, size, &options, error)
                 : texts_size(&options, &settings->sampler, size, error)) &&
           open_computing(&run->session, run->model, options, error);
}

static bool prepare(Run *run, Bytes text, Bytes without, Error *error) {
    const RunSettings *settings = run->settings;
    double start = terminal_seconds();
    if (!open_both(&run->model, &run->tokenizer, settings->model, settings->tokenizer, error)) return false;
    if (!encode(run, text, "the prompt", &run->prompt.history, &run->prompt.length, error) ||
        (settings->without && !encode(run, without, "--kld-without", &run->without, &run->n_without, error)) ||
        !open_session(run, error))
        return false;
    run->prompt.branch = TRUNK;
    run->prompt.state = sampler_start(&settings->sampler);
    run->at_start = text.size == 0;
    if (!traits_open(&run->traits, run->tokenizer, error) ||
        !writer_open(&run->writer, run->session, run->model->config.vocab_size, &settings->sampler, run->traits.flags,
                     run->traits.breakers, run->traits.exempt, run->traits.pieces, error))
        return false;
    run->load_seconds = terminal_seconds() - start;
    return true;
}

/* Reads the prompt in the session's batches, which gives the same bits as one call. Between two batches it checks for
 * Ctrl-C and shows its progress. */
static bool read_prompt(Run *run, Error *error) {
    int n, batch = session_options(run->session).batch, n_prompt = run->prompt.length;
    for (int done = 0; done < n_prompt && !(interrupted && done > 0); done += n) {
        n = min_int(n_prompt - done, batch);
        if (!writer_read(&run->writer, &run->prompt, n, error)) return false;
        terminal_progress("prompt", (size_t)(done + n), (size_t)n_prompt);
    }
    terminal_clear();
    int *other = &run->prompt.without;
    return !run->without || (session_root(run->session, other, error) &&
                             session_prefill(run->session, *other, run->without, run->n_without, error));
}

/* Writes several texts in one session. */
static bool generate_many(Run *run, Bytes text, Error *error) {
    const RunSettings *settings = run->settings;
    ManyRun many = {.setup = setup_of(run),
                    .model = run->model,
                    .prompt = &run->prompt,
                    .text = settings->hide_prompt ? (Bytes){0} : text,
                    .limit = settings->n_predict,
                    .units = (Units)settings->units,
                    .first = settings->sequence - 1,
                    .without = run->without,
                    .n_without = run->n_without,
                    .traces = &run->traces,
                    .header = &run->header};
    bool done = many_write(&settings->many, &many, error);
    run->n_decoded = many.n_decoded;
    run->future_rows = many.future_rows;
    run->rewinds = many.rewinds;
    run->logits = hash_logits(run, TRUNK);
    return done;
}

static bool fill_header(Run *run, Error *error) {
    const RunSettings *settings = run->settings;
    Path path;
    if (!open_find_model(path, settings->model, error)) return false;
    run->header = (TraceHeader){.sampler = settings->sampler,
                                .prompt = run->prompt.history,
                                .n_prompt = run->prompt.length,
                                .context = session_options(run->session).context,
                                .n_predict = settings->n_predict,
                                .without = run->without,
                                .n_without = run->n_without,
                                .stops = settings->stops,
                                .bans = settings->bans,
                                .at_start = run->at_start,
                                .kv = session_options(run->session).kv,
                                .special = settings->special,
                                .ignore_eos = settings->ignore_eos};
    snprintf(run->header.model_file, sizeof run->header.model_file, "%.255s", path + output_folder_length(path));
    trace_identify(&run->header);
    return true;
}

/* Creates the trace files and writes their headers. Those of texts that continue beams are written when the beams are
 * known. */
static bool begin_traces(Run *run, Error *error) {
    const RunSettings *settings = run->settings;
    bool many = many_is_on(&settings->many);
    int n_texts = many ? many_traces(&settings->many) : 1;
    if (!settings->trace) return true;
    run->writer.futures = true;
    if (!fill_header(run, error) || !traces_open(&run->traces, settings->trace, n_texts, settings->sequence - 1, many,
                                                 (Units)settings->units, error))
        return false;
    trace_hash_files(&run->header, run->model, run->tokenizer);
    for (int i = 0; i < n_texts && !settings->many.then; i++)
        if (!traces_begin(&run->traces, i, run->header, run->model, &run->writer, run->tokenizer, error)) return false;
    return true;
}

/* Prints all that comes before the continuation. */
static bool begin_output(Run *run, Bytes text, Error *error) {
    const RunSettings *settings = run->settings;
    bool many = many_is_on(&settings->many);
    interrupts_defer();
    if (!begin_traces(run, error)) return false; /* first, so that its error is the only line printed */
    if (settings->many.then)
        options_report_unused("--then has its own settings");
    else
        options_report_idle(&settings->sampler, many ? "fe-n" : NULL); /* several texts use it for their figures */
    many_print_chain(&settings->many, &settings->sampler);
    run->color = color_open((ColorBy)settings->color_by, (Units)settings->units);
    color_legend(&run->color);
    return many || settings->hide_prompt || text_write(text.data, text.size, error);
}

static bool write_texts(Run *run, Bytes text, Error *error) {
    double start = terminal_seconds();
    if (!read_prompt(run, error)) return false;
    double middle = terminal_seconds();
    run->prompt_passes = session_counts(run->session).passes;
    bool done = many_is_on(&run->settings->many) ? generate_many(run, text, error) : generate(run, error);
    run->prompt_seconds = middle - start;
    run->decode_seconds = terminal_seconds() - middle;
    return done;
}

/* Prints the sizes that at least 2 % of the lookahead's passes had, with the time of each. */
static void print_chunks(const Lookahead *lookahead, const LookaheadCost *cost) {
    if (lookahead->eager || cost->all == 0) return;
    if (lookahead->chunk == LOOKAHEAD_AUTO)
        fprintf(stderr, "chunk   auto");
    else
        fprintf(stderr, "chunk   %d", lookahead->chunk);
    const char *between = ": ";
    for (int rows = 1; rows <= LOOKAHEAD_MAX_K; rows++, between = ", ") {
        while (rows <= LOOKAHEAD_MAX_K && 100LL * cost->passes[rows] < 2LL * cost->all) rows++;
        if (rows <= LOOKAHEAD_MAX_K)
            fprintf(stderr, "%s%d row%s %.0f %% (%.2f ms)", between, rows, rows > 1 ? "s" : "",
                    100. * cost->passes[rows] / cost->all, cost->seconds[rows] * 1e3);
    }
    fprintf(stderr, "\n");
}

static void print_statistics(const Run *run) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double decoded_per_second = run->n_decoded ? (double)run->n_decoded / run->decode_seconds : 0;
    double bytes_per_second = decoded_per_second * (double)model_bytes_per_token(run->model);
    text_end_line();
    if (isatty(STDOUT_FILENO)) fputc('\n', stderr);
    if (run->rewinds) fprintf(stderr, "ban     rewound %d times to where a phrase began\n", run->rewinds);
    if (run->context_is_full)
        fprintf(stderr, "foretell: the context of %d tokens is full (-c N takes another)\n",
                session_options(run->session).context);
    fprintf(stderr,
            "load    %.1f ms\n"
            "prompt  %d tokens, %.1f tok/s\n"
            "decode  %lld tokens, %.1f tok/s, %.2f GB/s of weights read\n"
            "memory  %.1f MB at its peak\n"
            "logits  %08x\n",
            run->load_seconds * 1e3, run->prompt.length, run->prompt.length / run->prompt_seconds, run->n_decoded,
            decoded_per_second, bytes_per_second * 1e-9, (double)usage.ru_maxrss * 1024e-6, run->logits);
    SessionCounts counts = session_counts(run->session);
    places_warn(&run->writer);
    if (sampler_looks_ahead(&run->settings->sampler) && run->n_decoded)
        fprintf(stderr, "future  %.2f rows and %.2f passes per token, %lld of the rows to look ahead\n",
                (double)(counts.rows - run->prompt.length - run->n_without) / (double)run->n_decoded,
                (double)(counts.passes - run->prompt_passes) / (double)run->n_decoded, run->future_rows);
    if (sampler_looks_ahead(&run->settings->sampler))
        print_chunks(&run->settings->sampler.lookahead, &run->writer.cost);
}

static void release(Run *run) {
    traces_close(&run->traces);
    memory_free(run->color.tints);
    writer_close(&run->writer);
    session_close(run->session);
    memory_free(run->prompt.history);
    memory_free(run->without);
    traits_close(&run->traits);
    tokenizer_close(run->tokenizer);
    model_close(run->model);
}

static int run_settings(const RunSettings *settings) {
    Error error;
    Bytes text, without;
    Run run = {.settings = settings};
    if (!text_choose(&text, settings->prompt, settings->file, &error)) return command_fail(&error);
    if (settings->file) drop_last_newline(&text);
    if (!text_choose(&without, NULL, settings->without, &error)) {
        text_free(&text);
        return command_fail(&error);
    }
    drop_last_newline(&without);
    bool done =
        prepare(&run, text, without, &error) && begin_output(&run, text, &error) && write_texts(&run, text, &error);
    if (done) print_statistics(&run);
    release(&run);
    text_free(&text);
    text_free(&without);
    if (!done) return command_fail(&error);
    return interrupted ? 130 : 0; /* 128 + SIGINT, as the shell has it */
}

static void list_settings(const SamplerStage *stage) {
    SamplerSetting setting;
    for (int i = 0; stage->settings[i]; i++)
        if (sampler_setting_named(stage->settings[i], &setting) && *setting.range)
            printf("    --%-20s %s, default %s\n", setting.name, setting.range, setting.default_text);
}

/* Prints every stage with its formula, source, ranges and defaults, every temperature policy, place and preset. */
static int list_samplers(void) {
    const SamplerPreset *preset;
    printf("stages, in their usual order:\n");
    for (int i = 0; i < SAMPLER_STAGES; i++) {
        printf("  %-16s %-62s %s\n", sampler_stages[i].name, sampler_stages[i].formula, sampler_stages[i].source);
        list_settings(&sampler_stages[i]);
    }
    printf("  %-16s %-62s %s\n", "future entropy", "s = p^a Hhat^b, Hhat the normalised entropy of what follows",
           "Count Bayesie, 2026-07-01");
    printf("\ntemperature policies:\n");
    for (int i = 0; i < TEMPERATURE_KINDS; i++)
        printf("  %-16s %-62s %s\n", temperature_policies[i].name, temperature_policies[i].formula,
               temperature_policies[i].source);
    places_list();
    printf("\npresets:\n");
    for (int i = 0; (preset = sampler_preset(i)); i++) printf("  %-16s %s\n", preset->name, preset->settings);
    return 0;
}

/* Ends the program if options contradict each other, before a model is loaded. */
static void check_settings(RunSettings *s) {
    many_check(&s->many, &s->sampler);
    options_check_sampler(&s->sampler);
    if ((s->sampler.temperature.kind == TEMPERATURE_KLD) != (s->without != NULL))
        option_usage_error("--temp-policy kld and --kld-without FILE: expected both, got only --%s",
                           s->without ? "kld-without" : "temp-policy kld");
    int positions = writer_positions(&s->sampler);
    if (s->context && positions >= s->context)
        option_usage_error("--fe-depth: expected less than the %d tokens of --ctx-size, got %d", s->context, positions);
    bool many = many_is_on(&s->many);
    if (many && (s->color_by || s->explain))
        option_usage_error("--color-by and --explain: expected one text, got -N, --best-of or --beam");
    if (s->many.beam && !s->many.then && s->trace)
        option_usage_error("--trace: expected no --beam without --then: a beam search draws no token");
    if (s->many.beam && !s->many.then && s->sequence > 1)
        option_usage_error("--sequence: expected no --beam without --then: a beam search has no noise");
    if ((s->color_by == COLOR_FUTURE || s->color_by == COLOR_ALPHA) && !sampler_looks_ahead(&s->sampler))
        option_usage_error("--color-by %s: expected --fe or --wave too",
                           s->color_by == COLOR_ALPHA ? "alpha" : "future");
}

static int run_main(int argc, char **argv) {
    RunSettings s = {.n_predict = 256, .sequence = 1, .sampler = sampler_default()};
    s.sampler.seed = prompt_random_seed();
    Option options[OPTIONS_MAX] = {
        OPEN_MODEL_OPTION(&s.model),
        OPEN_TOKENIZER_OPTION(&s.tokenizer),
        {"prompt", 'p', "TEXT", OPTION_STRING, &s.prompt, 0, 0, "text to continue", "empty: a new text"},
        {"file", 'f', "FILE", OPTION_STRING, &s.file, 0, 0, "file with the prompt; - is standard input", NULL},
        {"predict", 'n', "N", OPTION_INT, &s.n_predict, -1, INT_MAX,
         "tokens to generate; -1: until the text ends or the context is full", NULL},
        {"ctx-size", 'c', "N", OPTION_INT, &s.context, 1, CONFIG_MAX_CONTEXT, "context length in tokens",
         "the model's"},
        OPEN_THREADS_OPTION(&s.threads),
        {"kv", 0, "f16|f32", OPTION_CHOICE, &s.kv, 0, 0, "number format of the key/value cache", NULL},
        {"no-display-prompt", 0, NULL, OPTION_FLAG, &s.hide_prompt, 0, 0, "print only the continuation", NULL},
        {"sequence", 0, "K", OPTION_INT, &s.sequence, 1, 1 << 30, "number of the text, or of the first of several",
         NULL},
        {"stop", 0, "TEXT", OPTION_PHRASE, &s.stops, 0, 0, "end the text before this string; repeatable", NULL},
        {"ban", 0, "PHRASE", OPTION_PHRASE, &s.bans, 0, 0,
         "rewind and draw again where this phrase was written; repeatable", NULL},
        {"kld-without", 0, "FILE", OPTION_STRING, &s.without, 0, 0,
         "file with the prompt without the source text, for --temp-policy kld", NULL},
        {"special", 0, NULL, OPTION_FLAG, &s.special, 0, 0, "read and print control tokens by name", NULL},
        {"ignore-eos", 0, NULL, OPTION_FLAG, &s.ignore_eos, 0, 0, "continue after a token that ends the text", NULL},
        {"list-samplers", 0, NULL, OPTION_FLAG, &s.list_samplers, 0, 0,
         "print stages, formulas, sources, policies, places and presets", NULL},
        {"trace", 0, "FILE", OPTION_STRING, &s.trace, 0, 0,
         "write each step to this file as a line of JSON; evaluates all candidates", NULL},
        {"color-by", 0, COLOR_CHOICES, OPTION_CHOICE, &s.color_by, 0, 0,
         "color each token by this value, on a terminal", NULL},
        {"explain", 0, NULL, OPTION_FLAG, &s.explain, 0, 0, "print the candidates of each token on standard error",
         NULL},
        {"units", 0, UNITS_CHOICES, OPTION_CHOICE, &s.units, 0, 0, UNITS_HELP, NULL},
        {"seed", 's', "N", OPTION_UINT64, &s.sampler.seed, 0, 0, "seed of the noise", "random; it is printed"},
    };
    int n_options = 0;
    while (options[n_options].name) n_options++;
    n_options = many_add_options(options, n_options, &s.many);
    n_options = options_add_sampler(options, n_options, &s.sampler);

    int next = options_parse(&run_command, options, n_options, argc, argv);
    if (next < argc && strcmp(argv[next], "-") == 0 && !s.file) s.file = argv[next++];
    if (next < argc) option_usage_error("run: unexpected argument '%s' (-p TEXT is the prompt)", argv[next]);
    if (s.prompt && s.file) option_usage_error("run: expected one of --prompt and --file, got both");
    if (s.list_samplers) return list_samplers();
    check_settings(&s);
    if (s.trace) s.sampler.lookahead.eager = true;
    if (s.trace && s.sampler.lookahead.chunk == LOOKAHEAD_AUTO) s.sampler.lookahead.chunk = LOOKAHEAD_CHUNK;
    return run_settings(&s);
}

const Command run_command = {
    "run", "[-]", "Continues a prompt. The text goes to standard output, everything else to standard error.",
    "A lone - reads the prompt from standard input. One newline at the end of the input is not part of the prompt.\n"
    "--list-samplers prints the sampling stages in the order in which they run. The same seed draws the same text.\n"
    "Several texts are printed in the order of their numbers, separated by a line ---; their figures go to standard\n"
    "error. After Ctrl-C the run ends with the current token, with exit status 130.\n" OPEN_NOTES,
    run_main};

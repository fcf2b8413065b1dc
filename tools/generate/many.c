#include "tools/generate/many.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/chain/number.h"
#include "tensor/memory.h"
#include "tensor/minmax.h"
#include "tools/cli/terminal.h"
#include "tools/cli/text.h"

#define SEPARATOR "\n---\n" /* between texts */

/* ---- The command line ---- */

int many_add_options(Option *options, int n_options, Many *many) {
    many->beam_until = -1;
    const Option rows[MANY_OPTIONS] = {
        {"samples", 'N', "COUNT", OPTION_INT, &many->samples, 1, TEXTS_MAX, "texts to write side by side", "1"},
        {"best-of", 0, "N", OPTION_INT, &many->best_of, 1, TEXTS_MAX, "write N texts, print the best", "off"},
        {"rank", 0, "METRIC", OPTION_STRING, &many->rank, 0, 0, "logprob, entropy:H, future, distinct2; W*METRIC,...",
         "logprob"},
        {"rank-all", 0, NULL, OPTION_FLAG, &many->rank_all, 0, 0, "list all texts with their figures", NULL},
        {"beam", 0, "B", OPTION_INT, &many->beam, 1, TEXTS_MAX, "search for the likeliest text with B beams", "off"},
        {"length-penalty", 0, "A", OPTION_STRING, &many->length_penalty_text, 0, 0,
         "beams are scored by ln p / length^A", "1"},
        {"rerank", 0, "METRIC", OPTION_STRING, &many->rerank, 0, 0, "choose among the finished beams, as --rank",
         "by their score"},
        {"then", 0, "SETTINGS", OPTION_STRING, &many->then, 0, 0, "sample on from each beam: \"fe, alpha 0.5\"", "off"},
        {"beam-length", 0, "N", OPTION_INT, &many->beam_length, 1, INT_MAX, "most tokens of a beam before --then",
         "32"},
        {"beam-until", 0, BEAM_UNTIL_CHOICES, OPTION_CHOICE, &many->beam_until, 0, 0,
         "end of a beam before --then: its first sentence's", "sentence"},
    };
    memcpy(options + n_options, rows, sizeof rows);
    return n_options + MANY_OPTIONS;
}

bool many_is_on(const Many *many) { return many->samples > 1 || many->best_of || many->beam; }

/* Beams use natural probabilities, so a setting that would have no effect is refused. */
static void check_no_sampling(const Sampler *sampler) {
    char chain[1024], usual[1024];
    Sampler unset = sampler_default();
    unset.seed = sampler->seed;
    if (sampler_looks_ahead(sampler))
        option_usage_error("--beam: cannot be had together with --fe (--rerank future ranks the finished beams)");
    sampler_print(&unset, usual, sizeof usual);
    sampler_print(sampler, chain, sizeof chain);
    if (strcmp(chain, usual) != 0)
        option_usage_error(
            "--beam: searches by natural probabilities, cannot be had together with settings of sampling");
}

/* The settings that continue the beams, on top of the defaults. */
static void read_then(const Many *many, Sampler *sampler) {
    Error error;
    Sampler then = sampler_default();
    then.seed = sampler->seed;
    if (!sampler_set_list(&then, many->then, &error) || !sampler_check(&then, &error))
        option_usage_error("--then: %s", error.message);
    *sampler = then;
}

/* Options that belong together. */
static void check_pairs(const Many *many) {
    bool then = many->then != NULL;
    if (many->beam && many->best_of) option_usage_error("expected one of --beam and --best-of, got both");
    if (then && !many->beam) option_usage_error("--then: expected --beam with it");
    if (many->samples && many->beam && !then) option_usage_error("expected one of --beam and --samples, got both");
    if (many->samples && many->best_of) option_usage_error("expected one of --best-of and --samples, got both");
    if (many->rank && !many->best_of && !then) option_usage_error("--rank: expected --best-of with it");
    if (many->rank_all && !many->best_of && !many->beam)
        option_usage_error("--rank-all: expected --best-of or --beam with it");
    if (many->rerank && !many->beam) option_usage_error("--rerank: expected --beam with it");
    if (many->rerank && then) option_usage_error("--rerank: expected no --then, whose texts --rank ranks");
    if (many->length_penalty_text && !many->beam) option_usage_error("--length-penalty: expected --beam with it");
    if (!then && many->beam_length) option_usage_error("--beam-length: expected --then with it");
    if (!then && many->beam_until >= 0) option_usage_error("--beam-until: expected --then with it");
    if (then && (long long)many->beam * (many->samples ? many->samples : 1) > TEXTS_MAX)
        option_usage_error("--then: expected at most %d texts, got %d beams with %d each", TEXTS_MAX, many->beam,
                           many->samples);
}

void many_check(Many *many, Sampler *sampler) {
    Error error;
    check_pairs(many);
    if (many->beam) check_no_sampling(sampler);
    if (many->then) read_then(many, sampler);
    bool reranks = many->beam && !many->then;
    const char *flag = reranks ? "--rerank" : "--rank", *text = reranks ? many->rerank : many->rank;
    many->length_penalty = 1;
    const char *penalty = many->length_penalty_text;
    if (!ranking_parse(&many->ranking, text ? text : "logprob", flag, &error) ||
        (penalty && !number_parse(&many->length_penalty, penalty, strlen(penalty), (NumberRange){.low = 0, .high = 10},
                                  "--length-penalty", &error)))
        option_usage_error("%s", error.message);
}

/* ---- The session ---- */

/* Texts of one prompt. */
static int count_of(const Many *many) {
    if (many->best_of) return many->best_of;
    return many->samples ? many->samples : 1;
}

int many_traces(const Many *many) { return many->beam ? many->beam * count_of(many) : count_of(many); }

/* The most tokens of a text. */
static int limit_of(int limit, int n_prompt, int context) {
    int room = texts_room(context, n_prompt);
    return limit >= 0 ? min_int(limit, room) : room;
}

/* The most tokens of a beam, which may be continued. */
static int beam_limit(const Many *many, int limit) {
    if (!many->then) return limit;
    return min_int(limit, many->beam_length ? many->beam_length : 32);
}

static bool beam_session(const Many *many, TextsSize size, SessionOptions *options, Error *error) {
    int limit = beam_limit(many, size.limit);
    long long rows = beam_rows(many->beam, size.n_prompt, limit, options->block_rows);
    if (rows > 1 << 30)
        return error_set(error, "%d beams of %d tokens need %lld key/value rows, more than %d (-n N takes fewer)",
                         many->beam, limit, rows, 1 << 30);
    options->branches = beam_branches(many->beam);
    options->rows = (int)rows;
    return true;
}

/* The beams are dropped before their texts are written; the prompt itself stays. */
static bool then_session(const Many *many, const Sampler *sampler, TextsSize size, SessionOptions *options,
                         Error *error) {
    SessionOptions search = *options;
    int prefix = beam_limit(many, size.limit), n_roots = size.n_without ? 2 : 1;
    if (!beam_session(many, size, &search, error)) return false;
    int own = size.n_prompt + size.n_without + n_roots * options->block_rows;
    size.n_prompts = many->beam;
    size.n_prompt += prefix;
    if (size.n_without) size.n_without += prefix;
    if (!texts_size(options, sampler, size, error)) return false;
    options->branches = max_int(options->branches + n_roots, search.branches + n_roots - 1);
    options->rows = max_int(options->rows + own, search.rows + own);
    return true;
}

bool many_session(const Many *many, const Sampler *sampler, TextsSize size, SessionOptions *options, Error *error) {
    int limit = limit_of(size.limit, size.n_prompt, options->context);
    if (size.limit < 0) fprintf(stderr, "up to %d tokens each, as many as the context holds\n", limit);
    size.limit = limit;
    size.count = count_of(many);
    size.in_place = false;
    if (many->then) return then_session(many, sampler, size, options, error);
    return many->beam ? beam_session(many, size, options, error) : texts_size(options, sampler, size, error);
}

/* ---- Writing ---- */

void many_print_chain(const Many *many, const Sampler *sampler) {
    char chain[SAMPLER_CHAIN_BYTES];
    if (many->beam)
        fprintf(stderr, "%d beam%s, score ln p / length^%g%s%s\n", many->beam, many->beam > 1 ? "s" : "",
                many->length_penalty, many->rerank ? ", reranked by " : "", many->rerank ? many->rerank : "");
    if (many->beam && !many->then) return;
    sampler_print(sampler, chain, sizeof chain);
    fprintf(stderr, "%s%s\n", many->then ? "then " : "", chain);
    const char *rank = many->rank ? many->rank : "logprob";
    if (many->best_of) fprintf(stderr, "the best of %d by %s\n", many->best_of, rank);
    if (many->then) fprintf(stderr, "the best of %d for each beam by %s\n", count_of(many), rank);
}

static bool print_text(const ManyRun *run, uint8_t *out, const Continuation *item, Error *error) {
    const TextsSetup *setup = &run->setup;
    TokenStream stream = token_stream_start(setup->tokenizer, setup->special, setup->at_start);
    bool done = text_write(run->text.data, run->text.size, error);
    size_t left = item->n_bytes;
    for (int i = run->prompt->length; i <= item->sequence.length && done; i++) {
        size_t n = i < item->sequence.length ? token_stream_push(&stream, item->sequence.history[i], out)
                                             : token_stream_finish(&stream, out);
        if (n > left) n = left;
        done = text_write(out, n, error);
        left -= n;
    }
    return done;
}

static void list_figures(const Continuation *item, int number, int n_prompt, Units units) {
    static const char *const ends[TEXT_ENDS] = {"interrupted",         "the text ended", "as long as asked",
                                                "the context is full", "a stop string",  "failed"};
    fprintf(stderr, "%4d  %4d tokens", number, item->sequence.length - n_prompt);
    for (int i = 0; i < METRICS; i++) {
        double figure = ranking_figure(&item->figures, (Metric)i);
        bool in_nats = i == METRIC_LOGPROB || i == METRIC_ENTROPY;
        fprintf(stderr, "  %s %.4f%s", ranking_metric_names[i], in_nats ? units_of(units, figure) : figure,
                in_nats ? units_suffix(units) : "");
    }
    fprintf(stderr, "  %s\n", ends[item->end]);
}

/* The texts in the order of their scores: the first n_texts on stdout, the figures of the first n_listed on stderr.
 * `ranked`: by the ranking, else in the order they have. The number of the first is `first`. */
typedef struct {
    const Continuation *items[TEXTS_MAX];
    int count, n_texts, n_listed, first;
    bool ranked;
} Listing;

/* Texts that failed come last among those that are ranked. */
static double score_of(const Many *many, const Listing *listing, const Continuation *item) {
    if (!listing->ranked) return 0;
    return item->end == TEXT_FAILED ? -INFINITY : ranking_score(&many->ranking, &item->figures);
}

static bool print_all(const Many *many, const ManyRun *run, const Listing *listing, Error *error) {
    int order[TEXTS_MAX];
    double scores[TEXTS_MAX];
    for (int i = 0; i < listing->count; i++) scores[i] = score_of(many, listing, listing->items[i]);
    ranking_order(order, scores, listing->count);
    uint8_t *out = memory_alloc(token_stream_bound(run->setup.tokenizer), 1, "text of a token", error);
    bool done = out != NULL;
    for (int i = 0; i < min_int(listing->n_texts, listing->count) && done; i++)
        done = (i == 0 || text_write(SEPARATOR, strlen(SEPARATOR), error)) &&
               print_text(run, out, listing->items[order[i]], error);
    if (done) text_end_line();
    for (int i = 0; i < min_int(listing->n_listed, listing->count) && done; i++)
        list_figures(listing->items[order[i]], listing->first + order[i], run->prompt->length, run->units);
    memory_free(out);
    return done;
}

/* Writes until all texts have ended, or Ctrl-C. */
static bool write_texts(ManyRun *run, Texts *texts, Error *error) {
    bool done = true;
    int longest = 0;
    for (int i = 0; i < texts->count; i++) longest = max_int(longest, texts->items[i].n_most);
    for (int step = 0; texts->n_live > 0 && done && !*run->interrupted; step++) {
        done = texts_step(texts, error);
        terminal_progress("tokens", (size_t)min_int(step, longest - 1), (size_t)longest);
    }
    terminal_clear();
    done = done && texts_interrupt(texts, error);
    run->n_decoded += texts->n_decoded;
    run->future_rows += texts->future_rows;
    for (int i = 0; i < texts->count; i++) run->rewinds += texts->items[i].editor.rewinds;
    return done;
}

static void list_texts(Listing *listing, const Texts *texts) {
    for (int i = 0; i < texts->count; i++) listing->items[listing->count++] = &texts->items[i].item;
}

/* Whether no text has failed; the error is that of the first that has. */
static bool check_texts(const Texts *texts, Error *error) {
    for (int i = 0; i < texts->count; i++) {
        if (texts->items[i].item.end != TEXT_FAILED) continue;
        *error = texts->items[i].failure;
        return false;
    }
    return true;
}

static bool write_samples(const Many *many, ManyRun *run, Error *error) {
    Texts texts;
    int count = count_of(many);
    TextsSetup setup = run->setup;
    setup.figures = true;
    if (!texts_open(&texts, &setup, count, error)) return false;
    bool done = true;
    for (int i = 0; i < count && done; i++)
        done = texts_add(&texts, &(TextStart){.prompt = run->prompt, .number = run->first + i, .limit = run->limit},
                         error);
    Listing listing = {.n_texts = many->best_of ? 1 : count,
                       .n_listed = many->best_of && !many->rank_all ? 1 : count,
                       .first = run->first + 1,
                       .ranked = many->best_of > 0};
    done = done && write_texts(run, &texts, error);
    list_texts(&listing, &texts);
    done = done && print_all(many, run, &listing, error) && check_texts(&texts, error);
    texts_close(&texts);
    return done;
}

/* ---- Beams ---- */

static bool search(const Many *many, ManyRun *run, Beam *beam, Error *error) {
    const Writer *writer = run->setup.writer;
    int context = session_options(writer->session).context;
    int limit = beam_limit(many, limit_of(run->limit, run->prompt->length, context));
    BeamSetup setup = {.session = writer->session,
                       .flags = writer->flags,
                       .vocab_size = writer->candidates.capacity,
                       .width = many->beam,
                       .limit = limit,
                       .length_penalty = many->length_penalty,
                       .ignore_ends = run->setup.ignore_ends,
                       .until = many->then && many->beam_until != BEAM_UNTIL_LENGTH ? TOKEN_ENDS_SENTENCE : 0,
                       .future_n = writer->sampler->lookahead.n,
                       .stops = run->setup.stops,
                       .bans = run->setup.bans,
                       .start = token_stream_start(run->setup.tokenizer, run->setup.special, run->setup.at_start)};
    if (!beam_open(beam, &setup, run->prompt, error)) return false;
    bool done = true;
    for (int step = 0; beam->n_live > 0 && done && !*run->interrupted; step++) {
        done = beam_step(beam, error);
        terminal_progress("tokens", (size_t)step, (size_t)limit);
    }
    terminal_clear();
    run->n_decoded = beam->n_decoded;
    return done;
}

/* The finished beams; after an interruption the live ones, if none has finished. */
static int found(const Beam *beam, const Continuation **items) {
    *items = beam->n_finished ? beam->finished : beam->live;
    return beam->n_finished ? beam->n_finished : beam->n_live;
}

static bool write_beams(const Many *many, ManyRun *run, Error *error) {
    Beam beam;
    const Continuation *items;
    if (!search(many, run, &beam, error)) {
        beam_close(&beam);
        return false;
    }
    Listing listing = {.count = found(&beam, &items), .n_texts = 1, .first = 1, .ranked = many->rerank != NULL};
    listing.n_listed = many->rank_all ? listing.count : 1;
    for (int i = 0; i < listing.count; i++) listing.items[i] = &items[i];
    bool done = print_all(many, run, &listing, error);
    beam_close(&beam);
    return done;
}

/* ---- Texts that go on from beams ---- */

/* A beam that was read again like a prompt, so that a text that continues it is the text of a run with this prompt. */
typedef struct {
    Sequence prompt;
    int *without; /* (n_without,) the second prompt with the beam's tokens; NULL: none */
    int n_without, n_prefix;
} Prefix;

static bool can_go_on(const ManyRun *run, const Continuation *item) {
    int n = item->sequence.length, n_prefix = n - run->prompt->length;
    int context = session_options(run->setup.writer->session).context;
    return item->end == TEXT_LIMIT && n <= context && (!run->without || run->n_without + n_prefix <= context) &&
           (run->limit < 0 || n_prefix < run->limit);
}

static bool read_prefix(const ManyRun *run, Prefix *prefix, const Continuation *item, Error *error) {
    Writer *writer = run->setup.writer;
    Sequence *prompt = &prefix->prompt;
    *prefix = (Prefix){.prompt = item->sequence, .n_prefix = item->sequence.length - run->prompt->length};
    prompt->state = sampler_start(writer->sampler);
    prompt->without = 0;
    if (!session_root(writer->session, &prompt->branch, error) || !writer_read(writer, prompt, prompt->length, error))
        return false;
    if (!run->without) return true;
    size_t n = (size_t)run->n_without, n_prefix = (size_t)prefix->n_prefix;
    prefix->n_without = run->n_without + prefix->n_prefix;
    prefix->without = memory_alloc(n + n_prefix, sizeof *prefix->without, "second prompt", error);
    if (!prefix->without) return false;
    memcpy(prefix->without, run->without, n * sizeof *run->without);
    memcpy(prefix->without + n, prompt->history + run->prompt->length, n_prefix * sizeof *prompt->history);
    return session_root(writer->session, &prompt->without, error) &&
           session_prefill(writer->session, prompt->without, prefix->without, prefix->n_without, error);
}

static int limit_after(const ManyRun *run, const Prefix *prefix) {
    return run->limit < 0 ? -1 : run->limit - prefix->n_prefix;
}

/* `count` texts of one prefix. */
static bool add_texts(ManyRun *run, Texts *texts, const Prefix *prefix, Figures figures, int count, Error *error) {
    TextStart start = {
        .prompt = &prefix->prompt, .n_prefix = prefix->n_prefix, .limit = limit_after(run, prefix), .figures = figures};
    TraceHeader header = *run->header;
    header.prompt = prefix->prompt.history;
    header.n_prompt = prefix->prompt.length;
    header.n_prefix = prefix->n_prefix;
    header.n_predict = start.limit;
    header.without = prefix->without;
    header.n_without = prefix->n_without;
    for (int i = 0; i < count; i++) {
        start.number = run->first + texts->count;
        if (run->traces->count > 0 && !traces_begin(run->traces, texts->count, header, run->model, run->setup.writer,
                                                    run->setup.tokenizer, error))
            return false;
        if (!texts_add(texts, &start, error)) return false;
    }
    return true;
}

/* Those that cannot go on have the last numbers. */
static bool go_on(const Many *many, ManyRun *run, const Continuation *items, int n_items, Prefix *prefixes,
                  Error *error) {
    Texts texts;
    Listing listing = {.n_texts = 1, .first = run->first + 1, .ranked = true};
    TextsSetup setup = run->setup;
    int count = count_of(many), n_going = 0;
    setup.figures = true;
    for (int i = 0; i < n_items; i++) n_going += can_go_on(run, &items[i]);
    if (n_going == 0)
        fprintf(stderr, "foretell: no beam is continued%s: each has ended or is as long as asked\n",
                run->traces->count > 0 ? ", and no trace written" : "");
    if (!texts_open(&texts, &setup, n_going ? n_going * count : 1, error)) return false;
    bool done = true;
    for (int i = 0; i < n_items && done; i++)
        if (can_go_on(run, &items[i]))
            done = read_prefix(run, &prefixes[i], &items[i], error) &&
                   add_texts(run, &texts, &prefixes[i], items[i].figures, count, error);
    done = done && write_texts(run, &texts, error);
    list_texts(&listing, &texts);
    for (int i = 0; i < n_items; i++)
        if (!can_go_on(run, &items[i])) listing.items[listing.count++] = &items[i];
    listing.n_listed = many->rank_all ? listing.count : 1;
    done = done && print_all(many, run, &listing, error) && check_texts(&texts, error);
    texts_close(&texts);
    return done;
}

static bool write_then(const Many *many, ManyRun *run, Error *error) {
    Beam beam;
    const Continuation *items;
    bool done = search(many, run, &beam, error);
    int n_items = done ? found(&beam, &items) : 0;
    Prefix *prefixes = done ? memory_alloc((size_t)n_items, sizeof *prefixes, "prefixes", error) : NULL;
    done = prefixes && go_on(many, run, items, n_items, prefixes, error);
    for (int i = 0; prefixes && i < n_items; i++) memory_free(prefixes[i].without);
    memory_free(prefixes);
    beam_close(&beam);
    return done;
}

bool many_write(const Many *many, ManyRun *run, Error *error) {
    if (many->then) return write_then(many, run, error);
    return many->beam ? write_beams(many, run, error) : write_samples(many, run, error);
}

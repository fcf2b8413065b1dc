#include "tools/many.h"

#include <stdio.h>
#include <string.h>

#include "sampler/number.h"
#include "tensor/memory.h"
#include "tools/terminal.h"
#include "tools/text.h"

#define SEPARATOR "\n---\n" /* between texts */

/* ---- The command line ---- */

int many_add_options(Option *options, int n_options, Many *many) {
    const Option rows[MANY_OPTIONS] = {
        {"samples", 'N', "COUNT", OPTION_INT, &many->samples, 1, CHOOSE_MAX, "texts to write side by side", "1"},
        {"best-of", 0, "N", OPTION_INT, &many->best_of, 1, CHOOSE_MAX, "write N texts, print the best", "off"},
        {"rank", 0, "METRIC", OPTION_STRING, &many->rank, 0, 0, "logprob, entropy:H, future, distinct2; W*METRIC,...",
         "logprob"},
        {"rank-all", 0, NULL, OPTION_FLAG, &many->rank_all, 0, 0, "list all texts with their figures", NULL},
        {"beam", 0, "B", OPTION_INT, &many->beam, 1, CHOOSE_MAX, "search for the likeliest text with B beams", "off"},
        {"length-penalty", 0, "A", OPTION_STRING, &many->length_penalty_text, 0, 0,
         "beams are scored by ln p / length^A", "1"},
        {"rerank", 0, "METRIC", OPTION_STRING, &many->rerank, 0, 0, "choose among the finished beams, as --rank",
         "by their score"},
    };
    memcpy(options + n_options, rows, sizeof rows);
    return n_options + MANY_OPTIONS;
}

bool many_is_on(const Many *many) { return many->samples > 1 || many->best_of || many->beam; }

/* Beams take natural probabilities: a setting that would have no effect is not taken in silence. */
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

void many_check(Many *many, const Sampler *sampler) {
    Error error;
    if (many->beam && many->best_of) option_usage_error("expected one of --beam and --best-of, got both");
    if (many->samples && many->beam) option_usage_error("expected one of --beam and --samples, got both");
    if (many->samples && many->best_of) option_usage_error("expected one of --best-of and --samples, got both");
    if (many->rank && !many->best_of) option_usage_error("--rank: expected --best-of with it");
    if (many->rank_all && !many->best_of && !many->beam)
        option_usage_error("--rank-all: expected --best-of or --beam with it");
    if (many->rerank && !many->beam) option_usage_error("--rerank: expected --beam with it");
    if (many->length_penalty_text && !many->beam) option_usage_error("--length-penalty: expected --beam with it");
    if (many->beam) check_no_sampling(sampler);
    const char *flag = many->beam ? "--rerank" : "--rank", *text = many->beam ? many->rerank : many->rank;
    many->length_penalty = 1;
    const char *penalty = many->length_penalty_text;
    if (!ranking_parse(&many->ranking, text ? text : "logprob", flag, &error) ||
        (penalty && !number_parse(&many->length_penalty, penalty, strlen(penalty), (NumberRange){0, 10, false, false},
                                  "--length-penalty", &error)))
        option_usage_error("%s", error.message);
}

/* ---- The session ---- */

static int count_of(const Many *many) {
    return many->beam ? many->beam : many->best_of ? many->best_of : many->samples;
}

int many_limit(int n_predict, int n_prompt, int context) {
    int room = context - n_prompt + 1; /* the last one is drawn, but nobody asks what follows */
    if (n_predict < 0) fprintf(stderr, "up to %d tokens each, as many as the context holds\n", room);
    return n_predict >= 0 && n_predict < room ? n_predict : room;
}

bool many_session(const Many *many, const Sampler *sampler, int n_prompt, int limit, SessionOptions *options,
                  Error *error) {
    int count = count_of(many);
    options->branches = many->beam ? beam_branches(count) : choose_branches(sampler, count);
    long long rows = many->beam ? beam_rows(count, n_prompt, limit, options->block_rows)
                                : choose_rows(sampler, count, n_prompt, limit, options->block_rows);
    if (rows > 1 << 30)
        return error_set(error, "%d texts of %d tokens need %lld key/value rows, more than %d (-n N takes fewer)",
                         count, limit, rows, 1 << 30);
    options->rows = (int)rows;
    return true;
}

/* ---- Writing ---- */

void many_print_chain(const Many *many, const Sampler *sampler) {
    char chain[SAMPLER_CHAIN_BYTES];
    if (many->beam) {
        fprintf(stderr, "%d beam%s, score ln p / length^%g%s%s\n", many->beam, many->beam > 1 ? "s" : "",
                many->length_penalty, many->rerank ? ", reranked by " : "", many->rerank ? many->rerank : "");
        return;
    }
    sampler_print(sampler, chain, sizeof chain);
    fprintf(stderr, "%s\n", chain);
    if (many->best_of) fprintf(stderr, "the best of %d by %s\n", many->best_of, many->rank ? many->rank : "logprob");
}

static bool print_text(const ManyRun *run, uint8_t *out, const Continuation *item, Error *error) {
    TokenStream stream = token_stream_start(run->tokenizer, run->special, run->at_start);
    bool done = text_write(run->text.data, run->text.size, error);
    for (int i = run->prompt->length; i < item->sequence.length && done; i++)
        done = text_write(out, token_stream_push(&stream, item->sequence.history[i], out), error);
    return done && text_write(out, token_stream_finish(&stream, out), error);
}

static void list_figures(const Continuation *item, int number, int n_prompt, Units units) {
    static const char *const ends[] = {"interrupted", "the text ended", "as long as asked", "the context is full"};
    fprintf(stderr, "%4d  %4d tokens", number, item->sequence.length - n_prompt);
    for (int i = 0; i < METRICS; i++) {
        double figure = ranking_figure(&item->figures, (Metric)i);
        bool in_nats = i == METRIC_LOGPROB || i == METRIC_ENTROPY;
        fprintf(stderr, "  %s %.4f%s", ranking_metric_names[i], in_nats ? units_of(units, figure) : figure,
                in_nats ? units_suffix(units) : "");
    }
    fprintf(stderr, "  %s\n", ends[item->end]);
}

/* The texts in this order: the first n_texts on stdout, the figures of the first n_listed on stderr. */
static bool print_all(const ManyRun *run, const Continuation *items, const int *order, int n_texts, int n_listed,
                      Error *error) {
    uint8_t *out = memory_alloc(token_stream_bound(run->tokenizer), 1, "text of a token", error);
    bool done = out != NULL;
    for (int i = 0; i < n_texts && done; i++)
        done = (i == 0 || text_write(SEPARATOR, strlen(SEPARATOR), error)) &&
               print_text(run, out, &items[order[i]], error);
    if (done) text_end_line();
    for (int i = 0; i < n_listed && done; i++)
        list_figures(&items[order[i]], order[i] + 1, run->prompt->length, run->units);
    memory_free(out);
    return done;
}

static bool write_samples(const Many *many, ManyRun *run, Error *error) {
    Choose choose;
    int order[CHOOSE_MAX], count = count_of(many);
    double scores[CHOOSE_MAX];
    if (!choose_open(&choose, run->writer, run->prompt, count, run->limit, run->ignore_ends, error)) return false;
    bool done = true;
    for (int step = 0; choose.n_live > 0 && done && !*run->interrupted; step++) {
        done = choose_step(&choose, error);
        terminal_progress("tokens", (size_t)step, (size_t)run->limit);
    }
    terminal_clear();
    for (int i = 0; i < count; i++)
        scores[i] = many->best_of ? ranking_score(&many->ranking, &choose.items[i].figures) : 0;
    ranking_order(order, scores, count);
    int n_listed = many->best_of && !many->rank_all ? 1 : count;
    done = done && print_all(run, choose.items, order, many->best_of ? 1 : count, n_listed, error);
    run->n_decoded = choose.n_decoded;
    run->future_rows = choose.future_rows;
    choose_close(&choose);
    return done;
}

static bool write_beams(const Many *many, ManyRun *run, Error *error) {
    Beam beam;
    int order[CHOOSE_MAX];
    double scores[CHOOSE_MAX];
    const Sampler *sampler = run->writer->sampler;
    if (!beam_open(&beam, run->session, run->writer->candidates.capacity, run->flags, run->prompt, many->beam,
                   run->limit, many->length_penalty, run->ignore_ends, sampler->lookahead.n, error))
        return false;
    bool done = true;
    for (int step = 0; beam.n_live > 0 && done && !*run->interrupted; step++) {
        done = beam_step(&beam, error);
        terminal_progress("tokens", (size_t)step, (size_t)run->limit);
    }
    terminal_clear();
    /* Interrupted, the beams are what there is so far where none has finished. */
    const Continuation *items = beam.n_finished ? beam.finished : beam.live;
    int count = beam.n_finished ? beam.n_finished : beam.n_live;
    for (int i = 0; i < count; i++) scores[i] = many->rerank ? ranking_score(&many->ranking, &items[i].figures) : 0;
    ranking_order(order, scores, count);
    done = done && print_all(run, items, order, 1, many->rank_all ? count : 1, error);
    run->n_decoded = beam.n_decoded;
    beam_close(&beam);
    return done;
}

bool many_write(const Many *many, ManyRun *run, Error *error) {
    return many->beam ? write_beams(many, run, error) : write_samples(many, run, error);
}

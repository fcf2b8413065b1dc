#include "tools/generate/many.h"

#include <stdio.h>
#include <string.h>

#include "sampler/chain/number.h"
#include "tensor/minmax.h"
#include "tools/cli/interrupts.h"
#include "tools/cli/terminal.h"
#include "tools/generate/beams.h"
#include "tools/generate/listing.h"

/* ---- The command line ---- */

int many_add_options(Option *options, int n_options, Many *many) {
    many->beam_until = -1;
    const Option rows[MANY_OPTIONS] = {
        {"samples", 'N', "COUNT", OPTION_INT, &many->samples, 1, TEXTS_MAX, "texts to write in parallel", "1"},
        {"best-of", 0, "N", OPTION_INT, &many->best_of, 1, TEXTS_MAX, "write N texts and print the best", "off"},
        {"rank", 0, "METRIC", OPTION_STRING, &many->rank, 0, 0, "logprob, entropy:H, future, distinct2; W*METRIC,...",
         "logprob"},
        {"rank-all", 0, NULL, OPTION_FLAG, &many->rank_all, 0, 0, "list all texts with their figures", NULL},
        {"beam", 0, "B", OPTION_INT, &many->beam, 1, TEXTS_MAX, "search for the likeliest text with B beams", "off"},
        {"length-penalty", 0, "A", OPTION_STRING, &many->length_penalty_text, 0, 0,
         "beams are scored by ln p / length^A", "1"},
        {"rerank", 0, "METRIC", OPTION_STRING, &many->rerank, 0, 0, "choose among the finished beams, as --rank",
         "by their score"},
        {"then", 0, "SETTINGS", OPTION_STRING, &many->then, 0, 0, "continue each beam by sampling: \"fe, alpha 0.5\"",
         "off"},
        {"beam-length", 0, "N", OPTION_INT, &many->beam_length, 1, INT_MAX, "most tokens of a beam before --then",
         "32"},
        {"beam-until", 0, BEAM_UNTIL_CHOICES, OPTION_CHOICE, &many->beam_until, 0, 0,
         "where a beam ends before --then: after its first sentence, or at its length alone", "sentence"},
    };
    memcpy(options + n_options, rows, sizeof rows);
    return n_options + MANY_OPTIONS;
}

bool many_is_on(const Many *many) { return many->samples > 1 || many->best_of || many->beam; }

/* Refuses settings of sampling, which would have no effect: beams use the model's own probabilities. */
static void check_no_sampling(const Sampler *sampler) {
    char chain[1024], usual[1024];
    Sampler unset = sampler_default();
    unset.seed = sampler->seed;
    if (sampler_looks_ahead(sampler))
        option_usage_error("--beam: expected no --fe (--rerank future ranks the finished beams)");
    sampler_print(&unset, usual, sizeof usual);
    sampler_print(sampler, chain, sizeof chain);
    if (strcmp(chain, usual) != 0)
        option_usage_error(
            "--beam: expected no settings of sampling: a beam search uses the model's own probabilities");
}

/* Replaces the sampler by that of --then: the defaults, changed by its settings. */
static void read_then(const Many *many, Sampler *sampler) {
    Error error;
    Sampler then = sampler_default();
    then.seed = sampler->seed;
    if (!sampler_set_list(&then, many->then, &error) || !sampler_check(&then, &error))
        option_usage_error("--then: %s", error.message);
    if (then.seed != sampler->seed) option_usage_error("--then: expected no seed in it, which --seed gives");
    *sampler = then;
}

/* Checks that options which need each other are given together, and others are not. */
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
    if (many->rerank && then) option_usage_error("--rerank: expected no --then: --rank ranks the texts of --then");
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

int many_count(const Many *many) {
    if (many->best_of) return many->best_of;
    return many->samples ? many->samples : 1;
}

int many_traces(const Many *many) { return many->beam ? many->beam * many_count(many) : many_count(many); }

int many_limit(int limit, int n_prompt, int context) {
    int room = texts_room(context, n_prompt);
    return limit >= 0 ? min_int(limit, room) : room;
}

int many_beam_limit(const Many *many, int limit) {
    if (!many->then) return limit;
    return min_int(limit, many->beam_length ? many->beam_length : 32);
}

static bool beam_session(const Many *many, TextsSize size, SessionOptions *options, Error *error) {
    int limit = many_beam_limit(many, size.limit);
    long long rows = beam_rows(many->beam, size.n_prompt, limit, options->block_rows);
    if (rows > 1 << 30)
        return error_set(error, "%d beams of %d tokens need %lld key/value rows, more than %d (-n N takes fewer)",
                         many->beam, limit, rows, 1 << 30);
    options->branches = beam_branches(many->beam);
    options->rows = (int)rows;
    return true;
}

/* Room for the search or for the texts, whichever needs more, since the beams are dropped before the texts are written;
 * and for the prompt, which stays. */
static bool then_session(const Many *many, const Sampler *sampler, TextsSize size, SessionOptions *options,
                         Error *error) {
    SessionOptions search = *options;
    int prefix = many_beam_limit(many, size.limit), n_roots = size.n_without ? 2 : 1;
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
    int limit = many_limit(size.limit, size.n_prompt, options->context);
    if (size.limit < 0) fprintf(stderr, "up to %d tokens each, as many as the context holds\n", limit);
    size.limit = limit;
    size.count = many_count(many);
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
    if (many->then) fprintf(stderr, "the best of %d for each beam by %s\n", many_count(many), rank);
}

bool many_write_texts(ManyRun *run, Texts *texts, Error *error) {
    bool done = true;
    int longest = 0;
    for (int i = 0; i < texts->count; i++) longest = max_int(longest, texts->items[i].n_most);
    for (int step = 0; texts->n_live > 0 && done && !interrupted; step++) {
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

bool many_check_texts(const Texts *texts, Error *error) {
    for (int i = 0; i < texts->count; i++) {
        if (texts->items[i].item.end != TEXT_FAILED) continue;
        *error = texts->items[i].failure;
        return false;
    }
    return true;
}

static bool write_samples(const Many *many, ManyRun *run, Error *error) {
    Texts texts;
    int count = many_count(many);
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
    done = done && many_write_texts(run, &texts, error);
    listing_add(&listing, &texts);
    done = done && listing_print(&listing, many, run, error) && many_check_texts(&texts, error);
    texts_close(&texts);
    return done;
}

bool many_write(const Many *many, ManyRun *run, Error *error) {
    if (many->then) return beams_continue(many, run, error);
    return many->beam ? beams_write(many, run, error) : write_samples(many, run, error);
}

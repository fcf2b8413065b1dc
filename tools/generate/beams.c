#include "tools/generate/beams.h"

#include <stdio.h>
#include <string.h>

#include "tensor/memory.h"
#include "tools/cli/interrupts.h"
#include "tools/cli/terminal.h"
#include "tools/generate/listing.h"

static bool search(const Many *many, ManyRun *run, Beam *beam, Error *error) {
    const Writer *writer = run->setup.writer;
    int context = session_options(writer->session).context;
    int limit = many_beam_limit(many, many_limit(run->limit, run->prompt->length, context));
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
    for (int step = 0; beam->n_live > 0 && done && !interrupted; step++) {
        done = beam_step(beam, error);
        terminal_progress("tokens", (size_t)step, (size_t)limit);
    }
    terminal_clear();
    run->n_decoded = beam->n_decoded;
    return done;
}

/* The finished beams. After Ctrl-C, if none has finished: the live ones. */
static int found(const Beam *beam, const Continuation **items) {
    *items = beam->n_finished ? beam->finished : beam->live;
    return beam->n_finished ? beam->n_finished : beam->n_live;
}

bool beams_write(const Many *many, ManyRun *run, Error *error) {
    Beam beam;
    const Continuation *items;
    if (!search(many, run, &beam, error)) {
        beam_close(&beam);
        return false;
    }
    Listing listing = {.count = found(&beam, &items), .n_texts = 1, .first = 1, .ranked = many->rerank != NULL};
    listing.n_listed = many->rank_all ? listing.count : 1;
    for (int i = 0; i < listing.count; i++) listing.items[i] = &items[i];
    bool done = listing_print(&listing, many, run, error);
    beam_close(&beam);
    return done;
}

/* ---- Texts that continue beams ---- */

/* A beam as the prompt of new texts. It is read again like any prompt, so that a text that continues it has the same
 * bits as a run with this prompt. */
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

/* Adds `count` texts that continue one prefix. */
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

/* Writes texts from all beams that can be continued. The other beams are listed after them. */
static bool go_on(const Many *many, ManyRun *run, const Continuation *items, int n_items, Prefix *prefixes,
                  Error *error) {
    Texts texts;
    Listing listing = {.n_texts = 1, .first = run->first + 1, .ranked = true};
    TextsSetup setup = run->setup;
    int count = many_count(many), n_going = 0;
    setup.figures = true;
    for (int i = 0; i < n_items; i++) n_going += can_go_on(run, &items[i]);
    if (n_going == 0)
        fprintf(stderr, "foretell: no beam is continued%s: each has ended or has its full length\n",
                run->traces->count > 0 ? ", and no trace written" : "");
    if (!texts_open(&texts, &setup, n_going ? n_going * count : 1, error)) return false;
    bool done = true;
    for (int i = 0; i < n_items && done; i++)
        if (can_go_on(run, &items[i]))
            done = read_prefix(run, &prefixes[i], &items[i], error) &&
                   add_texts(run, &texts, &prefixes[i], items[i].figures, count, error);
    done = done && many_write_texts(run, &texts, error);
    listing_add(&listing, &texts);
    for (int i = 0; i < n_items; i++)
        if (!can_go_on(run, &items[i])) listing.items[listing.count++] = &items[i];
    listing.n_listed = many->rank_all ? listing.count : 1;
    done = done && listing_print(&listing, many, run, error) && many_check_texts(&texts, error);
    texts_close(&texts);
    return done;
}

bool beams_continue(const Many *many, ManyRun *run, Error *error) {
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

#include "tools/generate/listing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/memory.h"
#include "tensor/minmax.h"
#include "tools/cli/text.h"

#define SEPARATOR "\n---\n" /* between texts */

void listing_add(Listing *listing, const Texts *texts) {
    for (int i = 0; i < texts->count; i++) listing->items[listing->count++] = &texts->items[i].item;
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

/* Failed texts are ranked last. */
static double score_of(const Many *many, const Listing *listing, const Continuation *item) {
    if (!listing->ranked) return 0;
    return item->end == TEXT_FAILED ? -INFINITY : ranking_score(&many->ranking, &item->figures);
}

bool listing_print(const Listing *listing, const Many *many, const ManyRun *run, Error *error) {
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

/* Fills foretell_step after the writer has drawn a token. */
#include <math.h>
#include <string.h>

#include "sampler/api/handles.h"
#include "sampler/chain/draw.h"
#include "sampler/chain/noise.h"
#include "sampler/text/step.h"
#include "tensor/memory.h"

_Static_assert(API_CANDIDATES >= LOOKAHEAD_MAX_K && API_CANDIDATES <= STEP_MOST,
               "all candidates of a lookahead fit, and step_likeliest finds them");

static void record_futures(foretell_text *text) {
    const LookaheadReport *report = &text->writer.report;
    foretell_future *next = text->futures;
    for (int i = 0; i < report->count; i++) {
        const LookaheadCandidate *from = &report->candidates[i];
        text->candidates[i].futures = next;
        text->candidates[i].n_futures = (size_t)from->n_futures;
        for (int j = 0; j < from->n_futures; j++)
            *next++ = (foretell_future){from->futures[j].token, from->futures[j].prob};
    }
}

static size_t record_evaluated(foretell_text *text) {
    const LookaheadReport *report = &text->writer.report;
    for (int i = 0; i < report->count; i++) {
        const LookaheadCandidate *from = &report->candidates[i];
        text->candidates[i] = (foretell_candidate){.token = from->token,
                                                   .evaluated = from->evaluated,
                                                   .neutral = from->neutral,
                                                   .p = from->p,
                                                   .ln_p = from->ln_p,
                                                   .worth = from->skipped ? NAN : from->worth,
                                                   .ln_s = from->ln_s,
                                                   .noise = from->noise};
    }
    if (text->report & FORETELL_FUTURES) record_futures(text);
    return (size_t)report->count;
}

static size_t record_survivors(foretell_text *text, const Sequence *sequence) {
    const Writer *writer = &text->writer;
    const Sampler *sampler = writer_sampler(writer);
    Candidates survivors = writer->candidates;
    int which[API_CANDIDATES];
    survivors.count -= writer->added;
    int n = survivors.count > 0 ? step_likeliest(&survivors, which, API_CANDIDATES) : 0;
    double log_mass = n > 0 ? candidates_log_mass(&survivors) : 0;
    for (int i = 0; i < n; i++) {
        int token = survivors.items[which[i]].token;
        double ln_p = -candidates_surprisal(&survivors, which[i]) - log_mass;
        bool greedy = writer->temperature < DRAW_GREEDY_BELOW;
        text->candidates[i] = (foretell_candidate){
            .token = token,
            .p = exp(ln_p),
            .ln_p = ln_p,
            .worth = NAN,
            .ln_s = ln_p,
            .noise = greedy ? 0 : noise_gumbel(sampler->seed, token, sequence->length, sequence->number, NOISE_DRAW)};
    }
    return (size_t)n;
}

static void record_candidates(foretell_text *text, const Sequence *sequence) {
    foretell_step *step = &text->step;
    const Writer *writer = &text->writer;
    bool looked = writer_sampler(writer)->future && writer->report.outcome == LOOKAHEAD_DONE;
    step->candidates = text->candidates;
    step->n_candidates = looked ? record_evaluated(text) : record_survivors(text, sequence);
    for (size_t i = 0; i < step->n_candidates; i++)
        if (text->candidates[i].token == step->token) step->chosen = (int32_t)i;
}

static void record_drawn(foretell_text *text, const Sequence *sequence) {
    const Writer *writer = &text->writer;
    Step drawn = step_of(writer, sequence);
    foretell_step *step = &text->step;
    step->token = drawn.token;
    step->position = drawn.position;
    step->logprob = drawn.logprob;
    step->rank = drawn.rank;
    step->survivors = writer->survivors;
    step->entropy = writer->natural.entropy;
    step->varentropy = writer->natural.varentropy;
    step->temperature = writer->temperature;
    step->alpha = writer_sampler(writer)->future ? writer->alpha : NAN;
    step->hhat = drawn.hhat;
    if (text->report & (FORETELL_CANDIDATES | FORETELL_FUTURES)) record_candidates(text, sequence);
}

foretell_end api_end_of(TextEnd end) {
    return end == TEXT_END_OF_TEXT    ? FORETELL_END_OF_TEXT
           : end == TEXT_STOP_STRING  ? FORETELL_STOPPED
           : end == TEXT_CONTEXT_FULL ? FORETELL_CONTEXT_FULL
                                      : FORETELL_GOES_ON;
}

bool api_make_room(foretell_text *text, Error *error) {
    size_t needed = text->n_bytes + api_item(text)->editor.size + token_stream_bound(text->session->model->tokenizer);
    if (needed <= text->capacity) return true;
    uint8_t *bytes = memory_alloc(2 * needed, 1, "text of a step", error);
    if (!bytes) return false;
    if (text->n_bytes > 0) memcpy(bytes, text->bytes, text->n_bytes);
    memory_free(text->bytes);
    text->bytes = bytes;
    text->capacity = 2 * needed;
    return true;
}

bool api_record_event(void *context, const TextEvent *event, Error *error) {
    foretell_text *text = context;
    (void)error;
    switch (event->kind) {
    case TEXT_DRAWN:
        record_drawn(text, &event->text->item.sequence);
        break;
    case TEXT_REWOUND:
        text->step.end = FORETELL_REWOUND;
        text->step.position = event->ban.position;
        break;
    case TEXT_READY:
        memcpy(text->bytes + text->n_bytes, event->bytes.data, event->bytes.size);
        text->n_bytes += event->bytes.size;
        break;
    case TEXT_DONE:
        text->step.end = api_end_of(event->text->item.end);
        break;
    }
    return true;
}

/* Steps of texts: one pass computes the missing logits of all texts, then each text draws (sampler/text/texts.h). */
#include <math.h>
#include <string.h>

#include "sampler/api/handles.h"

static foretell_status check_step(foretell_text *text, const foretell_step *step) {
    if (!text) return api_refuse("text: expected a handle, got NULL");
    foretell_status status = api_check_size(step, END_OF(foretell_step, chosen), "foretell_step");
    if (status) return status;
    if (api_length(text) > 0) return FORETELL_OK;
    return api_refuse("the text is empty: expected a prompt first (foretell_text_append)");
}

/* Resets the step: no token is drawn yet. */
static void begin_step(foretell_text *text) {
    text->step = (foretell_step){.token = -1,
                                 .position = api_length(text),
                                 .logprob = NAN,
                                 .entropy = NAN,
                                 .varentropy = NAN,
                                 .temperature = NAN,
                                 .alpha = NAN,
                                 .hhat = NAN,
                                 .chosen = -1};
}

static void finish_step(foretell_text *text, SessionCounts before, foretell_step *step) {
    SessionCounts after = api_item(text)->counts;
    text->has_begun = true;
    text->is_carried = false;
    text->step.bytes = text->n_bytes > 0 ? (const char *)text->bytes : "";
    text->step.n_bytes = text->n_bytes;
    text->step.passes = (uint64_t)(after.passes - before.passes);
    text->step.rows = (uint64_t)(after.rows - before.rows);
    api_fill(step, &text->step, sizeof text->step);
}

/* Makes one step; its logits are computed already. token -1: draws it. */
static foretell_status take_step(foretell_text *text, int token, foretell_step *step) {
    Error error;
    Text *item = api_item(text);
    SessionCounts before = item->counts;
    begin_step(text);
    if (!text->is_carried) text->n_bytes = 0;
    if (!api_make_room(text, &error)) return api_fail(&error);
    if (token < 0 && !item->is_live) {
        text->step.end = api_end_of(item->item.end);
    } else {
        bool done = token < 0 ? texts_draw(&text->texts, &error) : texts_force(&text->texts, 0, token, &error);
        if (!done) return text->writer.report.refused ? api_refuse_error(&error) : api_fail(&error);
    }
    finish_step(text, before, step);
    return FORETELL_OK;
}

/* Computes the missing logits of the live texts in one pass. */
static foretell_status complete_live(foretell_text *const *texts, size_t n) {
    Error error;
    Session *session = texts[0]->session->session;
    if (!api_check_cancelled(texts[0]->session, &error)) return api_fail(&error);
    BranchToken *lacking = texts[0]->session->lacking;
    int n_lacking = 0;
    for (size_t i = 0; i < n; i++)
        if (api_item(texts[i])->is_live) n_lacking += texts_lacks(&texts[i]->texts, 0, &lacking[n_lacking]);
    bool done = n_lacking == 0 || session_decode(session, lacking, n_lacking, &error);
    return done ? FORETELL_OK : api_fail(&error);
}

foretell_status foretell_text_next(foretell_text *text, foretell_step *step) {
    return foretell_texts_next(&text, 1, step);
}

/* The stride of the caller's array is the size that its structs state. */
static foretell_step *step_at(foretell_step *steps, size_t i) {
    return (foretell_step *)(void *)((char *)steps + i * steps->size);
}

static foretell_status check_texts(foretell_text *const *texts, size_t n, foretell_step *steps) {
    if (!texts || n == 0) return api_refuse("texts: expected at least one");
    for (size_t i = 0; i < n; i++) {
        foretell_status status = check_step(texts[i], i == 0 ? steps : step_at(steps, i));
        if (status) return status;
        if (step_at(steps, i)->size != steps->size)
            return api_refuse("steps: expected the same size in each, got %zu and %zu", steps->size,
                              step_at(steps, i)->size);
        if (texts[i]->session != texts[0]->session) return api_refuse("texts: expected those of one session");
        for (size_t j = 0; j < i; j++)
            if (texts[j] == texts[i]) return api_refuse("texts: %zu and %zu are the same text", j, i);
    }
    return FORETELL_OK;
}

foretell_status foretell_texts_next(foretell_text *const *texts, size_t n, foretell_step *steps) {
    foretell_status first = check_texts(texts, n, steps);
    if (first || (first = complete_live(texts, n))) return first;
    for (size_t i = 0; i < n; i++) {
        foretell_status status = take_step(texts[i], -1, step_at(steps, i));
        if (status && !first) first = status;
    }
    return first;
}

foretell_status foretell_text_force(foretell_text *text, int32_t token, foretell_step *step) {
    foretell_status status = check_step(text, step);
    if (status || (status = api_check_tokens(text->session->model, &token, 1))) return status;
    if (!texts_has_room(&text->texts, api_item(text)))
        return api_full("the context of %d tokens is full", api_item(text)->context);
    status = api_complete(text);
    return status ? status : take_step(text, token, step);
}

#include <limits.h>
#include <string.h>

#include "sampler/api/handles.h"
#include "tensor/memory.h"

/* ---- Opening and closing ---- */

static foretell_text *new_text(foretell_session *session, unsigned report, Error *error) {
    foretell_text *text = memory_alloc(1, sizeof *text, "text", error);
    if (!text) return NULL;
    text->session = session;
    text->report = report;
    text->candidates = memory_alloc(API_CANDIDATES, sizeof *text->candidates, "candidates", error);
    text->futures = memory_alloc((size_t)LOOKAHEAD_MAX_K * LOOKAHEAD_FUTURES, sizeof *text->futures, "futures", error);
    return text;
}

/* Opens all parts except the item of text->texts. */
static bool open_parts(foretell_text *text, Error *error) {
    const foretell_model *model = text->session->model;
    if (!text->candidates || !text->futures ||
        !writer_open(&text->writer, text->session->session, model->model->config.vocab_size, &text->sampler,
                     model->traits.flags, model->traits.breakers, model->traits.exempt, model->traits.pieces, error))
        return false;
    text->writer.futures = (text->report & FORETELL_FUTURES) != 0;
    TextsSetup setup = {.writer = &text->writer,
                        .tokenizer = model->tokenizer,
                        .stops = &text->stops,
                        .bans = &text->bans,
                        .listener = api_record_event,
                        .context = text};
    return texts_open(&text->texts, &setup, 1, error);
}

static void free_phrases(Phrases *phrases) {
    for (int i = 0; i < phrases->count; i++) memory_free((void *)(uintptr_t)phrases->items[i].data);
}

/* The item's branch must have been dropped, if there was one. */
static void free_text(foretell_text *text) {
    texts_close(&text->texts);
    writer_close(&text->writer);
    free_phrases(&text->stops);
    free_phrases(&text->bans);
    memory_free(text->candidates);
    memory_free(text->futures);
    memory_free(text->bytes);
    memory_free(text);
}

static bool begin(foretell_text *text, int number, Error *error) {
    Session *session = text->session->session;
    Sequence empty = {.state = sampler_start(&text->sampler)};
    TextStart start = {.prompt = &empty, .number = number, .limit = -1, .in_place = true, .open = true};
    if (!open_parts(text, error) || !session_root(session, &empty.branch, error)) return false;
    if (texts_add(&text->texts, &start, error)) return true;
    session_drop(session, empty.branch);
    return false;
}

static foretell_status check_number(int32_t number) {
    if (number >= 0) return FORETELL_OK;
    return api_refuse("number: expected a whole number from 0 to %d, got %d", INT32_MAX, number);
}

static foretell_status check_session_room(const foretell_session *session) {
    if (session->n_texts < session->max_texts) return FORETELL_OK;
    return api_full("all %d texts of the session are open", session->max_texts);
}

static void add_to_session(foretell_session *session) {
    session->n_texts++;
    session->n_users++;
}

static foretell_status check_text_options(const foretell_text_options *options) {
    foretell_status status = check_number(options->number);
    if (status || (options->report & ~(unsigned)(FORETELL_CANDIDATES | FORETELL_FUTURES)) == 0) return status;
    return api_refuse("report: expected FORETELL_CANDIDATES and FORETELL_FUTURES, got %#x", options->report);
}

foretell_status foretell_text_open(foretell_text **text, foretell_session *session,
                                   const foretell_text_options *given) {
    Error error;
    foretell_status status = FORETELL_OK;
    foretell_text_options options = {.size = sizeof options};
    if (!text) return api_refuse("text: expected somewhere to write the handle to, got NULL");
    *text = NULL;
    if (!session) return api_refuse("session: expected a handle, got NULL");
    if (given && (status = api_read(&options, sizeof options, given, END_OF(foretell_text_options, report),
                                    "foretell_text_options")))
        return status;
    if ((status = check_text_options(&options)) || (status = check_session_room(session))) return status;
    foretell_text *opened = new_text(session, options.report, &error);
    if (!opened) return api_fail(&error);
    opened->sampler = sampler_default();
    if (!begin(opened, options.number, &error)) {
        free_text(opened);
        return api_fail(&error);
    }
    add_to_session(session);
    *text = opened;
    return FORETELL_OK;
}

void foretell_text_close(foretell_text *text) {
    if (!text) return;
    foretell_session *session = text->session;
    session_drop(session->session, api_item(text)->item.sequence.branch);
    free_text(text);
    session->n_texts--;
    api_release_session(session);
}

/* ---- Forking ---- */

static bool copy_phrases(Phrases *copy, const Phrases *phrases, Error *error) {
    for (; copy->count < phrases->count; copy->count++) {
        Bytes from = phrases->items[copy->count];
        uint8_t *bytes = memory_alloc(from.size, 1, "phrase", error);
        if (!bytes) return false;
        memcpy(bytes, from.data, from.size);
        copy->items[copy->count] = (Bytes){bytes, from.size};
    }
    return true;
}

static bool copy_bytes(foretell_text *copy, const foretell_text *text, Error *error) {
    if (!text->is_carried || text->n_bytes == 0) return true;
    if (!(copy->bytes = memory_alloc(text->n_bytes, 1, "text", error))) return false;
    memcpy(copy->bytes, text->bytes, text->n_bytes);
    copy->capacity = copy->n_bytes = text->n_bytes;
    copy->is_carried = true;
    copy->carried_from = text->carried_from;
    return true;
}

static bool copy_to(foretell_text *copy, const foretell_text *text, Error *error) {
    copy->sampler = text->sampler;
    copy->has_begun = text->has_begun;
    if (!copy_phrases(&copy->stops, &text->stops, error) || !copy_phrases(&copy->bans, &text->bans, error) ||
        !copy_bytes(copy, text, error) || !open_parts(copy, error) || !texts_fork(&copy->texts, &text->texts, 0, error))
        return false;
    copy->writer.cost = text->writer.cost;
    api_use_scorer(copy, text->own.worth ? &text->own : NULL);
    return true;
}

foretell_status foretell_text_fork(foretell_text *text, foretell_text **copy) {
    Error error;
    if (!copy) return api_refuse("copy: expected somewhere to write the handle to, got NULL");
    *copy = NULL;
    if (!text) return api_refuse("text: expected a handle, got NULL");
    foretell_status status = check_session_room(text->session);
    if (status) return status;
    foretell_text *opened = new_text(text->session, text->report, &error);
    if (!opened) return api_fail(&error);
    if (!copy_to(opened, text, &error)) {
        free_text(opened);
        return api_fail(&error);
    }
    add_to_session(text->session);
    *copy = opened;
    return FORETELL_OK;
}

foretell_status foretell_text_renumber(foretell_text *text, int32_t number) {
    if (!text) return api_refuse("text: expected a handle, got NULL");
    foretell_status status = check_number(number);
    if (!status) api_item(text)->item.sequence.number = number;
    return status;
}

/* ---- Phrases ---- */

static foretell_status add_phrase(foretell_text *text, Phrases *phrases, const char *bytes, size_t n) {
    Error error;
    if (!bytes || n == 0) return api_refuse("expected a string of at least one byte");
    if (text->has_begun) return api_refuse("a string to stop at or to ban must be set before the first step");
    if (phrases->count == PHRASES_MAX) return api_refuse("expected at most %d strings", PHRASES_MAX);
    uint8_t *kept = memory_alloc(n, 1, "phrase", &error);
    if (!kept) return api_fail(&error);
    memcpy(kept, bytes, n);
    phrases->items[phrases->count++] = (Bytes){kept, n};
    return FORETELL_OK;
}

foretell_status foretell_text_stop(foretell_text *text, const char *bytes, size_t n) {
    return text ? add_phrase(text, &text->stops, bytes, n) : api_refuse("text: expected a handle, got NULL");
}

foretell_status foretell_text_ban(foretell_text *text, const char *bytes, size_t n) {
    return text ? add_phrase(text, &text->bans, bytes, n) : api_refuse("text: expected a handle, got NULL");
}

/* ---- The tokens ---- */

typedef struct {
    foretell_text *text;
    LogitsVisitor *visit;
    void *context;
} AppendContext;

static bool go_on(void *context, int done, int total, Error *error) {
    const AppendContext *append = context;
    foretell_session *session = append->text->session;
    if (!api_check_cancelled(session, error)) return false;
    if (!session->progress || session->progress(session->progress_context, (uint64_t)done, (uint64_t)total) == 0)
        return true;
    return error_set_kind(error, ERROR_CANCELLED, "the call was cancelled");
}

static void visit_logits(void *context, int position, const float *logits) {
    const AppendContext *append = context;
    append->visit(append->context, position, logits);
}

foretell_status api_check_room(const foretell_text *text, size_t n) {
    int length = api_length(text), context = api_item(text)->context;
    if (n <= (size_t)(context - length)) return FORETELL_OK;
    return api_full("the text holds %d of %d tokens of context, %zu more do not fit", length, context, n);
}

foretell_status api_append(foretell_text *text, const int *tokens, size_t n, LogitsVisitor *visit, void *context) {
    Error error;
    int length = api_length(text);
    foretell_status status = api_check_room(text, n);
    if (status) return status;
    AppendContext append = {text, visit, context};
    TextsPrompt prompt = {.tokens = tokens,
                          .n = (int)n,
                          .batch = session_options(text->session->session).batch,
                          .visit = visit ? visit_logits : NULL,
                          .pause = go_on,
                          .context = &append};
    bool was_carried = text->is_carried;
    if (!api_make_room(text, &error)) return api_fail(&error);
    if (!was_carried) text->n_bytes = 0;
    if (!texts_append(&text->texts, 0, &prompt, &error)) return api_fail(&error);
    if (!was_carried) text->carried_from = length;
    text->is_carried = text->n_bytes > 0;
    return FORETELL_OK;
}

foretell_status foretell_text_append_tokens(foretell_text *text, const int32_t *tokens, size_t n) {
    if (!text) return api_refuse("text: expected a handle, got NULL");
    foretell_status status = api_check_tokens(text->session->model, tokens, n);
    return status || n == 0 ? status : api_append(text, tokens, n, NULL, NULL);
}

foretell_status foretell_text_append(foretell_text *text, const char *bytes, size_t n, unsigned flags) {
    int *tokens;
    size_t n_tokens;
    if (!text) return api_refuse("text: expected a handle, got NULL");
    if (flags & ~(unsigned)FORETELL_SPECIAL) return api_refuse("flags: expected FORETELL_SPECIAL or 0, got %#x", flags);
    foretell_status status = api_encode(text->session->model, bytes, n,
                                        api_length(text) == 0 ? flags | FORETELL_BOS : flags, &tokens, &n_tokens);
    if (status) return status;
    if (n_tokens > 0) status = api_append(text, tokens, n_tokens, NULL, NULL);
    memory_free(tokens);
    return status;
}

foretell_status foretell_text_rewind(foretell_text *text, size_t n_tokens) {
    Error error;
    if (!text) return api_refuse("text: expected a handle, got NULL");
    if (n_tokens > (size_t)api_length(text))
        return api_refuse("n_tokens: expected at most the %d tokens of the text, got %zu", api_length(text), n_tokens);
    if (!texts_rewind(&text->texts, 0, (int)n_tokens, &error)) return api_fail(&error);
    if ((int)n_tokens < text->carried_from) {
        text->is_carried = false;
        text->n_bytes = 0;
    }
    return FORETELL_OK;
}

/* Appending restarts the editor, so only one of the two holds bytes. */
foretell_status foretell_text_rest(const foretell_text *text, const char **bytes, size_t *n) {
    if (!text) return api_refuse("text: expected a handle, got NULL");
    if (!bytes || !n) return api_refuse("expected somewhere to write to, got NULL");
    Bytes rest = text->is_carried ? (Bytes){text->bytes, text->n_bytes} : editor_held(&api_item(text)->editor);
    *bytes = rest.size > 0 ? (const char *)rest.data : "";
    *n = rest.size;
    return FORETELL_OK;
}

foretell_status foretell_text_tokens(const foretell_text *text, const int32_t **tokens, size_t *n) {
    if (!text) return api_refuse("text: expected a handle, got NULL");
    if (!tokens || !n) return api_refuse("expected somewhere to write to, got NULL");
    *tokens = api_item(text)->history;
    *n = (size_t)api_length(text);
    return FORETELL_OK;
}

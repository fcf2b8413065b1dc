#include <string.h>

#include "sampler/api/handles.h"
#include "tensor/memory.h"
#include "tensor/minmax.h"

#define MAX_TEXTS 4096

static foretell_status check_option(const char *name, int32_t *value, int low, int high, int default_value) {
    if (*value == 0) *value = default_value;
    if (*value >= low && *value <= high) return FORETELL_OK;
    return api_refuse("foretell_session_options.%s: expected 0 (its default) or %d to %d, got %d", name, low, high,
                      *value);
}

static foretell_status check_options(foretell_session_options *o, const Config *config) {
    foretell_status status;
    if ((status = check_option("context", &o->context, 1, CONFIG_MAX_CONTEXT, config->context_length)) ||
        (status = check_option("texts", &o->texts, 1, MAX_TEXTS, 1)) ||
        (status = check_option("candidates", &o->candidates, 1, LOOKAHEAD_MAX_K, lookahead_default().k)) ||
        (status = check_option("depth", &o->depth, 1, LOOKAHEAD_MAX_DEPTH, 1)) ||
        (o->threads != 0 && (status = check_option("threads", &o->threads, 1, 1024, 1))))
        return status;
    if (o->kv_f32 == 0 || o->kv_f32 == 1) return FORETELL_OK;
    return api_refuse("foretell_session_options.kv_f32: expected 0 or 1, got %d", o->kv_f32);
}

Lookahead api_largest_lookahead(const foretell_session *session) {
    Lookahead widest = lookahead_default();
    widest.k = session->max_candidates;
    widest.depth = session->max_depth;
    return widest;
}

/* Forked texts share hidden branches (session_split). Each of these has at least two children, so there are fewer of
 * them than texts. Each row belongs to at least one text, and each branch leaves at most one block partly empty. The
 * trunk stays empty. */
static foretell_status open_session(foretell_session *session, const foretell_session_options *o) {
    enum { BLOCK_ROWS = 16, MAX_ROWS = 1 << 30 };
    Error error;
    Lookahead widest = api_largest_lookahead(session);
    int branches = 2 * o->texts - 1;
    long long rows =
        (long long)o->texts * o->context + (long long)branches * BLOCK_ROWS + lookahead_rows(&widest, BLOCK_ROWS);
    if (rows > MAX_ROWS)
        return api_refuse("%d texts of %d tokens need %lld key/value rows, more than %d", o->texts, o->context, rows,
                          MAX_ROWS);
    SessionOptions options = {.context = o->context,
                              .branches = 1 + branches + lookahead_branches(&widest),
                              .rows = (int)rows,
                              .threads = o->threads,
                              .kv = o->kv_f32 ? KV_F32 : KV_F16,
                              .block_rows = BLOCK_ROWS};
    return session_open(&session->session, session->model->model, options, &error) ? FORETELL_OK : api_fail(&error);
}

foretell_status foretell_session_open(foretell_session **session, foretell_model *model,
                                      const foretell_session_options *given) {
    Error error;
    foretell_status status = FORETELL_OK;
    foretell_session_options options = {.size = sizeof options};
    if (!session) return api_refuse("session: expected somewhere to write the handle to, got NULL");
    *session = NULL;
    if (!model) return api_refuse("model: expected a handle, got NULL");
    if (given && (status = api_read(&options, sizeof options, given,
                                    END_OF(foretell_session_options, context_of_progress), "foretell_session_options")))
        return status;
    if ((status = check_options(&options, &model->model->config))) return status;
    foretell_session *opened = memory_alloc(1, sizeof *opened, "session", &error);
    if (!opened) return api_fail(&error);
    *opened = (foretell_session){.n_users = 1,
                                 .model = model,
                                 .max_texts = options.texts,
                                 .max_candidates = options.candidates,
                                 .max_depth = options.depth,
                                 .progress = options.progress,
                                 .progress_context = options.context_of_progress};
    opened->lacking = memory_alloc((size_t)options.texts, sizeof *opened->lacking, "steps", &error);
    status = opened->lacking ? open_session(opened, &options) : api_fail(&error);
    if (status) {
        memory_free(opened->lacking);
        memory_free(opened);
        return status;
    }
    api_hold_model(model);
    *session = opened;
    return FORETELL_OK;
}

void api_release_session(foretell_session *session) {
    if (--session->n_users > 0) return;
    foretell_model *model = session->model;
    session_close(session->session);
    memory_free(session->lacking);
    memory_free(session);
    foretell_model_close(model);
}

void foretell_session_close(foretell_session *session) {
    if (session) api_release_session(session);
}

void foretell_session_cancel(foretell_session *session) {
    if (session) atomic_store(&session->cancelled, 1);
}

bool api_check_cancelled(foretell_session *session, Error *error) {
    return !atomic_exchange(&session->cancelled, 0) || error_set_kind(error, ERROR_CANCELLED, "the call was cancelled");
}

foretell_status foretell_session_counts(const foretell_session *session, uint64_t *passes, uint64_t *rows) {
    if (!session) return api_refuse("session: expected a handle, got NULL");
    SessionCounts counts = session_counts(session->session);
    if (passes) *passes = (uint64_t)counts.passes;
    if (rows) *rows = (uint64_t)counts.rows;
    return FORETELL_OK;
}

/* The logits that follow a text, and the scores of given tokens. */
#include <math.h>

#include "sampler/api/handles.h"
#include "sampler/text/score.h"

foretell_status api_complete(foretell_text *text) {
    Error error;
    if (!api_check_cancelled(text->session, &error) || !texts_complete(&text->texts, 0, &error))
        return api_fail(&error);
    return FORETELL_OK;
}

foretell_status foretell_text_logits(foretell_text *text, const float **logits, size_t *n) {
    if (!text) return api_refuse("text: expected a handle, got NULL");
    if (!logits || !n) return api_refuse("expected somewhere to write to, got NULL");
    if (api_length(text) == 0) return api_refuse("the text is empty: no logits follow it");
    foretell_status status = api_complete(text);
    if (status) return status;
    *logits = session_logits(text->session->session, api_item(text)->item.sequence.branch);
    *n = (size_t)text->session->model->model->config.vocab_size;
    return FORETELL_OK;
}

typedef struct {
    foretell_text *text;
    const int *tokens; /* (n,) */
    size_t n;
    int first; /* the position of tokens[0] */
    foretell_score *scores;
} Scoring;

static void score(const Scoring *scoring, size_t i, const float *logits) {
    Score is = score_token(&scoring->text->writer.candidates, logits, scoring->tokens[i]);
    scoring->scores[i] = (foretell_score){is.logprob, is.entropy, is.varentropy, is.rank};
}

/* Scores the token at position + 1 with the logits that follow the token at position. */
static void score_next(void *context, int position, const float *logits) {
    const Scoring *scoring = context;
    size_t next = (size_t)(position - scoring->first) + 1;
    if (next < scoring->n) score(scoring, next, logits);
}

foretell_status foretell_text_score(foretell_text *text, const int32_t *tokens, size_t n, foretell_score *scores) {
    if (!text) return api_refuse("text: expected a handle, got NULL");
    if (n > 0 && !scores) return api_refuse("scores: expected room for %zu, got NULL", n);
    foretell_status status = api_check_tokens(text->session->model, tokens, n);
    if (status || n == 0) return status;
    int length = api_length(text);
    if ((status = api_check_room(text, n))) return status;
    Scoring scoring = {text, tokens, n, length, scores};
    if (length > 0 && (status = api_complete(text))) return status;
    if (length == 0)
        scores[0] = (foretell_score){NAN, NAN, NAN, 0};
    else
        score(&scoring, 0, session_logits(text->session->session, api_item(text)->item.sequence.branch));
    return api_append(text, tokens, n, score_next, &scoring);
}

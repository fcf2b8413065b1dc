#include "sampler/text/score.h"

#include <assert.h>

int score_rank(const float *logits, int n, int token) {
    int rank = 1;
    for (int i = 0; i < n; i++) rank += logits[i] > logits[token] || (logits[i] == logits[token] && i < token);
    return rank;
}

Score score_token(Candidates *natural, const float *logits, int token) {
    candidates_from_logits(natural, logits, natural->capacity);
    return (Score){.logprob = -candidates_surprisal(natural, token),
                   .entropy = natural->entropy,
                   .varentropy = natural->varentropy,
                   .rank = score_rank(logits, natural->capacity, token)};
}

typedef struct {
    Candidates *natural;
    const int *targets; /* (n,) */
    Score *scores;      /* (n,) */
    int n, first;       /* first: the position of tokens[0] */
} Scoring;

static void visit(void *context, int position, const float *logits) {
    const Scoring *scoring = context;
    int i = position - scoring->first;
    if (i < scoring->n) scoring->scores[i] = score_token(scoring->natural, logits, scoring->targets[i]);
}

bool score_tokens(Session *session, int branch, const int *tokens, int n, const int *targets, int n_targets,
                  Score *scores, Candidates *natural, Error *error) {
    assert(n_targets <= n);
    Scoring scoring = {natural, targets, scores, n_targets, session_length(session, branch)};
    return session_score(session, branch, tokens, n, visit, &scoring, error);
}

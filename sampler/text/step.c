#include "sampler/text/step.h"

#include <assert.h>
#include <math.h>

#include "sampler/text/score.h"

/* The worth of the token's future; NAN if it was not evaluated, as may be for a forced token. */
static double worth_of(const Writer *writer, int token) {
    const LookaheadReport *report = &writer->report;
    if (!writer_sampler(writer)->future || report->outcome != LOOKAHEAD_DONE) return NAN;
    for (int i = 0; i < report->count; i++)
        if (report->candidates[i].token == token)
            return report->candidates[i].skipped ? NAN : report->candidates[i].worth;
    return NAN;
}

Step step_of(const Writer *writer, const Sequence *sequence) {
    const float *logits = session_logits(writer->session, sequence->branch);
    int token = writer_drawn(writer).token;
    return (Step){.token = token,
                  .position = sequence->length,
                  .logprob = logits[token] - writer->natural.max_logit - writer->natural.log_sum,
                  .rank = score_rank(logits, writer->candidates.capacity, token),
                  .hhat = worth_of(writer, token)};
}

static bool comes_before(const Candidate *a, const Candidate *b) {
    return a->logit > b->logit || (a->logit == b->logit && a->token < b->token);
}

int step_likeliest(const Candidates *candidates, int *which, int n) {
    const Candidate *items = candidates->items;
    int count = 0;
    assert(n >= 1 && n <= STEP_MOST);
    for (int i = 0; i < candidates->count; i++) {
        int at = count < n ? count++ : n;
        for (; at > 0 && comes_before(&items[i], &items[which[at - 1]]); at--)
            if (at < n) which[at] = which[at - 1];
        if (at < n) which[at] = i;
    }
    return count;
}

double step_share(const Candidates *candidates, int i) {
    double sum = 0;
    for (int j = 0; j < candidates->count; j++) sum += candidates->items[j].prob;
    return candidates->items[i].prob / sum;
}

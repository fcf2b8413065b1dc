/* Adapts the caller's foretell_scorer to the Scorer that the lookahead calls (sampler/future/scorer.h). */
#include <math.h>
#include <string.h>

#include "sampler/api/handles.h"

static foretell_candidate public_candidate(const LookaheadCandidate *candidate) {
    return (foretell_candidate){.token = candidate->token,
                                .p = candidate->p,
                                .ln_p = candidate->ln_p,
                                .worth = NAN,
                                .ln_s = NAN,
                                .noise = candidate->noise};
}

static double worth(void *context, const LookaheadCandidate *candidate, const float *logits, int vocab_size,
                    float *scratch) {
    const foretell_scorer *own = context;
    foretell_candidate from = public_candidate(candidate);
    (void)scratch;
    return own->worth(own->context, &from, logits, (size_t)vocab_size);
}

static double bound(void *context, const LookaheadCandidate *candidate) {
    const foretell_scorer *own = context;
    foretell_candidate from = public_candidate(candidate);
    return own->bound(own->context, &from);
}

void api_use_scorer(foretell_text *text, const foretell_scorer *scorer) {
    Sequence *sequence = &api_item(text)->item.sequence;
    text->own = scorer ? *scorer : (foretell_scorer){0};
    text->scorer = (Scorer){.worth = worth, .bound = text->own.bound ? bound : NULL, .context = &text->own};
    sequence->scorer = scorer ? &text->scorer : NULL;
}

foretell_status foretell_text_scorer(foretell_text *text, const foretell_scorer *scorer) {
    foretell_scorer own = {0};
    if (!text) return api_refuse("text: expected a handle, got NULL");
    if (scorer) {
        foretell_status status =
            api_read(&own, sizeof own, scorer, END_OF(foretell_scorer, context), "foretell_scorer");
        if (status) return status;
        if (!own.worth) return api_refuse("foretell_scorer.worth: expected a function, got NULL");
    }
    api_use_scorer(text, scorer ? &own : NULL);
    return FORETELL_OK;
}

/* Looker: a session with candidates and token flags, to look ahead from step by step. */
#ifndef TESTS_SUPPORT_LOOKER_H
#define TESTS_SUPPORT_LOOKER_H

#include "sampler/future/lookahead.h"
#include "tests/support/random.h"

typedef struct {
    const Model *model;
    Session *session;
    Candidates candidates;
    TokenFlags *flags; /* (vocab_size,) none at first */
    LookaheadReport report;
    LookaheadCost cost;
    const Scorer *scorer; /* NULL: future entropy */
    double temperature;
    float min_p;
    uint64_t seed;
    int previous, chosen;
} Looker;

/* With room for any lookahead, unless the options say otherwise; the text is the prompt. Fails the test on errors. */
Looker looker_open(const Model *model, SessionOptions options, const int *prompt, int n);
void looker_close(Looker *looker);
/* The candidates that follow the trunk, and a draw from them; looker_draw fails the test on errors. */
bool looker_try(Looker *looker, const Lookahead *lookahead, Error *error);
void looker_draw(Looker *looker, const Lookahead *lookahead);
/* Takes the draw back: the next one begins at the same place. */
void looker_undo(Looker *looker);
/* Appends what was drawn; returns the token. */
int looker_take(Looker *looker);
/* Draws and takes. */
int looker_step(Looker *looker, const Lookahead *lookahead);
/* The same draw by plain_future_draw. */
void looker_draw_plainly(Looker *looker, const Lookahead *lookahead);
bool looker_is_full(const Looker *looker, const Lookahead *lookahead);
LookaheadStep looker_where(Looker *looker);

/* Fails the test unless the same logits follow both. */
void looker_same_logits(const Looker *a, const Looker *b);

typedef struct {
    long long steps, looked, lazy_rows, eager_rows;
} LookerTally;

/* Draws and takes a token, lazily by a and eagerly by b: the same tokens, and the same worths where both know them; checks the
 * rows and b's choice by the definition. */
void looker_compare(Looker *a, Looker *b, const Lookahead *lazy, LookerTally *tally);

/* Settings of all kinds, chunks chosen by cost among them; depth is 1 more often than not. */
Lookahead random_lookahead(Random *random);
double random_temperature(Random *random);
/* Each flag for about a third of the tokens. */
void random_flags(Random *random, TokenFlags *flags, int n);

#endif

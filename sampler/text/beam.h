/* Beam: searches for the likeliest whole continuations (R. Reddy, "Speech understanding systems", 1977).
 *
 *   a step      of all tokens after all beams, by the sum of ln p: those that end the text are finished, until
 *               `width` that do not are found; these are the beams of the next step
 *   score       (sum of ln p) / steps^A, A the length penalty: 0 the sum, 1 the mean; `width` finished are kept
 *   the end     beams reach the limit, which finishes them as they are, or none of them can do better than what is
 *               finished already
 *
 * A beam in which a stop string becomes complete is finished, and its text ends before the stop string; a token that
 * completes a banned phrase does not extend the beam.
 *
 * p is natural: no sampler and no temperature changes it. What is finished can be ranked again by its figures
 * (ranking.h). Among equals the likelier beam goes first, then the lower token id; of finished ones the earlier.
 * With a width of at least V^(limit - 1) it is an exhaustive search. */
#ifndef SAMPLER_TEXT_BEAM_H
#define SAMPLER_TEXT_BEAM_H

#include "sampler/text/texts.h"

typedef struct {
    int token;
    int beam;
    double log_prob, surprisal; /* with the token; of the token */
    bool stops;
    size_t n_bytes; /* of the text before the stop string */
} Extension;

/* The caller's, and must outlive the search. */
typedef struct {
    Session *session;
    const TokenFlags *flags; /* (vocab_size,) */
    int vocab_size;
    int width, limit;            /* 1 <= width <= TEXTS_MAX; limit >= 0: tokens each */
    double length_penalty;       /* >= 0 */
    bool ignore_ends;            /* a token that ends the text is like any other */
    TokenFlags until;            /* a token with one of these finishes its beam, as the limit does */
    int future_n;                /* next tokens that the figure Hhat reads */
    const Phrases *stops, *bans; /* NULL: none; then `start` is not read */
    TokenStream start;           /* as it is at the end of the prompt */
} BeamSetup;

typedef struct {
    BeamSetup setup;
    Session *session;
    const TokenFlags *flags;
    int n_prompt, limit, width;
    int root;   /* the prompt's branch */
    int n_ends; /* tokens that finish a beam whatever stands before them */
    double length_penalty;
    Continuation *live, *next, *finished; /* (width,) each; finished: the best first */
    int n_live, n_finished;
    int *parent, *children; /* (branches of the session,) the tree below the root; -1: not in it; how many */
    Extension *extensions;  /* (width * most,) */
    int most;               /* extensions of one beam */
    Reading *readings;      /* (width,) */
    BranchToken *steps;     /* (width,) */
    Continuation *items;    /* (3 * width,) what the three above point into */
    int *histories;         /* (3 * width, n_prompt + limit) */
    uint8_t *text;          /* of one beam, with a token; NULL where no phrases are looked for */
    size_t n_text;          /* without the token */
    TokenStream stream;     /* at its end */
    Gauge gauge;
    long long n_decoded;
} Beam;

int beam_branches(int width);
long long beam_rows(int width, int n_prompt, int limit, int block_rows);

/* The prompt's branch is filled, and stays as it is. Errors: out of memory. */
bool beam_open(Beam *beam, const BeamSetup *setup, const Sequence *prompt, Error *error);
/* Drops the branches that are left. */
void beam_close(Beam *beam);

/* One token further; the search is done when n_live is 0. Errors: as session_decode, banned phrases leave no token
 * possible; after an error the search cannot go on. */
bool beam_step(Beam *beam, Error *error);

double beam_score(const Beam *beam, const Figures *figures);

#endif

/* Beam: searches for the likeliest whole continuations (R. Reddy, "Speech understanding systems", 1977).
 *
 *   a step      goes through all extensions of all beams by one token, in descending order of the sum of ln p, until
 *               `width` extensions that do not end the text are found: the beams of the next step. Extensions that end
 *               the text are finished
 *   score       (sum of ln p) / steps^A, A the length penalty: 0 gives the sum, 1 the mean; the `width` best finished
 *               beams are kept
 *   the end     the beams reach the limit, which finishes them, or none can become better than the finished ones
 *
 * A beam in which a stop string becomes complete is finished, and its text ends before the stop string. A token that
 * completes a banned phrase does not extend a beam.
 *
 * p is the model's own probability, without sampler and temperature. Finished beams can be ranked again by their
 * figures (ranking.h). Of equal extensions that of the likelier beam comes first, then the lower token id; of equal
 * finished beams the earlier one. With a width of at least V^(limit - 1) the search is exhaustive. */
#ifndef SAMPLER_TEXT_BEAM_H
#define SAMPLER_TEXT_BEAM_H

#include "sampler/text/texts.h"

typedef struct {
    int token;
    int beam;
    double log_prob, surprisal; /* ln p of the beam with the token; -ln p of the token; nats */
    bool stops;
    size_t n_bytes; /* of the text before the stop string */
} Extension;

/* The caller owns what it points to, which must outlive the search. */
typedef struct {
    Session *session;
    const TokenFlags *flags; /* (vocab_size,) */
    int vocab_size;
    int width, limit;            /* 1 <= width <= TEXTS_MAX; limit >= 0: tokens each */
    double length_penalty;       /* >= 0 */
    bool ignore_ends;            /* a token that ends the text is like any other */
    TokenFlags until;            /* a token with one of these flags finishes its beam, as the limit does */
    int future_n;                /* the number of likeliest next tokens that Hhat reads */
    const Phrases *stops, *bans; /* NULL: none; then `start` is not read */
    TokenStream start;           /* its state at the end of the prompt */
} BeamSetup;

typedef struct {
    BeamSetup setup;
    Session *session;
    const TokenFlags *flags;
    int n_prompt, limit, width;
    int root;   /* the prompt's branch */
    int n_ends; /* the number of tokens that finish any beam */
    double length_penalty;
    Continuation *live, *next, *finished; /* (width,) each; in `finished` the best comes first */
    int n_live, n_finished;
    int *parent, *children; /* (branches of the session,) parents, -1 outside of the tree; numbers of children */
    Extension *extensions;  /* (width * most,) */
    int most;               /* the most extensions of one beam */
    Reading *readings;      /* (width,) */
    BranchToken *steps;     /* (width,) */
    Continuation *items;    /* (3 * width,) the memory of live, next and finished */
    int *histories;         /* (3 * width, n_prompt + limit) */
    uint8_t *text;          /* of one beam and a token; NULL without phrases */
    size_t n_text;          /* bytes without the token */
    TokenStream stream;     /* its state at the end of the text */
    Gauge gauge;
    long long n_decoded;
} Beam;

int beam_branches(int width);
long long beam_rows(int width, int n_prompt, int limit, int block_rows);

/* The prompt must have been read into its branch, which does not change. Errors: out of memory. */
bool beam_open(Beam *beam, const BeamSetup *setup, const Sequence *prompt, Error *error);
/* Drops the search's branches. */
void beam_close(Beam *beam);

/* Extends the beams by one token; the search has ended when n_live is 0. Errors: as session_decode; banned phrases
 * leave no token possible. After an error the search cannot be continued. */
bool beam_step(Beam *beam, Error *error);

double beam_score(const Beam *beam, const Figures *figures);

#endif

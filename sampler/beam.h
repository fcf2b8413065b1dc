/* Beam: searches for the likeliest whole continuations (R. Reddy, "Speech understanding systems", 1977).
 *
 *   a step      of all tokens after all beams, by the sum of ln p: those that end the text are finished, until
 *               `width` that do not are found; these are the beams of the next step
 *   score       (sum of ln p) / steps^A, A the length penalty: 0 the sum, 1 the mean; `width` finished are kept
 *   the end     beams reach the limit, which finishes them as they are, or none of them can do better than what is
 *               finished already
 *
 * p is natural: no sampler has a say, no temperature, no entropy. What is finished can be ranked anew by its figures
 * (ranking.h). Among equals the likelier beam goes first, then the lower token id; of finished ones the earlier.
 * With a width of at least V^(limit - 1) it is an exhaustive search. */
#ifndef SAMPLER_BEAM_H
#define SAMPLER_BEAM_H

#include "sampler/choose.h"

typedef struct {
    int token;
    int beam;
    double log_prob, surprisal; /* with the token; of the token */
} Extension;

typedef struct {
    Session *session;
    const TokenFlags *flags;
    int n_prompt, limit, width;
    int root;   /* the prompt's branch */
    int n_ends; /* tokens that end the text; 0 where that is ignored */
    double length_penalty;
    Continuation *live, *next, *finished; /* (width,) each; finished: the best first */
    int n_live, n_finished;
    int *parent, *children; /* (branches of the session,) the tree below the root; -1: not in it; how many */
    Extension *extensions;  /* (width * (width + n_ends),) */
    Reading *readings;      /* (width,) */
    BranchToken *steps;     /* (width,) */
    Continuation *items;    /* (3 * width,) what the three above point into */
    int *histories;         /* (3 * width, n_prompt + limit) */
    Gauge gauge;
    long long n_decoded;
} Beam;

int beam_branches(int width);
long long beam_rows(int width, int n_prompt, int limit, int block_rows);

/* 1 <= width <= CHOOSE_MAX, limit >= 0, length_penalty >= 0. The prompt's branch is filled, and stays as it is.
 * future_n: the next tokens that the figure Hhat reads. Errors: out of memory. */
bool beam_open(Beam *beam, Session *session, int vocab_size, const TokenFlags *flags, const Sequence *prompt, int width,
               int limit, double length_penalty, bool ignore_ends, int future_n, Error *error);
/* Drops what branches are left. */
void beam_close(Beam *beam);

/* One token further; the search is done when n_live is 0. Errors: as session_decode; then there is no going on. */
bool beam_step(Beam *beam, Error *error);

double beam_score(const Beam *beam, const Figures *figures);

#endif

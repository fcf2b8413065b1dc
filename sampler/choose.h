/* Choose: several continuations of one prompt, written side by side, to choose from by their figures (ranking.h).
 *
 *   prompt [ 0 1 ... 41 ]              each a fork of the prompt with its own noise, state and history;
 *                 +-- [ 42 43 44 ]     a step draws for each in turn (the lookahead's forks nest in its branch),
 *                 +-- [ 42 43 ]        then one pass appends what was drawn, but where a fork was promoted
 *                 +-- [ 42 43 44 ]
 *
 * Each text is, bit for bit, that of a run of its own with the same sequence number. beam.h searches instead. */
#ifndef SAMPLER_CHOOSE_H
#define SAMPLER_CHOOSE_H

#include "sampler/ranking.h"
#include "sampler/writer.h"

#define CHOOSE_MAX 256 /* continuations, and beams */

typedef enum {
    CHOOSE_GOES_ON,
    CHOOSE_TEXT_ENDED,
    CHOOSE_LIMIT,       /* as many tokens as were asked for */
    CHOOSE_CONTEXT_FULL /* no room to draw or to append another */
} ChooseEnd;

typedef struct {
    /* history: the prompt, then the continuation without the token that ended it; length counts both. Its last token
     * may not be in the branch, which is dropped when the text has ended. */
    Sequence sequence;
    ChooseEnd end;
    Figures figures;
} Continuation;

typedef struct {
    Writer *writer;
    int n_prompt, count, n_live;
    int limit; /* tokens each */
    bool ignore_ends;
    Continuation *items; /* (count,) number i has the noise of sequence i */
    int *histories;      /* (count, n_prompt + limit) */
    BranchToken *steps;  /* (count,) */
    Gauge gauge;
    long long n_decoded;   /* tokens appended so far, to all of them */
    long long future_rows; /* computed to look ahead */
} Choose;

/* What the session needs for `count` continuations of at most `limit` tokens. */
int choose_branches(const Sampler *sampler, int count);
long long choose_rows(const Sampler *sampler, int count, int n_prompt, int limit, int block_rows);

/* Forks the prompt, whose branch is filled and stays as it is; its state is where each begins. 1 <= count <=
 * CHOOSE_MAX, limit >= 0. ignore_ends: a token that ends the text is as any other. The writer must outlive it.
 * Errors: out of memory, no free branches. */
bool choose_open(Choose *choose, Writer *writer, const Sequence *prompt, int count, int limit, bool ignore_ends,
                 Error *error);
/* Drops what branches are left. */
void choose_close(Choose *choose);

/* The next token of each that is not at its end; n_live is how many are left. Errors: as writer_draw and
 * session_decode; then there is no going on. */
bool choose_step(Choose *choose, Error *error);

#endif

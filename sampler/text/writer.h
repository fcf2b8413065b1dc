/* Writer: draws the next token of a sequence with the whole chain, including the lookahead if the sampler has one.
 *
 *   writer_draw       logits of the branch -> rewritten, truncated -> future entropy -> temperature -> draw
 *   writer_advance    appends the drawn token: promotes its fork if its pass is already done, otherwise decodes it
 *   writer_rewind     takes tokens back
 *
 * One writer serves any number of sequences in turn. Nothing allocates after writer_open, except matching a /REGEX/
 * of a rule. If the sampler has rules (settings by place), each step uses the sampler under the rules that hold
 * there. */
#ifndef SAMPLER_TEXT_WRITER_H
#define SAMPLER_TEXT_WRITER_H

#include "model/session.h"
#include "sampler/sampler.h"

/* A text that is being written: branch, tokens and the sampler's state. Plain data; the caller owns what it points
 * to. */
typedef struct {
    int branch;
    int number;   /* of the sequence, from 0: selects its noise */
    int *history; /* (context + 1,) the tokens so far, the prompt included */
    int length;   /* tokens so far; session_length(branch) */
    SamplerState state;
    SamplerState *states; /* (context + 1,) states[i]: the state before the token at i; NULL: not kept */
    const TokenBan *bans; /* (n_bans,) tokens that are banned at some positions */
    int n_bans;
    int without;          /* for kld: a root without the source text, which gets the same tokens; 0 (TRUNK): none */
    const Scorer *scorer; /* of its futures; NULL: future entropy */
    bool marked;          /* branch and without are forks of start and start_without */
    int start, start_without;
} Sequence;

/* -ln p of a logit z is log_sum - (z - max_logit); the others as in Candidates. */
typedef struct {
    double max_logit, log_sum, entropy, varentropy;
} NaturalStep;

typedef struct {
    Session *session;
    const Sampler *sampler;
    const TokenFlags *flags;       /* (vocab_size,) as SamplerContext */
    const bool *breakers, *exempt; /* (vocab_size,) */
    const Bytes *pieces;           /* (vocab_size,) */
    int *scratch;                  /* (context + 1,) */
    int positions;                 /* writer_positions of the sampler at writer_open */
    PlaceRegexes *regexes;         /* the patterns of the sampler's rules */
    Sampler under;                 /* the sampler under the rules of under_of; under_of 0: not computed */
    PlaceSet under_of;
    bool futures; /* report the futures of evaluated candidates; the caller may set it after writer_open */
    /* The last step: */
    PlaceSet held;              /* the rules that held */
    NaturalStep natural;        /* of the model's own distribution, before anything was rewritten */
    int dropped[SAMPLER_DROPS]; /* the number of candidates that each stage dropped; SamplerContext */
    int survivors;              /* the number of candidates left; the lookahead evaluates k of them */
    Candidates candidates;      /* the token was drawn from these */
    int chosen;                 /* index of the drawn one, whose branch is its fork, or -1 */
    bool added;                 /* the chosen one was forced, although the chain had dropped it; it is the last item */
    double temperature, alpha;
    LookaheadCost cost;     /* the times of passes, over all steps */
    LookaheadReport report; /* without lookahead: LOOKAHEAD_OFF, and zeros */
} Writer;

/* Changes to another sampler, which must outlive the writer. Errors: as writer_open; then nothing is changed. */
bool writer_use(Writer *writer, const Sampler *sampler, Error *error);

/* After writer_use, for a sequence with states: restarts mirostat if tau has changed, and reads the text for the places
 * if the old sampler had no rules. */
void writer_restate(Writer *writer, Sequence *sequence, const Sampler *old);

/* The sampler, session and token traits must outlive the writer. Pieces may be NULL if the sampler has no rules.
 * Errors: out of memory; a bias on a token id that does not exist; settings of a rule that contradict the sampler's. */
bool writer_open(Writer *writer, Session *session, int vocab_size, const Sampler *sampler, const TokenFlags *flags,
                 const bool *breakers, const bool *exempt, const Bytes *pieces, Error *error);
void writer_close(Writer *writer);

/* The sampler of the last step, with the rules that held there. */
const Sampler *writer_sampler(const Writer *writer);
/* To be called after the sampler's settings were changed between two steps. The rules must not change. */
void writer_forget_sampler(Writer *writer);

/* The branches and rows that a sequence needs for its lookahead, beside its own; 0 without lookahead. */
int writer_branches(const Sampler *sampler);
int writer_rows(const Sampler *sampler, int block_rows);

/* The positions that must be free after the sequence to draw its next token; 0 if it never looks ahead. */
int writer_positions(const Sampler *sampler);

/* Draws the next token. Changes the sequence's state, but not its branch and history. Errors: no token is possible, no
 * room to look ahead, logits that are not finite; then the state is unchanged, if states are kept. */
bool writer_draw(Writer *writer, Sequence *sequence, Error *error);

Candidate writer_drawn(const Writer *writer);

/* As writer_draw, but the given token replaces the drawn one. If the chain has dropped it, it is appended to the
 * candidates, and only those parts of the state change that read the text. Errors: as writer_draw. */
bool writer_force(Writer *writer, Sequence *sequence, int token, Error *error);

/* The same without temperature, lookahead and draw, for a token that is known before the step. Errors: no token is
 * possible. */
bool writer_take(Writer *writer, Sequence *sequence, int token, Error *error);

/* Appends the drawn token to the history and the branch. Errors: as session_decode; then the history has the token, but
 * the branch does not. */
bool writer_advance(Writer *writer, Sequence *sequence, Error *error);

/* The same, but the caller decodes the steps (WRITER_STEPS,), whose number is returned, so that one pass serves several
 * sequences. */
#define WRITER_STEPS 2
int writer_append(Writer *writer, Sequence *sequence, BranchToken *steps);

/* Drops the fork of the drawn token, if it will not be appended. */
void writer_forget(Writer *writer);

/* Reads the next n tokens of the prompt from the history into the branch. Updates the state: the places, if there are
 * rules, and the mean entropy, if the policy needs it. Errors: as session_prefill. */
bool writer_read(Writer *writer, Sequence *sequence, int n, Error *error);
/* The same with session_score's visitor, which may be NULL. */
bool writer_score(Writer *writer, Sequence *sequence, int n, LogitsVisitor *visit, void *context, Error *error);

/* Continues the sequence on a fork of its branch (and of `without`). The branch itself does not change, so the sequence
 * can come back to this mark with the same bits; a prompt that is decoded again token by token might give others.
 * Errors: no free branch. */
bool writer_mark(Writer *writer, Sequence *sequence, Error *error);

/* Takes the sequence back to `length` >= 1 tokens, at the mark or after it, with the logits that follow them, and
 * forgets the last draw. Restores the state if states are kept; otherwise the caller does. Errors: as session_decode,
 * session_rewind. */
bool writer_rewind(Writer *writer, Sequence *sequence, int length, Error *error);

#endif

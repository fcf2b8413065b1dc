/* Writer: draws the next token of a sequence through the whole chain, looking ahead where the sampler says so.
 *
 *   writer_draw       candidates from the branch's logits -> rewritten, truncated -> future entropy -> temperature -> drawn
 *   writer_advance    appends the drawn token: its fork is promoted if its pass is done already, else it is decoded
 *   writer_rewind     takes tokens back
 *
 * One writer serves any number of sequences, one after the other. Nothing allocates after writer_open, except matching a
 * /REGEX/ of a rule. If the sampler has rules (at), each step is drawn by the sampler under the rules that hold there. */
#ifndef SAMPLER_TEXT_WRITER_H
#define SAMPLER_TEXT_WRITER_H

#include "model/session.h"
#include "sampler/sampler.h"

/* One text being written: a branch, its tokens, and what the sampler remembers of it. Plain data but for history. */
typedef struct {
    int branch;
    int number;   /* of the sequence, for its noise: 0 for the first */
    int *history; /* (context + 1,) the tokens so far, the prompt included; the caller's */
    int length;   /* of them, session_length(branch) */
    SamplerState state;
    SamplerState *states; /* (context + 1,) states[i]: as it was before the token at i; the caller's; NULL: not kept */
    const TokenBan *bans; /* (n_bans,) tokens that may not come at some positions; the caller's */
    int n_bans;
    int without; /* a root that lacks the source text and gets the same tokens, for kld; 0: none, since that is TRUNK */
    const Scorer *scorer; /* of its futures, the caller's; NULL: future entropy */
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
    PlaceRegexes *regexes;         /* those of the sampler's rules */
    Sampler under;                 /* the sampler under the rules of under_of, which is 0 where it is not computed */
    PlaceSet under_of;
    bool futures; /* the caller's to set after writer_open: report the futures of the candidates looked at */
    /* The step that was drawn last. */
    PlaceSet held;              /* the rules that held */
    NaturalStep natural;        /* of the model's own distribution, before anything was rewritten */
    int dropped[SAMPLER_DROPS]; /* how many candidates each stage dropped; SamplerContext */
    int survivors;              /* those that were left then; lookahead looks at k of them */
    Candidates candidates;      /* those that were drawn from */
    int chosen;                 /* the index of the drawn one; its branch is its fork or -1 */
    bool added;                 /* it was forced, though the chain had dropped it: it stands behind the others */
    double temperature, alpha;
    LookaheadCost cost;     /* what the passes cost, over all steps */
    LookaheadReport report; /* LOOKAHEAD_OFF, all else zero, where the sampler does not look ahead */
} Writer;

/* Takes over the settings of `sampler`, which must outlive the writer. Errors: as writer_open; then nothing is changed. */
bool writer_use(Writer *writer, const Sampler *sampler, Error *error);

/* After writer_use, for a sequence with states: mirostat begins again where tau has changed, and places count the text where
 * the sampler had no rules. */
void writer_restate(Writer *writer, Sequence *sequence, const Sampler *old);

/* The sampler, session and token traits must outlive the writer. Pieces may be NULL if the sampler has no rules.
 * Errors: out of memory; a bias on a token id that does not exist; settings of a rule that contradict the sampler's. */
bool writer_open(Writer *writer, Session *session, int vocab_size, const Sampler *sampler, const TokenFlags *flags,
                 const bool *breakers, const bool *exempt, const Bytes *pieces, Error *error);
void writer_close(Writer *writer);

/* The sampler of the step that was drawn last, under the rules that held. */
const Sampler *writer_sampler(const Writer *writer);
/* To be called after the caller has changed the sampler between two steps. The rules themselves may not change. */
void writer_forget_sampler(Writer *writer);

/* Branches and rows beyond its own that a sequence needs while it looks ahead; 0 without. */
int writer_branches(const Sampler *sampler);
int writer_rows(const Sampler *sampler, int block_rows);

/* Positions that must be free behind the sequence to draw its next token: 0 where nothing is ever looked at. */
int writer_positions(const Sampler *sampler);

/* Draws the token that follows; the sequence's state moves on, its branch and history do not. Errors: nothing is left
 * possible, no room to look ahead, logits that are not finite; then the state is as before where states are kept. */
bool writer_draw(Writer *writer, Sequence *sequence, Error *error);

Candidate writer_drawn(const Writer *writer);

/* writer_draw, but then this token takes the place of the drawn one, also one that the chain has dropped: then it stands
 * behind the candidates, at items[chosen], and of the state only what reads the text moves on. Errors: as writer_draw. */
bool writer_force(Writer *writer, Sequence *sequence, int token, Error *error);

/* The same without temperature, lookahead and draw: for a token that is known before the step. Errors: nothing is left
 * possible. */
bool writer_take(Writer *writer, Sequence *sequence, int token, Error *error);

/* Appends what was drawn to the history and the branch. Errors: as session_decode; then the sequence cannot go on. */
bool writer_advance(Writer *writer, Sequence *sequence, Error *error);

/* The same, but what must be decoded for it is left to the caller: the steps (WRITER_STEPS,), of which it returns the
 * number. So one pass serves several sequences. */
#define WRITER_STEPS 2
int writer_append(Writer *writer, Sequence *sequence, BranchToken *steps);

/* Drops the fork of the drawn token, which will not be appended. */
void writer_forget(Writer *writer);

/* Reads the next n tokens of the prompt, from the history into the branch; the state gets their places, where there are
 * rules, and their mean entropy, where the policy asks for it. Errors: as session_prefill. */
bool writer_read(Writer *writer, Sequence *sequence, int n, Error *error);
/* The same with session_score's visitor, which may be NULL. */
bool writer_score(Writer *writer, Sequence *sequence, int n, LogitsVisitor *visit, void *context, Error *error);

/* Continues the sequence on a fork of its branch (and of `without`), which stays as it is. So the sequence can come
 * back to this mark with the same bits; a prompt decoded again token by token might give others. Errors: no free
 * branch. */
bool writer_mark(Writer *writer, Sequence *sequence, Error *error);

/* Takes the sequence back to `length` >= 1 tokens, at the mark or after it, with the logits that follow them; what was
 * drawn last is forgotten. The state is restored where states are kept, else by the caller. Errors: as session_decode, session_rewind. */
bool writer_rewind(Writer *writer, Sequence *sequence, int length, Error *error);

#endif

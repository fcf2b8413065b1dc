/* Texts: the generation loop. It writes one text, or many in shared passes, each with its own noise, state, stop
 * strings, banned phrases and incomplete characters.
 *
 *   prompt [ 0 1 ... 41 ]          each text is a fork of its prompt, or the prompt's branch itself
 *                 +-- [ 42 43 44 ] a step draws for each text in turn (the lookahead's forks nest in its branch) and
 *                 +-- [ 42 43 ]    reads what was drawn; then one pass appends the tokens of all texts, except where
 *                 +-- [ 42 43 44 ] a fork was promoted or the text has ended
 *
 * Each text has the same bits as in a run of its own with the same sequence number; it does not depend on the other
 * texts. A listener is called for each step. ranking.h chooses among texts; beam.h searches instead. */
#ifndef SAMPLER_TEXT_TEXTS_H
#define SAMPLER_TEXT_TEXTS_H

#include "sampler/text/editor.h"
#include "sampler/text/ranking.h"
#include "sampler/text/writer.h"
#include "tokenizer/tokenizer.h"

#define TEXTS_MAX 256 /* the most texts, and beams */

typedef enum {
    TEXT_GOES_ON,
    TEXT_END_OF_TEXT,
    TEXT_LIMIT,        /* it has the requested number of tokens */
    TEXT_CONTEXT_FULL, /* no room to draw or to append another token */
    TEXT_STOP_STRING,
    TEXT_FAILED, /* Text.failure says why; the other texts go on */
    TEXT_ENDS
} TextEnd;

/* The data of a text or a beam. */
typedef struct {
    /* history: the prompt, then the continuation. A token that ends the text is left out, a token that completes a stop
     * string is included. length counts the prompt, too. The branch may lack the last token. */
    Sequence sequence;
    TextEnd end;
    Figures figures;
    size_t n_bytes; /* of the continuation's text, up to a stop string */
} Continuation;

/* The state of a text before one of its tokens, to which it can be taken back. */
typedef struct {
    Figures figures;
    TokenStream stream;
    size_t n_read;
    bool drawn;  /* false: the token was appended */
    bool begins; /* phrases and characters begin here, and do not reach back */
} TextPoint;

typedef struct {
    Continuation item; /* its branch is dropped when the text has ended, unless in_place */
    int n_prompt;      /* tokens before the first drawn one */
    int n_prefix;      /* of these, the number of the last ones that are part of the text */
    int limit;         /* tokens to draw, -1: as many as fit */
    int n_most;        /* the most tokens that can be drawn: limit, or as many as fit */
    int context;       /* the most positions */
    bool in_place, is_live;
    bool begins;   /* as in TextPoint, for the next token */
    int forced;    /* the token that the next step takes; -1: it draws one */
    Error failure; /* of TEXT_FAILED */
    TokenStream stream;
    Editor editor;
    size_t n_read;        /* bytes of the continuation's text, including those held back */
    SessionCounts counts; /* passes and rows since the prompt, as in a run of its own */
    int *history;         /* (n_prompt + n_most,) */
    TextPoint *points;    /* (n_most,) before each drawn token; NULL if nothing is banned and the text is not open */
    /* (n_most,) as in Sequence. Not NULL: the text is open, see texts_append. */
    SamplerState *states;
} Text;

/* The events of a text, in this order: in each step DRAWN, then REWOUND or READY or neither; DONE at the end. */
typedef enum {
    TEXT_DRAWN,   /* the writer's last step belongs to this text; its sequence does not have the token yet */
    TEXT_REWOUND, /* the tokens from ban.position on are taken back; bytes is the banned phrase */
    TEXT_READY,   /* bytes are the next of the text, and final */
    TEXT_DONE     /* item.end says why; TEXT_GOES_ON: texts_interrupt was called */
} TextEventKind;

typedef struct {
    TextEventKind kind;
    const Text *text;
    Bytes bytes;
    TokenBan ban;
} TextEvent;

/* Called for each event. Returns false and sets an error to end the step; then the texts cannot be continued. */
typedef bool TextListener(void *context, const TextEvent *event, Error *error);

/* Shared by all texts. What it points to must stay valid until texts_close. */
typedef struct {
    Writer *writer;
    const Tokenizer *tokenizer;
    const Phrases *stops, *bans;
    bool special, at_start; /* as token_stream_start */
    bool ignore_ends;       /* a token that ends the text is like any other */
    bool figures;           /* compute Continuation.figures: one more softmax per token */
    TextListener *listener; /* NULL: none */
    void *context;          /* the listener's */
} TextsSetup;

typedef struct {
    TextsSetup setup;
    Text *items; /* (count,) of (capacity,) */
    int count, capacity, n_live;
    BranchToken *steps; /* (capacity * WRITER_STEPS,) of this step */
    int n_steps;
    bool is_broken;   /* the listener has returned false */
    uint8_t *scratch; /* for the bytes of one token */
    Gauge gauge;
    long long n_decoded;   /* tokens appended so far, to all texts */
    long long future_rows; /* computed to look ahead */
} Texts;

/* The beginning of a text. */
typedef struct {
    const Sequence *prompt; /* must have been read; the text begins with its state */
    int number;             /* of the sequence, selects its noise; 0 for the first */
    int n_prefix;           /* tokens at the end of the prompt that are part of the text, in which phrases may begin */
    int limit;              /* tokens to draw, -1: as many as fit */
    Figures figures;        /* those of the prefix */
    bool in_place;          /* write on the prompt's own branch */
    bool open;              /* see texts_append; the prompt is empty, limit -1, in_place set */
} TextStart;

/* Sets the session's branches, rows and block_rows for one text in place, or for `count` forks of each of n_prompts
 * prompts; options->context is given. n_without 0: no second prompt. Errors: more rows than a session can have. */
typedef struct {
    int n_prompts, count, n_prompt, n_without, limit;
    bool in_place, bans;
} TextsSize;
bool texts_size(SessionOptions *options, const Sampler *sampler, TextsSize size, Error *error);
/* The number of tokens that can be drawn after a prompt; the last one needs no position. */
int texts_room(int context, int n_prompt);
/* Whether another token can be drawn. An open text has at most `context` tokens, because more may be appended to it. */
bool texts_has_room(const Texts *texts, const Text *text);

/* 1 <= capacity <= TEXTS_MAX. Errors: out of memory. */
bool texts_open(Texts *texts, const TextsSetup *setup, int capacity, Error *error);
/* Drops the branches of texts that have not ended, except those in place. */
void texts_close(Texts *texts);

/* Adds a text. Unless it is written in place, the prompt's branch does not change. Errors: out of memory, no free
 * branches. */
bool texts_add(Texts *texts, const TextStart *start, Error *error);

/* Draws and appends a token of each text that has not ended; n_live counts those left. If one of several texts fails
 * (with an error of writer_draw or editor_read), only that text ends, as TEXT_FAILED. Errors: those of a single text,
 * of session_decode and of the listener; then the texts cannot be continued. */
bool texts_step(Texts *texts, Error *error);
/* The same without the pass at the end, which would decode `steps`. */
bool texts_draw(Texts *texts, Error *error);
/* Ends all texts that have not ended; the listener gets the bytes that were held back. */
bool texts_interrupt(Texts *texts, Error *error);

/* ---- Open texts ----
 *
 * An open text can be changed by its caller. It begins empty, in place. Only the lookahead may fork its branch, which
 * the caller drops. Parts of a prompt may be appended at any time; phrases and characters do not reach across them. The
 * pass for the last token may be missing until texts_complete. A failed step leaves the text unchanged, so it can be
 * continued. After the text has ended, texts_append, texts_force and texts_rewind make it live again. */

/* Whether the logits that follow the text are missing, and the pass that computes them. Never for an empty text. */
bool texts_lacks(const Texts *texts, int i, BranchToken *step);
/* Computes that pass, if logits are missing. Errors: as session_decode. */
bool texts_complete(Texts *texts, int i, Error *error);

/* Appends n >= 1 tokens of a prompt in batches; visit as in session_score, or NULL. pause, or NULL, is called before
 * each batch with the number of tokens done. Errors: as session_score; that of pause, if it returns false; then the
 * text is unchanged. */
typedef bool TextsPause(void *context, int done, int total, Error *error);
typedef struct {
    const int *tokens;
    int n, batch;
    LogitsVisitor *visit;
    TextsPause *pause;
    void *context; /* of both */
} TextsPrompt;
bool texts_append(Texts *texts, int i, const TextsPrompt *prompt, Error *error);

/* To be called after writer_use: writer_restate for the text. */
void texts_restate(Texts *texts, int i, const Sampler *old);

/* texts_draw with this token in place of a drawn one (writer_force). */
bool texts_force(Texts *texts, int i, int token, Error *error);
/* Takes the text back to its first `length` tokens, with the sampler's state and the bytes held back; computes nothing.
 * Errors: out of memory; then the text has that length, but phrases and characters do not reach back before it. */
bool texts_rewind(Texts *texts, int i, int length, Error *error);
/* Adds a copy of the text from->items[i]; both sets are of one session. Errors: out of memory, no free branches. */
bool texts_fork(Texts *texts, const Texts *from, int i, Error *error);

#endif

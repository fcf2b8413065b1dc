/* Texts: the generation loop: one text or many are written side by side, each with its own noise, state, stop strings,
 * banned phrases and incomplete characters.
 *
 *   prompt [ 0 1 ... 41 ]          each text is a fork of its prompt, or the prompt's branch itself
 *                 +-- [ 42 43 44 ] a step draws for each text in turn (the lookahead's forks nest in its branch) and
 *                 +-- [ 42 43 ]    reads what was drawn; then one pass appends the tokens of all texts, except where
 *                 +-- [ 42 43 44 ] a fork was promoted or the text has ended
 *
 * Each text is, bit for bit, that of a run of its own with the same sequence number, whatever the others do.
 * The caller hears of every step through a listener. ranking.h chooses among texts; beam.h searches instead. */
#ifndef SAMPLER_TEXT_TEXTS_H
#define SAMPLER_TEXT_TEXTS_H

#include "sampler/text/editor.h"
#include "sampler/text/ranking.h"
#include "sampler/text/writer.h"
#include "tokenizer/tokenizer.h"

#define TEXTS_MAX 256 /* texts, and beams */

typedef enum {
    TEXT_GOES_ON,
    TEXT_END_OF_TEXT,
    TEXT_LIMIT,        /* as many tokens as were asked for */
    TEXT_CONTEXT_FULL, /* no room to draw or to append another token */
    TEXT_STOP_STRING,
    TEXT_FAILED, /* Text.failure says why; the other texts go on */
    TEXT_ENDS
} TextEnd;

/* A text as data; a beam is one, too. */
typedef struct {
    /* history: the prompt, then the continuation. A token that ends the text is left out, a token that completes a stop
     * string is included. length counts the prompt, too. The branch may lack the last token. */
    Sequence sequence;
    TextEnd end;
    Figures figures;
    size_t n_bytes; /* of the continuation's text, without a stop string and what follows it */
} Continuation;

/* The text before a token was drawn, to take it back to there. */
typedef struct {
    Figures figures;
    TokenStream stream;
    size_t n_read;
    bool drawn;  /* false: the token was appended */
    bool begins; /* phrases and characters begin here, whatever stands before */
} TextPoint;

typedef struct {
    Continuation item; /* its branch is dropped when the text has ended, unless in_place */
    int n_prompt;      /* tokens before the first drawn one */
    int n_prefix;      /* the last of these, which belong to the text */
    int limit;         /* tokens to draw, -1: as many as fit */
    int n_most;        /* tokens to draw at most, so that they fit */
    int context;       /* positions that it may reach */
    bool in_place, is_live;
    bool begins;   /* as in TextPoint, of the next token */
    int forced;    /* the token that the next step takes, -1: it draws one */
    Error failure; /* of TEXT_FAILED */
    TokenStream stream;
    Editor editor;
    size_t n_read;        /* bytes of the continuation's text, those held back included */
    SessionCounts counts; /* passes and rows since the prompt, as if it were alone */
    int *history;         /* (n_prompt + n_most,) */
    TextPoint *points;    /* (n_most,) before each token drawn; NULL where nothing is banned, unless it is open */
    /* (n_most,) as Sequence. Not NULL: the text is open, see texts_append. */
    SamplerState *states;
} Text;

/* What the listener hears, in this order for each text: DRAWN, then REWOUND or READY or neither; DONE at the end. */
typedef enum {
    TEXT_DRAWN,   /* the writer's last step is this text's; the sequence does not have the token yet */
    TEXT_REWOUND, /* what was drawn from ban.position on is taken back; bytes is the banned phrase */
    TEXT_READY,   /* bytes are the next of the text; nothing takes them back any more */
    TEXT_DONE     /* item.end says why; TEXT_GOES_ON: texts_interrupt */
} TextEventKind;

typedef struct {
    TextEventKind kind;
    const Text *text;
    Bytes bytes;
    TokenBan ban;
} TextEvent;

/* false: the error ends the step, and the texts cannot go on. */
typedef bool TextListener(void *context, const TextEvent *event, Error *error);

/* What all texts share. The caller owns it and keeps it until texts_close. */
typedef struct {
    Writer *writer;
    const Tokenizer *tokenizer;
    const Phrases *stops, *bans;
    bool special, at_start; /* as token_stream_start */
    bool ignore_ends;       /* a token that ends the text is like any other */
    bool figures;           /* gather the figures: one more softmax per token */
    TextListener *listener; /* NULL: none */
    void *context;          /* the listener's */
} TextsSetup;

typedef struct {
    TextsSetup setup;
    Text *items; /* (count,) of (capacity,) */
    int count, capacity, n_live;
    BranchToken *steps; /* (capacity * WRITER_STEPS,) of this step */
    int n_steps;
    bool is_broken;   /* the listener has failed */
    uint8_t *scratch; /* for the bytes of one token */
    Gauge gauge;
    long long n_decoded;   /* tokens appended so far, to all of them */
    long long future_rows; /* computed to look ahead */
} Texts;

/* Where a text begins. */
typedef struct {
    const Sequence *prompt; /* its branch, and `without`, are filled; its state is where the text begins */
    int number;             /* of the sequence, for its noise: 0 for the first */
    int n_prefix;           /* tokens at the end of the prompt that are part of the text: phrases may begin in them */
    int limit;              /* tokens to draw, -1: as many as fit */
    Figures figures;        /* those of the prefix */
    bool in_place;          /* it is written on the prompt's own branch */
    bool open;              /* for texts_append and what follows it; the prompt is empty, limit is -1, in_place */
} TextStart;

/* The session's branches, rows and block_rows for one text in place, or for `count` forks of each of n_prompts prompts;
 * context is filled, n_without is 0 where there is no second prompt. Errors: more rows than a session can have. */
typedef struct {
    int n_prompts, count, n_prompt, n_without, limit;
    bool in_place, bans;
} TextsSize;
bool texts_size(SessionOptions *options, const Sampler *sampler, TextsSize size, Error *error);
/* The tokens that can be drawn after a prompt; the last one needs no position. */
int texts_room(int context, int n_prompt);

/* 1 <= capacity <= TEXTS_MAX. Errors: out of memory. */
bool texts_open(Texts *texts, const TextsSetup *setup, int capacity, Error *error);
/* Drops the branches that are left, except those in place. */
void texts_close(Texts *texts);

/* Adds a text. A prompt that is forked stays as it is. Errors: out of memory, no free branches. */
bool texts_add(Texts *texts, const TextStart *start, Error *error);

/* A step of each text that has not ended; n_live is how many are left. If one of several texts cannot go on (as
 * writer_draw and editor_read say), only that text ends, as TEXT_FAILED. Errors: that of a single text, as
 * session_decode, those of the listener; after an error the texts cannot go on. */
bool texts_step(Texts *texts, Error *error);
/* The same without the pass at its end: `steps` is what it would decode. */
bool texts_draw(Texts *texts, Error *error);
/* Ends all texts that have not ended, as they are; text held back is given out. */
bool texts_interrupt(Texts *texts, Error *error);

/* ---- Open texts ----
 *
 * An open text can be changed by hand. It begins empty, in place; its branch, which has no other children than the
 * lookahead's, is dropped by the caller. Its prompt may come in parts, also between steps; then phrases and characters begin
 * anew after it. What was computed for a token may be missing, until texts_complete. A step that fails leaves the text as it
 * was, so it can go on. After its end texts_append, texts_force and texts_rewind make it live again. */

/* Whether the logits that follow the text lack a pass, and which. A text that has no tokens lacks none. */
bool texts_lacks(const Texts *texts, int i, BranchToken *step);
/* Makes that pass. Errors: as session_decode. */
bool texts_complete(Texts *texts, int i, Error *error);

/* Appends n >= 1 tokens of a prompt, `batch` at a time; visit as in session_score, may be NULL. Before each batch, pause (may
 * be NULL) is called with the tokens done; if it returns false, so does this. Errors: as session_score; what pause says; then
 * the text is as before. */
typedef bool TextsPause(void *context, int done, int total, Error *error);
typedef struct {
    const int *tokens;
    int n, batch;
    LogitsVisitor *visit;
    TextsPause *pause;
    void *context; /* of both */
} TextsPrompt;
bool texts_append(Texts *texts, int i, const TextsPrompt *prompt, Error *error);

/* After writer_use: what the states have counted for mirostat and for rules, as writer_restate. */
void texts_restate(Texts *texts, int i, const Sampler *old);

/* texts_draw of this text alone, as writer_force. */
bool texts_force(Texts *texts, int i, int token, Error *error);
/* Takes the text back to its first `length` tokens, the sampler's state and what is held back, too; computes nothing.
 * Errors: out of memory; then the text is that long, but phrases and characters begin anew. */
bool texts_rewind(Texts *texts, int i, int length, Error *error);
/* Adds a text that is equal to texts->items[i] of `from`, another set of the same session. Errors: out of memory, no
 * free branches. */
bool texts_fork(Texts *texts, const Texts *from, int i, Error *error);

#endif

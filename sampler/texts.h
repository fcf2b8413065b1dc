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
#ifndef SAMPLER_TEXTS_H
#define SAMPLER_TEXTS_H

#include "sampler/editor.h"
#include "sampler/ranking.h"
#include "sampler/writer.h"
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

/* A text as data; beams are such, too. */
typedef struct {
    /* history: the prompt, then the continuation, without a token that ends the text, with one that completes a stop
     * string; length counts both. Its last token may not be in the branch. */
    Sequence sequence;
    TextEnd end;
    Figures figures;
    size_t n_bytes; /* of the continuation's text that count: a stop string and what follows it do not */
} Continuation;

/* What a banned phrase takes back: the text as it was before a token was drawn. */
typedef struct {
    Figures figures;
    TokenStream stream;
    size_t n_read;
} TextPoint;

typedef struct {
    Continuation item; /* its branch is dropped when it has ended, unless it is in place */
    int n_prompt;      /* tokens that were not drawn, */
    int n_prefix;      /* of them: at the end, part of the text */
    int limit;         /* tokens to draw, -1: as many as fit */
    int n_most;        /* tokens that it may have, so that they fit */
    int context;       /* positions that it may reach */
    bool in_place, is_live;
    Error failure; /* of TEXT_FAILED */
    TokenStream stream;
    Editor editor;
    size_t n_read;        /* bytes of the continuation's text, those held back included */
    SessionCounts counts; /* passes and rows since the prompt, as if it were alone */
    int *history;         /* (n_prompt + n_most,) */
    TextPoint *points;    /* (n_most,) before each token drawn; NULL where nothing is banned */
} Text;

/* What the listener hears, in this order for each text: DRAWN, then REWOUND or READY or neither; DONE at the end. */
typedef enum {
    TEXT_DRAWN,   /* the writer's last step is this text's; the sequence does not have the token yet */
    TEXT_REWOUND, /* what was drawn from ban.position on is taken back; bytes is the banned phrase */
    TEXT_READY,   /* bytes come next in the text, and nothing takes them back */
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

/* What all texts share; the caller's, and must outlive them. */
typedef struct {
    Writer *writer;
    const Tokenizer *tokenizer;
    const Phrases *stops, *bans;
    bool special, at_start; /* as token_stream_start */
    bool ignore_ends;       /* a token that ends the text is as any other */
    bool figures;           /* gather them: a softmax more for each token */
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
    uint8_t *scratch; /* what one token may turn into */
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
} TextStart;

/* The session's branches, rows and block_rows for one text in place, or for `count` forks of each of n_prompts prompts;
 * context is filled, n_without is 0 where there is no second prompt. Errors: more rows than a session can have. */
typedef struct {
    int n_prompts, count, n_prompt, n_without, limit;
    bool in_place, bans;
} TextsSize;
bool texts_size(SessionOptions *options, const Sampler *sampler, TextsSize size, Error *error);
/* Tokens that fit behind a prompt: the last one is drawn, and needs no position. */
int texts_room(int context, int n_prompt);

/* 1 <= capacity <= TEXTS_MAX. Errors: out of memory. */
bool texts_open(Texts *texts, const TextsSetup *setup, int capacity, Error *error);
/* Drops what branches are left, but for those in place. */
void texts_close(Texts *texts);

/* Adds a text. A prompt of forks stays as it is. Errors: out of memory, no free branches. */
bool texts_add(Texts *texts, const TextStart *start, Error *error);

/* A step of each text that has not ended; n_live is how many are left. Where one of several cannot go on (as writer_draw and
 * editor_read say), it alone ends, as TEXT_FAILED. Errors: that of a single text, as session_decode, those of the listener;
 * then there is no going on. */
bool texts_step(Texts *texts, Error *error);
/* Ends what goes on as it is: text held back is given out. */
bool texts_interrupt(Texts *texts, Error *error);

#endif

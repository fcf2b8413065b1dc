/* Editor: reads the drawn tokens, ends the text at a stop string, and takes it back when a banned phrase is
 * complete.
 *
 *   Once | upon | a | ti | me        "a time" is banned: back to the position of "a"; that token is banned there, only
 *                 ^ rewind           there, and something else is drawn with the same noise
 *
 * Only the new text is searched, across tokens; the prompt never changes. The phrase that is complete first counts; if
 * two end at the same byte, the stop string counts. Going back restores the branch, the history and the sampler's state
 * bit for bit, as if the banned token had not been drawn. Each rewind bans one more token at one position.
 *
 * If too few tokens are left, the step fails: at most EDITOR_BANS tokens are banned at one position; without this
 * bound one position could take as many passes as the vocabulary has tokens. Going back further forgets the bans of
 * later positions, so phrases that contain other phrases could reach the bound of a later position EDITOR_BANS^n times
 * for n positions. So there are at most EDITOR_REWINDS rewinds, of all positions together, between two releases of a
 * token (see below). The number of rewinds in the whole text has no bound: a released token is never taken back, so
 * each release is progress.
 *
 * Text is held back as long as its end may become a stop string, or its tokens may be taken back; then it is given
 * out, and its tokens are released. Usually these are the tokens of the last incomplete phrase. They are more if
 * several phrases could be taken back in turn (in "abab", with "abc" banned, first the second "ab", then the first).
 * The memory grows as needed. Each sequence has its own editor. */
#ifndef SAMPLER_TEXT_EDITOR_H
#define SAMPLER_TEXT_EDITOR_H

#include "sampler/text/phrases.h"
#include "sampler/text/writer.h"

#define EDITOR_BANS    256
#define EDITOR_REWINDS 4096

/* A token that may be taken back, and the sampler's state before it was drawn. */
typedef struct {
    int position;
    size_t start; /* of its bytes in the text that is held back */
    SamplerState state;
} EditorStep;

typedef struct {
    const Phrases *stops, *banned;
    uint8_t *text; /* (size,) text [0, given) was given out, [given, settled) can be */
    size_t size, given, settled;
    EditorStep *steps;   /* (n_steps,) tokens with text that may be taken back */
    SamplerState before; /* the state before the current step */
    TokenBan *bans;      /* (n_bans,) the sequence's */
    int n_steps, n_bans;
    size_t text_capacity, steps_capacity, bans_capacity;
    int rewinds;  /* so far */
    int since;    /* rewinds since a token was released */
    Bytes phrase; /* the phrase that was completed last, valid until the next editor_read */
} Editor;

typedef enum {
    EDITOR_GOES_ON, /* the drawn token stays for now: advance */
    EDITOR_STOPS,   /* a stop string is complete; the text ends before it */
    EDITOR_REWOUND  /* the sequence was taken back, perhaps by the drawn token alone: draw again */
} EditorVerdict;

/* The phrases must outlive the editor. Errors: out of memory. */
bool editor_open(Editor *editor, const Phrases *stops, const Phrases *banned, Error *error);
void editor_close(Editor *editor);

/* Adds text before the first draw, in which a phrase may begin that ends in drawn text. It is given out like drawn
 * text, but not taken back: a banned phrase that begins in it takes the text back to the first drawn token that can be
 * taken back. May be called several times, before the first editor_draw. Errors: out of memory. */
bool editor_prime(Editor *editor, Bytes text, Error *error);

/* Forgets all text and the bans from this position on: for a text that is taken back, or continued after its end. */
void editor_restart(Editor *editor, int position);
/* After editor_restart: reads a token that stays. `before` is the state before it. Errors: out of memory. */
bool editor_replay(Editor *editor, const SamplerState *before, int position, Bytes text, Error *error);
/* A copy of the editor with phrases of its own, which must be the same. Errors: out of memory. */
bool editor_copy(Editor *copy, const Editor *editor, const Phrases *stops, const Phrases *banned, Error *error);

/* Finds the phrase that is complete first in text[from, size); *phrase is its place in the text. Of a stop string and a
 * banned phrase that end together, the stop string counts. EDITOR_GOES_ON: none is complete. */
EditorVerdict editor_judge(const Phrases *stops, const Phrases *banned, Bytes text, size_t from, Bytes *phrase);

/* writer_draw without the tokens that are banned at this position. */
bool editor_draw(Editor *editor, Writer *writer, Sequence *sequence, Error *error);

/* writer_force of this token; it is read as if it had been drawn. */
bool editor_force(Editor *editor, Writer *writer, Sequence *sequence, int token, Error *error);

/* Reads the text of the drawn token, before writer_advance. To go back to the end of the prompt with the same bits, the
 * sequence needs a writer_mark there. Errors: as writer_rewind, out of memory, too many bans or rewinds (they name the
 * position and the phrase; the bytes held back up to there can still be given out). */
bool editor_read(Editor *editor, Writer *writer, Sequence *sequence, Bytes text, EditorVerdict *verdict, Error *error);

/* The text since the last call that is final, without its last `kept` bytes (an incomplete character); valid until the
 * next editor_read. */
Bytes editor_ready(Editor *editor, size_t kept);
/* All text that is left, at the end of the text. */
Bytes editor_rest(Editor *editor);
/* The text that is held back. It is not given out: later calls return it again. */
Bytes editor_held(const Editor *editor);

#endif

/* Editor: reads what the writer draws, ends the text at a stop string and sends the writer back when it has written a
 * banned phrase.
 *
 *   Once | upon | a | ti | me        "a time" is banned: back to the position of "a"; that token is banned there, only
 *                 ^ rewind           there, and something else is drawn with the same noise
 *
 * Stop strings and banned phrases are looked for in the new text alone, across tokens; the prompt is never touched. The
 * phrase that is complete first counts; of two that end together it is the stop string. Going back restores the branch,
 * the history and the sampler's state, so that all is, bit for bit, as if the banned token had never been drawn. Each
 * time one more token is banned at one position.
 *
 * Bans so dense that hardly any token is left end with an error. At most EDITOR_BANS tokens are banned at one position:
 * without this bound a text of less and less likely tokens could take as many passes as the vocabulary has tokens.
 * Going back further forgets the bans of later positions, so phrases that contain one another could reach the bound of
 * a later position EDITOR_BANS^n times for n positions. So there are at most EDITOR_REWINDS rewinds, of all positions
 * together, between two releases of a token (see below). The number in the whole text has no bound: a released token is
 * never taken back, so each release is progress.
 *
 * Text is held back as long as its end may become a stop string, or its tokens may be taken back; then it is given out,
 * and its tokens are released. Mostly only the open end and its tokens are held; more are held if one phrase after
 * another could be taken back (in "abab", with "abc" banned, first the second "ab" may fall, then the first). The
 * memory grows as needed. Each sequence has its own editor. */
#ifndef SAMPLER_TEXT_EDITOR_H
#define SAMPLER_TEXT_EDITOR_H

#include "sampler/text/phrases.h"
#include "sampler/text/writer.h"

#define EDITOR_BANS    256
#define EDITOR_REWINDS 4096

/* A token that may be taken back, and what the sampler remembered before it was drawn. */
typedef struct {
    int position;
    size_t start; /* of its bytes in the text that is held back */
    SamplerState state;
} EditorStep;

typedef struct {
    const Phrases *stops, *banned;
    uint8_t *text; /* (size,); [0, given) was given out, [given, settled) can be */
    size_t size, given, settled;
    EditorStep *steps;   /* (n_steps,) tokens with text that may be taken back */
    SamplerState before; /* that of the step being drawn */
    TokenBan *bans;      /* (n_bans,) the sequence's */
    int n_steps, n_bans;
    size_t text_capacity, steps_capacity, bans_capacity;
    int rewinds;  /* so far */
    int since;    /* of them, since a token was released */
    Bytes phrase; /* the one that ended the text or sent the writer back, valid until the next editor_read */
} Editor;

typedef enum {
    EDITOR_GOES_ON, /* the drawn token stays, for now: advance */
    EDITOR_STOPS,   /* a stop string is complete; the text ends before it */
    EDITOR_REWOUND  /* the sequence is shorter, or the same: draw again */
} EditorVerdict;

/* The phrases must outlive the editor. Errors: out of memory. */
bool editor_open(Editor *editor, const Phrases *stops, const Phrases *banned, Error *error);
void editor_close(Editor *editor);

/* Text that stands before the first draw: a phrase may begin in it and end in what is drawn. It is given out like the
 * rest, but its tokens are not taken back: a banned phrase that begins in it goes back to the first token drawn that
 * can go. May be called several times, before the first editor_draw. Errors: out of memory. */
bool editor_prime(Editor *editor, Bytes text, Error *error);

/* For a text that is taken back, or goes on after its end: forgets all text, and keeps the bans before this position. */
void editor_restart(Editor *editor, int position);
/* Then the tokens after that place again: `before` is the state before the token at `position`. Errors: out of memory. */
bool editor_replay(Editor *editor, const SamplerState *before, int position, Bytes text, Error *error);
/* A second editor that is equal but for where it finds its phrases. Errors: out of memory. */
bool editor_copy(Editor *copy, const Editor *editor, const Phrases *stops, const Phrases *banned, Error *error);

/* Which phrase is complete first in text[from, size): *phrase is where it stands in the text. Of a stop string and a
 * banned phrase that end together the stop string counts. EDITOR_GOES_ON: none. */
EditorVerdict editor_judge(const Phrases *stops, const Phrases *banned, Bytes text, size_t from, Bytes *phrase);

/* writer_draw, without the tokens that are banned here. */
bool editor_draw(Editor *editor, Writer *writer, Sequence *sequence, Error *error);

/* writer_force of this token; it is read as if it had been drawn. */
bool editor_force(Editor *editor, Writer *writer, Sequence *sequence, int token, Error *error);

/* Reads the text of the token that was drawn, before writer_advance. To come back to the end of the prompt exactly, the
 * sequence wants writer_mark there. Errors: as writer_rewind, out of memory, too many bans or rewinds (the position and
 * the phrase are named; what was held back up to there can still be given out). */
bool editor_read(Editor *editor, Writer *writer, Sequence *sequence, Bytes text, EditorVerdict *verdict, Error *error);

/* The text since the last call that nothing will take back, without its last `kept` bytes (an incomplete character);
 * valid until the next editor_read. */
Bytes editor_ready(Editor *editor, size_t kept);
/* All that is left, when no more will come. */
Bytes editor_rest(Editor *editor);

#endif

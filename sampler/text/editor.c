#include "sampler/text/editor.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "tensor/memory.h"

bool editor_open(Editor *editor, const Phrases *stops, const Phrases *banned, Error *error) {
    *editor =
        (Editor){.stops = stops, .banned = banned, .text_capacity = 1024, .steps_capacity = 8, .bans_capacity = 8};
    editor->text = memory_alloc(editor->text_capacity, 1, "text held back", error);
    if (editor->text && (editor->steps = memory_alloc(editor->steps_capacity, sizeof(EditorStep), "steps", error)) &&
        (editor->bans = memory_alloc(editor->bans_capacity, sizeof(TokenBan), "banned tokens", error)))
        return true;
    editor_close(editor);
    return false;
}

void editor_close(Editor *editor) {
    memory_free(editor->text);
    memory_free(editor->steps);
    memory_free(editor->bans);
    *editor = (Editor){0};
}

static void begin_step(Editor *editor, Sequence *sequence) {
    editor->before = sequence->state;
    sequence->bans = editor->bans;
    sequence->n_bans = editor->n_bans;
}

bool editor_draw(Editor *editor, Writer *writer, Sequence *sequence, Error *error) {
    begin_step(editor, sequence);
    return writer_draw(writer, sequence, error);
}

bool editor_force(Editor *editor, Writer *writer, Sequence *sequence, int token, Error *error) {
    begin_step(editor, sequence);
    return writer_force(writer, sequence, token, error);
}

static Bytes text_of(const Editor *editor) { return (Bytes){editor->text, editor->size}; }

/* Removes the text that has been given out. */
static void discard_given(Editor *editor) {
    editor->size -= editor->given;
    editor->settled -= editor->given;
    memmove(editor->text, editor->text + editor->given, editor->size);
    for (int i = 0; i < editor->n_steps; i++) editor->steps[i].start -= editor->given;
    editor->given = 0;
}

/* The step whose text contains this byte; the first step for a byte of the primed text, which cannot be taken back. */
static int step_at(const Editor *editor, size_t byte) {
    int i = editor->n_steps > 0 ? editor->n_steps - 1 : 0;
    while (i > 0 && editor->steps[i].start > byte) i--;
    return i;
}

/* Keeps the bans at positions from .. to. */
static void keep_bans(Editor *editor, int from, int to) {
    int kept = 0;
    for (int i = 0; i < editor->n_bans; i++)
        if (editor->bans[i].position >= from && editor->bans[i].position <= to) editor->bans[kept++] = editor->bans[i];
    editor->n_bans = kept;
}

/* A block of at least `needed` items that holds the first `used`: the same one, or a larger one that replaces it. NULL:
 * out of memory; the old block stays. */
static void *with_room(void *block, size_t *capacity, size_t used, size_t needed, size_t size, Error *error) {
    if (needed <= *capacity) return block;
    size_t more = 2 * *capacity > needed ? 2 * *capacity : needed;
    void *larger = memory_alloc(more, size, "text held back", error);
    if (!larger) return NULL;
    memcpy(larger, block, used * size);
    memory_free(block);
    *capacity = more;
    return larger;
}

static bool make_room_for_ban(Editor *editor, Error *error) {
    size_t n = (size_t)editor->n_bans;
    TokenBan *bans = with_room(editor->bans, &editor->bans_capacity, n, n + 1, sizeof *bans, error);
    if (bans) editor->bans = bans;
    return bans != NULL;
}

static bool add_bytes(Editor *editor, Bytes text, Error *error) {
    size_t needed = editor->size + text.size;
    uint8_t *bytes = with_room(editor->text, &editor->text_capacity, editor->size, needed, 1, error);
    if (!bytes) return false;
    editor->text = bytes;
    if (text.size) memcpy(editor->text + editor->size, text.data, text.size);
    editor->size = needed;
    return true;
}

static bool add_text(Editor *editor, Bytes text, int position, Error *error) {
    size_t n = (size_t)editor->n_steps, start = editor->size;
    EditorStep *steps = with_room(editor->steps, &editor->steps_capacity, n, n + 1, sizeof *steps, error);
    if (!steps) return false;
    editor->steps = steps;
    if (!add_bytes(editor, text, error)) return false;
    editor->steps[editor->n_steps++] = (EditorStep){position, start, editor->before};
    return true;
}

static bool has_patience(const Editor *editor, int position, Bytes phrase, Error *error) {
    int length = phrase.size < 100 ? (int)phrase.size : 100, here = 0;
    for (int i = 0; i < editor->n_bans; i++) here += editor->bans[i].position == position;
    if (here >= EDITOR_BANS)
        return error_set(error, "position %d: banned phrase '%.*s': %d tokens are banned here, no more are tried",
                         position, length, (const char *)phrase.data, EDITOR_BANS);
    if (editor->since >= EDITOR_REWINDS)
        return error_set(error, "position %d: banned phrase '%.*s': %d rewinds without progress, no more are tried",
                         position, length, (const char *)phrase.data, EDITOR_REWINDS);
    return true;
}

/* Takes the sequence back to the token in which the phrase begins. */
static bool send_back(Editor *editor, Writer *writer, Sequence *sequence, Error *error) {
    int i = step_at(editor, (size_t)(editor->phrase.data - editor->text));
    const EditorStep *step = &editor->steps[i];
    TokenBan ban = {step->position,
                    step->position < sequence->length ? sequence->history[step->position] : writer_drawn(writer).token};
    editor->size = step->start;
    editor->n_steps = i;
    if (!has_patience(editor, ban.position, editor->phrase, error) || !make_room_for_ban(editor, error) ||
        !writer_rewind(writer, sequence, ban.position, error))
        return false;
    sequence->state = step->state;
    editor->rewinds++;
    editor->since++;
    keep_bans(editor, 0, ban.position); /* bans of later positions belonged to the text that was taken back */
    editor->bans[editor->n_bans++] = ban;
    return true;
}

/* Releases the tokens that no phrase can reach any more. If a token may be taken back, other tokens could complete a
 * phrase that begins before it. So the search continues backwards from each token that is kept. */
static void settle(Editor *editor) {
    int first = editor->n_steps;
    editor->settled = editor->size;
    for (int i = editor->n_steps; i >= first; i--) {
        Bytes text = {editor->text, i < editor->n_steps ? editor->steps[i].start : editor->size};
        size_t ban_open = phrases_open_end(editor->banned, text);
        size_t ban_begin = text.size - ban_open, stop_begin = text.size - phrases_open_end(editor->stops, text);
        int begin = ban_open > 0 ? step_at(editor, ban_begin) : first;
        if (begin < first) first = begin;
        if (ban_begin < editor->settled) editor->settled = ban_begin;   /* in the primed text */
        if (stop_begin < editor->settled) editor->settled = stop_begin; /* never past a step that is kept */
    }
    if (first > 0) editor->since = 0;
    editor->n_steps -= first;
    memmove(editor->steps, editor->steps + first, (size_t)editor->n_steps * sizeof *editor->steps);
    keep_bans(editor, editor->n_steps > 0 ? editor->steps[0].position : INT_MAX, INT_MAX);
}

bool editor_prime(Editor *editor, Bytes text, Error *error) {
    assert(editor->n_steps == 0);
    discard_given(editor);
    if (!add_bytes(editor, text, error)) return false;
    settle(editor);
    return true;
}

void editor_restart(Editor *editor, int position) {
    editor->size = editor->given = editor->settled = 0;
    editor->n_steps = editor->since = 0;
    keep_bans(editor, 0, position - 1);
}

bool editor_replay(Editor *editor, const SamplerState *before, int position, Bytes text, Error *error) {
    discard_given(editor);
    editor->before = *before;
    if (text.size > 0 && !add_text(editor, text, position, error)) return false;
    settle(editor);
    return true;
}

static void *copy_of(const void *block, size_t capacity, size_t used, size_t size, Error *error) {
    void *copy = memory_alloc(capacity, size, "text held back", error);
    if (copy) memcpy(copy, block, used * size);
    return copy;
}

bool editor_copy(Editor *copy, const Editor *editor, const Phrases *stops, const Phrases *banned, Error *error) {
    *copy = *editor;
    copy->stops = stops;
    copy->banned = banned;
    copy->phrase = (Bytes){0};
    copy->steps = NULL;
    copy->bans = NULL;
    if ((copy->text = copy_of(editor->text, editor->text_capacity, editor->size, 1, error)) &&
        (copy->steps =
             copy_of(editor->steps, editor->steps_capacity, (size_t)editor->n_steps, sizeof(EditorStep), error)) &&
        (copy->bans = copy_of(editor->bans, editor->bans_capacity, (size_t)editor->n_bans, sizeof(TokenBan), error)))
        return true;
    editor_close(copy);
    return false;
}

EditorVerdict editor_judge(const Phrases *stops, const Phrases *banned, Bytes text, size_t from, Bytes *phrase) {
    size_t ban_begin, ban_end, stop_begin, stop_end;
    bool stop = phrases_find(stops, text, from, &stop_begin, &stop_end);
    bool ban = phrases_find(banned, text, from, &ban_begin, &ban_end);
    if (ban && !(stop && stop_end <= ban_end)) {
        *phrase = (Bytes){text.data + ban_begin, ban_end - ban_begin};
        return EDITOR_REWOUND;
    }
    if (stop) *phrase = (Bytes){text.data + stop_begin, stop_end - stop_begin};
    return stop ? EDITOR_STOPS : EDITOR_GOES_ON;
}

bool editor_read(Editor *editor, Writer *writer, Sequence *sequence, Bytes text, EditorVerdict *verdict, Error *error) {
    discard_given(editor);
    size_t before = editor->size;
    *verdict = EDITOR_GOES_ON;
    if (text.size == 0) return true;
    if (!add_text(editor, text, sequence->length, error)) return false;
    *verdict = editor_judge(editor->stops, editor->banned, text_of(editor), before, &editor->phrase);
    if (*verdict == EDITOR_GOES_ON) {
        settle(editor);
        return true;
    }
    if (*verdict == EDITOR_REWOUND) return send_back(editor, writer, sequence, error);
    editor->size = (size_t)(editor->phrase.data - editor->text);
    return true;
}

static Bytes give(Editor *editor, size_t until) {
    Bytes given = {editor->text + editor->given, 0};
    if (until > editor->given) given.size = until - editor->given;
    editor->given += given.size;
    return given;
}

Bytes editor_ready(Editor *editor, size_t kept) {
    size_t whole = editor->size > kept ? editor->size - kept : 0;
    return give(editor, editor->settled < whole ? editor->settled : whole);
}

Bytes editor_rest(Editor *editor) { return give(editor, editor->size); }

Bytes editor_held(const Editor *editor) { return (Bytes){editor->text + editor->given, editor->size - editor->given}; }

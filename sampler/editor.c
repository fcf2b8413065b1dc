#include "sampler/editor.h"

#include <assert.h>
#include <string.h>

#include "tensor/memory.h"

bool editor_open(Editor *editor, const Phrases *stops, const Phrases *banned, size_t token_bytes, Error *error) {
    size_t longest = phrases_longest(banned);
    *editor = (Editor){.stops = stops, .banned = banned};
    /* What may be held: the token in which a phrase may begin, the phrase, and the token that is being read. */
    editor->capacity = longest + phrases_longest(stops) + 3 * token_bytes;
    editor->text = memory_alloc(editor->capacity, 1, "text held back", error);
    if (editor->text && (editor->steps = memory_alloc(longest, sizeof *editor->steps, "steps held back", error)))
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

bool editor_draw(Editor *editor, Writer *writer, Sequence *sequence, Error *error) {
    editor->before = sequence->state;
    sequence->bans = editor->bans;
    sequence->n_bans = editor->n_bans;
    return writer_draw(writer, sequence, error);
}

static Bytes text_of(const Editor *editor) { return (Bytes){editor->text, editor->size}; }

/* Forgets what has been given out. */
static void discard_given(Editor *editor) {
    editor->size -= editor->given;
    editor->settled -= editor->given;
    memmove(editor->text, editor->text + editor->given, editor->size);
    for (int i = 0; i < editor->n_steps; i++) editor->steps[i].start -= editor->given;
    editor->given = 0;
}

/* The step whose text has this byte. */
static int step_at(const Editor *editor, size_t byte) {
    int i = editor->n_steps - 1;
    while (i > 0 && editor->steps[i].start > byte) i--;
    assert(i >= 0 && editor->steps[i].start <= byte);
    return i;
}

/* Keeps the bans at positions from .. to. */
static void keep_bans(Editor *editor, int from, int to) {
    int kept = 0;
    for (int i = 0; i < editor->n_bans; i++)
        if (editor->bans[i].position >= from && editor->bans[i].position <= to) editor->bans[kept++] = editor->bans[i];
    editor->n_bans = kept;
}

static bool add_ban(Editor *editor, TokenBan ban, Error *error) {
    if (editor->n_bans == editor->bans_capacity) {
        int capacity = 2 * editor->bans_capacity + 8;
        TokenBan *more = memory_alloc((size_t)capacity, sizeof *more, "banned tokens", error);
        if (!more) return false;
        if (editor->n_bans) memcpy(more, editor->bans, (size_t)editor->n_bans * sizeof *more);
        memory_free(editor->bans);
        editor->bans = more;
        editor->bans_capacity = capacity;
    }
    editor->bans[editor->n_bans++] = ban;
    return true;
}

/* Back to where the token with this byte of the text was drawn. */
static bool send_back(Editor *editor, Writer *writer, Sequence *sequence, size_t byte, Error *error) {
    int i = step_at(editor, byte);
    const EditorStep *step = &editor->steps[i];
    TokenBan ban = {step->position,
                    step->position < sequence->length ? sequence->history[step->position] : writer_drawn(writer).token};
    if (!writer_rewind(writer, sequence, step->position, error)) return false;
    sequence->state = step->state;
    editor->size = step->start;
    editor->n_steps = i;
    editor->rewinds++;
    keep_bans(editor, 0, ban.position); /* those of later positions belonged to another text */
    return add_ban(editor, ban, error);
}

/* Lets go of all that no phrase can reach any more. */
static void settle(Editor *editor) {
    Bytes text = text_of(editor);
    size_t ban_open = phrases_open_end(editor->banned, text), stop_open = phrases_open_end(editor->stops, text);
    int dropped = ban_open > 0 ? step_at(editor, text.size - ban_open) : editor->n_steps;
    editor->n_steps -= dropped;
    if (dropped) memmove(editor->steps, editor->steps + dropped, (size_t)editor->n_steps * sizeof *editor->steps);
    editor->settled = text.size - stop_open;
    if (editor->n_steps == 0) {
        editor->n_bans = 0;
        return;
    }
    keep_bans(editor, editor->steps[0].position, editor->steps[editor->n_steps - 1].position);
    if (editor->steps[0].start < editor->settled) editor->settled = editor->steps[0].start;
}

bool editor_read(Editor *editor, Writer *writer, Sequence *sequence, Bytes text, EditorVerdict *verdict, Error *error) {
    size_t ban_begin, ban_end, stop_begin, stop_end;
    discard_given(editor);
    size_t before = editor->size;
    *verdict = EDITOR_GOES_ON;
    if (text.size == 0) return true;
    assert(text.size <= editor->capacity - before);
    memcpy(editor->text + before, text.data, text.size);
    editor->size += text.size;
    if (editor->banned->count)
        editor->steps[editor->n_steps++] = (EditorStep){sequence->length, before, editor->before};
    bool stops = phrases_find(editor->stops, text_of(editor), before, &stop_begin, &stop_end);
    if (phrases_find(editor->banned, text_of(editor), before, &ban_begin, &ban_end) &&
        !(stops && stop_end <= ban_end)) {
        *verdict = EDITOR_REWOUND;
        return send_back(editor, writer, sequence, ban_begin, error);
    }
    if (stops) {
        *verdict = EDITOR_STOPS;
        editor->size = stop_begin;
    } else {
        settle(editor);
    }
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

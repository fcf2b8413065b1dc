#include "sampler/text/texts.h"

#include <assert.h>
#include <string.h>

#include "tensor/memory.h"
#include "tensor/minmax.h"

/* ---- The session ---- */

static long long whole_blocks(long long rows, int block_rows) {
    return (rows + block_rows - 1) / block_rows * block_rows;
}

int texts_room(int context, int n_prompt) { return context - n_prompt + 1; }

bool texts_has_room(const Texts *texts, const Text *text) {
    int needed = max_int(texts->setup.writer->positions, text->states != NULL);
    return text->item.sequence.length + needed <= text->context;
}

/* Rows of the text's own branches and, with banned phrases, of a mark for each at the end of the prompt. */
static long long rows_in_place(const SessionOptions *options, TextsSize size) {
    int n_roots = size.n_without > 0 ? 2 : 1, n_marks = size.bans ? n_roots : 0;
    return options->context + (n_roots - 1LL) * (options->context + options->block_rows) +
           (long long)n_marks * options->block_rows;
}

static long long rows_of_forks(const SessionOptions *options, TextsSize size) {
    long long prompts =
        whole_blocks(size.n_prompt, options->block_rows) + whole_blocks(size.n_without, options->block_rows);
    long long fork = (size.n_without > 0 ? 2 : 1) * whole_blocks(size.limit, options->block_rows);
    return size.n_prompts * (prompts + size.count * fork);
}

bool texts_size(SessionOptions *options, const Sampler *sampler, TextsSize size, Error *error) {
    if (options->block_rows == 0) options->block_rows = 16;
    int n_roots = size.n_without > 0 ? 2 : 1;
    int branches = n_roots * (size.in_place ? 1 + size.bans : size.n_prompts * (1 + size.count));
    long long rows = size.in_place ? rows_in_place(options, size) : rows_of_forks(options, size);
    rows += writer_rows(sampler, options->block_rows);
    if (rows > 1 << 30)
        return error_set(error, "%d texts of %d tokens need %lld key/value rows: expected at most %d",
                         size.n_prompts * size.count, size.limit, rows, 1 << 30);
    options->branches = branches + writer_branches(sampler);
    options->rows = (int)rows;
    return true;
}

/* ---- Opening ---- */

bool texts_open(Texts *texts, const TextsSetup *setup, int capacity, Error *error) {
    assert(capacity >= 1 && capacity <= TEXTS_MAX);
    *texts = (Texts){.setup = *setup, .capacity = capacity};
    const Writer *writer = setup->writer;
    size_t n = (size_t)capacity, n_bytes = token_stream_bound(setup->tokenizer);
    bool done = (texts->items = memory_alloc(n, sizeof *texts->items, "texts", error)) &&
                (texts->steps = memory_alloc(n * WRITER_STEPS, sizeof *texts->steps, "steps", error)) &&
                (texts->scratch = memory_alloc(n_bytes, 1, "text of a token", error)) &&
                (!setup->figures ||
                 ranking_open(&texts->gauge, writer->candidates.capacity, writer->sampler->lookahead.n, error));
    if (!done) texts_close(texts);
    return done;
}

static void drop(const Texts *texts, const Text *text) {
    const Sequence *sequence = &text->item.sequence;
    if (text->in_place) return;
    session_drop(texts->setup.writer->session, sequence->branch);
    if (sequence->without) session_drop(texts->setup.writer->session, sequence->without);
}

static void close_text(Texts *texts, Text *text) {
    if (text->is_live) drop(texts, text);
    editor_close(&text->editor);
    memory_free(text->history);
    memory_free(text->points);
    memory_free(text->states);
}

void texts_close(Texts *texts) {
    for (int i = 0; i < texts->count; i++) close_text(texts, &texts->items[i]);
    if (texts->setup.figures) ranking_close(&texts->gauge);
    memory_free(texts->scratch);
    memory_free(texts->steps);
    memory_free(texts->items);
    *texts = (Texts){0};
}

static Bytes read_token(Texts *texts, Text *text, int token) {
    Bytes bytes = token_stream_bytes(&text->stream, token);
    token_stream_push(&text->stream, token, texts->scratch);
    text->n_read += bytes.size;
    return bytes;
}

/* Gives the prefix to the editor: it is part of the text, but was not drawn. */
static bool read_prefix(Texts *texts, Text *text, Error *error) {
    for (int i = text->n_prompt - text->n_prefix; i < text->n_prompt; i++)
        if (!editor_prime(&text->editor, read_token(texts, text, text->history[i]), error)) return false;
    text->item.n_bytes += editor_ready(&text->editor, (size_t)text->stream.n_held).size;
    return true;
}

static bool allocate(const Texts *texts, Text *text, const TextStart *start, Error *error) {
    int room = texts_room(text->context, text->n_prompt);
    text->n_most = text->limit >= 0 && text->limit < room ? text->limit : room;
    size_t n = (size_t)text->n_most, n_prompt = (size_t)text->n_prompt;
    text->history = memory_alloc(n_prompt + n, sizeof *text->history, "history", error);
    if (!text->history) return false;
    if (n_prompt) memcpy(text->history, start->prompt->history, n_prompt * sizeof *text->history);
    text->item.sequence.history = text->history;
    if ((start->open || texts->setup.bans->count) && n > 0 &&
        !(text->points = memory_alloc(n, sizeof *text->points, "points to go back to", error)))
        return false;
    if (start->open && !(text->states = memory_alloc(n, sizeof *text->states, "states of the sampler", error)))
        return false;
    text->item.sequence.states = text->states;
    return editor_open(&text->editor, texts->setup.stops, texts->setup.bans, error);
}

bool texts_add(Texts *texts, const TextStart *start, Error *error) {
    assert(texts->count < texts->capacity);
    Writer *writer = texts->setup.writer;
    const Sequence *prompt = start->prompt;
    Text *text = &texts->items[texts->count];
    int context = session_options(writer->session).context;
    /* With a second branch, the longer branch fills the context first. */
    int more = prompt->without ? session_length(writer->session, prompt->without) - prompt->length : 0;
    *text = (Text){.item = {.sequence = *prompt, .figures = start->figures},
                   .n_prompt = prompt->length,
                   .n_prefix = start->n_prefix,
                   .limit = start->limit,
                   .context = more > 0 ? context - more : context,
                   .in_place = start->in_place,
                   .begins = true,
                   .forced = -1,
                   .stream = token_stream_start(texts->setup.tokenizer, texts->setup.special, texts->setup.at_start)};
    text->item.sequence.number = start->number;
    /* The prompt's branch stays as the mark to which a text may have to go back. */
    bool is_forked = !text->in_place || (texts->setup.bans->count > 0 && !start->open);
    if (!allocate(texts, text, start, error) || !read_prefix(texts, text, error) ||
        (is_forked && !writer_mark(writer, &text->item.sequence, error))) {
        close_text(texts, text);
        return false;
    }
    text->is_live = true;
    texts->n_live++;
    texts->count++;
    return true;
}

/* ---- A step ---- */

static bool tell(Texts *texts, const TextEvent *event, Error *error) {
    if (texts->setup.listener && !texts->setup.listener(texts->setup.context, event, error)) texts->is_broken = true;
    return !texts->is_broken;
}

static bool give(Texts *texts, Text *text, Bytes bytes, Error *error) {
    text->item.n_bytes += bytes.size;
    return bytes.size == 0 || tell(texts, &(TextEvent){.kind = TEXT_READY, .text = text, .bytes = bytes}, error);
}

static bool finish(Texts *texts, Text *text, TextEnd how, Error *error) {
    text->item.end = how;
    text->is_live = false;
    texts->n_live--;
    writer_forget(texts->setup.writer);
    drop(texts, text);
    return give(texts, text, editor_rest(&text->editor), error) &&
           tell(texts, &(TextEvent){.kind = TEXT_DONE, .text = text}, error);
}

/* Adds what the session has computed since `since` to the counts of this text. */
static void count(const Texts *texts, Text *text, SessionCounts since) {
    SessionCounts now = session_counts(texts->setup.writer->session);
    text->counts.passes += now.passes - since.passes;
    text->counts.rows += now.rows - since.rows;
}

static bool draw(Texts *texts, Text *text, Error *error) {
    Writer *writer = texts->setup.writer;
    Sequence *sequence = &text->item.sequence;
    SessionCounts before = session_counts(writer->session);
    Reading reading = {0};
    if (text->points)
        text->points[sequence->length - text->n_prompt] =
            (TextPoint){text->item.figures, text->stream, text->n_read, true, text->begins};
    if (texts->setup.figures) reading = ranking_read(&texts->gauge, session_logits(writer->session, sequence->branch));
    if (!(text->forced >= 0 ? editor_force(&text->editor, writer, sequence, text->forced, error)
                            : editor_draw(&text->editor, writer, sequence, error)))
        return false;
    text->begins = false;
    count(texts, text, before);
    texts->future_rows += writer->report.rows;
    if (texts->setup.figures)
        ranking_count_step(&text->item.figures, reading,
                           candidates_surprisal(&texts->gauge.natural, writer_drawn(writer).token));
    return tell(texts, &(TextEvent){.kind = TEXT_DRAWN, .text = text}, error);
}

static bool go_back(Texts *texts, Text *text, Error *error) {
    const Editor *editor = &text->editor;
    const TextPoint *point = &text->points[text->item.sequence.length - text->n_prompt];
    text->item.figures = point->figures;
    text->stream = point->stream;
    text->n_read = point->n_read;
    text->begins = point->begins;
    TextEvent event = {TEXT_REWOUND, text, editor->phrase, editor->bans[editor->n_bans - 1]};
    return tell(texts, &event, error);
}

/* Appends the token. If it must be decoded, the pass at the end of the step does it. */
static void append(Texts *texts, Text *text) {
    int n = writer_append(texts->setup.writer, &text->item.sequence, texts->steps + texts->n_steps);
    texts->n_steps += n;
    texts->n_decoded++;
    text->counts.passes += n > 0;
    text->counts.rows += n;
}

/* The figures count the pairs of neighbours in the whole text, the prefix included. */
static void count_token(Text *text) {
    const Sequence *sequence = &text->item.sequence;
    int first = text->n_prompt - text->n_prefix;
    ranking_count_token(&text->item.figures, sequence->history + first, sequence->length - first);
}

/* The token that was drawn stays, ends the text, or is taken back. */
static bool read_drawn(Texts *texts, Text *text, Error *error) {
    Writer *writer = texts->setup.writer;
    Sequence *sequence = &text->item.sequence;
    int token = writer_drawn(writer).token;
    SessionCounts before = session_counts(writer->session);
    EditorVerdict verdict;
    Bytes bytes = read_token(texts, text, token);
    if (!editor_read(&text->editor, writer, sequence, bytes, &verdict, error)) return false;
    count(texts, text, before);
    if (verdict == EDITOR_REWOUND) return go_back(texts, text, error);
    if (verdict == EDITOR_GOES_ON &&
        !give(texts, text, editor_ready(&text->editor, (size_t)text->stream.n_held), error))
        return false;
    bool is_last = sequence->length + 1 - text->n_prompt == text->limit;
    bool is_full = sequence->length + (text->states != NULL) == text->context;
    bool stops = verdict == EDITOR_STOPS, goes_on = !stops && !is_last && !is_full;
    if (goes_on)
        append(texts, text);
    else
        sequence->history[sequence->length++] = token; /* the logits that follow it are not needed */
    if (texts->setup.figures) count_token(text);
    if (goes_on) return true;
    return finish(texts, text, stops ? TEXT_STOP_STRING : is_last ? TEXT_LIMIT : TEXT_CONTEXT_FULL, error);
}

static bool take_turn(Texts *texts, Text *text, Error *error) {
    const Writer *writer = texts->setup.writer;
    const Sequence *sequence = &text->item.sequence;
    if (sequence->length - text->n_prompt == text->limit) return finish(texts, text, TEXT_LIMIT, error);
    if (!texts_has_room(texts, text)) return finish(texts, text, TEXT_CONTEXT_FULL, error);
    if (!draw(texts, text, error)) return false;
    bool ends = writer->flags[writer_drawn(writer).token] & TOKEN_ENDS_TEXT && !texts->setup.ignore_ends;
    return ends ? finish(texts, text, TEXT_END_OF_TEXT, error) : read_drawn(texts, text, error);
}

/* ---- Open texts ---- */

/* Phrases and characters begin with the next token. */
static void begin(const Texts *texts, Text *text) {
    const TextsSetup *setup = &texts->setup;
    const Sequence *sequence = &text->item.sequence;
    int bos = tokenizer_bos(setup->tokenizer);
    bool at_start = sequence->length == 0 || (sequence->length == 1 && sequence->history[0] == bos);
    text->stream = token_stream_start(setup->tokenizer, setup->special, at_start);
    text->begins = true;
    editor_restart(&text->editor, sequence->length);
}

/* The position from which phrases and characters can extend to `length`. */
static int beginning(const Text *text, int length) {
    while (length > 0 && text->points[length - 1].drawn)
        if (text->points[--length].begins) break;
    return length;
}

/* Restores the stream and the editor for the text's present length. */
static bool read_again(Texts *texts, Text *text, Error *error) {
    const Sequence *sequence = &text->item.sequence;
    int first = beginning(text, sequence->length);
    begin(texts, text);
    if (first == sequence->length) return true;
    text->begins = false;
    text->item.figures = text->points[first].figures;
    text->stream = text->points[first].stream;
    text->n_read = text->points[first].n_read;
    for (int i = first; i < sequence->length; i++) {
        Bytes bytes = read_token(texts, text, sequence->history[i]);
        if (!editor_replay(&text->editor, &text->states[i], i, bytes, error)) {
            begin(texts, text);
            return false;
        }
        editor_ready(&text->editor, (size_t)text->stream.n_held);
    }
    return true;
}

static void go_live(Texts *texts, Text *text) {
    texts->n_live += !text->is_live;
    text->is_live = true;
    text->item.end = TEXT_GOES_ON;
}

/* A token that ended the text is not part of it, so the state is the one before that token. */
static void forget_end(Text *text) {
    Sequence *sequence = &text->item.sequence;
    if (text->item.end == TEXT_END_OF_TEXT) sequence->state = text->states[sequence->length];
}

/* Restores an open text after its step has failed, perhaps after its token was drawn. */
static void undo_turn(Texts *texts, Text *text, int length) {
    Sequence *sequence = &text->item.sequence;
    Error other;
    writer_forget(texts->setup.writer);
    texts->is_broken = false;
    if (length < sequence->length) sequence->length = length;
    sequence->state = text->states[sequence->length];
    go_live(texts, text);
    if (text->points[sequence->length].begins)
        begin(texts, text);
    else
        read_again(texts, text, &other);
}

/* Handles a failed turn: an open text is restored, one of several texts ends, a single text ends the step. */
static bool fail(Texts *texts, Text *text, int length, Error *error) {
    if (text->states) {
        undo_turn(texts, text, length);
        *error = text->failure;
        return false;
    }
    if (texts->count > 1) error_prefix(&text->failure, "text %d: ", text->item.sequence.number + 1);
    *error = text->failure;
    return texts->count > 1 && !texts->is_broken && finish(texts, text, TEXT_FAILED, error);
}

bool texts_draw(Texts *texts, Error *error) {
    texts->n_steps = 0;
    for (int i = 0; i < texts->count; i++) {
        Text *text = &texts->items[i];
        int length = text->item.sequence.length;
        if (text->is_live && !take_turn(texts, text, &text->failure) && !fail(texts, text, length, error)) return false;
    }
    return true;
}

bool texts_step(Texts *texts, Error *error) {
    if (!texts_draw(texts, error)) return false;
    return texts->n_steps == 0 || session_decode(texts->setup.writer->session, texts->steps, texts->n_steps, error);
}

bool texts_interrupt(Texts *texts, Error *error) {
    for (int i = 0; i < texts->count; i++)
        if (texts->items[i].is_live && !finish(texts, &texts->items[i], TEXT_GOES_ON, error)) return false;
    return true;
}

/* ---- Open texts, changed by hand ---- */

/* Cuts the branch to `length`, or to one token less if the logits of the last one are gone. The branch has no children,
 * so it can be rewound to any position. */
static void cut(Texts *texts, Text *text, int length) {
    Session *session = texts->setup.writer->session;
    int branch = text->item.sequence.branch;
    Error error;
    bool done = session_length(session, branch) <= length || session_rewind(session, branch, length, &error);
    if (done && length > 0 && session_length(session, branch) == length && !session_logits(session, branch))
        done = session_rewind(session, branch, length - 1, &error);
    assert(done);
    (void)done;
}

bool texts_lacks(const Texts *texts, int i, BranchToken *step) {
    const Sequence *sequence = &texts->items[i].item.sequence;
    if (session_length(texts->setup.writer->session, sequence->branch) == sequence->length) return false;
    *step = (BranchToken){sequence->branch, sequence->history[sequence->length - 1]};
    return true;
}

bool texts_complete(Texts *texts, int i, Error *error) {
    BranchToken step;
    return !texts_lacks(texts, i, &step) || session_decode(texts->setup.writer->session, &step, 1, error);
}

static bool read_batches(Texts *texts, Text *text, const TextsPrompt *prompt, Error *error) {
    for (int done = 0, m; done < prompt->n; done += m) {
        m = prompt->n - done < prompt->batch ? prompt->n - done : prompt->batch;
        if ((prompt->pause && !prompt->pause(prompt->context, done, prompt->n, error)) ||
            !writer_score(texts->setup.writer, &text->item.sequence, m, prompt->visit, prompt->context, error))
            return false;
    }
    return true;
}

bool texts_append(Texts *texts, int i, const TextsPrompt *prompt, Error *error) {
    Text *text = &texts->items[i];
    Sequence *sequence = &text->item.sequence;
    SamplerState state = sequence->state;
    int length = sequence->length;
    if (prompt->n > text->context - length)
        return error_set(error, "context full: the text holds %d of %d tokens, %d more do not fit", length,
                         text->context, prompt->n);
    if (!texts_complete(texts, i, error)) return false;
    forget_end(text);
    memcpy(sequence->history + length, prompt->tokens, (size_t)prompt->n * sizeof *prompt->tokens);
    sequence->length += prompt->n;
    if (!read_batches(texts, text, prompt, error)) {
        sequence->length = length;
        sequence->state = state;
        cut(texts, text, length);
        return false;
    }
    for (int p = length; p < sequence->length; p++) text->points[p].drawn = false;
    if (text->is_live && !give(texts, text, editor_rest(&text->editor), error)) return false;
    begin(texts, text);
    go_live(texts, text);
    return true;
}

void texts_restate(Texts *texts, int i, const Sampler *old) {
    Text *text = &texts->items[i];
    Sequence *sequence = &text->item.sequence;
    forget_end(text);
    writer_restate(texts->setup.writer, sequence, old);
    if (text->item.end == TEXT_END_OF_TEXT) text->states[sequence->length] = sequence->state;
}

/* Makes a text live again that has ended. */
static void resume(Texts *texts, Text *text) {
    if (text->is_live) return;
    forget_end(text);
    begin(texts, text);
    go_live(texts, text);
}

bool texts_force(Texts *texts, int i, int token, Error *error) {
    Text *text = &texts->items[i];
    resume(texts, text);
    text->forced = token;
    bool done = texts_draw(texts, error);
    text->forced = -1;
    return done;
}

bool texts_rewind(Texts *texts, int i, int length, Error *error) {
    Text *text = &texts->items[i];
    Sequence *sequence = &text->item.sequence;
    assert(length >= 0 && length <= sequence->length);
    if (length == sequence->length && text->is_live) return true;
    forget_end(text);
    if (length < sequence->length) {
        cut(texts, text, length);
        sequence->length = length;
        sequence->state = text->states[length];
    }
    go_live(texts, text);
    return read_again(texts, text, error);
}

static bool copy_text(Text *copy, const Text *text, const TextsSetup *setup, Error *error) {
    size_t n = (size_t)text->n_most, length = (size_t)text->item.sequence.length, used = length < n ? length + 1 : n;
    *copy = *text;
    copy->points = NULL;
    copy->states = NULL;
    copy->editor = (Editor){0};
    copy->item.sequence.bans = NULL;
    copy->item.sequence.n_bans = 0;
    if (!(copy->history = memory_alloc(n, sizeof *copy->history, "history", error)) ||
        !(copy->points = memory_alloc(n, sizeof *copy->points, "points to go back to", error)) ||
        !(copy->states = memory_alloc(n, sizeof *copy->states, "states of the sampler", error)) ||
        !editor_copy(&copy->editor, &text->editor, setup->stops, setup->bans, error))
        return false;
    memcpy(copy->history, text->history, length * sizeof *copy->history);
    memcpy(copy->points, text->points, used * sizeof *copy->points);
    memcpy(copy->states, text->states, used * sizeof *copy->states);
    copy->item.sequence.history = copy->history;
    copy->item.sequence.states = copy->states;
    return true;
}

bool texts_fork(Texts *texts, const Texts *from, int i, Error *error) {
    assert(texts->count < texts->capacity && from->items[i].states);
    const Text *text = &from->items[i];
    Text *copy = &texts->items[texts->count];
    if (!copy_text(copy, text, &texts->setup, error) ||
        !session_split(from->setup.writer->session, text->item.sequence.branch, &copy->item.sequence.branch, error)) {
        copy->is_live = false;
        close_text(texts, copy);
        return false;
    }
    texts->n_live += copy->is_live;
    texts->count++;
    return true;
}

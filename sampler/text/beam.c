#include "sampler/text/beam.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/memory.h"

/* Before a step there are at most `width` leaves, and fewer inner branches, since each has at least two children. A
 * step adds at most `width` forks. */
int beam_branches(int width) { return 1 + 3 * width; }

long long beam_rows(int width, int n_prompt, int limit, int block_rows) {
    long long rounding = (long long)beam_branches(width) * block_rows;
    return n_prompt + (long long)width * limit + rounding;
}

double beam_score(const Beam *beam, const Figures *figures) {
    return figures->steps ? figures->log_prob / pow(figures->steps, beam->length_penalty) : 0;
}

static bool ends_text(const Beam *beam, int token) {
    return !beam->setup.ignore_ends && beam->flags[token] & TOKEN_ENDS_TEXT;
}

static bool ends_prefix(const Beam *beam, int token) { return beam->flags[token] & beam->setup.until; }

/* ---- Opening ---- */

static bool has_phrases(const Beam *beam) {
    return beam->setup.stops && beam->setup.stops->count + beam->setup.bans->count > 0;
}

static bool allocate(Beam *beam, Error *error) {
    size_t width = (size_t)beam->width, history = (size_t)beam->n_prompt + (size_t)beam->limit, n_ids;
    size_t branches = (size_t)session_options(beam->session).branches;
    if (!size_multiply(&n_ids, 3 * width, history)) return error_set(error, "histories: more than memory can address");
    beam->items = memory_alloc(3 * width, sizeof *beam->items, "beams", error);
    if (!beam->items) return false;
    beam->histories = memory_alloc(n_ids, sizeof *beam->histories, "histories", error);
    if (!beam->histories) return false;
    beam->parent = memory_alloc(2 * branches, sizeof *beam->parent, "tree of beams", error);
    if (!beam->parent) return false;
    beam->children = beam->parent + branches;
    for (size_t i = 0; i < branches; i++) beam->parent[i] = -1;
    beam->readings = memory_alloc(width, sizeof *beam->readings, "readings", error);
    if (!beam->readings) return false;
    beam->steps = memory_alloc(width, sizeof *beam->steps, "steps", error);
    if (!beam->steps) return false;
    if (has_phrases(beam)) {
        size_t token = token_stream_bound(beam->setup.start.tokenizer), n_bytes;
        if (!size_multiply(&n_bytes, (size_t)beam->limit + 1, token))
            return error_set(error, "text of a beam: more than memory can address");
        if (!(beam->text = memory_alloc(n_bytes, 1, "text of a beam", error))) return false;
    }
    beam->most = beam->width + beam->n_ends + (beam->text ? beam->width : 0);
    size_t n_extensions = width * (size_t)beam->most;
    beam->extensions = memory_alloc(n_extensions, sizeof *beam->extensions, "extensions", error);
    if (!beam->extensions) return false;
    for (size_t i = 0; i < 3 * width; i++) beam->items[i].sequence.history = beam->histories + i * history;
    beam->live = beam->items;
    beam->next = beam->items + width;
    beam->finished = beam->items + 2 * width;
    return true;
}

/* Copies everything; the history is copied into to's own memory. */
static void copy(Continuation *to, const Continuation *from) {
    int *history = to->sequence.history;
    memcpy(history, from->sequence.history, (size_t)from->sequence.length * sizeof *history);
    *to = *from;
    to->sequence.history = history;
}

/* Inserts the item among the finished ones by its score, if it is among the `width` best. */
static void finish(Beam *beam, const Continuation *item, TextEnd how) {
    double score = beam_score(beam, &item->figures);
    int at = beam->n_finished, last = beam->n_finished < beam->width ? beam->n_finished++ : beam->width - 1;
    while (at > 0 && beam_score(beam, &beam->finished[at - 1].figures) < score) at--;
    if (at > last) return;
    Continuation free = beam->finished[last];
    memmove(beam->finished + at + 1, beam->finished + at, (size_t)(last - at) * sizeof free);
    copy(&free, item);
    free.end = how;
    beam->finished[at] = free;
}

bool beam_open(Beam *beam, const BeamSetup *setup, const Sequence *prompt, Error *error) {
    assert(setup->width >= 1 && setup->width <= TEXTS_MAX && setup->limit >= 0 && setup->length_penalty >= 0);
    *beam = (Beam){.setup = *setup,
                   .session = setup->session,
                   .flags = setup->flags,
                   .n_prompt = prompt->length,
                   .limit = setup->limit,
                   .width = setup->width,
                   .root = prompt->branch,
                   .length_penalty = setup->length_penalty};
    for (int i = 0; i < setup->vocab_size; i++) beam->n_ends += ends_text(beam, i) || ends_prefix(beam, i);
    if (!allocate(beam, error) || !ranking_open(&beam->gauge, setup->vocab_size, setup->future_n, error)) {
        beam_close(beam);
        return false;
    }
    copy(&beam->live[0], &(Continuation){.sequence = *prompt, .n_bytes = SIZE_MAX});
    beam->n_live = 1;
    if (setup->limit > 0) return true;
    finish(beam, &beam->live[0], TEXT_LIMIT);
    beam->n_live = 0;
    return true;
}

/* ---- The tree: leaves are live beams, inner branches are the tokens that several of them share ---- */

static bool fork_branch(Beam *beam, int from, int *child, Error *error) {
    if (!session_fork(beam->session, from, child, error)) return false;
    beam->parent[*child] = from;
    beam->children[*child] = 0;
    beam->children[from]++;
    return true;
}

/* Drops a leaf, and the inner branches that have no other child. */
static void drop_leaf(Beam *beam, int branch) {
    while (branch != beam->root && beam->children[branch] == 0) {
        int above = beam->parent[branch];
        assert(above >= 0);
        session_drop(beam->session, branch);
        beam->parent[branch] = -1;
        beam->children[above]--;
        branch = above;
    }
}

/* Merges each inner branch that has only one child with that child, so that inner branches stay fewer than leaves. */
static void join_only_children(Beam *beam) {
    int branches = session_options(beam->session).branches;
    for (int b = 0; b < branches; b++) {
        while (b != beam->root && beam->parent[b] >= 0 && beam->children[b] == 1) {
            int child = 0;
            while (beam->parent[child] != b) child++;
            session_promote(beam->session, child);
            beam->parent[child] = -1;
            beam->children[b] = beam->children[child];
            for (int i = 0; i < branches; i++)
                if (beam->parent[i] == child) beam->parent[i] = b;
            for (int i = 0; i < beam->n_live; i++)
                if (beam->live[i].sequence.branch == child) beam->live[i].sequence.branch = b;
        }
    }
}

static void drop_all(Beam *beam) {
    for (int b = 0; beam->parent && b < session_options(beam->session).branches; b++) {
        if (beam->parent[b] == beam->root) session_drop(beam->session, b);
        beam->parent[b] = -1;
    }
    beam->n_live = 0;
}

void beam_close(Beam *beam) {
    drop_all(beam);
    ranking_close(&beam->gauge);
    memory_free(beam->text);
    memory_free(beam->extensions);
    memory_free(beam->steps);
    memory_free(beam->readings);
    memory_free(beam->parent);
    memory_free(beam->histories);
    memory_free(beam->items);
    *beam = (Beam){0};
}

/* ---- A step ---- */

/* Compares extensions. A lower index of a live beam is a better rank. */
static int by_log_prob(const void *a, const void *b) {
    const Extension *x = a, *y = b;
    if (x->log_prob != y->log_prob) return x->log_prob > y->log_prob ? -1 : 1;
    if (x->beam != y->beam) return x->beam - y->beam;
    return x->token - y->token;
}

/* Decodes the text of a beam, in which phrases are searched for. */
static void read_text(Beam *beam, const Continuation *item) {
    beam->stream = beam->setup.start;
    beam->n_text = 0;
    for (int i = beam->n_prompt; i < item->sequence.length; i++) {
        int token = item->sequence.history[i];
        uint8_t *end = beam->text + beam->n_text;
        Bytes bytes = token_stream_bytes(&beam->stream, token);
        token_stream_push(&beam->stream, token, end);
        if (bytes.size) memcpy(end, bytes.data, bytes.size);
        beam->n_text += bytes.size;
    }
}

static EditorVerdict judge(Beam *beam, int token, size_t *n_bytes) {
    Bytes bytes = token_stream_bytes(&beam->stream, token), phrase;
    if (bytes.size == 0) return EDITOR_GOES_ON;
    memcpy(beam->text + beam->n_text, bytes.data, bytes.size);
    EditorVerdict verdict = editor_judge(beam->setup.stops, beam->setup.bans,
                                         (Bytes){beam->text, beam->n_text + bytes.size}, beam->n_text, &phrase);
    if (verdict == EDITOR_STOPS) *n_bytes = (size_t)(phrase.data - beam->text);
    return verdict;
}

/* Drops the candidates that complete a banned phrase; returns the number of those that complete a stop string. */
static int drop_banned(Beam *beam, const Continuation *item) {
    Candidates *natural = &beam->gauge.natural;
    int n_kept = 0, n_stops = 0;
    size_t n_bytes;
    read_text(beam, item);
    for (int j = 0; j < natural->count; j++) {
        EditorVerdict verdict = judge(beam, natural->items[j].token, &n_bytes);
        n_stops += verdict == EDITOR_STOPS;
        if (verdict != EDITOR_REWOUND) natural->items[n_kept++] = natural->items[j];
    }
    natural->count = n_kept;
    return n_stops;
}

/* Lists the extensions of live[i] that can matter: at most `width` can become next beams, n_ends can end the text, and
 * of those that complete a stop string, all equally long, only the `width` likeliest can stay among the finished. */
static int extend(Beam *beam, int i, Extension *extensions) {
    const Continuation *item = &beam->live[i];
    Candidates *natural = &beam->gauge.natural;
    beam->readings[i] = ranking_read(&beam->gauge, session_logits(beam->session, item->sequence.branch));
    int n = 0, n_stops = 0, n_all_stops = beam->text ? drop_banned(beam, item) : 0;
    if (natural->count == 0) return 0;
    candidates_top_k(natural, beam->width + beam->n_ends + n_all_stops);
    for (int j = 0; j < natural->count; j++) {
        int token = natural->items[j].token;
        double surprisal = candidates_surprisal(natural, j);
        Extension extension = {token, i, item->figures.log_prob - surprisal, surprisal, false, SIZE_MAX};
        extension.stops = beam->text && judge(beam, token, &extension.n_bytes) == EDITOR_STOPS;
        bool fits = extension.stops ? n_stops < beam->width : n - n_stops < beam->width + beam->n_ends;
        if (!fits) continue;
        n_stops += extension.stops;
        extensions[n++] = extension;
    }
    return n;
}

static int extend_all(Beam *beam) {
    int n = 0;
    for (int i = 0; i < beam->n_live; i++) n += extend(beam, i, beam->extensions + n);
    qsort(beam->extensions, (size_t)n, sizeof *beam->extensions, by_log_prob);
    return n;
}

/* Finishes the extensions that end, and makes the others the next beams; returns the number of next beams. */
static int select_next(Beam *beam, int n_extensions) {
    int n_next = 0;
    for (int i = 0; i < n_extensions && n_next < beam->width; i++) {
        const Extension *extension = &beam->extensions[i];
        Continuation *next = &beam->next[n_next];
        Sequence *sequence = &next->sequence;
        copy(next, &beam->live[extension->beam]);
        ranking_count_step(&next->figures, beam->readings[extension->beam], extension->surprisal);
        if (ends_text(beam, extension->token)) {
            finish(beam, next, TEXT_END_OF_TEXT);
            continue;
        }
        sequence->history[sequence->length++] = extension->token;
        ranking_count_token(&next->figures, sequence->history + beam->n_prompt, sequence->length - beam->n_prompt);
        next->n_bytes = extension->n_bytes;
        if (extension->stops)
            finish(beam, next, TEXT_STOP_STRING);
        else if (ends_prefix(beam, extension->token))
            finish(beam, next, TEXT_LIMIT);
        else
            n_next++;
    }
    return n_next;
}

/* Whether the likeliest next beam could not become one of the finished, even if all further tokens were certain. */
static bool is_settled(const Beam *beam) {
    double best = beam->next[0].figures.log_prob / pow(beam->limit, beam->length_penalty);
    return beam->n_finished == beam->width && beam_score(beam, &beam->finished[beam->width - 1].figures) >= best;
}

/* Forks the live beams into the next ones and appends their tokens in one pass. */
static bool append(Beam *beam, int n_next, Error *error) {
    Continuation *before = beam->live;
    int n_before = beam->n_live;
    beam->live = beam->next;
    beam->next = before;
    beam->n_live = 0;
    for (int i = 0; i < n_next; i++) {
        Sequence *sequence = &beam->live[i].sequence;
        if (!fork_branch(beam, sequence->branch, &sequence->branch, error)) return false;
        beam->steps[i] = (BranchToken){sequence->branch, sequence->history[sequence->length - 1]};
        beam->n_live++;
    }
    for (int i = 0; i < n_before; i++) drop_leaf(beam, before[i].sequence.branch);
    if (!session_decode(beam->session, beam->steps, n_next, error)) return false;
    beam->n_decoded += n_next;
    join_only_children(beam);
    return true;
}

bool beam_step(Beam *beam, Error *error) {
    assert(beam->n_live > 0);
    int n_extensions = extend_all(beam), n_next = select_next(beam, n_extensions);
    if (n_extensions == 0 && beam->n_finished == 0)
        return error_set(error, "position %d: the banned phrases leave no token possible",
                         beam->live[0].sequence.length);
    if (n_next > 0) {
        const Continuation *first = &beam->next[0]; /* all are equally long */
        bool is_last = first->figures.steps == beam->limit;
        bool is_full = first->sequence.length > session_options(beam->session).context;
        if (!is_last && !is_full && !is_settled(beam)) return append(beam, n_next, error);
        for (int i = 0; i < n_next && (is_last || is_full); i++)
            finish(beam, &beam->next[i], is_last ? TEXT_LIMIT : TEXT_CONTEXT_FULL);
    }
    drop_all(beam);
    return true;
}

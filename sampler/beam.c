#include "sampler/beam.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/memory.h"

/* Before a step `width` leaves and fewer inner branches, each with two children at least; in it as many forks again. */
int beam_branches(int width) { return 1 + 3 * width; }

long long beam_rows(int width, int n_prompt, int limit, int block_rows) {
    long long rounding = (long long)beam_branches(width) * block_rows;
    return n_prompt + (long long)width * limit + rounding;
}

double beam_score(const Beam *beam, const Figures *figures) {
    return figures->steps ? figures->log_prob / pow(figures->steps, beam->length_penalty) : 0;
}

/* ---- Opening ---- */

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
    size_t n_extensions = width * (width + (size_t)beam->n_ends);
    beam->extensions = memory_alloc(n_extensions, sizeof *beam->extensions, "extensions", error);
    if (!beam->extensions) return false;
    for (size_t i = 0; i < 3 * width; i++) beam->items[i].sequence.history = beam->histories + i * history;
    beam->live = beam->items;
    beam->next = beam->items + width;
    beam->finished = beam->items + 2 * width;
    return true;
}

/* Everything but the place that the history is kept in. */
static void copy(Continuation *to, const Continuation *from) {
    int *history = to->sequence.history;
    memcpy(history, from->sequence.history, (size_t)from->sequence.length * sizeof *history);
    *to = *from;
    to->sequence.history = history;
}

/* Takes its place among the finished, or none. */
static void finish(Beam *beam, const Continuation *item, ChooseEnd how) {
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

bool beam_open(Beam *beam, Session *session, int vocab_size, const TokenFlags *flags, const Sequence *prompt, int width,
               int limit, double length_penalty, bool ignore_ends, int future_n, Error *error) {
    assert(width >= 1 && width <= CHOOSE_MAX && limit >= 0 && length_penalty >= 0);
    *beam = (Beam){.session = session,
                   .flags = flags,
                   .n_prompt = prompt->length,
                   .limit = limit,
                   .width = width,
                   .root = prompt->branch,
                   .length_penalty = length_penalty};
    for (int i = 0; i < vocab_size && !ignore_ends; i++) beam->n_ends += (flags[i] & TOKEN_ENDS_TEXT) != 0;
    if (!allocate(beam, error) || !ranking_open(&beam->gauge, vocab_size, future_n, error)) {
        beam_close(beam);
        return false;
    }
    copy(&beam->live[0], &(Continuation){.sequence = *prompt});
    beam->n_live = 1;
    if (limit > 0) return true;
    finish(beam, &beam->live[0], CHOOSE_LIMIT);
    beam->n_live = 0;
    return true;
}

/* ---- The tree: leaves are live beams, inner branches are what several of them share ---- */

static bool fork_branch(Beam *beam, int from, int *child, Error *error) {
    if (!session_fork(beam->session, from, child, error)) return false;
    beam->parent[*child] = from;
    beam->children[*child] = 0;
    beam->children[from]++;
    return true;
}

/* Drops a leaf, and what was there for it alone. */
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

/* An inner branch with one child left becomes one with it: so inner branches stay fewer than leaves. */
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
    memory_free(beam->extensions);
    memory_free(beam->steps);
    memory_free(beam->readings);
    memory_free(beam->parent);
    memory_free(beam->histories);
    memory_free(beam->items);
    *beam = (Beam){0};
}

/* ---- A step ---- */

/* The order of extensions: a beam's place among the live is its rank. */
static int by_log_prob(const void *a, const void *b) {
    const Extension *x = a, *y = b;
    if (x->log_prob != y->log_prob) return x->log_prob > y->log_prob ? -1 : 1;
    if (x->beam != y->beam) return x->beam - y->beam;
    return x->token - y->token;
}

/* No beam can have more than `width` tokens among the next, nor finish with more than there are ends. */
static int extend_all(Beam *beam) {
    int n = 0;
    for (int i = 0; i < beam->n_live; i++) {
        const Continuation *item = &beam->live[i];
        Candidates *natural = &beam->gauge.natural;
        beam->readings[i] = ranking_read(&beam->gauge, session_logits(beam->session, item->sequence.branch));
        candidates_top_k(natural, beam->width + beam->n_ends);
        for (int j = 0; j < natural->count; j++) {
            double surprisal = candidates_surprisal(natural, j);
            beam->extensions[n++] =
                (Extension){natural->items[j].token, i, item->figures.log_prob - surprisal, surprisal};
        }
    }
    qsort(beam->extensions, (size_t)n, sizeof *beam->extensions, by_log_prob);
    return n;
}

/* Finishes those that end, and makes the others the next; returns how many those are. */
static int select_next(Beam *beam, int n_extensions) {
    int n_next = 0;
    for (int i = 0; i < n_extensions && n_next < beam->width; i++) {
        const Extension *extension = &beam->extensions[i];
        Continuation *next = &beam->next[n_next];
        Sequence *sequence = &next->sequence;
        copy(next, &beam->live[extension->beam]);
        ranking_count_step(&next->figures, beam->readings[extension->beam], extension->surprisal);
        if (beam->n_ends && beam->flags[extension->token] & TOKEN_ENDS_TEXT) {
            finish(beam, next, CHOOSE_TEXT_ENDED);
            continue;
        }
        sequence->history[sequence->length++] = extension->token;
        ranking_count_token(&next->figures, sequence->history + beam->n_prompt, sequence->length - beam->n_prompt);
        n_next++;
    }
    return n_next;
}

/* Whether the likeliest of the next, were every further token certain, would come too late. */
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
    int n_next = select_next(beam, extend_all(beam));
    if (n_next > 0) {
        const Continuation *first = &beam->next[0]; /* all are equally long */
        bool is_last = first->figures.steps == beam->limit;
        bool is_full = first->sequence.length > session_options(beam->session).context;
        if (!is_last && !is_full && !is_settled(beam)) return append(beam, n_next, error);
        for (int i = 0; i < n_next && (is_last || is_full); i++)
            finish(beam, &beam->next[i], is_last ? CHOOSE_LIMIT : CHOOSE_CONTEXT_FULL);
    }
    drop_all(beam);
    return true;
}

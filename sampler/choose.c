#include "sampler/choose.h"

#include <assert.h>
#include <string.h>

#include "tensor/memory.h"

int choose_branches(const Sampler *sampler, int count) { return 1 + count + writer_branches(sampler); }

static long long whole_blocks(long long rows, int block_rows) {
    return (rows + block_rows - 1) / block_rows * block_rows;
}

long long choose_rows(const Sampler *sampler, int count, int n_prompt, int limit, int block_rows) {
    return whole_blocks(n_prompt, block_rows) + count * whole_blocks(limit, block_rows) +
           writer_rows(sampler, block_rows);
}

static bool allocate(Choose *choose, size_t history, Error *error) {
    size_t count = (size_t)choose->count, n_ids;
    if (!size_multiply(&n_ids, count, history)) return error_set(error, "histories: more than memory can address");
    choose->items = memory_alloc(count, sizeof *choose->items, "continuations", error);
    choose->steps = choose->items ? memory_alloc(count, sizeof *choose->steps, "steps", error) : NULL;
    choose->histories = choose->steps ? memory_alloc(n_ids, sizeof *choose->histories, "histories", error) : NULL;
    return choose->histories && ranking_open(&choose->gauge, choose->writer->candidates.capacity,
                                             choose->writer->sampler->lookahead.n, error);
}

bool choose_open(Choose *choose, Writer *writer, const Sequence *prompt, int count, int limit, bool ignore_ends,
                 Error *error) {
    assert(count >= 1 && count <= CHOOSE_MAX && limit >= 0);
    *choose = (Choose){
        .writer = writer, .n_prompt = prompt->length, .count = count, .limit = limit, .ignore_ends = ignore_ends};
    size_t history = (size_t)prompt->length + (size_t)limit;
    bool done = allocate(choose, history, error);
    for (int i = 0; i < count && done; i++) {
        Continuation *item = &choose->items[i];
        item->sequence = *prompt;
        item->sequence.number = i;
        item->sequence.history = choose->histories + (size_t)i * history;
        memcpy(item->sequence.history, prompt->history, (size_t)prompt->length * sizeof(int));
        item->end = limit == 0 ? CHOOSE_LIMIT : CHOOSE_GOES_ON;
        if (limit == 0) continue;
        done = session_fork(writer->session, prompt->branch, &item->sequence.branch, error);
        choose->n_live += done;
    }
    if (!done) choose_close(choose);
    return done;
}

static void end(Choose *choose, Continuation *item, ChooseEnd how) {
    session_drop(choose->writer->session, item->sequence.branch);
    item->end = how;
    choose->n_live--;
}

void choose_close(Choose *choose) {
    for (int i = 0; choose->n_live > 0; i++)
        if (choose->items[i].end == CHOOSE_GOES_ON) end(choose, &choose->items[i], CHOOSE_LIMIT);
    ranking_close(&choose->gauge);
    memory_free(choose->histories);
    memory_free(choose->steps);
    memory_free(choose->items);
    *choose = (Choose){0};
}

/* Draws the next token of one. *appends: it is still to be decoded, as *step. */
static bool draw(Choose *choose, Continuation *item, BranchToken *step, bool *appends, Error *error) {
    Writer *writer = choose->writer;
    Sequence *sequence = &item->sequence;
    int context = session_options(writer->session).context;
    *appends = false;
    if (sequence->length + writer_positions(writer->sampler) > context) {
        end(choose, item, CHOOSE_CONTEXT_FULL);
        return true;
    }
    Reading reading = ranking_read(&choose->gauge, session_logits(writer->session, sequence->branch));
    if (!writer_draw(writer, sequence, error)) return error_prefix(error, "sequence %d: ", sequence->number);
    choose->future_rows += writer->report.rows;
    Candidate drawn = writer_drawn(writer);
    ranking_count_step(&item->figures, reading, candidates_surprisal(&choose->gauge.natural, drawn.token));
    if (writer->flags[drawn.token] & TOKEN_ENDS_TEXT && !choose->ignore_ends) {
        end(choose, item, CHOOSE_TEXT_ENDED);
        return true;
    }
    bool is_last = item->figures.steps == choose->limit, is_full = sequence->length == context;
    sequence->history[sequence->length++] = drawn.token;
    ranking_count_token(&item->figures, sequence->history + choose->n_prompt, sequence->length - choose->n_prompt);
    if (is_last || is_full) { /* nobody will ask what follows */
        end(choose, item, is_last ? CHOOSE_LIMIT : CHOOSE_CONTEXT_FULL);
        return true;
    }
    choose->n_decoded++;
    *appends = drawn.branch < 0;
    *step = (BranchToken){sequence->branch, drawn.token};
    if (drawn.branch >= 0) session_promote(writer->session, drawn.branch); /* its forward pass is already done */
    return true;
}

bool choose_step(Choose *choose, Error *error) {
    int n_steps = 0;
    for (int i = 0; i < choose->count; i++) {
        bool appends = false;
        if (choose->items[i].end != CHOOSE_GOES_ON) continue;
        if (!draw(choose, &choose->items[i], &choose->steps[n_steps], &appends, error)) return false;
        n_steps += appends;
    }
    return n_steps == 0 || session_decode(choose->writer->session, choose->steps, n_steps, error);
}

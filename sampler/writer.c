#include "sampler/writer.h"

#include <assert.h>
#include <string.h>

#include "sampler/draw.h"
#include "tensor/memory.h"

static bool check_biases(const Sampler *sampler, int vocab_size, Error *error) {
    for (int i = 0; i < sampler->n_biases; i++)
        if (sampler->biases[i].token >= vocab_size)
            return error_set(error, "--logit-bias: expected a token id below %d, got %d", vocab_size,
                             sampler->biases[i].token);
    return true;
}

bool writer_open(Writer *writer, Session *session, int vocab_size, const Sampler *sampler, const TokenFlags *flags,
                 const bool *breakers, const bool *exempt, Error *error) {
    *writer = (Writer){
        .session = session, .sampler = sampler, .flags = flags, .breakers = breakers, .exempt = exempt, .chosen = -1};
    if (!check_biases(sampler, vocab_size, error)) return false;
    size_t context = (size_t)session_options(session).context;
    writer->scratch = memory_alloc(context + 1, sizeof *writer->scratch, "matches", error);
    if (writer->scratch && candidates_open(&writer->candidates, vocab_size, error)) return true;
    writer_close(writer);
    return false;
}

void writer_close(Writer *writer) {
    candidates_close(&writer->candidates);
    memory_free(writer->scratch);
    writer->scratch = NULL;
}

int writer_branches(const Sampler *sampler) { return sampler->future ? lookahead_branches(&sampler->lookahead) : 0; }

int writer_rows(const Sampler *sampler, int block_rows) {
    return sampler->future ? lookahead_rows(&sampler->lookahead, block_rows) : 0;
}

int writer_positions(const Sampler *sampler) { return sampler->future ? sampler->lookahead.depth : 0; }

static bool look_ahead(Writer *writer, const Sequence *sequence, Error *error) {
    Lookahead lookahead = writer->sampler->lookahead;
    LookaheadStep step = {.session = writer->session,
                          .branch = sequence->branch,
                          .temperature = writer->temperature,
                          .seed = writer->sampler->seed,
                          .position = sequence->length,
                          .sequence = sequence->number,
                          .flags = writer->flags,
                          .cost = &writer->cost,
                          .futures = writer->futures,
                          .previous = sequence->length > 0 ? sequence->history[sequence->length - 1] : -1};
    lookahead.alpha = writer->alpha;
    return lookahead_draw(&lookahead, &step, &writer->candidates, &writer->chosen, &writer->report, error);
}

bool writer_draw(Writer *writer, Sequence *sequence, Error *error) {
    const Sampler *sampler = writer->sampler;
    SamplerContext context = {sequence->history, sequence->length, sequence->number, writer->flags,    writer->breakers,
                              writer->exempt,    writer->scratch,  sequence->bans,   sequence->n_bans, writer->dropped};
    const float *logits = session_logits(writer->session, sequence->branch);
    assert(logits && session_length(writer->session, sequence->branch) == sequence->length);
    if (sampler->temperature.kind == TEMPERATURE_KLD) {
        assert(sequence->without);
        const float *others = session_logits(writer->session, sequence->without);
        sequence->state.kl = temperature_kl(logits, others, writer->candidates.capacity);
    }
    Candidates *all = &writer->candidates;
    candidates_from_logits(all, logits, all->capacity);
    writer->natural = (NaturalStep){all->max_logit, all->log_sum, all->entropy, all->varentropy};
    memset(writer->dropped, 0, sizeof writer->dropped);
    if (!sampler_apply(sampler, &sequence->state, &context, &writer->candidates, error)) return false;
    writer->survivors = all->count;
    writer->temperature = sampler_temperature(sampler, &sequence->state, &writer->candidates);
    writer->alpha = sampler_alpha(sampler, &sequence->state);
    writer->report = (LookaheadReport){0};
    if (sampler->future) {
        if (!look_ahead(writer, sequence, error)) return false;
    } else {
        writer->chosen =
            draw_candidate(&writer->candidates, writer->temperature, sampler->seed, sequence->length, sequence->number);
    }
    sampler_accept(sampler, &sequence->state, &context, &writer->candidates, writer->chosen);
    return true;
}

Candidate writer_drawn(const Writer *writer) { return writer->candidates.items[writer->chosen]; }

void writer_forget(Writer *writer) {
    Candidate *drawn = writer->chosen >= 0 ? &writer->candidates.items[writer->chosen] : NULL;
    if (!drawn || drawn->branch < 0) return;
    session_drop(writer->session, drawn->branch);
    drawn->branch = -1;
}

int writer_append(Writer *writer, Sequence *sequence, BranchToken *steps) {
    Candidate *next = &writer->candidates.items[writer->chosen];
    int n = 0;
    if (next->branch >= 0)
        session_promote(writer->session, next->branch); /* its forward pass is already done */
    else
        steps[n++] = (BranchToken){sequence->branch, next->token};
    if (sequence->without) steps[n++] = (BranchToken){sequence->without, next->token};
    next->branch = -1;
    sequence->history[sequence->length++] = next->token;
    return n;
}

bool writer_advance(Writer *writer, Sequence *sequence, Error *error) {
    BranchToken steps[WRITER_STEPS];
    int n = writer_append(writer, sequence, steps);
    return n == 0 || session_decode(writer->session, steps, n, error);
}

/* ---- The prompt, and back to it ---- */

typedef struct {
    Writer *writer;
    SamplerState *state;
} PromptReader;

static void add_entropy(void *context, int position, const float *logits) {
    PromptReader *reader = context;
    Candidates *candidates = &reader->writer->candidates;
    candidates_from_logits(candidates, logits, candidates->capacity);
    reader->state->prompt_entropy += (candidates->entropy - reader->state->prompt_entropy) / (position + 1);
}

bool writer_read(Writer *writer, Sequence *sequence, int n, Error *error) {
    const int *tokens = sequence->history + session_length(writer->session, sequence->branch);
    PromptReader reader = {writer, &sequence->state};
    bool wants_entropy = writer->sampler->temperature.kind == TEMPERATURE_EDT_INSTANCE;
    return session_score(writer->session, sequence->branch, tokens, n, wants_entropy ? add_entropy : NULL, &reader,
                         error);
}

/* Both or none. */
static bool fork_both(Writer *writer, Sequence *sequence, Error *error) {
    int branch;
    if (!session_fork(writer->session, sequence->start, &branch, error)) return false;
    if (sequence->start_without && !session_fork(writer->session, sequence->start_without, &sequence->without, error)) {
        session_drop(writer->session, branch);
        return false;
    }
    sequence->branch = branch;
    return true;
}

bool writer_mark(Writer *writer, Sequence *sequence, Error *error) {
    assert(!sequence->marked);
    sequence->marked = true;
    sequence->start = sequence->branch;
    sequence->start_without = sequence->without;
    return fork_both(writer, sequence, error);
}

static bool back_to_mark(Writer *writer, Sequence *sequence, Error *error) {
    session_drop(writer->session, sequence->branch);
    if (sequence->without) session_drop(writer->session, sequence->without);
    return fork_both(writer, sequence, error);
}

/* To the token before, which is decoded again for the logits that follow it. */
static bool back_to_token(Writer *writer, Sequence *sequence, int length, Error *error) {
    Session *session = writer->session;
    int other = sequence->without, less = sequence->length - length + 1, last = sequence->history[length - 1];
    const BranchToken steps[WRITER_STEPS] = {{sequence->branch, last}, {other, last}};
    return session_rewind(session, sequence->branch, length - 1, error) &&
           (!other || session_rewind(session, other, session_length(session, other) - less, error)) &&
           session_decode(session, steps, other ? 2 : 1, error);
}

bool writer_rewind(Writer *writer, Sequence *sequence, int length, Error *error) {
    assert(length >= 1 && length <= sequence->length);
    writer_forget(writer);
    if (length == sequence->length) return true;
    bool to_mark = sequence->marked && session_length(writer->session, sequence->start) == length;
    if (!(to_mark ? back_to_mark(writer, sequence, error) : back_to_token(writer, sequence, length, error)))
        return false;
    sequence->length = length;
    return true;
}

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
                          .futures = writer->futures,
                          .previous = sequence->length > 0 ? sequence->history[sequence->length - 1] : -1};
    lookahead.alpha = writer->alpha;
    return lookahead_draw(&lookahead, &step, &writer->candidates, &writer->chosen, &writer->report, error);
}

bool writer_draw(Writer *writer, Sequence *sequence, Error *error) {
    const Sampler *sampler = writer->sampler;
    SamplerContext context = {sequence->history, sequence->length, sequence->number, writer->flags,
                              writer->breakers,  writer->exempt,   writer->scratch,  writer->dropped};
    const float *logits = session_logits(writer->session, sequence->branch);
    assert(logits && session_length(writer->session, sequence->branch) == sequence->length);
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

bool writer_advance(Writer *writer, Sequence *sequence, Error *error) {
    Candidate next = writer_drawn(writer);
    if (next.branch >= 0)
        session_promote(writer->session, next.branch); /* its forward pass is already done */
    else if (!session_decode(writer->session, &(BranchToken){sequence->branch, next.token}, 1, error))
        return false;
    sequence->history[sequence->length++] = next.token;
    return true;
}

#include "sampler/text/writer.h"

#include <assert.h>
#include <string.h>

#include "sampler/chain/draw.h"
#include "tensor/memory.h"

static bool check_biases(const Sampler *sampler, int vocab_size, Error *error) {
    for (int i = 0; i < sampler->n_biases; i++)
        if (sampler->biases[i].token >= vocab_size)
            return error_set(error, "logit-bias: expected a token id below %d, got %d", vocab_size,
                             sampler->biases[i].token);
    return true;
}

/* Checks the biases of the sampler and of each rule. Combinations of rules add no other biases. */
static bool check_all_biases(const Sampler *sampler, int vocab_size, Error *error) {
    Sampler under;
    if (!check_biases(sampler, vocab_size, error)) return false;
    for (int i = 0; i < sampler->n_rules; i++) {
        if (!sampler_under(sampler, (PlaceSet)1 << i, &under, error)) return false;
        if (!check_biases(&under, vocab_size, error)) return place_error(&sampler->rules[i], error);
    }
    return true;
}

bool writer_use(Writer *writer, const Sampler *sampler, Error *error) {
    PlaceRegexes *regexes;
    if (!check_all_biases(sampler, writer->candidates.capacity, error) ||
        !place_regexes_open(&regexes, sampler->rules, sampler->n_rules, error))
        return false;
    place_regexes_close(writer->regexes);
    writer->regexes = regexes;
    writer->sampler = sampler;
    writer->positions = writer_positions(sampler);
    writer->under_of = writer->held = 0;
    return true;
}

bool writer_open(Writer *writer, Session *session, int vocab_size, const Sampler *sampler, const TokenFlags *flags,
                 const bool *breakers, const bool *exempt, const Bytes *pieces, Error *error) {
    assert(pieces || sampler->n_rules == 0);
    *writer = (Writer){
        .session = session, .flags = flags, .breakers = breakers, .exempt = exempt, .pieces = pieces, .chosen = -1};
    size_t context = (size_t)session_options(session).context;
    if (candidates_open(&writer->candidates, vocab_size, error) && writer_use(writer, sampler, error) &&
        (writer->scratch = memory_alloc(context + 1, sizeof *writer->scratch, "matches", error)))
        return true;
    writer_close(writer);
    return false;
}

void writer_close(Writer *writer) {
    candidates_close(&writer->candidates);
    place_regexes_close(writer->regexes);
    memory_free(writer->scratch);
    writer->regexes = NULL;
    writer->scratch = NULL;
}

int writer_branches(const Sampler *sampler) {
    Lookahead widest = sampler_largest_lookahead(sampler);
    return sampler_looks_ahead(sampler) ? lookahead_branches(&widest) : 0;
}

int writer_rows(const Sampler *sampler, int block_rows) {
    Lookahead widest = sampler_largest_lookahead(sampler);
    return sampler_looks_ahead(sampler) ? lookahead_rows(&widest, block_rows) : 0;
}

int writer_positions(const Sampler *sampler) {
    return sampler_may_look_ahead(sampler) ? sampler_largest_lookahead(sampler).depth : 0;
}

const Sampler *writer_sampler(const Writer *writer) { return writer->held ? &writer->under : writer->sampler; }

void writer_forget_sampler(Writer *writer) { writer->under_of = 0; }

/* Finds the rules that hold for the sequence's next token, and the sampler under them. */
static bool find_rules(Writer *writer, const Sequence *sequence, Error *error) {
    const Sampler *sampler = writer->sampler;
    PlaceText text = {sequence->history, sequence->length, writer->pieces, writer->flags};
    writer->held = 0;
    if (sampler->n_rules == 0) return true;
    PlaceSet held = place_find(sampler->rules, sampler->n_rules, &sequence->state.place, writer->regexes, text);
    if (held != writer->under_of) {
        writer->under_of = 0;
        if (held && !sampler_under(sampler, held, &writer->under, error))
            return error_prefix(error, "position %d: ", sequence->length);
        writer->under_of = held;
    }
    writer->held = held;
    return true;
}

static bool look_ahead(Writer *writer, const Sequence *sequence, Error *error) {
    const Sampler *sampler = writer_sampler(writer);
    Lookahead lookahead = sampler->lookahead;
    LookaheadStep step = {.session = writer->session,
                          .branch = sequence->branch,
                          .temperature = writer->temperature,
                          .seed = sampler->seed,
                          .position = sequence->length,
                          .sequence = sequence->number,
                          .flags = writer->flags,
                          .cost = &writer->cost,
                          .futures = writer->futures,
                          .scorer = sequence->scorer,
                          .previous = sequence->length > 0 ? sequence->history[sequence->length - 1] : -1};
    lookahead.alpha = writer->alpha;
    return lookahead_draw(&lookahead, &step, &writer->candidates, &writer->chosen, &writer->report, error);
}

static SamplerContext context_of(Writer *writer, const Sequence *sequence) {
    return (SamplerContext){.history = sequence->history,
                            .n_history = sequence->length,
                            .sequence = sequence->number,
                            .flags = writer->flags,
                            .breakers = writer->breakers,
                            .exempt = writer->exempt,
                            .pieces = writer->pieces,
                            .scratch = writer->scratch,
                            .bans = sequence->bans,
                            .n_bans = sequence->n_bans,
                            .dropped = writer->dropped};
}

/* Makes the candidates from the branch's logits; the step's sampler rewrites and truncates them. */
static bool find_candidates(Writer *writer, Sequence *sequence, Error *error) {
    const float *logits = session_logits(writer->session, sequence->branch);
    assert(logits && session_length(writer->session, sequence->branch) == sequence->length);
    if (!find_rules(writer, sequence, error)) return false;
    const Sampler *sampler = writer_sampler(writer);
    SamplerContext context = context_of(writer, sequence);
    if (sampler->temperature.kind == TEMPERATURE_KLD) {
        assert(sequence->without);
        const float *others = session_logits(writer->session, sequence->without);
        sequence->state.kl = temperature_kl(logits, others, writer->candidates.capacity);
    }
    Candidates *all = &writer->candidates;
    candidates_from_logits(all, logits, all->capacity);
    writer->natural = (NaturalStep){all->max_logit, all->log_sum, all->entropy, all->varentropy};
    memset(writer->dropped, 0, sizeof writer->dropped);
    if (!sampler_apply(sampler, &sequence->state, &context, all, error)) return false;
    writer->survivors = all->count;
    return true;
}

/* Draws the token. The state does not count it yet. */
static bool choose(Writer *writer, Sequence *sequence, Error *error) {
    writer->chosen = -1;
    writer->added = false;
    if (!find_candidates(writer, sequence, error)) return false;
    const Sampler *sampler = writer_sampler(writer);
    writer->temperature = sampler_temperature(sampler, &sequence->state, &writer->candidates);
    writer->alpha = sampler_alpha(sampler, &sequence->state);
    writer->report = (LookaheadReport){.outcome = LOOKAHEAD_OFF};
    if (sampler->future) return look_ahead(writer, sequence, error);
    writer->chosen =
        draw_candidate(&writer->candidates, writer->temperature, sampler->seed, sequence->length, sequence->number);
    return true;
}

/* Updates the state after the token, which is items[chosen]. chosen < 0: the chain dropped it, so only those parts of
 * the state are updated that read the text. */
static void accept(Writer *writer, Sequence *sequence, int token, int chosen) {
    SamplerContext context = context_of(writer, sequence);
    if (chosen >= 0) sampler_accept(writer_sampler(writer), &sequence->state, &context, &writer->candidates, chosen);
    sampler_read(writer->sampler, &sequence->state, &context, token);
}

static int index_of(const Candidates *candidates, int token) {
    int i = candidates->count - 1;
    while (i >= 0 && candidates->items[i].token != token) i--;
    return i;
}

static void keep_state(Sequence *sequence) {
    if (sequence->states) sequence->states[sequence->length] = sequence->state;
}

/* After an error; returns false. */
static bool restore_state(Sequence *sequence) {
    if (sequence->states) sequence->state = sequence->states[sequence->length];
    return false;
}

/* Makes the token the drawn one. If the chain dropped it, it is appended to the candidates. */
static void take(Writer *writer, Sequence *sequence, int token) {
    Candidates *all = &writer->candidates;
    writer->chosen = index_of(all, token);
    accept(writer, sequence, token, writer->chosen);
    writer->added = writer->chosen < 0;
    if (!writer->added) return;
    const float *logits = session_logits(writer->session, sequence->branch);
    all->items[writer->chosen = all->count++] = (Candidate){.token = token, .logit = logits[token], .branch = -1};
}

bool writer_draw(Writer *writer, Sequence *sequence, Error *error) {
    keep_state(sequence);
    if (!choose(writer, sequence, error)) return restore_state(sequence);
    accept(writer, sequence, writer_drawn(writer).token, writer->chosen);
    return true;
}

bool writer_force(Writer *writer, Sequence *sequence, int token, Error *error) {
    keep_state(sequence);
    if (!choose(writer, sequence, error)) return restore_state(sequence);
    if (writer_drawn(writer).token != token) writer_forget(writer);
    take(writer, sequence, token);
    return true;
}

bool writer_take(Writer *writer, Sequence *sequence, int token, Error *error) {
    writer->report = (LookaheadReport){.outcome = LOOKAHEAD_OFF};
    keep_state(sequence);
    if (!find_candidates(writer, sequence, error)) return restore_state(sequence);
    take(writer, sequence, token);
    return true;
}

static void restate(SamplerState *state, const SamplerState *counted, bool mirostat, bool places) {
    if (mirostat) state->mirostat = counted->mirostat;
    if (places) state->place = counted->place;
}

void writer_restate(Writer *writer, Sequence *sequence, const Sampler *old) {
    const Sampler *sampler = writer->sampler;
    bool mirostat = sampler->mirostat_tau != old->mirostat_tau, places = sampler->n_rules > 0 && old->n_rules == 0;
    if (!mirostat && !places) return;
    SamplerState counted = sampler_start(sampler);
    SamplerContext context = context_of(writer, sequence);
    for (int i = 0; i < sequence->length; i++) {
        restate(&sequence->states[i], &counted, mirostat, places);
        sampler_read(sampler, &counted, &context, sequence->history[i]);
    }
    restate(&sequence->state, &counted, mirostat, places);
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

/* ---- Reading the prompt, and going back ---- */

typedef struct {
    Writer *writer;
    Sequence *sequence;
    bool wants_entropy;
    LogitsVisitor *visit;
    void *context;
} PromptReader;

static void read_logits(void *context, int position, const float *logits) {
    PromptReader *reader = context;
    Candidates *candidates = &reader->writer->candidates;
    Sequence *sequence = reader->sequence;
    if (sequence->states) sequence->states[position].prompt_entropy = sequence->state.prompt_entropy;
    if (reader->wants_entropy) {
        candidates_from_logits(candidates, logits, candidates->capacity);
        sequence->state.prompt_entropy += (candidates->entropy - sequence->state.prompt_entropy) / (position + 1);
    }
    if (reader->visit) reader->visit(reader->context, position, logits);
}

bool writer_score(Writer *writer, Sequence *sequence, int n, LogitsVisitor *visit, void *context, Error *error) {
    int first = session_length(writer->session, sequence->branch);
    bool wants_entropy = writer->sampler->temperature.kind == TEMPERATURE_EDT_INSTANCE;
    PromptReader reader = {writer, sequence, wants_entropy, visit, context};
    SamplerState before = sequence->state;
    if (!session_score(writer->session, sequence->branch, sequence->history + first, n,
                       wants_entropy || visit ? read_logits : NULL, &reader, error)) {
        sequence->state = before;
        return false;
    }
    double mean = sequence->state.prompt_entropy;
    SamplerContext sampler_context = context_of(writer, sequence);
    for (int i = first; i < first + n; i++) {
        SamplerState *kept = sequence->states ? &sequence->states[i] : NULL;
        sequence->state.prompt_entropy = kept && wants_entropy ? kept->prompt_entropy : mean;
        if (kept) *kept = sequence->state;
        sampler_read(writer->sampler, &sequence->state, &sampler_context, sequence->history[i]);
    }
    sequence->state.prompt_entropy = mean;
    return true;
}

bool writer_read(Writer *writer, Sequence *sequence, int n, Error *error) {
    return writer_score(writer, sequence, n, NULL, NULL, error);
}

/* Forks the branch and `without`, or neither of them. */
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

/* Goes back to length - 1 tokens, and decodes the last one again for the logits that follow it. */
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
    if (sequence->states) sequence->state = sequence->states[length];
    return true;
}

/* The lines of a trace: a step, a rewind, the end. */
#include <math.h>
#include <string.h>

#include "sampler/chain/choice.h"
#include "sampler/chain/draw.h"
#include "sampler/chain/noise.h"
#include "tensor/memory.h"
#include "tools/trace/trace.h"

const char *const trace_stops[TEXT_FAILED] = {[TEXT_GOES_ON] = "interrupted",
                                              [TEXT_END_OF_TEXT] = "end of text",
                                              [TEXT_LIMIT] = "predict",
                                              [TEXT_CONTEXT_FULL] = "context full",
                                              [TEXT_STOP_STRING] = "stop string"};

static const char *const outcomes[] = {
    [LOOKAHEAD_DONE] = "done", [LOOKAHEAD_OFF] = "off", [LOOKAHEAD_ALONE] = "alone", [LOOKAHEAD_NOT_HERE] = "not here"};

#define TEMPER "temp-first" /* its name in "dropped" */

/* JSON has neither infinity nor NaN. */
static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

/* null if the bytes are not UTF-8, for instance part of a character. */
static json_t *text_json(Bytes bytes) {
    json_t *text = json_stringn((const char *)bytes.data, bytes.size);
    return text ? text : json_null();
}

/* RFC 4648: four digits for every three bytes. */
static json_t *base64_json(Bytes bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    json_t *out = json_string("");
    for (size_t i = 0; out && i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        unsigned bits = (unsigned)bytes.data[i] << 16 | (left > 1 ? (unsigned)bytes.data[i + 1] << 8 : 0) |
                        (left > 2 ? bytes.data[i + 2] : 0);
        json_t *longer = json_sprintf("%s%c%c%c%c", json_string_value(out), digits[bits >> 18], digits[bits >> 12 & 63],
                                      left > 1 ? digits[bits >> 6 & 63] : '=', left > 2 ? digits[bits & 63] : '=');
        json_decref(out);
        out = longer;
    }
    return out;
}

static bool put_token(json_t *object, const Tokenizer *tokenizer, int token) {
    return trace_put(object, "id", json_integer(token)) &&
           trace_put(object, "text", text_json(tokenizer_piece(tokenizer, token, false)));
}

static bool append_new(json_t *array, json_t *value, bool complete) {
    if (array && value && complete) return json_array_append_new(array, value) == 0;
    json_decref(value);
    return false;
}

static json_t *or_nothing(json_t *value, bool complete) {
    if (complete) return value;
    json_decref(value);
    return NULL;
}

static json_t *futures_json(const Tokenizer *tokenizer, const LookaheadCandidate *item) {
    json_t *array = json_array();
    bool done = array != NULL;
    for (int i = 0; done && i < item->n_futures; i++) {
        json_t *future = json_object();
        done = put_token(future, tokenizer, item->futures[i].token) &&
               trace_put(future, "p", number(item->futures[i].prob));
        done = append_new(array, future, done);
    }
    return or_nothing(array, done);
}

static json_t *looked_at_json(const Tokenizer *tokenizer, const LookaheadCandidate *item) {
    json_t *object = json_object();
    bool done = put_token(object, tokenizer, item->token);
    done = trace_put(object, "p", number(item->p)) && done;
    done = trace_put(object, "Hhat", item->skipped ? json_null() : number(item->worth)) && done;
    done = trace_put(object, "ln_s", number(item->ln_s)) && done;
    done = trace_put(object, "noise", number(item->noise)) && done;
    done = trace_put(object, "evaluated", json_boolean(item->evaluated)) && done;
    done = trace_put(object, "neutral", json_boolean(item->neutral)) && done;
    done = trace_put(object, "passed", json_boolean(item->skipped)) && done;
    done = trace_put(object, "chosen", json_boolean(item->chosen)) && done;
    done = trace_put(object, "futures", futures_json(tokenizer, item)) && done;
    return or_nothing(object, done);
}

/* A candidate of a step without lookahead. */
static json_t *plain_json(const TraceSums *sums, int i) {
    const Candidates *candidates = &sums->writer->candidates;
    json_t *object = json_object();
    bool done = put_token(object, sums->tokenizer, candidates->items[i].token);
    done = trace_put(object, "p", number(step_share(candidates, i))) && done;
    done = trace_put(object, "chosen", json_boolean(i == sums->writer->chosen)) && done;
    return or_nothing(object, done);
}

/* The noise of the drawn token; 0 at T = 0, where the draw has none. */
static double noise_of_drawn(const Writer *writer, const Sequence *sequence) {
    if (writer->temperature < DRAW_GREEDY_BELOW) return 0;
    return noise_gumbel(writer->sampler->seed, writer_drawn(writer).token, sequence->length, sequence->number,
                        NOISE_DRAW);
}

/* The likeliest candidates. If the drawn one is not among them, it follows, with its noise. */
static json_t *plain_candidates_json(const TraceSums *sums, const Sequence *sequence) {
    const Writer *writer = sums->writer;
    int which[STEP_SHOWN], n = step_likeliest(&writer->candidates, which, STEP_SHOWN);
    json_t *array = json_array();
    bool done = array != NULL, has_drawn = false;
    for (int i = 0; done && i < n; i++) {
        done = append_new(array, plain_json(sums, which[i]), true);
        has_drawn = has_drawn || which[i] == writer->chosen;
    }
    if (done && !has_drawn) {
        json_t *drawn = plain_json(sums, writer->chosen);
        done = drawn && trace_put(drawn, "noise", number(noise_of_drawn(writer, sequence)));
        done = append_new(array, drawn, done);
    }
    return or_nothing(array, done);
}

/* The candidates that the sampler looked at; without lookahead the likeliest. */
static json_t *candidates_json(const TraceSums *sums, const Sequence *sequence, bool looked) {
    const LookaheadReport *report = &sums->writer->report;
    if (!looked) return plain_candidates_json(sums, sequence);
    json_t *array = json_array();
    bool done = array != NULL;
    for (int i = 0; done && i < report->count; i++)
        done = append_new(array, looked_at_json(sums->tokenizer, &report->candidates[i]), true);
    return or_nothing(array, done);
}

void trace_drop_added(json_t *made, const json_t *recorded) {
    json_t *candidates = json_object_get(made, "candidates");
    size_t n = json_array_size(candidates), n_recorded = json_array_size(json_object_get(recorded, "candidates"));
    bool added = n == STEP_SHOWN + 1 && json_object_get(json_array_get(candidates, STEP_SHOWN), "noise") &&
                 !json_object_get(json_array_get(candidates, STEP_SHOWN), "Hhat");
    if (added && n_recorded == STEP_SHOWN) json_array_remove(candidates, STEP_SHOWN);
    if (!json_object_get(recorded, "policy_input")) json_object_del(made, "policy_input");
    if (!json_object_get(json_object_get(recorded, "dropped"), TEMPER))
        json_object_del(json_object_get(made, "dropped"), TEMPER);
}

/* The number of candidates that each stage dropped; stages that dropped none are left out. */
static json_t *dropped_json(const Writer *writer) {
    static const char *const others[] = {"ban", TEMPER};
    json_t *object = json_object();
    bool done = object != NULL;
    for (int i = 0; done && i < SAMPLER_DROPS; i++) {
        const char *name = i < SAMPLER_STAGES ? sampler_stages[i].name : others[i - SAMPLER_STAGES];
        if (writer->dropped[i] > 0) done = trace_put(object, name, json_integer(writer->dropped[i]));
    }
    return or_nothing(object, done);
}

/* The numbers of the rules that held, as in the header. */
static json_t *held_json(PlaceSet held) {
    json_t *array = json_array();
    bool done = array != NULL;
    for (int i = 0; done && i < PLACE_RULES; i++)
        if (held >> i & 1) done = append_new(array, json_integer(i), true);
    return or_nothing(array, done);
}

/* The figures from which the temperature policy computed T. */
static json_t *policy_input_json(const TemperaturePolicy *policy, const TemperatureInput *input) {
    char measure[16];
    double low, high;
    json_t *object = json_object();
    bool done = object != NULL;
    switch (policy->kind) {
    case TEMPERATURE_EDT_INSTANCE:
        return or_nothing(object, trace_put(object, "H_prompt", number(input->prompt_entropy)));
    case TEMPERATURE_UDT:
        choice_print(TEMPERATURE_UDT_MEASURES, (int)policy->udt_measure, measure, sizeof measure);
        done = trace_put(object, "measure", json_string(measure)) && done;
        return or_nothing(object, trace_put(object, "u", number(temperature_uncertainty(policy, input))) && done);
    case TEMPERATURE_KLD:
        return or_nothing(object, trace_put(object, "kl", number(input->kl)));
    case TEMPERATURE_DYNATEMP:
    case TEMPERATURE_TARGET:
        done = trace_put(object, "H_survivors", number(input->survivors_entropy)) && done;
        return or_nothing(object, trace_put(object, "survivors", json_integer(input->n_survivors)) && done);
    case TEMPERATURE_LINEAR:
        temperature_entropy_range(policy, input, &low, &high);
        done = trace_put(object, "H_low", number(low)) && done;
        done = trace_put(object, "H_high", number(high)) && done;
        break;
    default:
        break;
    }
    return or_nothing(object, trace_put(object, "H", number(input->entropy)) && done);
}

/* The token that alpha -1 draws with the same noise, and the likeliest survivor. */
static json_t *ghosts_json(const Writer *writer) {
    const Candidates *candidates = &writer->candidates;
    bool future = writer_sampler(writer)->future;
    json_t *object = json_object();
    int plain = future ? writer->report.ghost_plain : writer_drawn(writer).token;
    int argmax = future ? writer->report.ghost_argmax : candidates->items[candidates_argmax(candidates)].token;
    bool done = trace_put(object, "plain", json_integer(plain));
    done = trace_put(object, "argmax", json_integer(argmax)) && done;
    return or_nothing(object, done);
}

static void add_up(TraceSums *sums, const Step *step) {
    TraceTally *tally = &sums->tally;
    tally->steps++;
    tally->surprisal -= step->logprob;
    tally->entropy += sums->writer->natural.entropy;
    tally->looked += !isnan(step->hhat);
    tally->hhat += isnan(step->hhat) ? 0 : step->hhat;
    tally->text_hash = bytes_hash(tally->text_hash, tokenizer_piece(sums->tokenizer, step->token, false));
}

static bool put_future(json_t *line, const TraceSums *sums) {
    const Writer *writer = sums->writer;
    bool future = writer_sampler(writer)->future;
    bool done = trace_put(line, "future", json_string(future ? outcomes[writer->report.outcome] : "none"));
    done = trace_put(line, "alpha", future ? number(writer->alpha) : json_null()) && done;
    done = trace_put(line, "a", future ? number(writer->report.exponents.a) : json_null()) && done;
    return trace_put(line, "b", future ? number(writer->report.exponents.b) : json_null()) && done;
}

static json_t *step_json(TraceSums *sums, const Text *text) {
    const Writer *writer = sums->writer;
    const TemperaturePolicy *policy = &writer_sampler(writer)->temperature;
    Step step = step_of(writer, &text->item.sequence);
    bool looked = writer_sampler(writer)->future && writer->report.outcome == LOOKAHEAD_DONE;
    json_t *line = json_object();
    bool done = trace_put(line, "type", json_string("step"));
    done = trace_put(line, "step", json_integer(sums->n_lines++)) && done;
    done = trace_put(line, "position", json_integer(step.position)) && done;
    done = put_token(line, sums->tokenizer, step.token) && done;
    done = trace_put(line, "base64", base64_json(tokenizer_piece(sums->tokenizer, step.token, false))) && done;
    done = trace_put(line, "logprob", number(step.logprob)) && done;
    done = trace_put(line, "rank", json_integer(step.rank)) && done;
    done = trace_put(line, "H", number(writer->natural.entropy)) && done;
    done = trace_put(line, "varentropy", number(writer->natural.varentropy)) && done;
    done = trace_put(line, "T", number(writer->temperature)) && done;
    done = trace_put(line, "policy", json_string(temperature_policies[policy->kind].name)) && done;
    if (policy->kind != TEMPERATURE_FIXED)
        done = trace_put(line, "policy_input", policy_input_json(policy, &text->item.sequence.state.input)) && done;
    if (writer->sampler->n_rules > 0) done = trace_put(line, "at", held_json(writer->held)) && done;
    done = put_future(line, sums) && done;
    done = trace_put(line, "survivors", json_integer(writer->survivors)) && done;
    done = trace_put(line, "dropped", dropped_json(writer)) && done;
    done = trace_put(line, "passes", json_integer(text->counts.passes - sums->last.passes)) && done;
    done = trace_put(line, "rows", json_integer(text->counts.rows - sums->last.rows)) && done;
    done = trace_put(line, "ghosts", ghosts_json(writer)) && done;
    done = trace_put(line, "candidates", candidates_json(sums, &text->item.sequence, looked)) && done;
    add_up(sums, &step);
    sums->last = text->counts;
    return or_nothing(line, done);
}

/* UTF-8 as a string, other bytes as an array of numbers. */
json_t *trace_phrase_json(Bytes phrase) {
    json_t *array, *text = json_stringn((const char *)phrase.data, phrase.size);
    if (text) return text;
    bool done = (array = json_array()) != NULL;
    for (size_t i = 0; done && i < phrase.size; i++) done = append_new(array, json_integer(phrase.data[i]), true);
    return or_nothing(array, done);
}

static json_t *rewind_json(TraceSums *sums, const TextEvent *event) {
    json_t *line = json_object();
    bool done = trace_put(line, "type", json_string("rewind"));
    done = trace_put(line, "to", json_integer(event->ban.position)) && done;
    done = trace_put(line, "token", json_integer(event->ban.token)) && done;
    done = trace_put(line, "phrase", trace_phrase_json(event->bytes)) && done;
    sums->tally = sums->before[event->ban.position - event->text->n_prompt];
    sums->n_rewinds++;
    return or_nothing(line, done);
}

#define MEAN_SURPRISAL "mean_surprisal"
#define MEAN_H         "mean_H"

Units trace_units(const json_t *end) {
    char field[32];
    return json_object_get(end, units_field(UNITS_BITS, MEAN_H, field, sizeof field)) ? UNITS_BITS : UNITS_NATS;
}

static bool put_mean(json_t *line, const char *name, double nats, Units units) {
    char field[32];
    return trace_put(line, units_field(units, name, field, sizeof field), number(units_of(units, nats)));
}

static json_t *end_json(const TraceSums *sums, const Text *text) {
    const TraceTally *tally = &sums->tally;
    double n = tally->steps, surprisal = tally->surprisal / n; /* NaN without steps, which becomes null */
    json_t *line = json_object();
    bool done = trace_put(line, "type", json_string("end"));
    done = trace_put(line, "stop", json_string(trace_stops[text->item.end])) && done;
    done = trace_put(line, "steps", json_integer(tally->steps)) && done;
    done = put_mean(line, MEAN_SURPRISAL, surprisal, sums->units) && done;
    done = trace_put(line, "perplexity", number(exp(surprisal))) && done;
    done = put_mean(line, MEAN_H, tally->entropy / n, sums->units) && done;
    done = trace_put(line, "mean_Hhat", number(tally->hhat / tally->looked)) && done;
    done = trace_put(line, "passes_per_token", number((double)sums->last.passes / n)) && done;
    done = trace_put(line, "rows_per_token", number((double)sums->last.rows / n)) && done;
    done = trace_put(line, "text_fnv1a64", trace_hash(tally->text_hash)) && done;
    if (text->points) done = trace_put(line, "rewinds", json_integer(sums->n_rewinds)) && done;
    return or_nothing(line, done);
}

/* Keeps the tally before a step, if steps may be taken back. */
static bool keep_tally(TraceSums *sums, const Text *text) {
    Error ignored;
    if (!text->points) return true;
    if (!sums->before)
        sums->before = memory_alloc((size_t)text->n_most, sizeof *sums->before, "sums of the trace", &ignored);
    if (sums->before) sums->before[text->item.sequence.length - text->n_prompt] = sums->tally;
    return sums->before != NULL;
}

json_t *trace_event_json(TraceSums *sums, const TextEvent *event) {
    if (sums->n_lines == 0) sums->tally.text_hash = BYTES_HASH;
    if (event->kind == TEXT_DONE) return end_json(sums, event->text);
    if (event->kind == TEXT_REWOUND) return rewind_json(sums, event);
    return keep_tally(sums, event->text) ? step_json(sums, event->text) : NULL;
}

void trace_free_sums(TraceSums *sums) {
    memory_free(sums->before);
    sums->before = NULL;
}

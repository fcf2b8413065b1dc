/* The lines of a trace that tell of a step, and the last one. */
#include <math.h>

#include "tools/trace.h"

const char *const trace_stops[TRACE_STOPS] = {"end of text", "predict", "context full", "interrupted"};

static const char *const outcomes[] = {
    [LOOKAHEAD_DONE] = "done", [LOOKAHEAD_OFF] = "off", [LOOKAHEAD_ALONE] = "alone", [LOOKAHEAD_NOT_HERE] = "not here"};

TraceSums trace_start(const Writer *writer, const Tokenizer *tokenizer) {
    SessionCounts counts = session_counts(writer->session);
    return (TraceSums){
        .writer = writer, .tokenizer = tokenizer, .start = counts, .last = counts, .text_hash = STEP_HASH};
}

/* JSON has neither infinity nor NaN. */
static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

/* null where the bytes are not UTF-8: part of a character, say. */
static json_t *text_json(Bytes bytes) {
    json_t *text = json_stringn((const char *)bytes.data, bytes.size);
    return text ? text : json_null();
}

/* RFC 4648. A piece may be long: written in parts of whole triples. */
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
    done = trace_put(object, "Hhat", item->passed ? json_null() : number(item->hhat)) && done;
    done = trace_put(object, "ln_s", number(item->ln_s)) && done;
    done = trace_put(object, "noise", number(item->noise)) && done;
    done = trace_put(object, "evaluated", json_boolean(item->evaluated)) && done;
    done = trace_put(object, "neutral", json_boolean(item->neutral)) && done;
    done = trace_put(object, "passed", json_boolean(item->passed)) && done;
    done = trace_put(object, "chosen", json_boolean(item->chosen)) && done;
    done = trace_put(object, "futures", futures_json(tokenizer, item)) && done;
    return or_nothing(object, done);
}

/* Where nobody looked ahead: the likeliest of those that were drawn from. */
static json_t *plain_json(const TraceSums *sums, int i) {
    const Candidates *candidates = &sums->writer->candidates;
    json_t *object = json_object();
    bool done = put_token(object, sums->tokenizer, candidates->items[i].token);
    done = trace_put(object, "p", number(step_share(candidates, i))) && done;
    done = trace_put(object, "chosen", json_boolean(i == sums->writer->chosen)) && done;
    return or_nothing(object, done);
}

static json_t *candidates_json(const TraceSums *sums, bool looked) {
    const LookaheadReport *report = &sums->writer->report;
    int which[STEP_SHOWN], n = looked ? report->count : step_likeliest(&sums->writer->candidates, which, STEP_SHOWN);
    json_t *array = json_array();
    bool done = array != NULL;
    for (int i = 0; done && i < n; i++)
        done = append_new(
            array, looked ? looked_at_json(sums->tokenizer, &report->candidates[i]) : plain_json(sums, which[i]), true);
    return or_nothing(array, done);
}

/* How many candidates each stage dropped or banned; those that dropped none are left out. */
static json_t *dropped_json(const Writer *writer) {
    json_t *object = json_object();
    bool done = object != NULL;
    for (int i = 0; done && i < SAMPLER_DROPS; i++)
        if (writer->dropped[i] > 0)
            done =
                trace_put(object, i == SAMPLER_BAN ? "ban" : sampler_stages[i].name, json_integer(writer->dropped[i]));
    return or_nothing(object, done);
}

/* The rules that held, by their numbers in the header. */
static json_t *held_json(PlaceSet held) {
    json_t *array = json_array();
    bool done = array != NULL;
    for (int i = 0; done && i < PLACE_RULES; i++)
        if (held >> i & 1) done = append_new(array, json_integer(i), true);
    return or_nothing(array, done);
}

/* The figures that the policy made T of. */
static json_t *policy_input_json(const TemperaturePolicy *policy, const TemperatureInput *input) {
    double low, high;
    json_t *object = json_object();
    bool done = object != NULL;
    switch (policy->kind) {
    case TEMPERATURE_EDT_INSTANCE:
        return or_nothing(object, trace_put(object, "H_prompt", number(input->prompt_entropy)));
    case TEMPERATURE_UDT:
        done = trace_put(object, "measure", json_string(temperature_udt_measures[policy->udt_measure])) && done;
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

/* What alpha = -1 with the same noise, and the likeliest, would have been. */
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
    sums->n_steps++;
    sums->surprisal -= step->logprob;
    sums->entropy += sums->writer->natural.entropy;
    sums->n_looked += !isnan(step->hhat);
    sums->hhat += isnan(step->hhat) ? 0 : step->hhat;
    sums->text_hash = step_hash(sums->text_hash, tokenizer_piece(sums->tokenizer, step->token, false));
}

static bool put_future(json_t *line, const TraceSums *sums) {
    const Writer *writer = sums->writer;
    bool future = writer_sampler(writer)->future;
    bool done = trace_put(line, "future", json_string(future ? outcomes[writer->report.outcome] : "none"));
    done = trace_put(line, "alpha", future ? number(writer->alpha) : json_null()) && done;
    done = trace_put(line, "a", future ? number(writer->report.exponents.a) : json_null()) && done;
    return trace_put(line, "b", future ? number(writer->report.exponents.b) : json_null()) && done;
}

json_t *trace_step_json(TraceSums *sums, const Sequence *sequence) {
    const Writer *writer = sums->writer;
    const TemperaturePolicy *policy = &writer_sampler(writer)->temperature;
    Step step = step_of(writer, sequence);
    SessionCounts counts = session_counts(writer->session);
    bool looked = writer_sampler(writer)->future && writer->report.outcome == LOOKAHEAD_DONE;
    json_t *line = json_object();
    bool done = trace_put(line, "type", json_string("step"));
    done = trace_put(line, "step", json_integer(sums->n_steps)) && done;
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
        done = trace_put(line, "policy_input", policy_input_json(policy, &sequence->state.input)) && done;
    if (writer->sampler->n_rules > 0) done = trace_put(line, "at", held_json(writer->held)) && done;
    done = put_future(line, sums) && done;
    done = trace_put(line, "survivors", json_integer(writer->survivors)) && done;
    done = trace_put(line, "dropped", dropped_json(writer)) && done;
    done = trace_put(line, "passes", json_integer(counts.passes - sums->last.passes)) && done;
    done = trace_put(line, "rows", json_integer(counts.rows - sums->last.rows)) && done;
    done = trace_put(line, "ghosts", ghosts_json(writer)) && done;
    done = trace_put(line, "candidates", candidates_json(sums, looked)) && done;
    add_up(sums, &step);
    sums->last = counts;
    return or_nothing(line, done);
}

#define MEAN_SURPRISAL "mean_surprisal"
#define MEAN_H         "mean_H"

Units trace_units(const json_t *end) {
    char field[32];
    return json_object_get(end, units_field(UNITS_BITS, MEAN_H, field, sizeof field)) ? UNITS_BITS : UNITS_NATS;
}

json_t *trace_end_json(const TraceSums *sums, const char *stop, Units units) {
    char field[32];
    double n = sums->n_steps, surprisal = sums->surprisal / n; /* of no steps: NaN, which becomes null */
    json_t *line = json_object();
    bool done = trace_put(line, "type", json_string("end"));
    done = trace_put(line, "stop", json_string(stop)) && done;
    done = trace_put(line, "steps", json_integer(sums->n_steps)) && done;
    done =
        trace_put(line, units_field(units, MEAN_SURPRISAL, field, sizeof field), number(units_of(units, surprisal))) &&
        done;
    done = trace_put(line, "perplexity", number(exp(surprisal))) && done;
    done =
        trace_put(line, units_field(units, MEAN_H, field, sizeof field), number(units_of(units, sums->entropy / n))) &&
        done;
    done = trace_put(line, "mean_Hhat", number(sums->hhat / sums->n_looked)) && done;
    done = trace_put(line, "passes_per_token", number((double)(sums->last.passes - sums->start.passes) / n)) && done;
    done = trace_put(line, "rows_per_token", number((double)(sums->last.rows - sums->start.rows) / n)) && done;
    done = trace_put(line, "text_fnv1a64", trace_hash(sums->text_hash)) && done;
    return or_nothing(line, done);
}

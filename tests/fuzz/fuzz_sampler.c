/* Lines "name value" or "name" set a sampler: whatever they hold, each is taken or refused with a message, what was
 * taken shows itself as it can be set again, and the chain prints. Then the sampler writes a few tokens: whatever was
 * taken, no stage reaches an assert, and T, alpha and the token are ones that exist.
 * Four more lines are the target's own: "z 1 -inf 3e38 ..." gives logits, "kl 2" the step's divergence, "rank METRIC"
 * a ranking, "text WORDS" the text that token 0 stands for (\ stands for a newline). */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/chain/draw.h"
#include "sampler/sampler.h"
#include "sampler/text/ranking.h"

enum { V = 100, STEPS = 8, CONTEXT = 64 };

typedef struct {
    Sampler sampler;
    float logits[V];
    double kl;
    Bytes pieces[V]; /* token 0 is the text that is given */
    uint8_t text[4096];
} Case;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_shown(const Sampler *sampler, const char *name) {
    char shown[512], again[512];
    Error error;
    Sampler copy = *sampler, usual = sampler_default();
    int length = sampler_show(sampler, name, shown, sizeof shown);
    assert(length > 0 || sampler_show(&usual, name, again, sizeof again) == 0); /* what is left out is the default */
    if (length == 0 || length >= (int)sizeof shown) return;
    assert(sampler_set(&copy, name, shown, &error));
    sampler_show(&copy, name, again, sizeof again);
    assert(strcmp(shown, again) == 0);
}

/* What a model may give: finite, or -inf for some. */
static void read_logits(float *logits, const char *text) {
    for (int i = 0; i < V; i++) {
        char *end;
        float z = strtof(text, &end);
        if (end == text) return;
        logits[i] = isnan(z) ? 0 : fminf(z, FLT_MAX);
        text = end;
    }
}

static void check_refusal(const Error *error) { assert(error->message[0] != '\0' && !strchr(error->message, '\n')); }

static void rank(const char *text) {
    Error error = {0};
    Ranking ranking;
    const Figures figures = {.log_prob = -12.5, .entropy = 7, .future = 2, .steps = 5, .pairs = 4, .distinct = 3};
    if (ranking_parse(&ranking, text, "rank", &error))
        assert(isfinite(ranking_score(&ranking, &figures)));
    else
        check_refusal(&error);
}

static void read_text(Case *it, const char *text) {
    size_t size = 0;
    for (; text[size]; size++) it->text[size] = text[size] == '\\' ? '\n' : (uint8_t)text[size];
    it->pieces[0] = (Bytes){it->text, size};
}

static void set_line(Case *it, char *line) {
    Error error = {0};
    char *value = strchr(line, ' ');
    if (value) *value++ = '\0';
    if (value && strcmp(line, "z") == 0)
        read_logits(it->logits, value);
    else if (value && strcmp(line, "kl") == 0)
        it->kl = fabs(strtod(value, NULL));
    else if (value && strcmp(line, "rank") == 0)
        rank(value);
    else if (value && strcmp(line, "text") == 0)
        read_text(it, value);
    else if (sampler_set(&it->sampler, line, value, &error))
        check_shown(&it->sampler, line);
    else
        check_refusal(&error);
}

/* The numbers that looking ahead would use, with made-up futures in place of a model's. */
static void check_future(const Lookahead *lookahead, Candidates *candidates, double temperature, double alpha) {
    LookaheadCost cost = {0};
    Lookahead now = *lookahead;
    now.alpha = alpha;
    FutureExponents exponents = future_exponents(now.curve, alpha);
    double hhat[LOOKAHEAD_MAX_DEPTH], bounds[LOOKAHEAD_MAX_K];
    float scratch[V];
    hhat[0] = future_entropy(candidates->scratch, V, now.n, scratch);
    for (int j = 1; j < LOOKAHEAD_MAX_DEPTH; j++) hhat[j] = 1. / j;
    double mean = future_depth_mean(hhat, now.depth, now.discount);
    assert(mean >= 0 && mean <= 1);
    if (exponents.b == 0) return;
    candidates_sort(candidates);
    int n = candidates->count < now.k ? candidates->count : now.k;
    for (int i = 0; i < n; i++) {
        double ln_p = -candidates_surprisal(candidates, i);
        assert(!isnan(future_log_score(exponents, ln_p, mean)));
        bounds[i] = future_log_score(exponents, ln_p, 1) / fmax(temperature, DRAW_GREEDY_BELOW);
    }
    for (int rows = 1; rows <= 8; rows *= 2)
        for (int i = 0; i < 2; i++) lookahead_cost_pass(&cost, rows, 1e-3 * rows);
    lookahead_cost_future(&cost, mean);
    int chunk = lookahead_cost_choose(&cost, bounds, n, fmax(temperature, DRAW_GREEDY_BELOW) / exponents.b);
    assert(chunk >= 1 && chunk <= n);
}

static bool has_finite(const float *logits) {
    for (int i = 0; i < V; i++)
        if (logits[i] > -INFINITY) return true;
    return false;
}

/* One token; false: nothing is left possible, or the rules that hold contradict each other. */
static bool step(const Case *it, SamplerState *state, SamplerContext *context, PlaceRegexes *regexes,
                 Candidates *candidates) {
    Error error = {0};
    Sampler under;
    const Sampler *sampler = &under, *base = &it->sampler;
    PlaceText text = {context->history, context->n_history, it->pieces, context->flags};
    PlaceSet held = place_find(base->rules, base->n_rules, &state->place, regexes, text);
    if (!sampler_under(base, held, &under, &error)) {
        check_refusal(&error);
        return false;
    }
    state->kl = it->kl;
    candidates_from_logits(candidates, it->logits, V);
    if (!sampler_apply(sampler, state, context, candidates, &error)) {
        check_refusal(&error);
        return false;
    }
    assert(candidates->count >= 1 && candidates->count <= V && isfinite(candidates->entropy));
    double temperature = sampler_temperature(sampler, state, candidates), alpha = sampler_alpha(sampler, state);
    assert(isfinite(temperature) && temperature >= 0 && alpha >= -1 && alpha <= 1);
    int chosen = draw_candidate(candidates, temperature, sampler->seed, context->n_history, context->sequence);
    assert(chosen >= 0 && chosen < candidates->count && candidates->items[chosen].logit > -INFINITY);
    sampler_accept(sampler, state, context, candidates, chosen);
    assert(!isnan(state->mirostat.mu));
    int token = candidates->items[chosen].token;
    sampler_read(base, state, context, token);
    memcpy(candidates->scratch, it->logits, sizeof it->logits);
    check_future(&sampler->lookahead, candidates, temperature, alpha);
    ((int *)(uintptr_t)context->history)[context->n_history++] = token;
    return true;
}

/* writer_open refuses them. */
static bool has_strange_bias(const Sampler *sampler) {
    for (int i = 0; i < sampler->n_biases; i++)
        if (sampler->biases[i].token >= V) return true;
    return false;
}

static void write_tokens(const Case *it) {
    static const TokenFlags flags[V] = {[2] = TOKEN_ENDS_TEXT, [3] = TOKEN_BEGINS_WORD, [5] = TOKEN_ENDS_SENTENCE};
    static const bool breakers[V] = {[7] = true}, exempt[V] = {[2] = true};
    int history[CONTEXT] = {1, 3, 4, 3, 4, 0}, scratch[CONTEXT], dropped[SAMPLER_DROPS];
    const TokenBan bans[] = {{7, 0}, {7, 1}, {9, 3}};
    Candidates candidates;
    Error error;
    SamplerContext context = {.history = history,
                              .n_history = 6,
                              .flags = flags,
                              .breakers = breakers,
                              .exempt = exempt,
                              .pieces = it->pieces,
                              .scratch = scratch,
                              .bans = bans,
                              .n_bans = 3,
                              .dropped = dropped};
    SamplerState state = sampler_start(&it->sampler);
    PlaceRegexes *regexes;
    for (int i = 0; i < it->sampler.n_rules; i++) {
        Sampler under;
        if (!sampler_under(&it->sampler, (PlaceSet)1 << i, &under, &error) || has_strange_bias(&under)) return;
    }
    if (has_strange_bias(&it->sampler)) return;
    if (!has_finite(it->logits) || !candidates_open(&candidates, V, &error)) return;
    state.prompt_entropy = 1.5;
    for (int i = 0; i < 6; i++) sampler_read(&it->sampler, &state, &context, history[i]);
    bool opened = place_regexes_open(&regexes, it->sampler.rules, it->sampler.n_rules, &error);
    for (int i = 0; opened && i < STEPS && step(it, &state, &context, regexes, &candidates); i++) continue;
    place_regexes_close(regexes);
    candidates_close(&candidates);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const pieces[] = {"", "\"", " ", ".", "\n", "7", "a", "`", "x_", "\xe2\x80", "\x9c", " b"};
    char text[4096], chain[SAMPLER_CHAIN_BYTES];
    Error error;
    Case it = {.sampler = sampler_default(), .kl = 1};
    for (int i = 0; i < V; i++) it.pieces[i] = (Bytes){(const uint8_t *)pieces[i % 12], strlen(pieces[i % 12])};
    if (size >= sizeof text) return 0;
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    for (int i = 0; i < V; i++) it.logits[i] = 3.f * sinf((float)(i * i));
    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end) *end++ = '\0';
        set_line(&it, line);
    }
    int length = sampler_print(&it.sampler, chain, sizeof chain);
    assert(length > 0 && (size_t)length < sizeof chain && strlen(chain) == (size_t)length);
    SamplerSetting setting;
    for (int i = 0; sampler_setting(i, &setting); i++) {
        error.message[0] = '\0';
        if (!sampler_matters(&it.sampler, setting.name, &error)) check_refusal(&error);
    }
    if (sampler_check(&it.sampler, &error)) write_tokens(&it);
    return 0;
}

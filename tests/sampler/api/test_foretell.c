/* The public interface beside the program's own loop, beside itself, and misused. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sampler/text/texts.h"
#include "sampler/text/traits.h"
#include "tests/sampler/api/tiny_case.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/random.h"

enum { MAX_TOKENS = 2 * TINY_CONTEXT, MAX_BYTES = 4096, STEPS = 24, PROMPT = 5 };

/* ---- A text that is written, by the interface or by the program's loop ---- */

typedef struct {
    int tokens[MAX_TOKENS], n_tokens; /* drawn, without one that ended the text */
    double logprobs[MAX_TOKENS];
    char bytes[MAX_BYTES];
    size_t n_bytes;
    int end, n_rewinds;
} Record;

typedef struct {
    const char *const *settings; /* name, value, ..., NULL */
    const char *stop, *ban;      /* NULL: none */
    int number, depth;
    uint64_t seed;
    int prompt[PROMPT];
} Script;

static Script random_script(uint64_t seed) {
    static const char *const chains[][12] = {
        {NULL},
        {"temp", "1.5", "min-p", "0", NULL},
        {"settings", "temp 1.2, min-p 0, fe, alpha 0.5, fe-k 6", NULL},
        {"fe", "on", "alpha", "1", "fe-eager", NULL, "fe-k", "5", "temp", "1", "min-p", "0"},
        {"settings", "fe, alpha 0.3, fe-k 4, fe-depth 3, top-k 0, min-p 0, temp 1.3", NULL},
        {"settings", "mirostat-tau 3, repeat-penalty 1.3, temp 1.5, min-p 0, fe, fe-k 5", NULL},
        {"settings", "temp-policy edt-instance, dry-multiplier 0.8, xtc-probability 0.5, min-p 0", NULL},
        {"settings", "temp-policy linear, wave sine:1:7, fe-k 4, min-p 0, fe-at word", NULL},
        {"settings", "at /[a-e]$/:{temp=1.9,min-p=0}, temp 1.1, no-repeat-ngram 3", NULL},
        {"preset", "future-entropy", "settings", "fe-k 7, temp 1.6, min-p 0", NULL},
    };
    static const char *const phrases[] = {NULL, "a", "b", "ab", " ", "e", "ca"};
    Random random = random_from(seed);
    Script script = {.settings = chains[seed % 10],
                     .stop = phrases[random_int(&random, 0, 6) * random_chance(&random, 0.3)],
                     .ban = phrases[random_int(&random, 0, 6) * random_chance(&random, 0.5)],
                     .number = random_int(&random, 0, 3),
                     .depth = seed % 10 == 4 ? 3 : 1,
                     .seed = random_u64(&random) >> 1};
    script.prompt[0] = 1;
    for (int i = 1; i < PROMPT; i++) script.prompt[i] = random_int(&random, 3, TINY_VOCAB - 1);
    return script;
}

/* The pairs of a chain; a name may have the value NULL, the list ends with the name NULL or with its room. */
static const char *setting_name(const Script *script, int i) { return i < 12 ? script->settings[i] : NULL; }

static foretell_text *open_script(foretell_session *session, const Script *script, unsigned report) {
    foretell_text_options options = {.size = sizeof options, .number = script->number, .report = report};
    foretell_text *text;
    char seed[32];
    ok(foretell_text_open(&text, session, &options));
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)script->seed);
    ok(foretell_text_set(text, "seed", seed));
    for (int i = 0; setting_name(script, i); i += 2)
        ok(foretell_text_set(text, script->settings[i], script->settings[i + 1]));
    if (script->stop) ok(foretell_text_stop(text, script->stop, strlen(script->stop)));
    if (script->ban) ok(foretell_text_ban(text, script->ban, strlen(script->ban)));
    return text;
}

static foretell_session *open_session(int texts, int depth) {
    foretell_session_options options = {
        .size = sizeof options, .texts = texts, .candidates = 20, .depth = depth, .threads = 1};
    foretell_session *session;
    ok(foretell_session_open(&session, model, &options));
    return session;
}

static void note_step(Record *record, const foretell_step *step) {
    assert_that(record->n_bytes + step->n_bytes, <, MAX_BYTES);
    memcpy(record->bytes + record->n_bytes, step->bytes, step->n_bytes);
    record->n_bytes += step->n_bytes;
    record->end = (int)step->end;
    if (step->end == FORETELL_REWOUND) {
        record->n_rewinds++;
        record->n_tokens = step->position - PROMPT;
    } else if (step->token >= 0 && step->end != FORETELL_END_OF_TEXT) {
        record->logprobs[record->n_tokens] = step->logprob;
        record->tokens[record->n_tokens++] = step->token;
    }
}

static bool goes_on(const Record *record) { return record->end == FORETELL_GOES_ON || record->end == FORETELL_REWOUND; }

/* Until the text has n tokens after the prompt, or has ended. */
static void write_text(foretell_text *text, Record *record, int n) {
    foretell_step step = {.size = sizeof step};
    while (goes_on(record) && record->n_tokens < n) {
        ok(foretell_text_next(text, &step));
        note_step(record, &step);
    }
}

static void assert_same(const Record *a, const Record *b) {
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_memory_equal(a->tokens, b->tokens, (size_t)a->n_tokens * sizeof a->tokens[0]);
    assert_memory_equal(a->logprobs, b->logprobs, (size_t)a->n_tokens * sizeof a->logprobs[0]);
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->n_bytes, b->n_bytes);
    assert_memory_equal(a->bytes, b->bytes, a->n_bytes);
}

static Record written(const Script *script, int n) {
    foretell_session *session = open_session(1, script->depth);
    foretell_text *text = open_script(session, script, 0);
    Record record = {.end = FORETELL_GOES_ON};
    ok(foretell_text_append_tokens(text, script->prompt, PROMPT));
    write_text(text, &record, n);
    foretell_text_close(text);
    foretell_session_close(session);
    return record;
}

/* ---- The program's loop ---- */

static bool hear(void *context, const TextEvent *event, Error *error) {
    Record *record = context;
    (void)error;
    if (event->kind == TEXT_READY) {
        memcpy(record->bytes + record->n_bytes, event->bytes.data, event->bytes.size);
        record->n_bytes += event->bytes.size;
    }
    return true;
}

static Sampler sampler_of(const Script *script) {
    Sampler sampler = sampler_default();
    Error error;
    sampler.seed = script->seed;
    for (int i = 0; setting_name(script, i); i += 2) {
        const char *name = script->settings[i], *value = script->settings[i + 1];
        if (strcmp(name, "settings") == 0)
            must(sampler_set_list(&sampler, value, &error), &error);
        else
            must_set(&sampler, name, value && strcmp(value, "on") == 0 ? NULL : value);
    }
    return sampler;
}

static Record looped(const Script *script) {
    Error error;
    Model *own;
    Tokenizer *tokenizer = NULL;
    Traits traits;
    Session *session;
    Writer writer;
    Texts texts;
    Phrases stops = {0}, bans = {0};
    Record record = {0};
    Sampler sampler = sampler_of(script);
    int history[MAX_TOKENS];
    if (script->stop) stops.items[stops.count++] = (Bytes){(const uint8_t *)script->stop, strlen(script->stop)};
    if (script->ban) bans.items[bans.count++] = (Bytes){(const uint8_t *)script->ban, strlen(script->ban)};
    must(model_open(&own, path, &error) && tokenizer_open(&tokenizer, path, &error) &&
             traits_open(&traits, tokenizer, &error),
         &error);
    SessionOptions options = {.context = TINY_CONTEXT, .threads = 1};
    TextsSize size = {
        .n_prompts = 1, .count = 1, .n_prompt = PROMPT, .limit = STEPS, .in_place = true, .bans = bans.count > 0};
    must(texts_size(&options, &sampler, size, &error) && session_open(&session, own, options, &error) &&
             writer_open(&writer, session, TINY_VOCAB, &sampler, traits.flags, traits.breakers, traits.exempt,
                         traits.pieces, &error),
         &error);
    memcpy(history, script->prompt, sizeof script->prompt);
    Sequence prompt = {.history = history, .length = PROMPT, .state = sampler_start(&sampler)};
    must(writer_read(&writer, &prompt, PROMPT, &error), &error);
    TextsSetup setup = {&writer, tokenizer, &stops, &bans, false, false, false, false, hear, &record};
    TextStart start = {.prompt = &prompt, .number = script->number, .limit = STEPS, .in_place = true};
    must(texts_open(&texts, &setup, 1, &error) && texts_add(&texts, &start, &error), &error);
    while (texts.n_live > 0) must(texts_step(&texts, &error), &error);
    const Text *text = &texts.items[0];
    record.n_tokens = text->item.sequence.length - PROMPT;
    memcpy(record.tokens, text->history + PROMPT, (size_t)record.n_tokens * sizeof(int));
    record.end = (int)text->item.end;
    record.n_rewinds = text->editor.rewinds;
    texts_close(&texts);
    writer_close(&writer);
    session_close(session);
    traits_close(&traits);
    tokenizer_close(tokenizer);
    model_close(own);
    return record;
}

static void a_text_is_the_programs(void **state) {
    (void)state;
    int n_rewinds = 0, n_stops = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        Script script = random_script(seed);
        Record own = written(&script, STEPS), programs = looped(&script);
        assert_int_equal(own.n_tokens, programs.n_tokens);
        assert_memory_equal(own.tokens, programs.tokens, (size_t)own.n_tokens * sizeof(int));
        assert_int_equal(own.end == FORETELL_STOPPED, programs.end == TEXT_STOP_STRING);
        assert_int_equal(own.end == FORETELL_END_OF_TEXT, programs.end == TEXT_END_OF_TEXT);
        /* At its limit the program also gives out what was held back. */
        assert_that(own.n_bytes, <=, programs.n_bytes);
        assert_memory_equal(own.bytes, programs.bytes, own.n_bytes);
        if (own.end == FORETELL_STOPPED) assert_int_equal(own.n_bytes, programs.n_bytes);
        assert_int_equal(own.n_rewinds, programs.n_rewinds);
        n_rewinds += own.n_rewinds;
        n_stops += own.end == FORETELL_STOPPED;
    }
    assert_that(n_rewinds, >, 10);
    assert_that(n_stops, >, 2);
}

/* ---- Forks, rewinds, forced tokens ---- */

static void forced_tokens_count_as_drawn(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        Script script = random_script(seed);
        Record drawn = written(&script, STEPS), forced = {0};
        foretell_session *session = open_session(1, script.depth);
        foretell_text *text = open_script(session, &script, 0);
        foretell_step step = {.size = sizeof step};
        ok(foretell_text_append_tokens(text, script.prompt, PROMPT));
        for (int i = 0; i < drawn.n_tokens / 2; i++) {
            ok(foretell_text_force(text, drawn.tokens[i], &step));
            note_step(&forced, &step);
        }
        write_text(text, &forced, STEPS);
        assert_same(&drawn, &forced);
        foretell_text_close(text);
        foretell_session_close(session);
    }
}

/* The parent is closed, one copy is written to its end and taken back to before the fork, the other goes on. */
static void forks_are_equal_and_apart(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        Script script = random_script(seed);
        Record expected = written(&script, STEPS), begun = {.end = FORETELL_GOES_ON}, again = {.end = FORETELL_GOES_ON};
        foretell_session *session = open_session(3, script.depth);
        foretell_text *parent = open_script(session, &script, 0), *first, *second, *none;
        foretell_step step = {.size = sizeof step};
        ok(foretell_text_append_tokens(parent, script.prompt, PROMPT));
        write_text(parent, &begun, (int)(seed % 9));
        ok(foretell_text_fork(parent, &first));
        ok(foretell_text_fork(first, &second));
        refused(FORETELL_FULL, foretell_text_fork(first, &none));
        assert_null(none);
        foretell_text_close(parent);
        Record one = begun, two = begun;
        write_text(first, &one, STEPS);
        assert_same(&expected, &one);
        ok(foretell_text_rewind(first, PROMPT + (size_t)begun.n_tokens / 2));
        for (int i = 0; i < begun.n_tokens / 2; i++) again.tokens[again.n_tokens++] = expected.tokens[i];
        write_text(first, &again, STEPS);
        assert_int_equal(again.n_tokens, expected.n_tokens);
        assert_memory_equal(again.tokens, expected.tokens, (size_t)expected.n_tokens * sizeof(int));
        assert_int_equal(again.end, expected.end);
        write_text(second, &two, STEPS);
        assert_same(&expected, &two);
        foretell_text_close(first);
        foretell_session_close(session);
        foretell_text_close(second);
    }
}

/* Rewound to any place, also within the prompt, and given the same tokens again. */
static void a_rewound_text_is_a_fresh_one(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        Script script = random_script(seed);
        Record expected = written(&script, STEPS), before = {0}, after = {0};
        foretell_session *session = open_session(1, script.depth);
        foretell_text *text = open_script(session, &script, 0);
        ok(foretell_text_append_tokens(text, script.prompt, PROMPT));
        write_text(text, &before, STEPS);
        size_t kept = seed % (PROMPT + 1);
        ok(foretell_text_rewind(text, kept));
        ok(foretell_text_append_tokens(text, script.prompt + kept, PROMPT - kept));
        write_text(text, &after, STEPS);
        assert_same(&expected, &after);
        foretell_text_close(text);
        foretell_session_close(session);
    }
}

static void many_texts_are_each_as_alone(void **state) {
    (void)state;
    enum { N = 5 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        foretell_session *session = open_session(N, 3);
        foretell_text *texts[N], *live[N];
        foretell_step steps[N];
        Record records[N] = {{.end = FORETELL_GOES_ON}};
        Script scripts[N];
        for (int i = 0; i < N; i++) {
            scripts[i] = random_script(10 * seed + (uint64_t)i);
            texts[i] = open_script(session, &scripts[i], FORETELL_CANDIDATES);
            ok(foretell_text_append_tokens(texts[i], scripts[i].prompt, PROMPT));
        }
        for (;;) {
            int which[N];
            size_t n = 0;
            for (int i = 0; i < N; i++) {
                if (!goes_on(&records[i]) || records[i].n_tokens >= STEPS) continue;
                which[n] = i;
                steps[n].size = sizeof steps[n];
                live[n++] = texts[i];
            }
            if (n == 0) break;
            ok(foretell_texts_next(live, n, steps));
            for (size_t i = 0; i < n; i++) note_step(&records[which[i]], &steps[i]);
        }
        for (int i = 0; i < N; i++) {
            Record alone = written(&scripts[i], STEPS);
            assert_same(&alone, &records[i]);
            foretell_text_close(texts[i]);
        }
        foretell_session_close(session);
    }
}

/* ---- Figures ---- */

static void scores_are_those_of_the_logits(void **state) {
    (void)state;
    Script script = random_script(1);
    foretell_session *session = open_session(2, 1);
    foretell_text *text = open_script(session, &script, 0), *other = open_script(session, &script, 0);
    foretell_score scores[PROMPT];
    ok(foretell_text_score(text, script.prompt, PROMPT, scores));
    assert_true(isnan(scores[0].logprob));
    assert_int_equal(scores[0].rank, 0);
    for (int i = 1; i < PROMPT; i++) {
        const float *logits;
        size_t n;
        double sum = 0;
        int rank = 1, token = script.prompt[i];
        ok(foretell_text_append_tokens(other, &script.prompt[i - 1], 1));
        ok(foretell_text_logits(other, &logits, &n));
        assert_int_equal(n, TINY_VOCAB);
        for (size_t j = 0; j < n; j++) sum += exp(logits[j]);
        for (int j = 0; j < (int)n; j++) rank += logits[j] > logits[token] || (logits[j] == logits[token] && j < token);
        assert_near(scores[i].logprob, logits[token] - log(sum), 1e-5);
        assert_int_equal(scores[i].rank, rank);
    }
    ok(foretell_text_rewind(text, 3));
    ok(foretell_text_score(text, script.prompt + 3, 2, scores));
    foretell_text_close(text);
    foretell_text_close(other);
    foretell_session_close(session);
}

static void a_step_tells_its_candidates(void **state) {
    (void)state;
    foretell_session *session = open_session(1, 1);
    Script script = random_script(3); /* eager */
    foretell_text *text = open_script(session, &script, FORETELL_CANDIDATES | FORETELL_FUTURES);
    foretell_step step = {.size = sizeof step};
    ok(foretell_text_append_tokens(text, script.prompt, PROMPT));
    for (int i = 0; i < 8; i++) {
        ok(foretell_text_next(text, &step));
        assert_int_equal(step.n_candidates, 5);
        assert_that(step.chosen, >=, 0);
        assert_int_equal(step.candidates[step.chosen].token, step.token);
        assert_near(step.candidates[step.chosen].worth, step.hhat, 0);
        for (size_t c = 0; c < step.n_candidates; c++) {
            assert_int_equal(step.candidates[c].evaluated, 1);
            assert_int_equal(step.candidates[c].n_futures, 5);
            if (c > 0) assert_that(step.candidates[c].p, <=, step.candidates[c - 1].p);
        }
        if (step.end) break;
    }
    foretell_text_close(text);
    foretell_session_close(session);
}

/* ---- A scorer of one's own ---- */

static int n_worths;
static double by_token(void *context, const foretell_candidate *candidate, const float *logits, size_t n) {
    (void)logits;
    assert_int_equal(n, TINY_VOCAB);
    n_worths++;
    return *(const double *)context * ((candidate->token * 7919) % 101 / 100.0);
}
static double at_most(void *context, const foretell_candidate *candidate) {
    (void)candidate;
    return *(const double *)context;
}

static void a_bound_changes_nothing_but_the_work(void **state) {
    (void)state;
    double scale = 0.5;
    int tokens[2][STEPS], worths[2];
    for (int bounded = 0; bounded < 2; bounded++) {
        foretell_session *session = open_session(1, 1);
        Script script = random_script(2);
        script.stop = script.ban = NULL;
        foretell_text *text = open_script(session, &script, 0);
        foretell_scorer scorer = {sizeof scorer, by_token, bounded ? at_most : NULL, &scale};
        foretell_step step = {.size = sizeof step};
        n_worths = 0;
        ok(foretell_text_scorer(text, &scorer));
        ok(foretell_text_append_tokens(text, script.prompt, PROMPT));
        for (int i = 0; i < STEPS; i++) {
            ok(foretell_text_next(text, &step));
            tokens[bounded][i] = step.token;
        }
        worths[bounded] = n_worths;
        scale = -1; /* no worth is negative */
        if (step.end == FORETELL_GOES_ON) invalid(foretell_text_next(text, &step));
        scale = 0.5;
        ok(foretell_text_scorer(text, NULL));
        ok(foretell_text_next(text, &step));
        foretell_text_close(text);
        foretell_session_close(session);
    }
    assert_memory_equal(tokens[0], tokens[1], sizeof tokens[0]);
    assert_that(worths[1], <, worths[0]);
}

/* ---- Cancelling ---- */

static int cancel_at(void *context, uint64_t done, uint64_t total) {
    (void)done, (void)total;
    return *(const int *)context;
}

static void a_cancelled_call_changes_nothing(void **state) {
    (void)state;
    int cancels = 0;
    foretell_session_options options = {
        .size = sizeof options, .threads = 1, .progress = cancel_at, .context_of_progress = &cancels};
    foretell_session *session;
    foretell_text *text;
    foretell_step step = {.size = sizeof step};
    const int32_t *tokens;
    size_t n;
    ok(foretell_session_open(&session, model, &options));
    ok(foretell_text_open(&text, session, NULL));
    cancels = 1;
    refused(FORETELL_CANCELLED, foretell_text_append(text, "abc", 3, 0));
    ok(foretell_text_tokens(text, &tokens, &n));
    assert_int_equal(n, 0);
    cancels = 0;
    ok(foretell_text_append(text, "abc", 3, 0));
    foretell_session_cancel(session);
    refused(FORETELL_CANCELLED, foretell_text_next(text, &step));
    ok(foretell_text_next(text, &step));
    foretell_text_close(text);
    foretell_session_close(session);
    int yes = 1;
    foretell_model *other;
    foretell_model_options model_options = {sizeof model_options, NULL, cancel_at, &yes};
    refused(FORETELL_CANCELLED, foretell_model_open(&other, path, &model_options));
    assert_null(other);
}

/* ---- Text and tokens ---- */

static void encoding_gives_the_text_back(void **state) {
    (void)state;
    const char text[] = "ab \xc3\xa9\0x</s>";
    int32_t tokens[64];
    char back[64];
    size_t n, length;
    ok(foretell_encode(model, text, sizeof text - 1, FORETELL_BOS, tokens, 64, &n));
    assert_int_equal(tokens[0], 1);
    ok(foretell_decode(model, tokens, n, 0, back, sizeof back, &length));
    assert_int_equal(length, sizeof text - 1);
    assert_memory_equal(back, text, length);
    refused(FORETELL_FULL, foretell_encode(model, text, sizeof text - 1, 0, NULL, 0, &n));
    refused(FORETELL_FULL, foretell_decode(model, tokens, n, 0, back, 2, &length));
    ok(foretell_encode(model, "</s>", 4, FORETELL_SPECIAL, tokens, 64, &n));
    assert_int_equal(tokens[n - 1], 2);
    const char *bytes;
    ok(foretell_token_bytes(model, 2, 0, &bytes, &n));
    assert_int_equal(n, 0);
    ok(foretell_token_bytes(model, 2, FORETELL_SPECIAL, &bytes, &n));
    assert_int_equal(n, 4);
    invalid(foretell_token_bytes(model, TINY_VOCAB, 0, &bytes, &n));
    invalid(foretell_encode(model, text, 1, 8, tokens, 64, &n));
}

/* ---- Misuse ---- */

static void every_misuse_is_a_status(void **state) {
    (void)state;
    foretell_model *no_model;
    foretell_session *session = open_session(1, 1), *no_session;
    foretell_text *text, *no_text;
    foretell_step step = {.size = sizeof step}, small = {.size = 8};
    foretell_model_info info = {.size = 8};
    foretell_session_options options = {.size = sizeof options, .texts = -1};
    foretell_scorer scorer = {.size = sizeof scorer};
    foretell_score score;
    char value[64];
    size_t n;
    const float *logits;
    const int32_t bad = TINY_VOCAB;
    ok(foretell_text_open(&text, session, NULL));
    invalid(foretell_model_open(NULL, path, NULL));
    invalid(foretell_model_open(&no_model, NULL, NULL));
    refused(FORETELL_FAILED, foretell_model_open(&no_model, "/no such file", NULL));
    invalid(foretell_model_describe(model, &info));
    invalid(foretell_model_describe(NULL, &info));
    invalid(foretell_session_open(&no_session, NULL, NULL));
    invalid(foretell_session_open(&no_session, model, &options));
    options = (foretell_session_options){.size = 8};
    invalid(foretell_session_open(&no_session, model, &options));
    invalid(foretell_text_open(&no_text, NULL, NULL));
    refused(FORETELL_FULL, foretell_text_open(&no_text, session, NULL));
    invalid(foretell_text_next(text, &step));
    invalid(foretell_text_next(NULL, &step));
    invalid(foretell_text_force(text, 3, &step));
    invalid(foretell_text_logits(text, &logits, &n));
    invalid(foretell_text_append_tokens(text, &bad, 1));
    invalid(foretell_text_append_tokens(text, NULL, 1));
    invalid(foretell_text_append(text, NULL, 1, 0));
    invalid(foretell_text_append(text, "a", 1, FORETELL_BOS));
    ok(foretell_text_append(text, "a", 1, 0));
    invalid(foretell_text_next(text, NULL));
    invalid(foretell_text_next(text, &small));
    invalid(foretell_texts_next(NULL, 1, &step));
    invalid(foretell_texts_next(&text, 0, &step));
    invalid(foretell_texts_next((foretell_text *const[]){text, text}, 2, (foretell_step[]){step, step}));
    invalid(foretell_text_force(text, bad, &step));
    invalid(foretell_text_rewind(text, 10));
    invalid(foretell_text_renumber(text, -1));
    invalid(foretell_text_stop(text, "", 0));
    invalid(foretell_text_ban(text, NULL, 1));
    invalid(foretell_text_score(text, &bad, 1, &score));
    invalid(foretell_text_scorer(text, &scorer));
    invalid(foretell_text_set(text, NULL, "1"));
    invalid(foretell_text_set(text, "no-such", "1"));
    invalid(foretell_text_set(text, "temp", "-1"));
    invalid(foretell_text_set(text, "temp", NULL));
    invalid(foretell_text_set(text, "seed", "x"));
    invalid(foretell_text_set(text, "fe", "perhaps"));
    invalid(foretell_text_set(text, "settings", "fe, fe-k 21")); /* the session was opened for 20 */
    invalid(foretell_text_set(text, "settings", "fe, fe-k 4, fe-depth 2"));
    invalid(foretell_text_set(text, "temp-policy", "kld"));
    invalid(foretell_text_set(text, "temp-policy", "edt-instance"));
    invalid(foretell_text_get(text, "no-such", value, sizeof value, &n));
    refused(FORETELL_FULL, foretell_text_chain(text, value, 8, &n));
    assert_int_equal(strlen(value), 7);
    invalid(foretell_text_fork(NULL, &no_text));
    invalid(foretell_setting(0, NULL));
    ok(foretell_text_next(text, &step));
    invalid(foretell_text_stop(text, "a", 1));
    foretell_model_close(NULL);
    foretell_session_close(NULL);
    foretell_text_close(NULL);
    foretell_text_close(text);
    foretell_session_close(session);
}

static void settings_are_listed_and_shown(void **state) {
    (void)state;
    foretell_session *session = open_session(1, 1);
    foretell_text *text;
    foretell_setting_info info = {.size = sizeof info};
    char value[512];
    size_t n, i = 0;
    ok(foretell_text_open(&text, session, NULL));
    for (; foretell_setting(i, &info) == FORETELL_OK; i++)
        ok(foretell_text_get(text, info.name, value, sizeof value, &n));
    assert_that(i, >, 40);
    ok(foretell_text_set(text, "seed", "18446744073709551615"));
    ok(foretell_text_get(text, "seed", value, sizeof value, &n));
    assert_string_equal(value, "18446744073709551615");
    ok(foretell_text_set(text, "fe-k", "4"));
    ok(foretell_text_set(text, "fe", "on"));
    ok(foretell_text_get(text, "fe", value, sizeof value, &n));
    assert_string_equal(value, "on");
    ok(foretell_text_set(text, "fe", "off"));
    ok(foretell_text_get(text, "fe", value, sizeof value, &n));
    assert_string_equal(value, "");
    foretell_text_close(text);
    foretell_session_close(session);
}

/* A caller that was compiled for the first version has a smaller struct: what lies behind it is not touched. */
static void a_struct_is_as_long_as_its_caller_says(void **state) {
    (void)state;
    union {
        foretell_step step;
        unsigned char bytes[sizeof(foretell_step) + 16];
    } wide;
    foretell_session *session = open_session(1, 1);
    foretell_text *text;
    ok(foretell_text_open(&text, session, NULL));
    ok(foretell_text_append(text, "a", 1, 0));
    memset(&wide, 0xaa, sizeof wide);
    wide.step.size = sizeof wide; /* of a later version */
    ok(foretell_text_next(text, &wide.step));
    for (size_t i = sizeof wide.step; i < sizeof wide; i++) assert_int_equal(wide.bytes[i], 0xaa);
    assert_int_equal(wide.step.size, sizeof wide);
    foretell_text_close(text);
    foretell_session_close(session);
}

/* ---- The end of a text ---- */

static void an_end_is_told_again_until_the_text_goes_on(void **state) {
    (void)state;
    foretell_session *session = open_session(1, 1);
    foretell_text *text;
    foretell_step step = {.size = sizeof step};
    ok(foretell_text_open(&text, session, NULL));
    ok(foretell_text_append(text, "a", 1, 0));
    ok(foretell_text_force(text, 2, &step));
    assert_int_equal(step.end, FORETELL_END_OF_TEXT);
    ok(foretell_text_next(text, &step));
    assert_int_equal(step.end, FORETELL_END_OF_TEXT);
    assert_int_equal(step.token, -1);
    ok(foretell_text_append(text, "b", 1, 0));
    do ok(foretell_text_next(text, &step));
    while (step.end == FORETELL_GOES_ON || step.end == FORETELL_END_OF_TEXT);
    assert_int_equal(step.end, FORETELL_CONTEXT_FULL);
    refused(FORETELL_FULL, foretell_text_append(text, "abcdefgh", 8, 0));
    refused(FORETELL_FULL, foretell_text_force(text, 3, &step));
    ok(foretell_text_rewind(text, 3));
    ok(foretell_text_next(text, &step));
    assert_int_equal(step.position, 3);
    foretell_text_close(text);
    foretell_session_close(session);
}

/* ---- Memory ---- */

/* Without a pattern: a match that gets no memory counts as none (place.h). */
static foretell_status work(foretell_text *text) {
    foretell_step step = {.size = sizeof step};
    foretell_text *copy = NULL;
    foretell_status status;
    if (!(status = foretell_text_set(text, "settings", "fe, fe-k 4, at number:temp=0.5")) &&
        !(status = foretell_text_ban(text, "ab", 2)) && !(status = foretell_text_append(text, "a b", 3, 0)) &&
        !(status = foretell_text_next(text, &step)) && !(status = foretell_text_force(text, 270, &step)) &&
        !(status = foretell_text_fork(text, &copy)) && !(status = foretell_text_rewind(text, 3)) &&
        !(status = foretell_text_next(copy, &step)))
        status = foretell_text_next(text, &step);
    foretell_text_close(copy);
    return status;
}

static foretell_status open_and_work(void) {
    foretell_model *own = NULL;
    foretell_session *session = NULL;
    foretell_text *text = NULL;
    foretell_session_options options = {.size = sizeof options, .texts = 2, .threads = 1};
    foretell_status status;
    if (!(status = foretell_model_open(&own, path, NULL)) &&
        !(status = foretell_session_open(&session, own, &options)) &&
        !(status = foretell_text_open(&text, session, NULL)))
        status = work(text);
    foretell_model_close(own);
    foretell_session_close(session);
    foretell_text_close(text);
    return status;
}

static void any_allocation_may_fail(void **state) {
    (void)state;
    long alive = memory_hooks_alive();
    memory_hooks_fail_at(0);
    ok(open_and_work());
    long n = memory_hooks_count();
    assert_that(n, >, 20);
    for (long i = 1; i <= n; i++) {
        memory_hooks_fail_at(i);
        foretell_status status = open_and_work();
        if (status != FORETELL_NO_MEMORY)
            fail_msg("allocation %ld: %s: %s", i, foretell_status_name(status), foretell_message());
        assert_int_equal(memory_hooks_alive(), alive);
    }
    memory_hooks_fail_at(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_the_programs),
        cmocka_unit_test(forced_tokens_count_as_drawn),
        cmocka_unit_test(forks_are_equal_and_apart),
        cmocka_unit_test(a_rewound_text_is_a_fresh_one),
        cmocka_unit_test(many_texts_are_each_as_alone),
        cmocka_unit_test(scores_are_those_of_the_logits),
        cmocka_unit_test(a_step_tells_its_candidates),
        cmocka_unit_test(a_bound_changes_nothing_but_the_work),
        cmocka_unit_test(a_cancelled_call_changes_nothing),
        cmocka_unit_test(encoding_gives_the_text_back),
        cmocka_unit_test(every_misuse_is_a_status),
        cmocka_unit_test(settings_are_listed_and_shown),
        cmocka_unit_test(a_struct_is_as_long_as_its_caller_says),
        cmocka_unit_test(an_end_is_told_again_until_the_text_goes_on),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

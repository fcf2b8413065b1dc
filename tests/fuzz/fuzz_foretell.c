/* Calls the public interface in any order with any arguments that the input chooses, on a tiny model. Each call must return a
 * status, with a message where it fails; a text that says it has n tokens has them; at the end nothing is left. */
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "foretell.h"
#include "tests/fuzz/fuzz_model.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/random.h"
#include "tests/support/tiny_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXTS = 4, CALLS = 200, MAX_TOKENS = 2 * TINY_CONTEXT };

typedef struct {
    Random random;
    foretell_session *session;
    foretell_text *texts[TEXTS]; /* NULL: not open */
    bool cancels;                /* the progress callback does */
} World;

static foretell_model *open_model(void) {
    char path[] = "/tmp/fuzz_foretell.XXXXXX";
    foretell_model *model;
    int file = mkstemp(path);
    require(file >= 0);
    close(file);
    tiny_model_write(path, 1);
    require(foretell_model_open(&model, path, NULL) == FORETELL_OK);
    unlink(path);
    return model;
}

static void check(foretell_status status) {
    require(status <= FORETELL_CANCELLED);
    const char *message = foretell_message();
    require(!status || (*message && strlen(message) < 1024 && !strpbrk(message, "\n\r\t\x1b")));
}

static int pick(World *w, int low, int high) { return random_int(&w->random, low, high); }

static int progress(void *context, uint64_t done, uint64_t total) {
    World *w = context;
    require(done <= total);
    return w->cancels && pick(w, 0, 3) == 0;
}

static int random_token(World *w) {
    if (random_chance(&w->random, 0.05)) return pick(w, -2, TINY_VOCAB + 2);
    return random_chance(&w->random, 0.5) ? pick(w, TINY_WORDS, TINY_VOCAB - 1) : pick(w, 0, TINY_VOCAB - 1);
}

static double any_worth(void *context, const foretell_candidate *candidate, const float *logits, size_t n) {
    require(n == TINY_VOCAB && candidate->token >= 0 && !isnan(logits[n - 1]));
    return *(const int *)context == 0 ? NAN : candidate->token % 7 / 7.0;
}

static double any_bound(void *context, const foretell_candidate *candidate) {
    return *(const int *)context == 1 ? 0.1 : candidate->token % 7 / 7.0 + 0.1;
}

static void set_something(World *w, foretell_text *text) {
    static const char *const lists[] = {"fe, alpha 0.5",
                                        "fe-k 3",
                                        "fe-k 30",
                                        "fe-depth 2",
                                        "fe-depth 3",
                                        "mirostat-tau 3",
                                        "temp 0",
                                        "temp 2, min-p 0, top-k 0",
                                        "wave sine:1:7",
                                        "fe-at word",
                                        "at number:temp=0.2",
                                        "at /a$/:alpha=1",
                                        "temp-policy kld",
                                        "fe-eager",
                                        "temp-policy linear",
                                        "preset wave",
                                        "logit-bias 300-inf",
                                        "fe-eog exclude",
                                        "no such, thing",
                                        "dry-multiplier 1",
                                        "temp 0.7, seed 5",
                                        "mirostat-tau 0",
                                        "temp-policy edt",
                                        "repeat-penalty 1.3",
                                        "samplers none",
                                        "no-repeat-ngram 2"};
    static int kinds[3] = {0, 1, 2};
    const char *list = lists[pick(w, 0, (int)(sizeof lists / sizeof *lists) - 1)];
    foretell_scorer scorer = {sizeof scorer, any_worth, pick(w, 0, 1) ? any_bound : NULL, &kinds[pick(w, 0, 2)]};
    switch (pick(w, 0, 4)) {
    case 0:
        check(foretell_text_set(text, "fe", pick(w, 0, 1) ? "off" : NULL));
        break;
    case 1:
        check(foretell_text_set(text, "seed", pick(w, 0, 1) ? "12" : "-1"));
        break;
    case 2:
        check(foretell_text_scorer(text, pick(w, 0, 1) ? &scorer : NULL));
        break;
    default:
        check(foretell_text_set(text, "settings", list));
        break;
    }
}

static void check_rest(foretell_text *text) {
    const char *rest;
    size_t n;
    foretell_status status = foretell_text_rest(text, &rest, &n);
    check(status);
    if (!status) require(strnlen(rest, n) <= n);
}

static void check_step(World *w, foretell_text *text, const foretell_step *step) {
    const int32_t *tokens;
    size_t n;
    check_rest(text);
    (void)w;
    check(foretell_text_tokens(text, &tokens, &n));
    require(step->n_bytes == 0 || step->bytes != NULL);
    if (step->end == FORETELL_GOES_ON) require(n == (size_t)step->position + 1 && tokens[n - 1] == step->token);
    require(step->chosen < (int)step->n_candidates);
    if (step->chosen >= 0) require(step->candidates[step->chosen].token == step->token);
}

static void step_all(World *w) {
    foretell_text *texts[TEXTS + 1];
    foretell_step steps[TEXTS + 1];
    size_t n = 0;
    for (int i = 0; i < TEXTS; i++) {
        if (!w->texts[i] || pick(w, 0, 2) == 0) continue;
        steps[n].size = sizeof steps[n];
        texts[n++] = w->texts[i];
    }
    if (n > 0 && pick(w, 0, 30) == 0) {
        steps[n].size = sizeof steps[n];
        texts[n++] = texts[0];
    }
    foretell_status status = foretell_texts_next(texts, n, steps);
    check(status);
    for (size_t i = 0; i < n && !status; i++) check_step(w, texts[i], &steps[i]);
}

static void step_one(World *w, foretell_text *text) {
    foretell_step step = {.size = pick(w, 0, 30) ? sizeof step : (size_t)pick(w, 0, 64)};
    foretell_status status =
        pick(w, 0, 2) ? foretell_text_next(text, &step) : foretell_text_force(text, random_token(w), &step);
    check(status);
    if (!status) check_step(w, text, &step);
}

static void append_something(World *w, foretell_text *text) {
    static const char words[] = "a b ab 1 \xc3\xa9 </s>";
    int32_t tokens[8];
    foretell_score scores[8];
    size_t n = (size_t)pick(w, 0, 8);
    for (size_t i = 0; i < n; i++) tokens[i] = random_token(w);
    switch (pick(w, 0, 2)) {
    case 0:
        check(foretell_text_append(text, words, (size_t)pick(w, 0, (int)sizeof words - 1), (unsigned)pick(w, 0, 4)));
        break;
    case 1:
        check(foretell_text_append_tokens(text, tokens, n));
        break;
    default:
        check(foretell_text_score(text, tokens, n, scores));
        break;
    }
}

static void open_or_fork(World *w, int i) {
    foretell_text_options options = {
        .size = sizeof options, .number = pick(w, -1, 3), .report = (unsigned)pick(w, 0, 4)};
    int from = pick(w, 0, TEXTS - 1);
    check(pick(w, 0, 1) ? foretell_text_open(&w->texts[i], w->session, &options)
                        : foretell_text_fork(w->texts[from], &w->texts[i]));
}

static void do_something(World *w) {
    int i = pick(w, 0, TEXTS - 1);
    foretell_text *text = w->texts[i];
    const float *logits;
    char value[64];
    size_t n;
    switch (pick(w, 0, 13)) {
    case 0:
    case 1:
        if (!text) open_or_fork(w, i);
        break;
    case 2:
        foretell_text_close(text);
        w->texts[i] = NULL;
        break;
    case 3:
        set_something(w, text);
        break;
    case 4:
    case 5:
        append_something(w, text);
        break;
    case 6:
        step_all(w);
        break;
    case 7:
        check(foretell_text_rewind(text, (size_t)pick(w, 0, 40)));
        break;
    case 8:
        check(foretell_text_logits(text, &logits, &n));
        break;
    case 9:
        check(pick(w, 0, 1) ? foretell_text_stop(text, "ab", 2) : foretell_text_ban(text, "a", (size_t)pick(w, 0, 1)));
        break;
    case 10:
        check(foretell_text_chain(text, value, (size_t)pick(w, 0, 64), &n));
        break;
    case 11:
        if (pick(w, 0, 9) == 0) foretell_session_cancel(w->session);
        w->cancels = pick(w, 0, 1);
        check_rest(text);
        break;
    default:
        step_one(w, text);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static foretell_model *model;
    if (size == 0) return 0;
    omp_set_num_threads(1);
    if (!model) model = open_model();
    long alive = memory_hooks_alive();
    World w = {.random = random_from_bytes(data, size)};
    foretell_session_options options = {.size = sizeof options,
                                        .context = pick(&w, 0, TINY_CONTEXT),
                                        .texts = pick(&w, 1, TEXTS),
                                        .candidates = pick(&w, 0, 6),
                                        .depth = pick(&w, 0, 2),
                                        .kv_f32 = pick(&w, 0, 1),
                                        .threads = 1,
                                        .progress = progress,
                                        .context_of_progress = &w};
    check(foretell_session_open(&w.session, model, &options));
    for (int i = 0; i < CALLS && w.session && !random_ended(&w.random); i++) do_something(&w);
    if (pick(&w, 0, 1)) foretell_session_close(w.session), w.session = NULL;
    for (int i = 0; i < TEXTS; i++) foretell_text_close(w.texts[i]);
    foretell_session_close(w.session);
    require(memory_hooks_alive() == alive);
    return 0;
}

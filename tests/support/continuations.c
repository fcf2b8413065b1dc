#include "tests/support/continuations.h"

#include <math.h>
#include <string.h>

#include "tests/support/test.h"

#include "sampler/future/plain_future.h"

const int continuations_prompt[CONTINUATIONS_PROMPT] = {1, 3, 2, 4};

Sequence continuations_start(Session **session, const Model *model, SessionOptions options, int *history) {
    Error error;
    must(session_open(session, model, options, &error) &&
             session_prefill(*session, TRUNK, continuations_prompt, CONTINUATIONS_PROMPT, &error),
         &error);
    memcpy(history, continuations_prompt, sizeof continuations_prompt);
    return (Sequence){.branch = TRUNK, .history = history, .length = CONTINUATIONS_PROMPT};
}

SessionOptions random_session_options(Random *random, int context) {
    return (SessionOptions){.context = context,
                            .kv = random_chance(random, 0.5) ? KV_F16 : KV_F32,
                            .threads = random_int(random, 1, 2),
                            .batch = 2,
                            .block_rows = random_int(random, 1, 5)};
}

static double log_sum_exp(const float *logits, int n) {
    double max = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++) max = fmax(max, logits[i]);
    for (int i = 0; i < n; i++) sum += exp(logits[i] - max);
    return max + log(sum);
}

void figures_add(Figures *figures, const float *logits, int vocab_size, int n, int token) {
    double log_sum = log_sum_exp(logits, vocab_size);
    for (int i = 0; i < vocab_size; i++) figures->entropy -= exp(logits[i] - log_sum) * (logits[i] - log_sum);
    figures->log_prob += logits[token] - log_sum;
    float top[1024];
    assert_true(n <= 1024);
    if (figures->steps > 0) figures->future += plain_future_entropy(logits, vocab_size, n, top);
    figures->steps++;
}

void figures_add_pairs(Figures *figures, const int *tokens, int n) {
    for (int i = 1; i < n; i++) {
        bool seen = false;
        for (int j = 1; j < i; j++) seen = seen || (tokens[j - 1] == tokens[i - 1] && tokens[j] == tokens[i]);
        figures->pairs++;
        figures->distinct += !seen;
    }
}

void assert_same_figures(const Figures *a, const Figures *b) {
    assert_int_equal(a->steps, b->steps);
    assert_int_equal(a->pairs, b->pairs);
    assert_int_equal(a->distinct, b->distinct);
    assert_that(fabs(a->log_prob - b->log_prob), <, 1e-4 * (1 + fabs(b->log_prob)));
    assert_that(fabs(a->entropy - b->entropy), <, 1e-4 * (1 + b->entropy));
    assert_that(fabs(a->future - b->future), <, 1e-4 * (1 + b->future));
}

void assert_same_clock(const WaveClock *a, const WaveClock *b) {
    assert_memory_equal(a->count, b->count, sizeof a->count);
    assert_int_equal(a->last, b->last);
}

void assert_same_state(const SamplerState *a, const SamplerState *b) {
    assert_that(a->mirostat.mu, ==, b->mirostat.mu);
    assert_same_clock(&a->clock, &b->clock);
    assert_int_equal(a->window.count, b->window.count);
    assert_int_equal(a->window.next, b->window.next);
    assert_memory_equal(a->window.entropy, b->window.entropy, sizeof a->window.entropy);
    assert_that(a->prompt_entropy, ==, b->prompt_entropy);
    assert_memory_equal(&a->place, &b->place, sizeof a->place); /* bytes only: no padding */
}

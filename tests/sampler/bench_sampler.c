/* What a step costs beside the model: microseconds for each of the sampler's operations, over flat logits (as random
 * weights give: nearly everything survives, the worst case) and over peaked ones (as a trained model's are), the least
 * of several runs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sampler/chain/draw.h"
#include "sampler/future/future.h"
#include "sampler/sampler.h"
#include "tensor/row.h"

enum { ROWS = 20, RUNS = 60, TOP = 20 };

typedef struct {
    int vocab;
    float *logits; /* (ROWS, vocab) */
    Candidates candidates;
    SamplerState state;
    int position;
    double sink; /* what is computed must be used */
} Bench;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Sums of a few numbers of a generator: bell-shaped. */
static float bell(uint32_t *state) {
    float sum = -2;
    for (int i = 0; i < 4; i++) {
        *state = *state * 1664525u + 1013904223u;
        sum += (float)(*state >> 8) / (1 << 24);
    }
    return sum * 1.732f;
}

static void fill(Bench *b, float spread) {
    uint32_t state = 1;
    for (int i = 0; i < ROWS * b->vocab; i++) b->logits[i] = spread * bell(&state);
}

static void take(Bench *b) { candidates_from_logits(&b->candidates, b->logits, b->vocab); }

static void nothing(Bench *b) { (void)b; }

static void refresh(Bench *b) { candidates_refresh(&b->candidates); }

static void top_k(Bench *b) { candidates_top_k(&b->candidates, TOP); }

static void top_p(Bench *b) { candidates_top_p(&b->candidates, 0.95f); }

static void min_p(Bench *b) { candidates_min_p(&b->candidates, 0.05f); }

static void draw(Bench *b) { b->sink += draw_candidate(&b->candidates, 1, 1, b->position++, 0); }

static void look_one(Bench *b) {
    float scratch[TOP];
    b->sink += future_entropy(b->logits, b->vocab, TOP, scratch);
}

static void look_all(Bench *b) {
    float scratch[TOP];
    for (int i = 0; i < ROWS; i++) b->sink += future_entropy(row(b->logits, i, b->vocab), b->vocab, TOP, scratch);
}

static void chain(Bench *b) {
    const Sampler sampler = sampler_default();
    SamplerContext context = {0};
    Error error;
    take(b);
    sampler_apply(&sampler, &b->state, &context, &b->candidates, &error);
    b->sink += sampler_temperature(&sampler, &b->state, &b->candidates);
    draw(b);
}

static const struct {
    const char *what;
    void (*prepare)(Bench *b), (*run)(Bench *b);
} operations[] = {
    {"candidates_from_logits", nothing, take},
    {"candidates_refresh", take, refresh},
    {"candidates_top_k 20", take, top_k},
    {"candidates_top_p .95", take, top_p},
    {"candidates_min_p .05", take, min_p},
    {"draw_candidate, T 1", take, draw},
    {"the default chain and draw", nothing, chain},
    {"future_entropy, n 20, 1 row", nothing, look_one},
    {"future_entropy, n 20, 20 rows", nothing, look_all},
};

static double least(Bench *b, int which) {
    double best = INFINITY;
    for (int i = 0; i < RUNS; i++) {
        operations[which].prepare(b);
        double start = seconds();
        operations[which].run(b);
        best = fmin(best, seconds() - start);
    }
    return best * 1e6;
}

static bool measure(int vocab) {
    Error error;
    Bench b = {.vocab = vocab, .logits = malloc((size_t)vocab * ROWS * sizeof(float))};
    if (!b.logits || !candidates_open(&b.candidates, vocab, &error)) return false;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        fill(&b, 1);
        double flat = least(&b, (int)i);
        fill(&b, 4);
        printf("%-32s %8d %10.1f %10.1f\n", operations[i].what, vocab, flat, least(&b, (int)i));
    }
    candidates_close(&b.candidates);
    free(b.logits);
    return isfinite(b.sink);
}

int main(void) {
    printf("%-32s %8s %10s %10s   microseconds\n", "sampler", "V", "flat", "peaked");
    return measure(32000) && measure(128256) ? 0 : 1;
}

#include "sampler/chain/draw.h"

#include <float.h>
#include <math.h>

#include "sampler/chain/floats.h"
#include "sampler/chain/noise.h"

#define MOST_NOISE 23   /* an upper limit of the noise: u < 1 - 2^-33 */
#define SLACK      1e-3 /* far more than the rounding errors of the floats below */

/* The search for the largest key, logit / T + noise. A token's noise is at most noise_bound of its word; the exact
 * noise is computed only for the few tokens whose bound reaches the best key so far. */
typedef struct {
    const Candidates *candidates;
    double temperature;
    uint64_t seed;
    int position, sequence;
    float max, per_degree; /* the largest logit, 1 / T */
    double max_key;        /* max / T */
    int best;
    double best_key;
} Search;

/* The bounds are compared with key - max / T: these differences stay precise for logits of any size. */
static float limit_of(const Search *search) {
    return (float)(search->best_key - search->max_key - SLACK - 4 * DBL_EPSILON * fabs(search->max_key));
}

CLONES static float split(const Candidate *items, int n, float max, float per_degree, int *tokens, float *keys) {
    float largest = -INFINITY;
    FLOATS_MAX_IN(largest)
    for (int i = 0; i < n; i++) {
        tokens[i] = items[i].token;
        keys[i] = (items[i].logit - max) * per_degree;
        largest = keys[i] > largest ? keys[i] : largest;
    }
    return largest;
}

CLONES static int add_bounds(float *keys, const uint32_t *words, int n, float limit) {
    int reaching = 0;
    for (int i = 0; i < n; i++) {
        keys[i] += noise_bound(words[i]);
        reaching += keys[i] >= limit;
    }
    return reaching;
}

static void compare(Search *search, int i) {
    const Candidate *item = &search->candidates->items[i];
    double key = item->logit / search->temperature +
                 noise_gumbel(search->seed, item->token, search->position, search->sequence, NOISE_DRAW);
    if (key < search->best_key) return;
    if (key == search->best_key && item->token > search->candidates->items[search->best].token) return;
    search->best = i;
    search->best_key = key;
}

static void search_block(Search *search, int start, int n) {
    int tokens[FLOATS_BLOCK];
    float keys[FLOATS_BLOCK], limit = limit_of(search);
    uint32_t words[FLOATS_BLOCK];
    float largest = split(search->candidates->items + start, n, search->max, search->per_degree, tokens, keys);
    if (largest + MOST_NOISE < limit) return;
    noise_words(words, tokens, n, search->seed, search->position, search->sequence, NOISE_DRAW);
    if (add_bounds(keys, words, n, limit) == 0) return;
    for (int i = 0; i < n; i++)
        if (keys[i] >= limit_of(search)) compare(search, start + i);
}

int draw_candidate(const Candidates *candidates, double temperature, uint64_t seed, int position, int sequence) {
    int best = candidates_argmax(candidates), n = candidates->count;
    float max = candidates->items[best].logit;
    if (temperature < DRAW_GREEDY_BELOW || max == -INFINITY) return best;
    Search search = {candidates,        temperature, seed,     position, sequence, max, (float)(1 / temperature),
                     max / temperature, best,        -INFINITY};
    compare(&search, best);
    for (int start = 0; start < n; start += FLOATS_BLOCK)
        search_block(&search, start, n - start < FLOATS_BLOCK ? n - start : FLOATS_BLOCK);
    return search.best;
}

#include "sampler/draw.h"

#include <math.h>

#include "sampler/noise.h"

int draw_candidate(const Candidates *candidates, double temperature, uint64_t seed, int position, int sequence) {
    int best = candidates_argmax(candidates);
    if (temperature < DRAW_GREEDY_BELOW) return best;
    double best_key = -INFINITY;
    for (int i = 0; i < candidates->count; i++) {
        const Candidate *item = &candidates->items[i];
        double key = item->logit / temperature + noise_gumbel(seed, item->token, position, sequence, NOISE_DRAW);
        if (key > best_key || (key == best_key && item->token < candidates->items[best].token)) {
            best = i;
            best_key = key;
        }
    }
    return best;
}

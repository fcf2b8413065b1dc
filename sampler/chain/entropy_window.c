#include "sampler/chain/entropy_window.h"

#include <assert.h>

void entropy_window_add(EntropyWindow *window, double entropy) {
    window->entropy[window->next] = entropy;
    window->next = (window->next + 1) % ENTROPY_WINDOW_STEPS;
    if (window->count < ENTROPY_WINDOW_STEPS) window->count++;
}

double entropy_window_percentile(const EntropyWindow *window, double fraction) {
    int n = window->count;
    assert(n >= 1 && fraction >= 0 && fraction <= 1);
    double sorted[ENTROPY_WINDOW_STEPS];
    for (int i = 0; i < n; i++) {
        int place = i;
        for (; place > 0 && sorted[place - 1] > window->entropy[i]; place--) sorted[place] = sorted[place - 1];
        sorted[place] = window->entropy[i];
    }
    double at = fraction * (n - 1);
    int below = (int)at;
    if (below >= n - 1) return sorted[n - 1];
    return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}

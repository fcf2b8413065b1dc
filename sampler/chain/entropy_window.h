/* Entropy window: the entropies of the last steps, and their percentiles: they say what high and low entropy are in this
 * text, where no entropy-range is given. Exact and of fixed size; it copies with `=`, so it rewinds and forks with the
 * branch that owns it. */
#ifndef SAMPLER_CHAIN_ENTROPY_WINDOW_H
#define SAMPLER_CHAIN_ENTROPY_WINDOW_H

#define ENTROPY_WINDOW_STEPS 64

typedef struct {
    double entropy[ENTROPY_WINDOW_STEPS]; /* nats; a ring of which `count` are filled */
    int count, next;
} EntropyWindow; /* all zero: nothing was seen */

/* The newest takes the place of the oldest once the window is full. */
void entropy_window_add(EntropyWindow *window, double entropy);

/* fraction in [0, 1]: 0 the smallest, 1 the largest, straight between neighbours in sorted order (of n values the i-th
 * stands at i/(n-1)). At least one was seen. */
double entropy_window_percentile(const EntropyWindow *window, double fraction);

#endif

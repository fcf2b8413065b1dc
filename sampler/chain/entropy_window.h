/* Entropy window: the entropies of the last steps and their exact percentiles. Without the setting entropy-range these
 * tell what counts as low and high entropy in this text. Plain data of fixed size: copied with `=`, it forks and
 * rewinds with its sequence. */
#ifndef SAMPLER_CHAIN_ENTROPY_WINDOW_H
#define SAMPLER_CHAIN_ENTROPY_WINDOW_H

#define ENTROPY_WINDOW_STEPS 64

typedef struct {
    double entropy[ENTROPY_WINDOW_STEPS]; /* nats; a ring buffer with `count` entries in use */
    int count, next;
} EntropyWindow; /* all zero: empty */

/* Adds an entropy. In a full window it replaces the oldest one. */
void entropy_window_add(EntropyWindow *window, double entropy);

/* The percentile at `fraction` in [0, 1]: 0 gives the smallest value, 1 the largest. Interpolates linearly between
 * neighbours in sorted order; of n values the i-th, from 0, is at i / (n - 1). The window must not be empty. */
double entropy_window_percentile(const EntropyWindow *window, double fraction);

#endif

/* Ranking: figures of whole continuations, gathered while they are written, and the order that they give.
 *
 *   logprob      mean of ln p over the steps, natural probabilities, nats
 *   entropy:X    - |mean H - X|, H the entropy in nats of what each step drew from: nearest to X is best
 *   future       mean Hhat of the tokens that another step followed (future.h): how open the text kept its next step
 *   distinct2    different pairs of neighbours / pairs of neighbours (Li et al. 2016, 1510.03055)
 *
 * A ranking is a weighted sum of them, the largest is the best: "logprob", "entropy:2.5", "logprob,0.5*distinct2".
 * A step is a token drawn, that which ended the text included. Figures are of the model alone, whatever sampled. */
#ifndef SAMPLER_TEXT_RANKING_H
#define SAMPLER_TEXT_RANKING_H

#include "sampler/chain/candidates.h"

typedef enum { METRIC_LOGPROB, METRIC_ENTROPY, METRIC_FUTURE, METRIC_DISTINCT2, METRICS } Metric;

extern const char *const ranking_metric_names[METRICS];

/* All zero before the first step; copies with `=` where a text forks. */
typedef struct {
    int steps;
    double log_prob, entropy; /* sums over the steps, nats */
    double future;            /* sum over the steps but the first */
    int pairs, distinct;      /* of neighbouring tokens of the continuation */
} Figures;

/* What one step drew from. */
typedef struct {
    double entropy, hhat; /* H, nats; Hhat of the token before */
} Reading;

/* Reads logits. It allocates in ranking_open alone. */
typedef struct {
    Candidates natural; /* of the logits read last, in token order; the caller may truncate them */
    float *scratch;
    int n; /* next tokens that Hhat reads, >= 2 */
} Gauge;

bool ranking_open(Gauge *gauge, int vocab_size, int n, Error *error);
void ranking_close(Gauge *gauge);
/* logits (vocab_size,) */
Reading ranking_read(Gauge *gauge, const float *logits);

/* Counts a step: -ln p of the token drawn. */
void ranking_count_step(Figures *figures, Reading reading, double surprisal);
/* Counts the last of n >= 1 tokens of the continuation (no end of text among them). Time is O(n). */
void ranking_count_token(Figures *figures, const int *tokens, int n);

/* The mean, or for METRIC_ENTROPY mean H itself; 0 where there is nothing to take a mean of. */
double ranking_figure(const Figures *figures, Metric metric);

/* Plain data. */
typedef struct {
    double weight[METRICS]; /* 0: not counted */
    double target;          /* of entropy, nats */
} Ranking;

/* "[WEIGHT*]METRIC,..." with METRIC logprob, entropy:TARGET, future or distinct2, each at most once. A mistake changes
 * nothing. Errors begin with `flag`, which the caller chooses: no such metric, a number out of range, a metric twice, no target. */
bool ranking_parse(Ranking *ranking, const char *text, const char *flag, Error *error);

double ranking_score(const Ranking *ranking, const Figures *figures);

/* order (n,): the indices of the scores from the largest down, the lower first among equals. */
void ranking_order(int *order, const double *scores, int n);

#endif

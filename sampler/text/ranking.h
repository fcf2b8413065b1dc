/* Ranking: figures of whole continuations, summed while they are written, and the order that these give.
 *
 *   logprob      mean of ln p over the steps, natural probabilities, nats
 *   entropy:X    - |mean H - X|, H the entropy of each step's distribution in nats: nearest to X is best
 *   future       mean Hhat (future.h) of all tokens but the last: how open the text kept its next step
 *   distinct2    different pairs of neighbours / pairs of neighbours (Li et al. 2016, 1510.03055)
 *
 * A ranking is a weighted sum of these; the largest sum is the best: "logprob", "entropy:2.5", "logprob,0.5*distinct2".
 * A step is a drawn token, including the one that ends the text. All figures are those of the model's own distribution,
 * before the sampler changes it. */
#ifndef SAMPLER_TEXT_RANKING_H
#define SAMPLER_TEXT_RANKING_H

#include "sampler/chain/candidates.h"

typedef enum { METRIC_LOGPROB, METRIC_ENTROPY, METRIC_FUTURE, METRIC_DISTINCT2, METRICS } Metric;

extern const char *const ranking_metric_names[METRICS];

/* All zero before the first step. A forked text copies it with `=`. */
typedef struct {
    int steps;
    double log_prob, entropy; /* sums over the steps, nats */
    double future;            /* sum over all steps but the first */
    int pairs, distinct;      /* of neighbouring tokens of the continuation */
} Figures;

/* The distribution of one step. */
typedef struct {
    double entropy, hhat; /* H, nats; Hhat of the previous token */
} Reading;

/* Memory to read logits with; only ranking_open allocates. */
typedef struct {
    Candidates natural; /* of the logits that were read last, in token order; the caller may truncate them */
    float *scratch;
    int n; /* the number of likeliest next tokens that Hhat reads, >= 2 */
} Gauge;

bool ranking_open(Gauge *gauge, int vocab_size, int n, Error *error);
void ranking_close(Gauge *gauge);
/* logits (vocab_size,) */
Reading ranking_read(Gauge *gauge, const float *logits);

/* Adds a step. surprisal: -ln p of the drawn token, nats. */
void ranking_count_step(Figures *figures, Reading reading, double surprisal);
/* Adds the last of the n >= 1 tokens of the continuation; a token that ends the text is not among them. Takes O(n). */
void ranking_count_token(Figures *figures, const int *tokens, int n);

/* The mean; for METRIC_ENTROPY it is the mean H itself. 0 if nothing was added. */
double ranking_figure(const Figures *figures, Metric metric);

/* Plain data. */
typedef struct {
    double weight[METRICS]; /* 0: not used */
    double target;          /* of entropy, nats */
} Ranking;

/* Parses "[WEIGHT*]METRIC,..." with METRIC logprob, entropy:TARGET, future or distinct2, each at most once. After an
 * error *ranking is unchanged. Errors begin with `flag`, which the caller chooses: no such metric, a number out of
 * range, a metric twice, no target. */
bool ranking_parse(Ranking *ranking, const char *text, const char *flag, Error *error);

double ranking_score(const Ranking *ranking, const Figures *figures);

/* order (n,): the indices of the scores (n,), largest score first, lower index first among equals. */
void ranking_order(int *order, const double *scores, int n);

#endif

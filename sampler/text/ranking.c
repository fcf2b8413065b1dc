#include "sampler/text/ranking.h"

#include <math.h>
#include <string.h>

#include "sampler/chain/number.h"
#include "sampler/future/future.h"
#include "tensor/memory.h"

const char *const ranking_metric_names[METRICS] = {"logprob", "entropy", "future", "distinct2"};

bool ranking_open(Gauge *gauge, int vocab_size, int n, Error *error) {
    *gauge = (Gauge){.n = n < vocab_size ? n : vocab_size};
    gauge->scratch = memory_alloc((size_t)gauge->n, sizeof *gauge->scratch, "largest logits", error);
    if (gauge->n < 2) gauge->n = 2; /* the vocabulary has one token */
    if (gauge->scratch && candidates_open(&gauge->natural, vocab_size, error)) return true;
    ranking_close(gauge);
    return false;
}

void ranking_close(Gauge *gauge) {
    candidates_close(&gauge->natural);
    memory_free(gauge->scratch);
    gauge->scratch = NULL;
}

Reading ranking_read(Gauge *gauge, const float *logits) {
    int vocab_size = gauge->natural.capacity;
    candidates_from_logits(&gauge->natural, logits, vocab_size);
    return (Reading){gauge->natural.entropy, future_entropy(logits, vocab_size, gauge->n, gauge->scratch)};
}

void ranking_count_step(Figures *figures, Reading reading, double surprisal) {
    if (figures->steps++ > 0) figures->future += reading.hhat;
    figures->log_prob -= surprisal;
    figures->entropy += reading.entropy;
}

void ranking_count_token(Figures *figures, const int *tokens, int n) {
    if (n < 2) return;
    bool is_new = true;
    for (int i = 1; i < n - 1 && is_new; i++) is_new = tokens[i - 1] != tokens[n - 2] || tokens[i] != tokens[n - 1];
    figures->pairs++;
    figures->distinct += is_new;
}

static double mean(double sum, int n) { return n > 0 ? sum / n : 0; }

double ranking_figure(const Figures *figures, Metric metric) {
    switch (metric) {
    case METRIC_LOGPROB:
        return mean(figures->log_prob, figures->steps);
    case METRIC_ENTROPY:
        return mean(figures->entropy, figures->steps);
    case METRIC_FUTURE:
        return mean(figures->future, figures->steps - 1);
    default:
        return mean(figures->distinct, figures->pairs);
    }
}

double ranking_score(const Ranking *ranking, const Figures *figures) {
    double score = 0;
    for (int i = 0; i < METRICS; i++) {
        double value = ranking_figure(figures, (Metric)i);
        if (i == METRIC_ENTROPY) value = -fabs(value - ranking->target);
        if (ranking->weight[i] != 0) score += ranking->weight[i] * value;
    }
    return score;
}

/* Parses one term, text[0, length). */
static bool parse_term(Ranking *ranking, const char *text, size_t length, const char *flag, Error *error) {
    const char *star = memchr(text, '*', length), *name = star ? star + 1 : text;
    size_t n_name = length - (size_t)(name - text);
    const char *colon = memchr(name, ':', n_name);
    size_t n_rest = colon ? n_name - (size_t)(colon - name) - 1 : 0;
    double weight = 1;
    if (star &&
        !number_parse(&weight, text, (size_t)(star - text), (NumberRange){.low = -1e6, .high = 1e6}, flag, error))
        return false;
    if (weight == 0)
        return error_set(error, "%s: expected a weight that is not 0, got '%.*s'", flag, (int)length, text);
    if (colon) n_name = (size_t)(colon - name);
    int metric = 0;
    while (metric < METRICS &&
           (strlen(ranking_metric_names[metric]) != n_name || memcmp(ranking_metric_names[metric], name, n_name) != 0))
        metric++;
    if (metric == METRICS || (colon != NULL) != (metric == METRIC_ENTROPY))
        return error_set(error, "%s: expected logprob, entropy:TARGET, future or distinct2, got '%.*s'", flag,
                         (int)length, text);
    if (ranking->weight[metric] != 0)
        return error_set(error, "%s: expected each metric once, got %s twice", flag, ranking_metric_names[metric]);
    ranking->weight[metric] = weight;
    return !colon ||
           number_parse(&ranking->target, colon + 1, n_rest, (NumberRange){.low = 0, .high = 100}, flag, error);
}

bool ranking_parse(Ranking *ranking, const char *text, const char *flag, Error *error) {
    Ranking parsed = {0};
    for (size_t length;; text += length + 1) {
        length = strcspn(text, ",");
        if (!parse_term(&parsed, text, length, flag, error)) return false;
        if (text[length] == '\0') break;
    }
    *ranking = parsed;
    return true;
}

void ranking_order(int *order, const double *scores, int n) {
    for (int i = 0; i < n; i++) {
        int at = i;
        for (; at > 0 && scores[order[at - 1]] < scores[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
}

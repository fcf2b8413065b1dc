#include "model/config.h"

#include <math.h>

static bool check_range(const char *name, int value, int high, Error *error) {
    if (value >= 1 && value <= high) return true;
    return error_set(error, "%s: expected 1 to %d, got %d", name, high, value);
}

static bool check_positive(const char *name, float value, Error *error) {
    if (isfinite(value) && value > 0) return true;
    return error_set(error, "%s: expected a positive number, got %g", name, (double)value);
}

static bool check_relations(const Config *config, Error *error) {
    if (config->n_heads % config->n_kv_heads != 0)
        return error_set(error, "n_kv_heads: expected a divisor of n_heads %d, got %d", config->n_heads,
                         config->n_kv_heads);
    if ((long long)config->n_heads * config->head_dim > CONFIG_MAX_DIM)
        return error_set(error, "head_dim: expected n_heads %d of at most %d values together, got %d each",
                         config->n_heads, CONFIG_MAX_DIM, config->head_dim);
    if (config->rope_dim % 2 != 0)
        return error_set(error, "rope_dim: expected an even number, got %d", config->rope_dim);
    return true;
}

bool config_check(const Config *config, Error *error) {
    return check_range("dim", config->dim, CONFIG_MAX_DIM, error) &&
           check_range("hidden_dim", config->hidden_dim, CONFIG_MAX_DIM, error) &&
           check_range("n_layers", config->n_layers, CONFIG_MAX_LAYERS, error) &&
           check_range("n_heads", config->n_heads, CONFIG_MAX_DIM, error) &&
           check_range("n_kv_heads", config->n_kv_heads, config->n_heads, error) &&
           check_range("head_dim", config->head_dim, CONFIG_MAX_DIM, error) &&
           check_range("rope_dim", config->rope_dim, config->head_dim, error) &&
           check_range("vocab_size", config->vocab_size, CONFIG_MAX_VOCAB, error) &&
           check_range("context_length", config->context_length, CONFIG_MAX_CONTEXT, error) &&
           check_positive("rope_theta", config->rope_theta, error) &&
           check_positive("rms_epsilon", config->rms_epsilon, error) && check_relations(config, error);
}

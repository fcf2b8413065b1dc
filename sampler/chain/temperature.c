#include "sampler/chain/temperature.h"

#include <assert.h>
#include <math.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/target.h"

/* ---- The policies, in the order of the header ---- */

static double clamp01(double x) { return fmin(fmax(x, 0), 1); }

static double between(double low, double high, double weight) { return low + (high - low) * weight; }

static double fixed(const TemperaturePolicy *policy, const TemperatureInput *input) {
    (void)input;
    return policy->base;
}

void temperature_entropy_range(const TemperaturePolicy *policy, const TemperatureInput *input, double *low,
                               double *high) {
    bool given = policy->entropy_high > 0;
    *low = given ? policy->entropy_low : input->observed_low;
    *high = given ? policy->entropy_high : input->observed_high;
}

static double linear(const TemperaturePolicy *policy, const TemperatureInput *input) {
    double low, high, entropy = fmin(input->entropy, policy->entropy_cap);
    temperature_entropy_range(policy, input, &low, &high);
    low = fmin(low, policy->entropy_cap);
    high = fmin(high, policy->entropy_cap);
    if (low < high) return between(policy->low, policy->high, clamp01((entropy - low) / (high - low)));
    return between(policy->low, policy->high, entropy < low ? 0 : entropy > low ? 1 : 0.5);
}

static double sigmoid(const TemperaturePolicy *policy, const TemperatureInput *input) {
    double weight = 1 / (1 + exp(-policy->sigmoid_k * (input->entropy - policy->sigmoid_mid)));
    return between(policy->low, policy->high, weight);
}

static double table(const TemperaturePolicy *policy, const TemperatureInput *input) {
    const TemperatureKnot *knots = policy->knots;
    int n = policy->n_knots, above = 0;
    while (above < n && knots[above].entropy <= input->entropy) above++;
    if (above == 0) return knots[0].temperature;
    if (above == n) return knots[n - 1].temperature;
    TemperatureKnot from = knots[above - 1], to = knots[above];
    return between(from.temperature, to.temperature, (input->entropy - from.entropy) / (to.entropy - from.entropy));
}

/* T0 * N^(theta/u). u = 0 gives the limit, 0, without a division by zero. For a tiny u the power underflows to 0. */
static double edt_rule(const TemperaturePolicy *policy, double uncertainty) {
    if (policy->edt_theta == 0) return policy->base;
    if (uncertainty <= 0) return 0;
    return policy->base * exp(policy->edt_theta * log(policy->edt_n) / uncertainty);
}

static double edt(const TemperaturePolicy *policy, const TemperatureInput *input) {
    return edt_rule(policy, input->entropy);
}

static double edt_instance(const TemperaturePolicy *policy, const TemperatureInput *input) {
    return edt_rule(policy, input->prompt_entropy);
}

double temperature_uncertainty(const TemperaturePolicy *policy, const TemperatureInput *input) {
    switch (policy->udt_measure) {
    case UDT_PMAX:
        return 1 - input->p1;
    case UDT_MARGIN:
        return 1 - (input->p1 - input->p2);
    default:
        return input->vocab_size > 1 ? clamp01(input->entropy / log(input->vocab_size)) : 0;
    }
}

static double udt(const TemperaturePolicy *policy, const TemperatureInput *input) {
    return edt_rule(policy, temperature_uncertainty(policy, input));
}

static double kld(const TemperaturePolicy *policy, const TemperatureInput *input) {
    return policy->base * exp2(-input->kl / policy->kld_sigma);
}

static double dynatemp(const TemperaturePolicy *policy, const TemperatureInput *input) {
    double low = fmax(0, policy->base - policy->dynatemp_range), high = policy->base + policy->dynatemp_range;
    int m = input->n_survivors;
    double normalised = m > 1 ? clamp01(input->survivors_entropy / log(m)) : 0;
    return between(low, high, pow(normalised, policy->dynatemp_exp));
}

double temperature_target(const TemperaturePolicy *policy, const TemperatureInput *input) {
    double nats = policy->target_nats >= 0 ? policy->target_nats : INFINITY;
    return policy->target_fraction >= 0 ? fmin(nats, policy->target_fraction * log(input->n_survivors)) : nats;
}

static double target(const TemperaturePolicy *policy, const TemperatureInput *input) {
    return target_temperature(input->survivors, temperature_target(policy, input), policy->low, policy->high);
}

const TemperatureRow temperature_policies[TEMPERATURE_KINDS] = {
    [TEMPERATURE_FIXED] = {"fixed", fixed, "T0", "", {"temp"}, true},
    [TEMPERATURE_LINEAR] = {"linear",
                            linear,
                            "Tmin + (Tmax-Tmin) * clamp((min(H,cap) - Hlo)/(Hhi - Hlo), 0, 1)",
                            "the article on entropy-guided sampling",
                            {"temp-range", "entropy-range", "entropy-cap"},
                            false},
    [TEMPERATURE_SIGMOID] = {"sigmoid",
                             sigmoid,
                             "Tmin + (Tmax-Tmin) / (1 + exp(-k (H - Hmid)))",
                             "the article on entropy-guided sampling",
                             {"temp-range", "sigmoid-k", "sigmoid-mid"},
                             false},
    [TEMPERATURE_TABLE] = {"table",
                           table,
                           "piecewise linear through (H, T) knots, clamped at the ends",
                           "the article on entropy-guided sampling",
                           {"temp-table"},
                           false},
    [TEMPERATURE_EDT] =
        {"edt", edt, "T0 * N^(theta/H)", "Zhang et al. 2024, 2403.14541", {"temp", "edt-theta", "edt-n"}, true},
    [TEMPERATURE_EDT_INSTANCE] = {"edt-instance",
                                  edt_instance,
                                  "T0 * N^(theta/Hprompt), one T for the sequence",
                                  "Zhang et al. 2024, 2403.14541, ablation",
                                  {"temp", "edt-theta", "edt-n"},
                                  true},
    [TEMPERATURE_UDT] = {"udt",
                         udt,
                         "T0 * N^(theta/u), u = 1 - p1, 1 - (p1 - p2) or H/ln V",
                         "after Zhang et al. 2024, 2403.14541, ablation; the measures are ours",
                         {"temp", "edt-theta", "edt-n", "udt-measure"},
                         true},
    [TEMPERATURE_KLD] =
        {"kld", kld, "T0 * 2^(-KL(p||p0)/sigma)", "Chang et al. 2023, 2306.01286", {"temp", "kld-sigma"}, true},
    [TEMPERATURE_DYNATEMP] = {"dynatemp",
                              dynatemp,
                              "Tmin + (Tmax-Tmin) * (Hs/ln m)^e, Tmin, Tmax = T0 -/+ range",
                              "llama.cpp, koboldcpp",
                              {"temp", "dynatemp-range", "dynatemp-exp"},
                              false},
    [TEMPERATURE_TARGET] = {"target",
                            target,
                            "T at which the survivors' entropy is X, or F ln m, nats",
                            "ours",
                            {"temp-range", "entropy-target"},
                            false},
};

double temperature_of(const TemperaturePolicy *policy, const TemperatureInput *input) {
    return temperature_policies[policy->kind].temperature(policy, input);
}

TemperaturePolicy temperature_default(void) {
    return (TemperaturePolicy){.kind = TEMPERATURE_FIXED,
                               .base = 0.8,
                               .low = 0.3,
                               .high = 1.8,
                               .entropy_cap = 6,
                               .sigmoid_k = 1,
                               .sigmoid_mid = 3,
                               .edt_theta = 0.2,
                               .edt_n = 0.8,
                               .kld_sigma = 1,
                               .dynatemp_range = 0.5,
                               .dynatemp_exp = 1,
                               .target_nats = -1,
                               .target_fraction = -1};
}

bool temperature_is_greedy(const TemperaturePolicy *policy) {
    return temperature_policies[policy->kind].scales_base && policy->base < DRAW_GREEDY_BELOW;
}

/* ---- How far one distribution is from another ---- */

typedef struct {
    double max, log_sum; /* ln p of a logit z is z - max - log_sum */
} Softmax;

static Softmax softmax_of(const float *logits, int n) {
    double max = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++) max = logits[i] > max ? logits[i] : max;
    assert(isfinite(max));
    for (int i = 0; i < n; i++) sum += exp(logits[i] - max);
    return (Softmax){max, log(sum)};
}

double temperature_kl(const float *p_logits, const float *q_logits, int n) {
    assert(n >= 1);
    Softmax p = softmax_of(p_logits, n), q = softmax_of(q_logits, n);
    double kl = 0;
    for (int i = 0; i < n; i++) {
        if (p_logits[i] == -INFINITY) continue; /* 0 ln 0 = 0 */
        if (q_logits[i] == -INFINITY) return INFINITY;
        double log_p = p_logits[i] - p.max - p.log_sum, log_q = q_logits[i] - q.max - q.log_sum;
        kl += exp(log_p) * (log_p - log_q);
    }
    return fmax(kl, 0); /* for equal distributions rounding may give a little below 0 */
}

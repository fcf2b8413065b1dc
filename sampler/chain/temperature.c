#include "sampler/chain/temperature.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/chain/draw.h"
#include "sampler/chain/line.h"
#include "sampler/chain/number.h"
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

/* T0 * N^(theta/u). The limit u -> 0 is taken by hand, as 1/0 has no place in it; u tiny underflows to 0 by itself. */
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
    [TEMPERATURE_FIXED] = {"fixed", fixed, "T0", ""},
    [TEMPERATURE_LINEAR] = {"linear", linear, "Tmin + (Tmax-Tmin) * clamp((min(H,cap) - Hlo)/(Hhi - Hlo), 0, 1)",
                            "the article on entropy-guided sampling"},
    [TEMPERATURE_SIGMOID] = {"sigmoid", sigmoid, "Tmin + (Tmax-Tmin) / (1 + exp(-k (H - Hmid)))",
                             "the article on entropy-guided sampling"},
    [TEMPERATURE_TABLE] = {"table", table, "piecewise linear through (H, T) knots, clamped at the ends",
                           "the article on entropy-guided sampling"},
    [TEMPERATURE_EDT] = {"edt", edt, "T0 * N^(theta/H)", "Zhang et al. 2024, 2403.14541"},
    [TEMPERATURE_EDT_INSTANCE] = {"edt-instance", edt_instance, "T0 * N^(theta/Hprompt), one T for the sequence",
                                  "Zhang et al. 2024, 2403.14541, ablation"},
    [TEMPERATURE_UDT] = {"udt", udt, "T0 * N^(theta/u), u = 1 - p1, 1 - (p1 - p2) or H/ln V",
                         "after Zhang et al. 2024, 2403.14541, ablation; the measures are ours"},
    [TEMPERATURE_KLD] = {"kld", kld, "T0 * 2^(-KL(p||p0)/sigma)", "Chang et al. 2023, 2306.01286"},
    [TEMPERATURE_DYNATEMP] = {"dynatemp", dynatemp, "Tmin + (Tmax-Tmin) * (Hs/ln m)^e, Tmin, Tmax = T0 -/+ range",
                              "llama.cpp, koboldcpp"},
    [TEMPERATURE_TARGET] = {"target", target, "T at which the survivors' entropy is X, or F ln m, nats", "ours"},
};

double temperature_of(const TemperaturePolicy *policy, const TemperatureInput *input) {
    return temperature_policies[policy->kind].temperature(policy, input);
}

/* ---- The parameters: what parses, checks and prints them ---- */

const char *const temperature_udt_measures[UDT_MEASURES] = {"pmax", "margin", "entropy"};

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

/* One row a flag that takes a number, or two: LO:HI. Its kinds are those that read it. */
typedef struct {
    const char *flag;
    unsigned kinds;
    size_t offset, offset_high; /* in TemperaturePolicy; 0: takes one number */
    NumberRange range;
} Parameter;

#define IN(field)  offsetof(TemperaturePolicy, field)
#define KIND(name) (1u << TEMPERATURE_##name)
#define EDT_KINDS  (KIND(EDT) | KIND(EDT_INSTANCE) | KIND(UDT))

#define KIND_SCALED (KIND(FIXED) | EDT_KINDS | KIND(KLD)) /* T is T0 times a number of at most 1 */

#define TABLE_FLAG  "--temp-table"
#define TARGET_FLAG "--entropy-target"
#define MAX_NATS    100 /* far above the ln V of any vocabulary */
#define MAX_TEMP    100

static const NumberRange nats = {0, MAX_NATS, false, false}, temperatures = {0, MAX_TEMP, false, false};
static const NumberRange fractions = {0, 1, false, false};

static const Parameter parameters[] = {
    {"--temp", KIND(FIXED) | EDT_KINDS | KIND(KLD) | KIND(DYNATEMP), IN(base), 0, {0, MAX_TEMP, false, false}},
    {"--temp-range", KIND(LINEAR) | KIND(SIGMOID) | KIND(TARGET), IN(low), IN(high), {0, MAX_TEMP, false, false}},
    {"--entropy-range", KIND(LINEAR), IN(entropy_low), IN(entropy_high), {0, MAX_NATS, false, false}},
    {"--entropy-cap", KIND(LINEAR), IN(entropy_cap), 0, {0, MAX_NATS, true, false}},
    {"--sigmoid-k", KIND(SIGMOID), IN(sigmoid_k), 0, {-100, 100, false, false}},
    {"--sigmoid-mid", KIND(SIGMOID), IN(sigmoid_mid), 0, {0, MAX_NATS, false, false}},
    {"--edt-theta", EDT_KINDS, IN(edt_theta), 0, {0, 100, false, false}},
    {"--edt-n", EDT_KINDS, IN(edt_n), 0, {0, 1, true, true}},
    {"--kld-sigma", KIND(KLD), IN(kld_sigma), 0, {0, 1000, true, false}},
    {"--dynatemp-range", KIND(DYNATEMP), IN(dynatemp_range), 0, {0, MAX_TEMP, false, false}},
    {"--dynatemp-exp", KIND(DYNATEMP), IN(dynatemp_exp), 0, {0, 100, false, false}},
};
enum { N_PARAMETERS = sizeof parameters / sizeof parameters[0] };

static double get(const TemperaturePolicy *policy, size_t offset) {
    double value;
    memcpy(&value, (const char *)policy + offset, sizeof value);
    return value;
}

static void put(TemperaturePolicy *policy, size_t offset, double value) {
    memcpy((char *)policy + offset, &value, sizeof value);
}

static bool is_ordered(const TemperaturePolicy *policy, const Parameter *row, Error *error) {
    double low = get(policy, row->offset), high = get(policy, row->offset_high);
    return low < high || error_set(error, "%s: expected LO below HI, got %.7g:%.7g", row->flag, low, high);
}

static bool set_parameter(TemperaturePolicy *policy, const Parameter *row, const char *text, Error *error) {
    size_t length = strlen(text);
    double low, high;
    if (row->offset_high == 0) {
        if (!number_parse(&low, text, length, row->range, row->flag, error)) return false;
        put(policy, row->offset, low);
        return true;
    }
    size_t colon = strcspn(text, ":");
    if (colon == length) return error_set(error, "%s: expected LO:HI, got '%s'", row->flag, text);
    if (!number_parse(&low, text, colon, row->range, row->flag, error)) return false;
    if (!number_parse(&high, text + colon + 1, length - colon - 1, row->range, row->flag, error)) return false;
    put(policy, row->offset, low);
    put(policy, row->offset_high, high);
    return is_ordered(policy, row, error);
}

/* A knot must lie above the one before it; how many there are, counted from 1, is its number. */
static bool check_knot(const TemperatureKnot *knots, int number, Error *error) {
    if (number == 1 || knots[number - 1].entropy > knots[number - 2].entropy) return true;
    return error_set(error, TABLE_FLAG ": knot %d: expected H above the %.7g of the knot before, got %.7g", number,
                     knots[number - 2].entropy, knots[number - 1].entropy);
}

static bool set_table(TemperaturePolicy *policy, const char *text, Error *error) {
    for (policy->n_knots = 0;;) {
        int number = policy->n_knots + 1;
        if (number > TEMPERATURE_KNOTS)
            return error_set(error, TABLE_FLAG ": expected at most %d knots, got more", TEMPERATURE_KNOTS);
        size_t length = strcspn(text, ","), colon = strcspn(text, ":");
        if (colon >= length)
            return error_set(error, TABLE_FLAG ": knot %d: expected H:T, got '%.*s'", number,
                             (int)(length < 200 ? length : 200), text);
        TemperatureKnot *knot = &policy->knots[policy->n_knots++];
        char what[64];
        snprintf(what, sizeof what, TABLE_FLAG ": knot %d: H", number);
        if (!number_parse(&knot->entropy, text, colon, nats, what, error)) return false;
        snprintf(what, sizeof what, TABLE_FLAG ": knot %d: T", number);
        size_t left = length - colon - 1;
        if (!number_parse(&knot->temperature, text + colon + 1, left, temperatures, what, error)) return false;
        if (!check_knot(policy->knots, number, error)) return false;
        if (text[length] == '\0') return true;
        text += length + 1;
    }
}

/* X, @F or X@F */
static bool set_target(TemperaturePolicy *policy, const char *text, Error *error) {
    size_t length = strcspn(text, "@");
    policy->target_nats = policy->target_fraction = -1;
    if (text[0] == '\0') return error_set(error, TARGET_FLAG ": expected NATS, @FRACTION or NATS@FRACTION, got ''");
    if (length > 0 && !number_parse(&policy->target_nats, text, length, nats, TARGET_FLAG, error)) return false;
    if (text[length] == '\0') return true;
    text += length + 1;
    return number_parse(&policy->target_fraction, text, strlen(text), fractions, TARGET_FLAG ": fraction", error);
}

static bool set_kind(TemperaturePolicy *policy, const char *text, Error *error) {
    char known[160];
    Line line = line_begin(known, sizeof known);
    for (int i = 0; i < TEMPERATURE_KINDS; i++) {
        const char *name = temperature_policies[i].name;
        if (strcmp(name, text) == 0) {
            policy->kind = (TemperatureKind)i;
            return true;
        }
        line_add(&line, "%s%s", i ? ", " : "", name);
        assert(line.length < (int)sizeof known);
    }
    return error_set(error, "--temp-policy: no such policy '%s': expected one of %s", text, known);
}

static bool set_measure(TemperaturePolicy *policy, const char *text, Error *error) {
    for (int i = 0; i < UDT_MEASURES; i++) {
        if (strcmp(temperature_udt_measures[i], text) != 0) continue;
        policy->udt_measure = (UdtMeasure)i;
        return true;
    }
    return error_set(error, "--udt-measure: no such measure '%s': expected pmax, margin or entropy", text);
}

static bool set_any(TemperaturePolicy *policy, const char *flag, const char *text, Error *error) {
    if (strcmp(flag, "temp-policy") == 0) return set_kind(policy, text, error);
    if (strcmp(flag, "udt-measure") == 0) return set_measure(policy, text, error);
    if (strcmp(flag, &TABLE_FLAG[2]) == 0) return set_table(policy, text, error);
    if (strcmp(flag, &TARGET_FLAG[2]) == 0) return set_target(policy, text, error);
    for (int i = 0; i < N_PARAMETERS; i++)
        if (strcmp(flag, parameters[i].flag + 2) == 0) return set_parameter(policy, &parameters[i], text, error);
    return error_set(error, "--%s: no such parameter of a temperature policy", flag);
}

bool temperature_set(TemperaturePolicy *policy, const char *flag, const char *text, Error *error) {
    TemperaturePolicy changed = *policy;
    if (!set_any(&changed, flag, text, error)) return false;
    *policy = changed;
    return true;
}

/* ---- Which parameters matter ---- */

static unsigned kinds_of(const char *flag) {
    if (strcmp(flag, "udt-measure") == 0) return KIND(UDT);
    if (strcmp(flag, &TABLE_FLAG[2]) == 0) return KIND(TABLE);
    if (strcmp(flag, &TARGET_FLAG[2]) == 0) return KIND(TARGET);
    for (int i = 0; i < N_PARAMETERS; i++)
        if (strcmp(flag, parameters[i].flag + 2) == 0) return parameters[i].kinds;
    return ~0u; /* --temp-policy */
}

/* "needs --temp-policy edt, edt-instance or udt" */
static bool needs_kind(unsigned kinds, Error *why) {
    char names[160];
    Line line = line_begin(names, sizeof names);
    int left = __builtin_popcount(kinds);
    for (int i = 0; i < TEMPERATURE_KINDS; i++) {
        if (!(kinds >> i & 1)) continue;
        left--;
        line_add(&line, "%s%s", temperature_policies[i].name, left > 1 ? ", " : left ? " or " : "");
    }
    return error_set(why, "needs --temp-policy %s", names);
}

bool temperature_is_greedy(const TemperaturePolicy *policy) {
    return (KIND_SCALED >> policy->kind & 1) && policy->base < DRAW_GREEDY_BELOW;
}

bool temperature_matters(const TemperaturePolicy *policy, const char *flag, Error *why) {
    unsigned kinds = kinds_of(flag);
    if (!(kinds >> policy->kind & 1)) return needs_kind(kinds, why);
    if (strcmp(flag, "temp") != 0 && policy->kind != TEMPERATURE_FIXED && temperature_is_greedy(policy))
        return error_set(why, "needs --temp above 0");
    if (strcmp(flag, "edt-n") == 0 && policy->edt_theta == 0) return error_set(why, "needs --edt-theta above 0");
    if (strcmp(flag, "udt-measure") == 0 && policy->edt_theta == 0) return error_set(why, "needs --edt-theta above 0");
    if (strcmp(flag, "sigmoid-mid") == 0 && policy->sigmoid_k == 0)
        return error_set(why, "needs --sigmoid-k other than 0");
    if (strcmp(flag, "dynatemp-exp") == 0 && policy->dynatemp_range == 0)
        return error_set(why, "needs --dynatemp-range above 0");
    if (strcmp(flag, "entropy-cap") == 0 && policy->entropy_high > 0 && policy->entropy_high <= policy->entropy_cap)
        return error_set(why, "--entropy-range ends below it");
    return true;
}

static bool check_table(const TemperaturePolicy *policy, Error *error) {
    if (policy->n_knots < 0 || policy->n_knots > TEMPERATURE_KNOTS)
        return error_set(error, TABLE_FLAG ": expected at most %d knots, got %d", TEMPERATURE_KNOTS, policy->n_knots);
    if (policy->kind == TEMPERATURE_TABLE && policy->n_knots == 0)
        return error_set(error, "--temp-policy table: expected " TABLE_FLAG " with 1 to %d knots", TEMPERATURE_KNOTS);
    for (int i = 0; i < policy->n_knots; i++) {
        if (!number_check(policy->knots[i].entropy, nats, TABLE_FLAG ": H", error)) return false;
        if (!number_check(policy->knots[i].temperature, temperatures, TABLE_FLAG ": T", error)) return false;
        if (!check_knot(policy->knots, i + 1, error)) return false;
    }
    return true;
}

static bool check_target(const TemperaturePolicy *policy, Error *error) {
    bool has_nats = policy->target_nats != -1, has_fraction = policy->target_fraction != -1;
    if (policy->kind == TEMPERATURE_TARGET && !has_nats && !has_fraction)
        return error_set(error, "--temp-policy target: expected " TARGET_FLAG " with it");
    return (!has_nats || number_check(policy->target_nats, nats, TARGET_FLAG, error)) &&
           (!has_fraction || number_check(policy->target_fraction, fractions, TARGET_FLAG ": fraction", error));
}

bool temperature_check(const TemperaturePolicy *policy, Error *error) {
    assert((unsigned)policy->kind < TEMPERATURE_KINDS);
    assert((unsigned)policy->udt_measure < UDT_MEASURES);
    bool observed = policy->entropy_low == 0 && policy->entropy_high == 0;
    for (int i = 0; i < N_PARAMETERS; i++) {
        const Parameter *row = &parameters[i];
        if (!number_check(get(policy, row->offset), row->range, row->flag, error)) return false;
        if (row->offset_high == 0) continue;
        if (!number_check(get(policy, row->offset_high), row->range, row->flag, error)) return false;
        if (row->offset == IN(entropy_low) && observed) continue;
        if (!is_ordered(policy, row, error)) return false;
    }
    if (policy->kind == TEMPERATURE_LINEAR && policy->entropy_cap <= policy->entropy_low)
        return error_set(error, "--entropy-cap: expected a number above the LO of --entropy-range, %.7g, got %.7g",
                         policy->entropy_low, policy->entropy_cap);
    return check_table(policy, error) && check_target(policy, error);
}

static void append_number(Line *line, const char *between, double value) {
    char number[32];
    number_print(value, number, sizeof number);
    line_add(line, "%s%s", between, number);
}

static void append_knots(Line *line, const TemperaturePolicy *policy) {
    for (int i = 0; i < policy->n_knots; i++) {
        append_number(line, i ? "," : "", policy->knots[i].entropy);
        append_number(line, ":", policy->knots[i].temperature);
    }
}

static void append_target(Line *line, const TemperaturePolicy *policy) {
    if (policy->target_nats >= 0) append_number(line, "", policy->target_nats);
    if (policy->target_fraction >= 0) append_number(line, "@", policy->target_fraction);
}

/* One number, or LO:HI; a range that was not given is empty. */
static void append_parameter(Line *line, const TemperaturePolicy *policy, const Parameter *row) {
    if (row->offset_high && get(policy, row->offset_high) == 0) return;
    append_number(line, "", get(policy, row->offset));
    if (row->offset_high) append_number(line, ":", get(policy, row->offset_high));
}

int temperature_show(const TemperaturePolicy *policy, const char *flag, char *out, size_t capacity) {
    Line line = line_begin(out, capacity);
    if (strcmp(flag, "temp-policy") == 0) line_add(&line, "%s", temperature_policies[policy->kind].name);
    if (strcmp(flag, "udt-measure") == 0) line_add(&line, "%s", temperature_udt_measures[policy->udt_measure]);
    if (strcmp(flag, &TABLE_FLAG[2]) == 0) append_knots(&line, policy);
    if (strcmp(flag, &TARGET_FLAG[2]) == 0) append_target(&line, policy);
    for (int i = 0; i < N_PARAMETERS; i++)
        if (strcmp(flag, parameters[i].flag + 2) == 0) append_parameter(&line, policy, &parameters[i]);
    return line.length;
}

int temperature_print(const TemperaturePolicy *policy, char *out, size_t capacity) {
    Line line = line_begin(out, capacity);
    line_add(&line, "--temp-policy %s", temperature_policies[policy->kind].name);
    for (int i = 0; i < N_PARAMETERS; i++) {
        const Parameter *row = &parameters[i];
        if (!(row->kinds >> policy->kind & 1)) continue;
        if (row->offset_high && get(policy, row->offset_high) == 0) continue; /* the range was not given */
        line_add(&line, " %s ", row->flag);
        append_parameter(&line, policy, row);
    }
    if (policy->kind == TEMPERATURE_UDT)
        line_add(&line, " --udt-measure %s", temperature_udt_measures[policy->udt_measure]);
    if (policy->kind == TEMPERATURE_TABLE && policy->n_knots > 0) {
        line_add(&line, " " TABLE_FLAG " ");
        append_knots(&line, policy);
    }
    if (policy->kind == TEMPERATURE_TARGET) {
        line_add(&line, " " TARGET_FLAG " ");
        append_target(&line, policy);
    }
    return line.length;
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
    return fmax(kl, 0); /* rounding may leave equals a little below */
}

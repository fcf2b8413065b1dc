/* Temperature: the policies that choose the temperature T of each step by the model's uncertainty in that step. Each
 * sequence of a batch has its own entropy, so it has its own T.
 *
 * H is the entropy in nats of the natural distribution: the model's own, over the whole vocabulary, before penalties,
 * bans and truncation. The percentiles of linear and the p1 and p2 of udt are of the natural distribution, too: how
 * sure the model is does not depend on what the chain does with it. Only dynatemp and target read the survivors,
 * renormalised: what penalties, bans and truncation leave (with temp-first: what penalties and bans leave). T0 is the
 * setting temp. T below 1e-4 means argmax, which is done when the token is drawn. The functions in temperature.c have
 * this order:
 *
 *   fixed         T0
 *   linear        Tmin + (Tmax-Tmin) * clamp((min(H,cap) - Hlo) / (Hhi - Hlo), 0, 1)
 *                 The article on entropy-guided sampling. Hlo and Hhi are the entropy-range, or the 25th and 75th
 *                 percentile of H in this sequence's last steps, this one included (entropy_window.h); neither is above
 *                 the cap. If the two are equal, as in the first step, T is Tmin below them, Tmax above them, and
 *                 the mean of Tmin and Tmax at them.
 *   sigmoid       Tmin + (Tmax-Tmin) / (1 + exp(-k (H - Hmid)))
 *                 The same article; the defaults of k and Hmid are ours.
 *   table         piecewise linear through the knots (H, T), clamped at the ends; T may rise or fall
 *                 The same article.
 *   edt           T0 * N^(theta/H)
 *                 EDT, Zhang et al. 2024, 2403.14541. H -> 0 gives 0, H -> inf gives T0; theta = 0 gives T0 for any H.
 *   edt-instance  T0 * N^(theta/Hprompt), Hprompt the mean H over the prompt's positions: one T for the sequence
 *                 An ablation of the same paper.
 *   udt           T0 * N^(theta/u), u another measure of uncertainty
 *                 Another ablation. The paper does not give its measure; the three of UdtMeasure are ours. They lie in
 *                 [0, 1], so T is never above T0 * N^theta.
 *   kld           T0 * 2^(-KL(p || p0) / sigma), p0 of a second sequence that lacks the source text
 *                 Chang et al. 2023, 2306.01286.
 *   dynatemp      Tmin + (Tmax-Tmin) * (Hs / ln m)^e, Hs the entropy of the m survivors of truncation, renormalised
 *                 llama.cpp, koboldcpp. Tmin = max(0, T0 - range), Tmax = T0 + range. If one candidate is left,
 *                 Hs / ln m is taken as 0 (any T draws that candidate).
 *   target        the T in [Tmin, Tmax] at which the entropy of the m survivors' p^(1/T), renormalised, is the target;
 *                 if there is none, the nearer end. The target X is X nats, @F is F ln m, X@F the smaller of the two.
 *                 Ours; solved by target.h.
 *
 * To add a policy: here its place in TemperatureKind, the fields of its parameters and this comment; in temperature.c
 * its function, its row of temperature_policies and the default values; in sampler/settings/table.c its name among
 * those of temp-policy and a row for each parameter. Tests that fail until it is done:
 * tests/sampler/chain/test_temperature.c. */
#ifndef SAMPLER_CHAIN_TEMPERATURE_H
#define SAMPLER_CHAIN_TEMPERATURE_H

#include <stdbool.h>
#include <stddef.h>

#include "sampler/chain/candidates.h"
#include "tensor/error.h"

#define TEMPERATURE_KNOTS 16

typedef enum {
    TEMPERATURE_FIXED,
    TEMPERATURE_LINEAR,
    TEMPERATURE_SIGMOID,
    TEMPERATURE_TABLE,
    TEMPERATURE_EDT,
    TEMPERATURE_EDT_INSTANCE,
    TEMPERATURE_UDT,
    TEMPERATURE_KLD,
    TEMPERATURE_DYNATEMP,
    TEMPERATURE_TARGET,
    TEMPERATURE_KINDS
} TemperatureKind;

typedef enum {
    UDT_PMAX,    /* 1 - p1 */
    UDT_MARGIN,  /* 1 - (p1 - p2) */
    UDT_ENTROPY, /* H / ln V */
    UDT_MEASURES
} UdtMeasure;

typedef struct {
    double entropy, temperature;
} TemperatureKnot;

/* Plain data: copies with `=`. The settings' table has the names and ranges of the fields. */
typedef struct {
    TemperatureKind kind;
    double base;                      /* T0 */
    double low, high;                 /* Tmin, Tmax of linear, sigmoid and target */
    double entropy_low, entropy_high; /* Hlo, Hhi; 0, 0: percentiles */
    double entropy_cap;
    double sigmoid_k, sigmoid_mid;
    double edt_theta, edt_n; /* of edt, edt-instance and udt */
    UdtMeasure udt_measure;
    double kld_sigma;
    double dynatemp_range, dynatemp_exp;
    double target_nats, target_fraction; /* X and F; -1: not given */
    int n_knots;
    TemperatureKnot knots[TEMPERATURE_KNOTS]; /* by rising H */
} TemperaturePolicy;

/* The inputs of the policies. Only those that the policy in use reads need to be filled. */
typedef struct {
    double entropy;                     /* H */
    double observed_low, observed_high; /* percentiles of H, for linear without an entropy-range */
    int vocab_size;                     /* V */
    double p1, p2; /* the largest natural probability of the whole vocabulary, and the second; p2 = 0 if V = 1 */
    double prompt_entropy;       /* the mean of H over the prompt's positions */
    double kl;                   /* KL(p || p0), nats; may be infinite */
    double survivors_entropy;    /* Hs: of the survivors, renormalised */
    int n_survivors;             /* m */
    const Candidates *survivors; /* for target, during the call */
} TemperatureInput;

typedef struct {
    const char *name;
    double (*temperature)(const TemperaturePolicy *policy, const TemperatureInput *input);
    const char *formula, *source;
    const char
        *settings[5]; /* the settings it reads, in the order in which the chain shows them; NULL after the last */
    bool scales_base; /* T is T0 times a number of at most 1 */
} TemperatureRow;

extern const TemperatureRow temperature_policies[TEMPERATURE_KINDS];
#define TEMPERATURE_UDT_MEASURES "pmax|margin|entropy" /* in the order of the enum (choice.h) */

TemperaturePolicy temperature_default(void);

/* T >= 0 of this step. The policy is valid: sampler_check. */
double temperature_of(const TemperaturePolicy *policy, const TemperatureInput *input);

/* Parts of the formulas, to show them: Hlo and Hhi of linear before the cap, given or observed; u of udt. */
void temperature_entropy_range(const TemperaturePolicy *policy, const TemperatureInput *input, double *low,
                               double *high);
/* The entropy that the policy `target` aims at for these survivors, nats. */
double temperature_target(const TemperaturePolicy *policy, const TemperatureInput *input);
double temperature_uncertainty(const TemperaturePolicy *policy, const TemperatureInput *input);

/* Whether T is below 1e-4 for any input. */
bool temperature_is_greedy(const TemperaturePolicy *policy);

/* KL(p || q) in nats, in double, of the softmax of two rows of logits (n,). -inf is allowed, but not for all of a row;
 * NaN and +inf are not. Infinite if a token has p > 0 and q = 0. */
double temperature_kl(const float *p_logits, const float *q_logits, int n);

#endif

/* Temperature: the policies that give one step of one sequence its temperature, from how unsure the model is there.
 * Never one for a batch: each sequence has its own entropy, so its own T.
 *
 * H is the entropy in nats of the natural distribution: the model's own, over the whole vocabulary, before penalties,
 * bans and truncation. So are the percentiles of linear and the p1 and p2 of udt: how sure the model is does not depend
 * on what the chain does with it. Only dynatemp and target read the survivors: what penalties, bans and truncation leave (with
 * --temp-first: what penalties and bans leave), renormalised. T0 is --temp. T below 1e-4 means argmax, which the draw
 * does. Each formula has its function in temperature.c, in this order:
 *
 *   fixed         T0
 *   linear        Tmin + (Tmax-Tmin) * clamp((min(H,cap) - Hlo) / (Hhi - Hlo), 0, 1)
 *                 The article on entropy-guided sampling. Hlo, Hhi: --entropy-range, or the 25th and 75th percentile
 *                 of H in this sequence's last steps, this one included (entropy_window.h); neither above the cap.
 *                 Where the two are equal, as in the first step: Tmin below, Tmax above, the middle of both at Hlo.
 *   sigmoid       Tmin + (Tmax-Tmin) / (1 + exp(-k (H - Hmid)))
 *                 The same article; the defaults of k and Hmid are ours.
 *   table         piecewise linear through the knots (H, T), clamped at the ends; T may rise or fall
 *                 The same article.
 *   edt           T0 * N^(theta/H)
 *                 EDT, Zhang et al. 2024, 2403.14541. H -> 0 gives 0, H -> inf gives T0; theta = 0 is T0 for any H.
 *   edt-instance  T0 * N^(theta/Hprompt), Hprompt the mean H over the prompt's positions: one T for the sequence
 *                 An ablation of the same paper.
 *   udt           T0 * N^(theta/u), u another measure of uncertainty
 *                 An ablation again. Its measure is not published: the three of UdtMeasure are ours. They lie in
 *                 [0, 1], so T is never above T0 * N^theta.
 *   kld           T0 * 2^(-KL(p || p0) / sigma), p0 of a second sequence that lacks the source text
 *                 Chang et al. 2023, 2306.01286.
 *   dynatemp      Tmin + (Tmax-Tmin) * (Hs / ln m)^e, Hs the entropy of the m survivors of truncation, renormalised
 *                 llama.cpp, koboldcpp. Tmin = max(0, T0 - range), Tmax = T0 + range. Where one candidate is left
 *                 Hs / ln m is taken as 0 (any T draws that one).
 *   target        the T in [Tmin, Tmax] at which the entropy of the m survivors' p^(1/T), renormalised, is the target; the
 *                 nearer end where none is. --entropy-target X is X nats, @F is F ln m, X@F the smaller of the two.
 *                 Ours; solved by target.h.
 *
 * A new policy is one function, one row of temperature_policies, the rows of its parameters, and its test. */
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

/* Plain data: copies with `=`. Each line: its flag, and its default. */
typedef struct {
    TemperatureKind kind;                     /* --temp-policy     fixed */
    double base;                              /* --temp            0.8   T0 */
    double low, high;                         /* --temp-range      0.3:1.8   Tmin, Tmax of linear, sigmoid and target */
    double entropy_low, entropy_high;         /* --entropy-range   not given, which is 0:0 here: percentiles */
    double entropy_cap;                       /* --entropy-cap     6 */
    double sigmoid_k, sigmoid_mid;            /* --sigmoid-k 1, --sigmoid-mid 3 */
    double edt_theta, edt_n;                  /* --edt-theta 0.2, --edt-n 0.8   of both edt and udt */
    UdtMeasure udt_measure;                   /* --udt-measure     pmax */
    double kld_sigma;                         /* --kld-sigma       1 */
    double dynatemp_range, dynatemp_exp;      /* --dynatemp-range 0.5, --dynatemp-exp 1 */
    double target_nats, target_fraction;      /* --entropy-target  not given, which is -1: each may be missing */
    int n_knots;                              /* --temp-table      none */
    TemperatureKnot knots[TEMPERATURE_KNOTS]; /* by rising H */
} TemperaturePolicy;

/* What a policy may look at. Only what the policy in use reads needs to be filled. */
typedef struct {
    double entropy;                     /* H */
    double observed_low, observed_high; /* percentiles of H, for linear without --entropy-range */
    int vocab_size;                     /* V */
    double p1, p2; /* the largest natural probability of the whole vocabulary, and the second; p2 = 0 if V = 1 */
    double prompt_entropy;       /* the mean of H over the prompt's positions */
    double kl;                   /* KL(p || p0), nats; may be infinite */
    double survivors_entropy;    /* Hs: of what truncation left, renormalised */
    int n_survivors;             /* m */
    const Candidates *survivors; /* for target, during the call */
} TemperatureInput;

typedef struct {
    const char *name; /* of --temp-policy */
    double (*temperature)(const TemperaturePolicy *policy, const TemperatureInput *input);
    const char *formula, *source;
} TemperatureRow;

extern const TemperatureRow temperature_policies[TEMPERATURE_KINDS];
extern const char *const temperature_udt_measures[UDT_MEASURES]; /* "pmax", "margin", "entropy" */

TemperaturePolicy temperature_default(void);

/* T >= 0 of this step. The policy is valid: temperature_check. */
double temperature_of(const TemperaturePolicy *policy, const TemperatureInput *input);

/* Parts of the formulas, to show them: Hlo and Hhi of linear before the cap, given or observed; u of udt. */
void temperature_entropy_range(const TemperaturePolicy *policy, const TemperatureInput *input, double *low,
                               double *high);
/* The entropy that target wants of these survivors, nats. */
double temperature_target(const TemperaturePolicy *policy, const TemperatureInput *input);
double temperature_uncertainty(const TemperaturePolicy *policy, const TemperatureInput *input);

/* Sets one parameter by its flag, without the dashes: "edt-theta", "0.2". Pairs are LO:HI, the table is H:T,H:T,...
 * with 1 to 16 knots of rising H. A mistake changes nothing. Errors name the flag: no such flag, not a number, out of
 * range (which is named), LO not below HI, no such policy or measure (they are listed), a knot that is no H:T, one too
 * many, or one not above that before it; an entropy target that is no X, @F or X@F. */
bool temperature_set(TemperaturePolicy *policy, const char *flag, const char *text, Error *error);

/* Whether the flag (without the dashes) can change T under this policy. If not, why says what it needs. */
bool temperature_matters(const TemperaturePolicy *policy, const char *flag, Error *why);
/* Whether T is below 1e-4 whatever the model says. */
bool temperature_is_greedy(const TemperaturePolicy *policy);

/* Checks all of it, however it was filled: every value in its range, and what the kind needs: table its knots, target
 * its target, linear a cap above Hlo. The error names the flag, the value and the range. */
bool temperature_check(const TemperaturePolicy *policy, Error *error);

/* The flags that matter to the kind, with their values, as they could be given: "--temp-policy edt --temp 0.8
 * --edt-theta 0.2 --edt-n 0.8". Cut to capacity as snprintf does; returns the length it wants. */
int temperature_print(const TemperaturePolicy *policy, char *out, size_t capacity);

/* The value of one flag (without the dashes), as temperature_set would take it; empty where it was not given. Cut to
 * capacity as snprintf does; returns the length it wants. */
int temperature_show(const TemperaturePolicy *policy, const char *flag, char *out, size_t capacity);

/* KL(p || q) in nats, in double, of the softmax of two rows of logits (n,). -inf is allowed, but not for all of a row;
 * no NaN, no +inf. Infinite where p has what q excludes. */
double temperature_kl(const float *p_logits, const float *q_logits, int n);

#endif

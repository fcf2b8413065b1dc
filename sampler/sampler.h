/* Sampler: the chain from logits to a token. It is plain data: it can be parsed, printed, compared, and copied with
 * `=`.
 *
 *   penalties -> dry -> no-repeat-ngram -> bias                                    rewrite logits
 *   -> top-nsigma -> top-k -> typical -> top-p -> min-p -> epsilon -> eta -> top-h -> xtc -> mirostat   drop candidates
 *   -> future entropy (lookahead.h) -> temperature policy (temperature.h) -> draw (draw.h)
 *
 * Truncation reads the distribution of the rewritten logits, and its H and H / ln V (typical, eta, top-h, the steered
 * top-k and top-p). Temperature comes last, as in llama.cpp. The setting temp-first selects Hugging Face's order, in
 * which truncation reads the tempered distribution. Then the same settings can keep other tokens: for z = 3, 2, 1,
 * top-p .8 and T .5 tokens 0 and 1 are kept here, and only token 0 with temp-first. Temperature policies read the
 * natural distribution, before any logit is rewritten, except dynatemp and target, which read the survivors
 * (temperature.h).
 *
 * To add a stage, touch three files, and describe its settings in the man page (tools/foretell.1):
 *   sampler/sampler.h            its place in Stage, the fields of its settings in Sampler
 *   sampler/sampler.c            its function, its row of sampler_stages
 *   sampler/settings/table.c     a row for each of its settings, the default values if they are not 0
 * The order of Stage is the usual order of the chain. The program's options, help and lists, the printed chain, traces
 * and foretell.h read the rows. A truncation algorithm that is more than a few lines has its function in
 * sampler/chain/truncate.h and .c, its plain form in plain_truncate.h and .c, and its page in SAMPLERS.md. Tests that
 * fail until it is done: tests/sampler/test_sampler.c, tests/tools/cli/manual.sh. */
#ifndef SAMPLER_SAMPLER_H
#define SAMPLER_SAMPLER_H

#include <stdint.h>

#include "sampler/chain/candidates.h"
#include "sampler/chain/entropy_window.h"
#include "sampler/chain/mirostat.h"
#include "sampler/chain/penalties.h"
#include "sampler/chain/steer.h"
#include "sampler/chain/temperature.h"
#include "sampler/chain/token_flags.h"
#include "sampler/future/lookahead.h"
#include "sampler/future/wave.h"
#include "sampler/settings/place.h"

#define SAMPLER_BIASES 64

typedef enum {
    STAGE_PENALTIES,
    STAGE_DRY,
    STAGE_NO_REPEAT_NGRAM,
    STAGE_BIAS,
    STAGE_TOP_NSIGMA,
    STAGE_TOP_K,
    STAGE_TYPICAL,
    STAGE_TOP_P,
    STAGE_MIN_P,
    STAGE_EPSILON,
    STAGE_ETA,
    STAGE_TOP_H,
    STAGE_XTC,
    STAGE_MIROSTAT,
    SAMPLER_STAGES
} Stage;

/* Indices into the counts of dropped candidates: the stages, then two causes that are not stages: the bans of a
 * position, and temp-first at T = 0, which leaves only the likeliest. */
enum { SAMPLER_BAN = SAMPLER_STAGES, SAMPLER_TEMPER, SAMPLER_DROPS };

typedef struct {
    RepeatPenalty repeat;
    DryPenalty dry;
    int no_repeat_ngram;
    LogitBias biases[SAMPLER_BIASES];
    int n_biases;
    Steer top_k, top_p;
    float top_nsigma, typical, min_p, epsilon, eta, top_h, xtc_probability, xtc_threshold;
    double mirostat_tau, mirostat_eta; /* tau 0: off */
    bool future;                       /* look ahead: future entropy */
    Lookahead lookahead;
    bool waves; /* wave gives alpha, not lookahead.alpha */
    Wave wave;
    TemperaturePolicy temperature;
    bool temperature_first;
    Stage order[SAMPLER_STAGES]; /* the first n_order entries are applied, in this order */
    int n_order;
    uint64_t seed;
    PlaceRule rules[PLACE_RULES]; /* of the setting `at`: see sampler_under */
    int n_rules;
} Sampler;

/* The state of one sequence between its steps. Copied with `=`, it forks and rewinds with its branch. */
typedef struct {
    Mirostat mirostat;
    WaveClock clock;
    EntropyWindow window;   /* of the natural entropies of its steps */
    double prompt_entropy;  /* for edt-instance: mean over the prompt's positions, nats; set by the caller */
    double kl;              /* for kld: KL(p || p0) of the step, nats; set by the caller */
    TemperatureInput input; /* the inputs of the temperature policy in the current step */
    PlaceState place;       /* of the text so far, if the sampler has rules */
} SamplerState;

/* What the stages of a step may read, in addition to the candidates. */
typedef struct {
    const int *history; /* (n_history,) the text so far, the prompt included */
    int n_history, sequence;
    const TokenFlags *flags;       /* (vocab_size,) */
    const bool *breakers, *exempt; /* (vocab_size,) tokens at which DRY's matches end, tokens that XTC ignores */
    const Bytes *pieces;           /* (vocab_size,) the bytes of each token; read if the sampler has rules */
    int *scratch;                  /* (n_history,) */
    const TokenBan *bans;          /* (n_bans,) of any positions, in addition to the biases: see editor.h */
    int n_bans;
    /* (SAMPLER_DROPS,) zeros, filled with the number of candidates that each cause dropped or banned; or NULL. */
    int *dropped;
} SamplerContext;

/* One stage. The lookahead is not one of these: see lookahead.h. */
typedef struct {
    const char *name;
    bool rewrites; /* true: it rewrites logits; false: it drops candidates */
    const char *formula, *source;
    const char *settings[5]; /* the names of the settings it reads; NULL after the last */
    bool (*is_on)(const Sampler *sampler);
    bool (*apply)(const Sampler *sampler, const SamplerState *state, const SamplerContext *context,
                  Candidates *candidates);              /* false: no token is left possible */
    bool (*may_drop_likeliest)(const Sampler *sampler); /* NULL: it never does */
    int (*show)(const Sampler *sampler, char *out,
                size_t capacity); /* its text in the chain; NULL: its settings are shown */
} SamplerStage;

extern const SamplerStage sampler_stages[SAMPLER_STAGES]; /* by Stage; those that rewrite come first */

/* The description of a setting, from sampler/settings/table.c. */
typedef struct {
    const char *name; /* "top-k": the name that llama.cpp uses, if it has the setting */
    const char
        *metavar; /* stands for the value: "K", or the words of a choice "a|b"; NULL for a switch, which has no value */
    const char *unit;       /* "nats", "tokens"; "" */
    const char *help;       /* one line */
    char range[64];         /* "0 to 1"; "" if the values are not one range of numbers */
    char default_text[128]; /* as sampler_show gives it; or "" */
} SamplerSetting;

bool sampler_setting(int i, SamplerSetting *setting); /* in the order of the help; false past the last */
bool sampler_setting_named(const char *name, SamplerSetting *setting);

Sampler sampler_default(void); /* top-k 40, top-p .95, min-p .05, temp .8; all else off; seed 0 */

/* Sets one setting, or the seed ("seed"); value is NULL for a switch. A later setting overrides an earlier one,
 * including those of a preset. wave and alpha turn the lookahead on, as fe does. A preset starts from the default
 * settings, but keeps the seed and the rules (at) that no earlier preset has set. After an error nothing is changed.
 * Errors begin with the setting's name, then give the range and the value: "top-k: expected a whole number from 0 to
 * 1000000, got 'x'"; an unknown name. */
bool sampler_set(Sampler *sampler, const char *name, const char *value, Error *error);
/* Sets a list of settings, in order: "temp 0.3, top-p 0.9, fe" or "temp=0.3,top-p=0.9,fe". A comma ends an item only if
 * another item follows (the name of a switch, or a name and a value), so a value may contain commas. Several settings
 * in a rule need braces: "at number:{temp=0.2,top-k=5}, fe". After an error nothing is changed. Errors: as sampler_set;
 * an item of SAMPLER_ITEM_BYTES or more. */
#define SAMPLER_ITEM_BYTES 512
bool sampler_set_list(Sampler *sampler, const char *text, Error *error);
/* The name of the next setting in such a list, cut to capacity; *list advances past the item. Returns false at the end
 * of the list. */
bool sampler_next_setting(const char **list, char *name, size_t capacity);
/* The exact value of a setting, in the form that sampler_set takes. A switch is "on" or empty. Also empty are a preset,
 * the biases, the rules (rules[i].text sets a rule again), and a wave, range or table that is not set. Setting all
 * values that are not empty on sampler_default() gives the same sampler again, except for the biases, the rules, the
 * seed and `future`: setting alpha turns it on, but it is on only if "fe" or "wave" is not empty. Cut to capacity, and
 * returns the uncut length, as snprintf does. */
int sampler_show(const Sampler *sampler, const char *name, char *out, size_t capacity);

/* Whether all settings, biases, rules and the seed are equal. */
bool sampler_equal(const Sampler *a, const Sampler *b);

/* Whether the setting can have an effect in this chain. If not, `why` says what it needs: "needs fe". The result is
 * true for a value that means "off", and for an unknown name. */
bool sampler_matters(const Sampler *sampler, const char *name, Error *why);

/* The same for a setting in a rule (at), at the positions where the rule holds. True if it matters in at least one
 * combination with other rules that may hold there. */
bool sampler_matters_in_rule(const Sampler *sampler, int rule, const char *name, Error *why);

/* Checks each value against its range, and the settings against each other. Errors begin with the name of a setting. */
bool sampler_check(const Sampler *sampler, Error *error);

/* The presets, each a readable list of settings: "temp 0.3, top-p 0.9". NULL past the last. */
typedef struct {
    const char *name, *settings;
} SamplerPreset;
const SamplerPreset *sampler_preset(int i);

/* "top-k 40 -> top-p 0.95 -> min-p 0.05 -> temp 0.8 -> draw, seed 42". Stages that are off are left out; temp 0 is
 * shown as "greedy"; rules follow: "; at number: temp 0.2". Traces contain this text, and replay compares it, so its
 * form must not change. Each chain fits in SAMPLER_CHAIN_BYTES. Cut to capacity, and returns the uncut length, as
 * snprintf does. */
#define SAMPLER_CHAIN_BYTES 12288
int sampler_print(const Sampler *sampler, char *out, size_t capacity);

/* ---- Settings by place: rules ---- */

/* Adds a rule, "PLACE:SETTINGS" (place.h); SETTINGS is a list as sampler_set_list takes it. Errors begin with "at" and
 * the place: those of place_parse and sampler_set_list; more than PLACE_RULES rules; settings that apply to the whole
 * text: other rules, mirostat, edt-instance, kld, fe-eager, fe-chunk. */
bool sampler_add_rule(Sampler *sampler, const char *text, Error *error);
/* *under = the sampler of a step at which the rules in `held` hold. The rules are applied in order, so a later rule
 * overrides an earlier one. The result has no rules. Errors: settings that contradict each other. */
bool sampler_under(const Sampler *sampler, PlaceSet held, Sampler *under, Error *error);
/* Checks each rule, and all sets of rules that may hold at the same position: a part of sampler_check. */
bool sampler_check_rules(const Sampler *sampler, Error *error);
/* Whether the sampler or any of its rules turns the lookahead on. */
bool sampler_looks_ahead(const Sampler *sampler);
/* Whether any step can really look ahead: false if alpha is always -1, or each step has only one candidate. */
bool sampler_may_look_ahead(const Sampler *sampler);
/* The lookahead with the largest k and depth of the sampler and its rules: a session must have room for it. */
Lookahead sampler_largest_lookahead(const Sampler *sampler);
/* Updates the place after a token of the prompt or the text. After a token that ends a text a new text begins. */
void sampler_read(const Sampler *sampler, SamplerState *state, const SamplerContext *context, int token);

/* ---- Steps ---- */

/* The state before the first token. */
SamplerState sampler_start(const Sampler *sampler);

/* Rewrites and truncates the candidates, which candidates_from_logits has just filled, and adds the step's entropy to
 * the window. Candidates that a stage or a ban has set to -inf are dropped. Errors: penalties and bans leave no token
 * possible. */
bool sampler_apply(const Sampler *sampler, SamplerState *state, const SamplerContext *context, Candidates *candidates,
                   Error *error);

/* T of this step, to be called after sampler_apply. With temp-first it is 1, because sampler_apply has applied T. */
double sampler_temperature(const Sampler *sampler, SamplerState *state, const Candidates *candidates);
/* Alpha of this step: that of the wave if there is one, otherwise the fixed value. */
double sampler_alpha(const Sampler *sampler, const SamplerState *state);

/* Updates the state after items[chosen] was drawn. */
void sampler_accept(const Sampler *sampler, SamplerState *state, const SamplerContext *context,
                    const Candidates *candidates, int chosen);

#endif

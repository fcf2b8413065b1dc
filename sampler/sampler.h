/* Sampler: the chain from logits to a token as plain data: it parses, prints, compares and copies with `=`.
 *
 *   penalties -> dry -> no-repeat-ngram -> bias                                    rewrite logits
 *   -> top-nsigma -> top-k -> typical -> top-p -> min-p -> epsilon -> eta -> top-h -> xtc -> mirostat     drop candidates
 *   -> future entropy (lookahead.h) -> temperature policy (temperature.h) -> draw (draw.h)
 *
 * Truncation reads the distribution that the rewritten logits give, and its H and H / ln V (typical, eta, top-h, the
 * steered top-k and top-p). Temperature comes last, as in llama.cpp. The setting temp-first takes Hugging Face's order, in
 * which truncation reads the tempered distribution, so that the same numbers keep other sets (z = 3, 2, 1, top-p .8, T .5
 * keeps {0, 1} here, {0} there). Temperature policies read the natural distribution, before anything was rewritten,
 * except dynatemp and target, which read the survivors (temperature.h).
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

/* Indices into a count of dropped candidates: the stages, then two causes that are no stage: the bans of a position, and
 * temp-first at T = 0, which leaves the likeliest. */
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
    bool future;                       /* look ahead */
    Lookahead lookahead;
    bool waves; /* alpha is the wave's, not lookahead.alpha */
    Wave wave;
    TemperaturePolicy temperature;
    bool temperature_first;
    Stage order[SAMPLER_STAGES]; /* those before n_order are applied, in this order */
    int n_order;
    uint64_t seed;
    PlaceRule rules[PLACE_RULES]; /* the setting at: see sampler_under */
    int n_rules;
} Sampler;

/* What one sequence remembers from step to step; it forks, rewinds and promotes with its branch, by `=`. */
typedef struct {
    Mirostat mirostat;
    WaveClock clock;
    EntropyWindow window;   /* of the natural entropies of its steps */
    double prompt_entropy;  /* mean over the prompt's positions, nats: the caller's to fill, for edt-instance */
    double kl;              /* KL(p || p0) of the step, nats: the same, for kld */
    TemperatureInput input; /* what the policy in use reads in the step that is being drawn */
    PlaceState place;       /* of the text so far, where the sampler has rules */
} SamplerState;

/* Where a step stands: what the stages may read beside the candidates. */
typedef struct {
    const int *history; /* (n_history,) the text so far, the prompt included */
    int n_history, sequence;
    const TokenFlags *flags;       /* (vocab_size,) */
    const bool *breakers, *exempt; /* (vocab_size,) tokens that DRY does not look across, that XTC leaves alone */
    const Bytes *pieces;           /* (vocab_size,) the bytes each token stands for; read where the sampler has rules */
    int *scratch;                  /* (n_history,) */
    const TokenBan *bans;          /* (n_bans,) of any positions, beside the biases: see editor.h */
    int n_bans;
    /* (SAMPLER_DROPS,) zeros, filled with how many candidates each of these dropped or banned; or NULL. */
    int *dropped;
} SamplerContext;

/* A stage that looks ahead cannot be one of these: see lookahead.h. */
typedef struct {
    const char *name;
    bool rewrites; /* logits; the other stages drop candidates */
    const char *formula, *source;
    const char *settings[5]; /* the names of those that it reads; NULL after the last */
    bool (*is_on)(const Sampler *sampler);
    bool (*apply)(const Sampler *sampler, const SamplerState *state, const SamplerContext *context,
                  Candidates *candidates);                           /* false: nothing is left possible */
    bool (*may_drop_likeliest)(const Sampler *sampler);              /* NULL: it never does */
    int (*show)(const Sampler *sampler, char *out, size_t capacity); /* in the chain; NULL: by its settings */
} SamplerStage;

extern const SamplerStage sampler_stages[SAMPLER_STAGES]; /* by Stage; those that rewrite come first */

/* What is known of a setting: see sampler/settings/table.c. */
typedef struct {
    const char *name;      /* "top-k": llama.cpp's name where it has one */
    const char *metavar;   /* of its value: "K", the words of a choice "a|b"; NULL for a switch, which takes no value */
    const char *unit;      /* "nats", "tokens"; "" */
    const char *help;      /* one line, for people */
    char range[64];        /* "0 to 1"; "" where the values are no one range of numbers */
    char default_text[64]; /* as sampler_show, cut if it is longer; "" */
} SamplerSetting;

bool sampler_setting(int i, SamplerSetting *setting); /* in the order of the help; false past the last */
bool sampler_setting_named(const char *name, SamplerSetting *setting);

Sampler sampler_default(void); /* top-k 40, top-p .95, min-p .05, temp .8; all else off; seed 0 */

/* Sets one setting; value is NULL for a switch. A later setting overrides an earlier one, also one of a preset. wave and
 * alpha look ahead, as fe does. A preset starts from the default settings, but keeps the seed and the rules (at) that no
 * earlier preset has set. A mistake changes nothing. Errors begin with the setting's name, then say the range and the
 * value: "top-k: expected a whole number from 0 to 1000000, got 'x'"; no setting has this name. */
bool sampler_set(Sampler *sampler, const char *name, const char *value, Error *error);
/* Sets a list of settings, in order: "temp 0.3, top-p 0.9, fe" or "temp=0.3,top-p=0.9,fe". A comma ends an item only where
 * another begins (the name of a switch, or a name and a value), so a value may hold commas. Several settings of a rule
 * need braces: "at number:{temp=0.2,top-k=5}, fe". A mistake changes nothing. Errors: as sampler_set; an item of
 * SAMPLER_ITEM_BYTES or more. */
#define SAMPLER_ITEM_BYTES 512
bool sampler_set_list(Sampler *sampler, const char *text, Error *error);
/* The name of the next setting of such a list; *list moves behind it. false: none is left. Cut to capacity. */
bool sampler_next_setting(const char **list, char *name, size_t capacity);
/* The exact value of a setting, as sampler_set takes it. A switch is "on" or empty. Empty, too: a preset, the biases, the
 * rules (rules[i].text sets one again), and what was not given (a wave, a range, a table). All values that are not
 * empty, set on sampler_default(), make the same sampler again, except the biases, the rules, the seed and `future`:
 * setting alpha switches it on, but it is on only if "fe" or "wave" is not empty. Cut to capacity as snprintf does;
 * returns the length it wants. */
int sampler_show(const Sampler *sampler, const char *name, char *out, size_t capacity);

/* Whether all settings, biases, rules and the seed are the same. */
bool sampler_equal(const Sampler *a, const Sampler *b);

/* Whether the setting can change anything in this chain. If not, why says what it needs: "needs fe". A value that means
 * "off" has its effect; so has a name that is no setting. */
bool sampler_matters(const Sampler *sampler, const char *name, Error *why);

/* The same for a setting that this rule (at) sets, where the rule holds. Where other rules may hold, too, one place where it
 * matters is enough. */
bool sampler_matters_in_rule(const Sampler *sampler, int rule, const char *name, Error *why);

/* Checks each value against its range, and settings against each other. Errors begin with the name of a setting. */
bool sampler_check(const Sampler *sampler, Error *error);

/* The presets, each a readable list of settings: "temp 0.3, top-p 0.9". NULL past the last. */
typedef struct {
    const char *name, *settings;
} SamplerPreset;
const SamplerPreset *sampler_preset(int i);

/* "top-k 40 -> top-p 0.95 -> min-p 0.05 -> temp 0.8 -> draw, seed 42"; stages that are off are left out, and temp 0
 * prints as "greedy"; rules follow: "; at number: temp 0.2". Traces hold this text, and replaying compares it: it stays
 * as it is. Every chain fits in SAMPLER_CHAIN_BYTES. Cut to capacity as snprintf does; returns the length it wants. */
#define SAMPLER_CHAIN_BYTES 12288
int sampler_print(const Sampler *sampler, char *out, size_t capacity);

/* ---- Settings by place: rules ---- */

/* Adds a rule, "PLACE:SETTINGS" (place.h); SETTINGS is a list as sampler_set_list takes it. Errors begin with "at" and the
 * place: those of place_parse and sampler_set_list; more than PLACE_RULES rules; settings that only the whole text can
 * have: other rules, mirostat, edt-instance, kld, fe-eager, fe-chunk. */
bool sampler_add_rule(Sampler *sampler, const char *text, Error *error);
/* The sampler of a step at which these rules hold. Rules are applied in their order, so a later rule overrides an earlier
 * one. The result has no rules. Errors: settings that contradict each other. */
bool sampler_under(const Sampler *sampler, PlaceSet held, Sampler *under, Error *error);
/* Each rule, and all sets of rules that may hold together: a part of sampler_check. */
bool sampler_check_rules(const Sampler *sampler, Error *error);
/* Whether it looks ahead at any place, and the most candidates and steps at any: what a session must have room for. */
bool sampler_looks_ahead(const Sampler *sampler);
/* Whether looking ahead can come to anything: not where alpha is always -1, or one candidate is left at every step. */
bool sampler_may_look_ahead(const Sampler *sampler);
Lookahead sampler_widest(const Sampler *sampler);
/* Reads a token of the text, the prompt's too, for the places. A token that ends a text begins another. */
void sampler_read(const Sampler *sampler, SamplerState *state, const SamplerContext *context, int token);

/* ---- Steps ---- */

SamplerState sampler_start(const Sampler *sampler);

/* Rewrites and truncates the candidates, which are fresh from candidates_from_logits, and counts the step's entropy. What
 * a stage or a ban has set to -inf is dropped.
 * Errors: penalties and bans leave no token possible. */
bool sampler_apply(const Sampler *sampler, SamplerState *state, const SamplerContext *context, Candidates *candidates,
                   Error *error);

/* T of this step, after sampler_apply. 1 with temp-first, which has applied it already. */
double sampler_temperature(const Sampler *sampler, SamplerState *state, const Candidates *candidates);
/* Alpha of this step: the wave's or the fixed one. */
double sampler_alpha(const Sampler *sampler, const SamplerState *state);

/* After items[chosen] was drawn: moves the state on. */
void sampler_accept(const Sampler *sampler, SamplerState *state, const SamplerContext *context,
                    const Candidates *candidates, int chosen);

#endif

/* The table of settings, the default values and the presets. */
#include <stdio.h>
#include <string.h>

#include "sampler/settings/settings.h"

#define AT(field) offsetof(Sampler, field)
#define IN(low, high)                                                                                                  \
    { low, high, false, false, false }
#define WHOLE(low, high)                                                                                               \
    { low, high, false, false, true }
#define ABOVE(low, high)                                                                                               \
    { low, high, true, false, false }
#define BETWEEN(low, high)                                                                                             \
    { low, high, true, true, false }

// clang-format off
/* Columns: name, metavar, unit, field in Sampler, range, effect (whether it matters), help. */
#define ROW(kind_, name_, metavar_, unit_, field, ends, low, high, effect_, help_) \
    {.name = name_, .metavar = metavar_, .unit = unit_, .help = help_, .kind = kind_, .offset = AT(field), \
     .range = ends(low, high), .effect = effect_
#define FLOAT_(...)  ROW(KIND_FLOAT, __VA_ARGS__) }
#define DOUBLE_(...) ROW(KIND_DOUBLE, __VA_ARGS__) }
#define INT_(...)    ROW(KIND_INT, __VA_ARGS__) }
#define STEER_(...)  ROW(KIND_STEER, __VA_ARGS__) }
#define SWITCH_(name, field, effect, help)        ROW(KIND_SWITCH, name, NULL, "", field, IN, 0, 0, effect, help) }
#define CHOICE_(name, words, field, effect, help) ROW(KIND_CHOICE, name, words, "", field, IN, 0, 0, effect, help) }
#define PAIR_(name, unit, low_field, high_field, ends, low, high, absent, help) \
    ROW(KIND_PAIR, name, "LO:HI", unit, low_field, ends, low, high, effect_temperature, help), \
    .offset_high = AT(high_field), .may_be_absent = absent }
#define OTHER(name_, metavar_, unit_, setter, shower, effect_, help_) \
    {.name = name_, .metavar = metavar_, .unit = unit_, .help = help_, .kind = KIND_OTHER, .set = setter, \
     .show = shower, .effect = effect_
#define OTHER_(...) OTHER(__VA_ARGS__) }

static const SettingRow rows[] = {
    OTHER_("preset", "NAME", "", settings_set_preset, NULL, NULL,
           "a group of settings: precise, balanced, creative, future-entropy, wave or code"),
    OTHER_("at", "PLACE:SETTINGS", "", sampler_add_rule, NULL, NULL,
           "settings for one kind of place in the text, as in number:temp=0.2; repeatable"),
    DOUBLE_("temp", "T", "", temperature.base, IN, 0, SETTINGS_MAX_TEMP, effect_temperature,
            "temperature; 0: always the likeliest token"),
    STEER_("top-k", "K", "tokens", top_k, WHOLE, 0, 1e6, effect_stage,
           "keep the K likeliest tokens; 0: all; LOW:HIGH@entropy adapts K to each step"),
    STEER_("top-p", "P", "", top_p, IN, 0, 1, effect_stage,
           "keep the likeliest tokens, up to a sum of P; LOW:HIGH@entropy adapts P to each step"),
    FLOAT_("min-p", "P", "", min_p, IN, 0, 1, effect_stage, "keep tokens with p >= P * the largest p"),
    FLOAT_("typical", "P", "", typical, ABOVE, 0, 1, effect_stage,
           "keep tokens with -ln p nearest to the entropy, up to a sum of P; 1: off"),
    FLOAT_("epsilon", "E", "", epsilon, IN, 0, 1, effect_stage, "keep tokens with p >= E; 0: off"),
    FLOAT_("eta", "E", "", eta, IN, 0, 1, effect_stage, "keep tokens with p >= min(E, sqrt(E) exp(-H)); 0: off"),
    FLOAT_("top-nsigma", "N", "", top_nsigma, IN, 0, 100, effect_stage,
           "keep logits within N standard deviations of the largest; 0: off"),
    FLOAT_("top-h", "A", "", top_h, ABOVE, 0, 1, effect_stage,
           "keep the likeliest tokens while their entropy is at most A * H; 1: off"),
    FLOAT_("xtc-probability", "P", "", xtc_probability, IN, 0, 1, effect_xtc,
           "chance per step that XTC excludes the top choices; 0: off"),
    FLOAT_("xtc-threshold", "P", "", xtc_threshold, IN, 0, 1, effect_xtc,
           "probability from which a token is a top choice for XTC"),
    DOUBLE_("mirostat-tau", "BITS", "bits", mirostat_tau, IN, 0, 100, effect_stage,
            "surprisal that Mirostat 2 aims at; 0: off"),
    DOUBLE_("mirostat-eta", "R", "", mirostat_eta, IN, 0, 1, effect_mirostat_rate, "learning rate of Mirostat 2"),
    FLOAT_("repeat-penalty", "R", "", repeat.repeat, IN, 0.01, 100, effect_repeat,
           "divide the positive logits of recent tokens by R, multiply the negative ones; 1: off"),
    FLOAT_("frequency-penalty", "R", "", repeat.frequency, IN, -100, 100, effect_repeat,
           "subtract R for each earlier occurrence of the token; 0: off"),
    FLOAT_("presence-penalty", "R", "", repeat.presence, IN, -100, 100, effect_repeat,
           "subtract R once if the token occurred; 0: off"),
    INT_("repeat-last-n", "N", "tokens", repeat.last_n, WHOLE, -1, 1e6, effect_repeat_range,
         "recent tokens that these penalties read; -1: the whole text"),
    FLOAT_("dry-multiplier", "M", "", dry.multiplier, IN, 0, 100, NULL,
           "DRY penalty on tokens that extend a repetition; 0: off"),
    FLOAT_("dry-base", "B", "", dry.base, IN, 1, 10, effect_dry,
           "factor of the DRY penalty per token of the repetition"),
    INT_("dry-allowed-length", "N", "tokens", dry.allowed, WHOLE, 1, 1000, effect_dry,
         "shortest repetition that DRY penalises"),
    INT_("no-repeat-ngram", "N", "tokens", no_repeat_ngram, WHOLE, 0, 1000, NULL,
         "never repeat a sequence of N tokens; 0: off"),
    OTHER_("logit-bias", "ID(+|-)X", "", settings_add_bias, NULL, NULL,
           "add X to the logit of token ID; ID-inf bans it; repeatable"),
    OTHER_("samplers", "A,B,...", "", settings_set_order, settings_show_order, NULL,
           "stages that drop candidates, in this order; none: no stage"),
    SWITCH_("temp-first", temperature_first, effect_temp_first,
            "apply the temperature before truncation, as Hugging Face does"),
    CHOICE_("temp-policy", "fixed|linear|sigmoid|table|edt|edt-instance|udt|kld|dynatemp|target", temperature.kind,
            effect_temperature, "how each step's temperature is chosen"),
    PAIR_("temp-range", "", temperature.low, temperature.high, IN, 0, SETTINGS_MAX_TEMP, false,
          "lowest and highest T of linear, sigmoid and target"),
    OTHER_("temp-table", "H:T,...", "nats", settings_set_table, settings_show_table, effect_temperature,
           "T at each entropy H, interpolated linearly (table)"),
    PAIR_("entropy-range", "nats", temperature.entropy_low, temperature.entropy_high, IN, 0, SETTINGS_MAX_NATS, true,
          "entropies at which linear reaches its lowest and highest T; default: the text's quartiles"),
    DOUBLE_("entropy-cap", "NATS", "nats", temperature.entropy_cap, ABOVE, 0, SETTINGS_MAX_NATS, effect_temperature,
            "linear reads a higher entropy as this one"),
    DOUBLE_("sigmoid-k", "K", "", temperature.sigmoid_k, IN, -100, 100, effect_temperature, "steepness of sigmoid"),
    DOUBLE_("sigmoid-mid", "NATS", "nats", temperature.sigmoid_mid, IN, 0, SETTINGS_MAX_NATS, effect_temperature,
            "entropy at the middle of sigmoid"),
    DOUBLE_("edt-theta", "R", "", temperature.edt_theta, IN, 0, 100, effect_temperature,
            "theta of edt, edt-instance and udt"),
    DOUBLE_("edt-n", "N", "", temperature.edt_n, BETWEEN, 0, 1, effect_temperature,
            "N of edt, edt-instance and udt, between 0 and 1"),
    CHOICE_("udt-measure", TEMPERATURE_UDT_MEASURES, temperature.udt_measure, effect_temperature,
            "measure of uncertainty that udt reads"),
    DOUBLE_("kld-sigma", "NATS", "nats", temperature.kld_sigma, ABOVE, 0, 1000, effect_temperature,
            "divergence that halves T (kld)"),
    DOUBLE_("dynatemp-range", "R", "", temperature.dynatemp_range, IN, 0, SETTINGS_MAX_TEMP, effect_temperature,
            "dynatemp varies T by up to R above and below temp"),
    DOUBLE_("dynatemp-exp", "E", "", temperature.dynatemp_exp, IN, 0, 100, effect_temperature, "dynatemp exponent"),
    OTHER_("entropy-target", "X|@F|X@F", "nats", settings_set_target, settings_show_target, effect_temperature,
           "entropy of the survivors that target aims at: X nats, F of its maximum, or the smaller"),
    SWITCH_("fe", future, effect_future, "look one token ahead: future entropy"),
    ROW(KIND_DOUBLE, "alpha", "A", "", lookahead.alpha, IN, -1, 1, effect_alpha,
        "look ahead; weight of the future, from -1 (present alone) to 1 (future alone)"), .looks_ahead = true},
    INT_("fe-k", "K", "candidates", lookahead.k, WHOLE, 1, LOOKAHEAD_MAX_K, effect_of_future,
         "likeliest candidates whose futures are evaluated"),
    INT_("fe-n", "N", "tokens", lookahead.n, WHOLE, 2, 1e6, effect_of_future,
         "likeliest next tokens that the future entropy reads"),
    CHOICE_("fe-curve", "article|crossfade", lookahead.curve, effect_of_future,
            "how alpha divides the weight between present and future"),
    CHOICE_("fe-at", "token|word|sentence", lookahead.gate, effect_of_future,
            "look ahead at each token, or where a word or sentence begins"),
    CHOICE_("fe-eog", "neutral|raw|exclude", lookahead.eog, effect_of_future, "how candidates that end the text count"),
    INT_("fe-depth", "D", "tokens", lookahead.depth, WHOLE, 1, LOOKAHEAD_MAX_DEPTH, effect_of_future,
         "tokens to look ahead"),
    DOUBLE_("fe-discount", "G", "", lookahead.discount, IN, 0, 1, effect_discount,
            "factor of the weight per further token ahead"),
    ROW(KIND_INT, "fe-chunk", "N|auto", "candidates", lookahead.chunk, WHOLE, 1, LOOKAHEAD_MAX_K, effect_chunk,
        "candidates evaluated per pass; auto: chosen by the measured cost of a pass"), .zero = "auto"},
    SWITCH_("fe-eager", lookahead.eager, effect_of_future, "evaluate all candidates, even those that cannot win"),
    OTHER("wave", "SHAPE:AMP:PERIOD", "", settings_set_wave, settings_show_wave, effect_future,
          "alpha oscillates: sine, triangle, square or ramp; also :PHASE[:BIAS]"), .looks_ahead = true},
    CHOICE_("wave-clock", WAVE_UNIT_NAMES, wave.clock, effect_clock,
            "unit in which the wave counts the text written so far"),
};
// clang-format on
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static const SamplerPreset presets[] = {
    {"precise", "temp 0.3, top-k 20, top-p 0.9, min-p 0.1"},
    {"balanced", "temp 0.8, top-k 40, top-p 0.95, min-p 0.05"},
    {"creative", "temp 1.2, top-k 0, top-p 1, min-p 0.02, xtc-probability 0.5, xtc-threshold 0.1"},
    {"future-entropy", "temp 1, top-k 40, top-p 0.95, min-p 0.05, fe, alpha 0, fe-k 20, fe-n 20, fe-at word"},
    {"wave", "temp 1, top-k 40, top-p 0.95, min-p 0.05, fe, fe-k 20, fe-n 20, fe-at word, wave sine:1:60"},
    {"code", "temp 0.8, top-k 40, top-p 0.95, min-p 0.05, fe, alpha 0, fe-k 20, fe-n 20, fe-at word, "
             "at number:{preset=precise,temp=0.2}, at identifier:{preset=precise,temp=0.2}, "
             "at code:{preset=precise,temp=0.2}"},
};

const SamplerPreset *sampler_preset(int i) {
    return i < (int)(sizeof presets / sizeof presets[0]) ? &presets[i] : NULL;
}

Sampler sampler_default(void) {
    Sampler sampler = {.repeat = {64, 1, 0, 0},
                       .dry = {0, 1.75f, 2},
                       .top_k = {40, 40, true},
                       .top_p = {0.95, 0.95, false},
                       .min_p = 0.05f,
                       .typical = 1,
                       .top_h = 1,
                       .xtc_threshold = 0.1f,
                       .mirostat_eta = 0.1,
                       .lookahead = lookahead_default(),
                       .wave = wave_default(),
                       .temperature = temperature_default()};
    for (int stage = 0; stage < SAMPLER_STAGES; stage++)
        if (!sampler_stages[stage].rewrites) sampler.order[sampler.n_order++] = (Stage)stage;
    return sampler;
}

/* ---- Looking up ---- */

const SettingRow *settings_row(int i) { return i >= 0 && i < N_ROWS ? &rows[i] : NULL; }

const SettingRow *settings_find_part(const char *name, size_t length) {
    for (int i = 0; i < N_ROWS; i++)
        if (strlen(rows[i].name) == length && memcmp(rows[i].name, name, length) == 0) return &rows[i];
    return NULL;
}

const SettingRow *settings_find(const char *name) { return settings_find_part(name, strlen(name)); }

static bool describe(const SettingRow *row, SamplerSetting *setting) {
    if (!row) return false;
    Sampler usual = sampler_default();
    *setting = (SamplerSetting){.name = row->name, .metavar = row->metavar, .unit = row->unit, .help = row->help};
    if (row->range.low < row->range.high) number_range_print(row->range, setting->range, sizeof setting->range);
    sampler_show(&usual, row->name, setting->default_text, sizeof setting->default_text);
    return true;
}

bool sampler_setting(int i, SamplerSetting *setting) { return describe(settings_row(i), setting); }

bool sampler_setting_named(const char *name, SamplerSetting *setting) { return describe(settings_find(name), setting); }

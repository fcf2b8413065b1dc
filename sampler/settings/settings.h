/* Settings: the table of all that has a flag, for the files that read values (settings.c), show them (settings_show.c) and
 * tell whether they matter (settings_effect.c). Other files use sampler.h. */
#ifndef SAMPLER_SETTINGS_SETTINGS_H
#define SAMPLER_SETTINGS_SETTINGS_H

#include "sampler/chain/number.h"
#include "sampler/sampler.h"

typedef enum {
    KIND_FLOAT,
    KIND_DOUBLE,
    KIND_INT,
    KIND_FLAG,
    KIND_STEER,
    KIND_CHOICE,
    KIND_TEMPERATURE,
    KIND_OTHER
} SettingKind;

/* Whether the setting can have an effect in this chain, as sampler_matters. */
typedef bool SettingEffect(const Sampler *sampler, const char *name, Error *why);

typedef struct {
    SamplerSetting setting;
    SettingKind kind;
    size_t offset; /* of the field in Sampler */
    NumberRange range;
    const char *choices;                                             /* "a|b": the field is the place among them */
    bool (*set)(Sampler *sampler, const char *text, Error *error);   /* KIND_OTHER */
    int (*show)(const Sampler *sampler, char *out, size_t capacity); /* the same; NULL: it shows nothing */
    SettingEffect *effect;                                           /* NULL: it always has one */
} SettingRow;

/* NULL: there is none of this name. */
const SettingRow *settings_find(const char *name);

#define SETTINGS_NO_STAGE "none" /* of --samplers: since what is shown empty is not set again */

/* Of the rows of KIND_OTHER. */
int settings_show_order(const Sampler *sampler, char *out, size_t capacity);
int settings_show_wave(const Sampler *sampler, char *out, size_t capacity);
int settings_show_clock(const Sampler *sampler, char *out, size_t capacity);
int settings_show_chunk(const Sampler *sampler, char *out, size_t capacity);

SettingEffect effect_stage, effect_xtc, effect_mirostat_rate, effect_repeat, effect_repeat_range, effect_dry,
    effect_temp_first, effect_temperature, effect_future, effect_alpha, effect_of_future, effect_discount, effect_chunk,
    effect_clock;

#endif

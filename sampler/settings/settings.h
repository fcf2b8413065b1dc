/* Settings: the one table of the sampler's settings. Only this table has their names, ranges, units and help: the
 * program's options, help and lists, traces and foretell.h read it through sampler.h. This header is for the files of
 * this room: table.c holds the rows, settings.c reads values, settings_show.c prints them, settings_check.c finds
 * contradictions, settings_effect.c tells whether a setting matters, settings_temperature.c reads lists of numbers.
 *
 * To add a setting: its field in sampler.h (or in the struct that Sampler holds), and its row and default value in
 * table.c. A row of KIND_OTHER also needs its two functions, declared below. Then the man page, and SAMPLERS.md.
 * A stage or a temperature policy is a row of its own table, too: see sampler.h and temperature.h.
 * Tests that fail until it is done: tests/sampler/test_sampler.c (values read back), tests/tools/cli/manual.sh. */
#ifndef SAMPLER_SETTINGS_SETTINGS_H
#define SAMPLER_SETTINGS_SETTINGS_H

#include "sampler/chain/number.h"
#include "sampler/sampler.h"

#define SETTINGS_MAX_NATS 100 /* far above ln V of any vocabulary */
#define SETTINGS_MAX_TEMP 100

typedef enum {
    KIND_FLOAT,
    KIND_DOUBLE,
    KIND_INT,
    KIND_SWITCH, /* bool: takes no value */
    KIND_STEER,
    KIND_CHOICE, /* an enum: the value's place in metavar, "a|b" */
    KIND_PAIR,   /* two doubles, LO:HI with LO < HI */
    KIND_OTHER
} SettingKind;

/* Whether the setting can have an effect in this chain: see sampler_matters. */
typedef bool SettingEffect(const Sampler *sampler, const char *name, Error *why);

typedef struct {
    const char *name, *metavar, *unit, *help; /* as SamplerSetting */
    SettingKind kind;
    size_t offset; /* of the field in Sampler */
    NumberRange range;
    SettingEffect *effect;                                           /* NULL: it always has one */
    size_t offset_high;                                              /* KIND_PAIR: the field of HI */
    bool may_be_absent;                                              /* KIND_PAIR: 0:0 means "not set" */
    bool looks_ahead;                                                /* setting it turns future entropy on */
    const char *zero;                                                /* KIND_INT: the word for 0, or NULL */
    bool (*set)(Sampler *sampler, const char *text, Error *error);   /* KIND_OTHER */
    int (*show)(const Sampler *sampler, char *out, size_t capacity); /* KIND_OTHER; NULL: it shows nothing */
} SettingRow;

/* NULL: i is past the last row; no setting has this name. */
const SettingRow *settings_row(int i);
const SettingRow *settings_find(const char *name);
const SettingRow *settings_find_part(const char *name, size_t length); /* the name is the first `length` characters */

#define SETTINGS_NO_STAGE "none" /* the value of `samplers` for an empty list, since "" would mean "not set" */

/* The functions of the rows of KIND_OTHER. */
bool settings_set_preset(Sampler *sampler, const char *text, Error *error);
bool settings_set_order(Sampler *sampler, const char *text, Error *error);
bool settings_add_bias(Sampler *sampler, const char *text, Error *error);
bool settings_set_wave(Sampler *sampler, const char *text, Error *error);
bool settings_set_table(Sampler *sampler, const char *text, Error *error);
bool settings_set_target(Sampler *sampler, const char *text, Error *error);
int settings_show_order(const Sampler *sampler, char *out, size_t capacity);
int settings_show_wave(const Sampler *sampler, char *out, size_t capacity);
int settings_show_table(const Sampler *sampler, char *out, size_t capacity);
int settings_show_target(const Sampler *sampler, char *out, size_t capacity);

/* Check the table and the target of a policy, however they were set: parts of sampler_check. */
bool settings_check_table(const TemperaturePolicy *policy, Error *error);
bool settings_check_target(const TemperaturePolicy *policy, Error *error);

SettingEffect effect_stage, effect_xtc, effect_mirostat_rate, effect_repeat, effect_repeat_range, effect_dry,
    effect_temp_first, effect_temperature, effect_future, effect_alpha, effect_of_future, effect_discount, effect_chunk,
    effect_clock;

#endif

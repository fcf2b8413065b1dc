/* Checks a whole sampler, however it was set: values against their ranges, settings against each other. */
#include <assert.h>

#include "sampler/settings/settings.h"

static double double_at(const Sampler *sampler, size_t offset) {
    return *(const double *)((const char *)sampler + offset);
}

static bool check_pair(const Sampler *sampler, const SettingRow *row, Error *error) {
    double low = double_at(sampler, row->offset), high = double_at(sampler, row->offset_high);
    if (row->may_be_absent && low == 0 && high == 0) return true;
    if (!number_check(low, row->range, row->name, error) || !number_check(high, row->range, row->name, error))
        return false;
    return low < high || error_set(error, "%s: expected LO below HI, got %.7g:%.7g", row->name, low, high);
}

static bool check_value(const Sampler *sampler, const SettingRow *row, Error *error) {
    const void *field = (const char *)sampler + row->offset;
    switch (row->kind) {
    case KIND_FLOAT:
        return number_check_float(*(const float *)field, row->range, row->name, error);
    case KIND_DOUBLE:
        return number_check(*(const double *)field, row->range, row->name, error);
    case KIND_INT:
        return (row->zero && *(const int *)field == 0) ||
               number_check(*(const int *)field, row->range, row->name, error);
    case KIND_STEER:
        return number_check(((const Steer *)field)->low, row->range, row->name, error) &&
               number_check(((const Steer *)field)->high, row->range, row->name, error);
    case KIND_PAIR:
        return check_pair(sampler, row, error);
    default:
        return true;
    }
}

static bool check_temperature(const TemperaturePolicy *policy, Error *error) {
    assert((unsigned)policy->kind < TEMPERATURE_KINDS && (unsigned)policy->udt_measure < UDT_MEASURES);
    if (policy->kind == TEMPERATURE_LINEAR && policy->entropy_cap <= policy->entropy_low)
        return error_set(error, "entropy-cap: expected a number above the LO of entropy-range, %.7g, got %.7g",
                         policy->entropy_low, policy->entropy_cap);
    return settings_check_table(policy, error) && settings_check_target(policy, error);
}

bool sampler_check(const Sampler *sampler, Error *error) {
    const SettingRow *row;
    for (int i = 0; (row = settings_row(i)); i++)
        if (!check_value(sampler, row, error)) return false;
    return check_temperature(&sampler->temperature, error) && sampler_check_rules(sampler, error);
}

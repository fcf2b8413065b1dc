#include "tests/support/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void must(bool done, const Error *error) {
    if (!done) fail_msg("%s", error->message);
}

void must_set(Sampler *sampler, const char *name, const char *value) {
    Error error;
    must(sampler_set(sampler, name, value, &error), &error);
}

/* Must: what the test takes for granted; where it fails, the test fails with the error. */
#ifndef TESTS_SUPPORT_MUST_H
#define TESTS_SUPPORT_MUST_H

#include "sampler/sampler.h"

void must(bool done, const Error *error);
/* sampler_set. */
void must_set(Sampler *sampler, const char *name, const char *value);

#endif

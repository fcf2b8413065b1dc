/* Lines "name value" or "name" set a sampler: whatever they hold, each is taken or refused with a message, what was taken
 * shows itself as it can be set again, and the chain prints. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "sampler/sampler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_shown(const Sampler *sampler, const char *name) {
    char shown[128], again[128];
    Error error;
    Sampler copy = *sampler;
    if (sampler_show(sampler, name, shown, sizeof shown) == 0) return;
    assert(sampler_set(&copy, name, shown, &error));
    sampler_show(&copy, name, again, sizeof again);
    assert(strcmp(shown, again) == 0);
}

static void set_line(Sampler *sampler, char *line) {
    Error error = {{0}};
    char *value = strchr(line, ' ');
    if (value) *value++ = '\0';
    if (sampler_set(sampler, line, value, &error))
        check_shown(sampler, line);
    else
        assert(error.message[0] != '\0' && !strchr(error.message, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[4096], chain[4096];
    Error error;
    Sampler sampler = sampler_default();
    if (size >= sizeof text) return 0;
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end) *end++ = '\0';
        set_line(&sampler, line);
    }
    int length = sampler_print(&sampler, chain, sizeof chain);
    assert(length > 0 && (size_t)length < sizeof chain && strlen(chain) == (size_t)length);
    sampler_check(&sampler, &error);
    return 0;
}

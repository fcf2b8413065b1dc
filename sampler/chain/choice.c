#include "sampler/chain/choice.h"

#include <stdio.h>
#include <string.h>

int choice_find(const char *choices, const char *text, size_t length) {
    for (int i = 0;; i++) {
        size_t next = strcspn(choices, "|");
        if (next == length && memcmp(choices, text, length) == 0) return i;
        if (!choices[next]) return -1;
        choices += next + 1;
    }
}

int choice_print(const char *choices, int place, char *out, size_t capacity) {
    for (; place > 0; place--) choices = strchr(choices, '|') + 1;
    return snprintf(out, capacity, "%.*s", (int)strcspn(choices, "|"), choices);
}

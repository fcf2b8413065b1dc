#include "tools/cli/places.h"

#include <stdio.h>

static void list(const char *name, const char *meaning, const char *example) {
    printf("  %-16s %-75s --at %s\n", name, meaning, example);
}

void places_list(void) {
    printf("\nplaces, for --at:\n");
    for (int i = 0; i < PLACE_KINDS; i++) list(place_table[i].name, place_table[i].meaning, place_table[i].example);
    list("/REGEX/", "where this pattern matches the end of the text", "'/chapter [0-9]+$/:temp=1.5,top-p=0.99'");
}

void places_warn(const Writer *writer) {
    PlaceSet limited = place_limited(writer->regexes);
    for (int i = 0; i < writer->sampler->n_rules; i++) {
        const PlaceRule *rule = &writer->sampler->rules[i];
        if (limited >> i & 1)
            fprintf(stderr, "foretell: --at %.*s: the pattern reached its limit of steps, which counts as no match\n",
                    place_length(rule), rule->text);
    }
}

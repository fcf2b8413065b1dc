#include "tokenizer/names.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/memory.h"

bool names_alloc(Names *names, int capacity, Error *error) {
    *names = (Names){0};
    names->sorted = memory_alloc((size_t)capacity, sizeof *names->sorted, "names of tokens", error);
    return names->sorted != NULL;
}

void names_release(Names *names) {
    memory_free(names->sorted);
    *names = (Names){0};
}

void names_add(Names *names, Bytes text, int token) {
    assert(text.size > 0);
    names->sorted[names->count++] = (Name){text, token};
}

static int compare_names(const void *a, const void *b) {
    const Name *x = a, *y = b;
    int order = memcmp(x->text.data, y->text.data, x->text.size < y->text.size ? x->text.size : y->text.size);
    if (order != 0) return order;
    if (x->text.size != y->text.size) return x->text.size < y->text.size ? -1 : 1;
    return x->token < y->token ? -1 : x->token > y->token;
}

void names_sort(Names *names) {
    if (names->count > 1) qsort(names->sorted, (size_t)names->count, sizeof *names->sorted, compare_names);
    for (int i = 0; i < names->count; i++) names->first[names->sorted[i].text.data[0] + 1]++;
    for (int byte = 0; byte < 256; byte++) names->first[byte + 1] += names->first[byte];
}

/* The first of sorted[low .. high), which agree in their first `depth` bytes, whose next byte is at least `byte`; a
 * name that ends there comes before all others. */
static int lower_bound(const Names *names, int low, int high, size_t depth, int byte) {
    while (low < high) {
        int middle = low + (high - low) / 2;
        Bytes text = names->sorted[middle].text;
        int found = depth < text.size ? text.data[depth] : -1;
        if (found < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int names_match(const Names *names, Bytes text, size_t *n_bytes) {
    int low = names->first[text.data[0]], high = names->first[text.data[0] + 1], token = -1;
    for (size_t depth = 1; low < high; depth++) {
        if (names->sorted[low].text.size == depth) {
            token = names->sorted[low].token;
            *n_bytes = depth;
        }
        if (depth == text.size) break;
        low = lower_bound(names, low, high, depth, text.data[depth]);
        high = lower_bound(names, low, high, depth, text.data[depth] + 1);
    }
    return token;
}

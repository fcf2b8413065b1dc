#include "tests/support/doc_page.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test.h"

enum { PAGE_BYTES = 1 << 16 };

static char page[PAGE_BYTES];
static bool compared[PAGE_BYTES]; /* compared[i]: the figure that begins at page[i] */
static const char *here;

bool doc_page_read(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) return false;
    size_t n = fread(page, 1, sizeof page - 1, file);
    fclose(file);
    here = page;
    return n > 0 && n < sizeof page - 1;
}

static const char *find_section(const char *title) {
    char heading[100];
    int length = snprintf(heading, sizeof heading, "\n## %s\n", title);
    const char *found = strstr(page, heading);
    if (!found) fail_msg("no section '%s'", title);
    return found + length;
}

void doc_page_section(const char *title) { here = find_section(title); }

const char *doc_page_after(const char *anchor) {
    const char *end = strstr(here, "\n## "), *found = strstr(here, anchor);
    if (!found || (end && found > end)) fail_msg("the section does not have '%s'", anchor);
    return found + strlen(anchor);
}

void doc_page_skip(const char *anchor) { here = doc_page_after(anchor); }

/* "7", "-.5", "1.25", but not the 2 of "log2" or the 80 of ".80". */
static bool begins_figure(const char *at) {
    const char *digits = at + (*at == '-');
    digits += *digits == '.';
    bool is_inside = at > page && (isalnum((unsigned char)at[-1]) || at[-1] == '.' || at[-1] == '_');
    return isdigit((unsigned char)*digits) && !is_inside;
}

static size_t decimals(const char *figure) {
    const char *point = figure + strspn(figure, "-0123456789");
    return *point == '.' ? strspn(point + 1, "0123456789") : 0;
}

static const char *after_figure(const char *figure) { return figure + strspn(figure, "-.0123456789"); }

void doc_page_figures(const char *anchor, const double *values, size_t n) {
    const char *at = doc_page_after(anchor);
    for (size_t i = 0; i < n; i++, at = after_figure(at)) {
        while (*at && !begins_figure(at)) at++;
        double figure = strtod(at, NULL), half = 0.5 * pow(10, -(double)decimals(at));
        if (!(fabs(values[i] - figure) <= half * (1 + 1e-4)))
            fail_msg("figure %zu after '%s': the page says %.9g, it is %.9g", i, anchor, figure, values[i]);
        compared[at - page] = true;
    }
}

void doc_page_set(const char *anchor, const char *set) {
    const char *at = doc_page_after(anchor);
    at += strcspn(at, "{\n");
    if (strncmp(at, set, strlen(set)) != 0) fail_msg("after '%s': the page says %.12s, it is %s", anchor, at, set);
}

int doc_page_count_compared(size_t least_decimals, const char *from, const char *to) {
    int n = 0;
    const char *end = to ? find_section(to) : page + strlen(page);
    for (const char *at = from ? find_section(from) : page; at < end; at++) {
        if (!begins_figure(at)) continue;
        if (decimals(at) >= least_decimals) {
            if (!compared[at - page]) fail_msg("no test compares '%.20s'", at);
            n++;
        }
        at = after_figure(at) - 1;
    }
    return n;
}

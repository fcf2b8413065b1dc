/* Doc page: a page of documentation beside the code that it describes. A test computes what the page prints, and
 * compares it with the page at the precision printed. A mismatch fails the test, with the place. */
#ifndef TESTS_SUPPORT_DOC_PAGE_H
#define TESTS_SUPPORT_DOC_PAGE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads the page (at most 64 KiB) that the functions below look at; false: it cannot be read. */
bool doc_page_read(const char *path);

/* Goes to "## title". */
void doc_page_section(const char *title);
/* Continues after the first `anchor` of the section. */
void doc_page_skip(const char *anchor);

/* What follows the first `anchor`, from here to the section's end. */
const char *doc_page_after(const char *anchor);

/* The next n figures after the anchor are these values. */
void doc_page_figures(const char *anchor, const double *values, size_t n);
#define FIGURES(anchor, ...)                                                                                           \
    doc_page_figures(anchor, (const double[]){__VA_ARGS__}, sizeof(const double[]){__VA_ARGS__} / sizeof(double))

/* The first "{...}" after the anchor is this. */
void doc_page_set(const char *anchor, const char *set);

/* How many figures have at least that many decimals, from the section `from` up to the section `to` (NULL: the
 * beginning, the end of the page). Fails at the first one that doc_page_figures did not compare. */
int doc_page_count_compared(size_t least_decimals, const char *from, const char *to);

#endif

/* Listing: several texts in the order of their scores, each text on standard output, its figures on standard error. */
#ifndef TOOLS_GENERATE_LISTING_H
#define TOOLS_GENERATE_LISTING_H

#include "tools/generate/many.h"

/* Prints the first n_texts texts and the figures of the first n_listed. */
typedef struct {
    const Continuation *items[TEXTS_MAX];
    int count, n_texts, n_listed;
    int first;   /* the number of items[0], from 1 */
    bool ranked; /* by Many.ranking; otherwise in the order of items */
} Listing;

/* Appends the texts in the order of their numbers. */
void listing_add(Listing *listing, const Texts *texts);

bool listing_print(const Listing *listing, const Many *many, const ManyRun *run, Error *error);

#endif

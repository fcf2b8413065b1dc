/* Explore view: draws the screen of foretell explore: the end of the text, the candidates, two status lines. */
#ifndef TOOLS_EXPLORE_EXPLORE_VIEW_H
#define TOOLS_EXPLORE_EXPLORE_VIEW_H

#include "tools/cli/units.h"
#include "tools/explore/tree.h"

enum { EXPLORE_COLUMNS = 40, EXPLORE_LINES = 12 }; /* of the smallest screen */
enum { EXPLORE_TINTS = 6, EXPLORE_ROWS = LOOKAHEAD_MAX_K };

/* A row of the table; future is NULL without lookahead. */
typedef struct {
    int token;
    double p;
    bool drawn;
    const LookaheadCandidate *future;
} ExploreRow;

typedef struct {
    const Tree *tree;
    const Tokenizer *tokenizer;
    Units units;
    bool at_start; /* as token_stream_start */
    bool tinted;   /* by surprisal, in the colour pairs 1 to EXPLORE_TINTS */
    char message[256];
    ExploreRow rows[EXPLORE_ROWS];
    int n_rows, selected;
    uint8_t *piece; /* token_stream_bound bytes of scratch memory */
} ExploreView;

/* Draws all of it on the ncurses screen. */
void explore_show(const ExploreView *view);

/* Alpha of the step on the screen. The branch's state already belongs to the step after it. */
double explore_alpha(const Tree *tree);

#endif

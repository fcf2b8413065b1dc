#define _XOPEN_SOURCE    700 /* wcwidth */
#define NCURSES_WIDECHAR 1
#include "tools/explore/explore_view.h"

#include <math.h>
#include <ncurses.h>
#include <stdio.h>
#include <wchar.h>

#include "tools/explore/screen.h"

double explore_alpha(const Tree *tree) {
    const TreeBranch *branch = &tree->branches[tree->current];
    return tree->drawn ? tree->writer.alpha : sampler_alpha(&tree->sampler, &branch->sequence.state);
}

/* The position in the text. The text is laid out twice: first to measure its height, then to draw its end. */
typedef struct {
    int row, column, first, height; /* first: the row at the top of the screen; height 0: nothing is shown */
} Layout;

static void lay_out(Layout *cursor, Bytes text) {
    wchar_t c;
    for (size_t i = 0; i < text.size;) {
        i += (size_t)screen_character(text, i, &c);
        int columns = c == L'\n' ? 0 : wcwidth(c);
        if (c == L'\n' || cursor->column + columns > COLS) {
            cursor->row++;
            cursor->column = 0;
        }
        if (c == L'\n') continue;
        int row = cursor->row - cursor->first;
        if (cursor->height && row >= 0 && row < cursor->height) mvaddnwstr(row, cursor->column, &c, 1);
        cursor->column += columns;
    }
}

/* Cividis from dark blue to yellow, as in --color-by, in 256 colours. */
static void set_tint(const ExploreView *view, int position) {
    const TreeBranch *branch = &view->tree->branches[view->tree->current];
    double place = units_of(view->units, branch->surprisal[position]) / units_scale(view->units) * EXPLORE_TINTS;
    int tint = place >= EXPLORE_TINTS ? EXPLORE_TINTS - 1 : place > 0 ? (int)place : 0;
    if (view->tinted && position >= view->tree->n_prompt) attrset(COLOR_PAIR(tint + 1));
    if (branch->parent >= 0 && position == branch->position) attron(A_UNDERLINE); /* the first token of its own */
}

static void walk_text(const ExploreView *view, Layout *cursor) {
    const Sequence *sequence = &view->tree->branches[view->tree->current].sequence;
    TokenStream stream = token_stream_start(view->tokenizer, view->tree->special, view->at_start);
    for (int i = 0; i < sequence->length; i++) {
        size_t n = token_stream_push(&stream, sequence->history[i], view->piece);
        if (cursor->height) set_tint(view, i);
        lay_out(cursor, (Bytes){view->piece, n});
        attrset(A_NORMAL);
    }
    size_t n = token_stream_finish(&stream, view->piece);
    lay_out(cursor, (Bytes){view->piece, n});
}

static void show_text(const ExploreView *view, int height) {
    Layout cursor = {0};
    walk_text(view, &cursor);
    int first = cursor.row >= height ? cursor.row - height + 1 : 0;
    cursor = (Layout){.first = first, .height = height};
    walk_text(view, &cursor);
}

static void show_futures(const ExploreView *view, const LookaheadCandidate *item, int width) {
    char number[16];
    for (int i = 0; i < item->n_futures && width > 0; i++) {
        width -= screen_put_string(i ? "  " : "", width);
        width -= screen_put(tokenizer_spelling(view->tokenizer, item->futures[i].token), width);
        snprintf(number, sizeof number, " %.2f", (double)item->futures[i].prob);
        width -= screen_put_string(number, width);
    }
}

enum { PIECE_COLUMNS = 12 };

static void show_row(const ExploreView *view, int line, int i) {
    const ExploreRow *row = &view->rows[i];
    char numbers[80];
    if (i == view->selected) attrset(A_REVERSE);
    mvaddstr(line, 0, row->drawn ? "> " : "  ");
    int used = screen_put(tokenizer_spelling(view->tokenizer, row->token), PIECE_COLUMNS);
    for (; used < PIECE_COLUMNS; used++) addch(' ');
    if (!row->future)
        snprintf(numbers, sizeof numbers, " %.4f      -      -  ", row->p);
    else
        snprintf(numbers, sizeof numbers, " %.4f %.4f %.4f%s", row->p, row->future->worth, exp(row->future->ln_s),
                 row->future->neutral ? "* " : "  ");
    used = screen_put_string(numbers, COLS - 2 - PIECE_COLUMNS);
    attrset(A_NORMAL);
    if (row->future) show_futures(view, row->future, COLS - 2 - PIECE_COLUMNS - used);
}

static void show_table(const ExploreView *view, int line, int height) {
    int first = view->selected >= height ? view->selected - height + 1 : 0;
    mvaddstr(line, 0, "  ");
    screen_put_string("candidate         p   Hhat      s  likeliest futures", COLS - 2);
    if (view->tree->stop) {
        move(line + 1, 2);
        screen_put_string(view->tree->stop, COLS - 2);
    }
    for (int i = first; i < view->n_rows && i - first < height; i++) show_row(view, line + 1 + i - first, i);
}

static void show_status(const ExploreView *view) {
    const Tree *tree = view->tree;
    const TreeBranch *branch = &tree->branches[tree->current];
    char line[512], parent[32] = "", entropy[32] = "";
    if (branch->parent >= 0) snprintf(parent, sizeof parent, " from %d at %d", branch->parent, branch->position);
    if (tree->drawn)
        snprintf(entropy, sizeof entropy, " | H %.3f %s", units_of(view->units, tree->writer.natural.entropy),
                 units_name(view->units));
    int n = snprintf(line, sizeof line, "branch %d of %d%s | position %d | alpha %.2f | T %.2f | seed %llu%s",
                     tree->current, tree->count, parent, branch->sequence.length, explore_alpha(tree),
                     tree->drawn ? tree->writer.temperature : tree->sampler.temperature.base,
                     (unsigned long long)tree->sampler.seed, entropy);
    attrset(A_REVERSE);
    move(LINES - 2, 0);
    screen_put_string(line, COLS);
    for (; n < COLS; n++) addch(' ');
    attrset(A_NORMAL);
    move(LINES - 1, 0);
    screen_put_string(view->message[0]
                          ? view->message
                          : "enter take  space draw  u undo  </> alpha  f fork  tab switch  s save  q quit",
                      COLS - 1);
}

void explore_show(const ExploreView *view) {
    erase();
    if (LINES < EXPLORE_LINES || COLS < EXPLORE_COLUMNS) {
        mvaddnstr(0, 0, "the window is too small", COLS);
    } else {
        int table = (LINES - 3) / 2, text = LINES - 3 - table;
        show_text(view, text);
        show_table(view, text, table);
        show_status(view);
    }
    refresh();
}

/* foretell explore: shows a text and the candidates for its next token, and reads keys that extend, undo and fork the
 * text. tree.h keeps the text and its branches, explore_view.h draws the screen; this file handles the keys. */
#define _XOPEN_SOURCE    700
#define NCURSES_WIDECHAR 1
#include <locale.h>
#include <math.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tensor/memory.h"
#include "tools/cli/commands.h"
#include "tools/cli/interrupts.h"
#include "tools/cli/mapped.h"
#include "tools/cli/open.h"
#include "tools/cli/places.h"
#include "tools/cli/prompt.h"
#include "tools/cli/text.h"
#include "tools/explore/explore_view.h"
#include "tools/explore/screen.h"

enum { CTRL_C = 3, ESCAPE = 27 };

typedef struct {
    const char *model, *tokenizer, *prompt, *file, *save, *tree;
    int context, threads, kv, units;
    Sampler sampler;
} ExploreSettings;

typedef struct {
    const ExploreSettings *settings;
    Model *model;
    Tokenizer *tokenizer;
    TraceHeader header;
    int *prompt;
    Tree tree;
    ExploreView view;
    bool tree_is_open, over, interrupted;
    char path[PATH_MAX]; /* where the key s saves to; empty: it asks */
} Explore;

/* ---- The table ---- */

static void fill_rows(Explore *explore) {
    const Writer *writer = &explore->tree.writer;
    const LookaheadReport *report = &writer->report;
    int which[STEP_SHOWN], n = 0;
    explore->view.n_rows = 0;
    if (!explore->tree.drawn) return;
    for (int i = 0; report->outcome == LOOKAHEAD_DONE && i < report->count; i++) {
        const LookaheadCandidate *item = &report->candidates[i];
        explore->view.rows[explore->view.n_rows++] = (ExploreRow){item->token, item->p, item->chosen, item};
    }
    if (report->outcome != LOOKAHEAD_DONE) n = step_likeliest(&writer->candidates, which, STEP_SHOWN);
    bool shown = n == 0;
    for (int i = 0; i < n; i++) {
        shown = shown || which[i] == writer->chosen;
        explore->view.rows[explore->view.n_rows++] = (ExploreRow){.token = writer->candidates.items[which[i]].token,
                                                                  .p = step_share(&writer->candidates, which[i]),
                                                                  .drawn = which[i] == writer->chosen};
    }
    if (!shown)
        explore->view.rows[explore->view.n_rows++] = (ExploreRow){
            .token = writer_drawn(writer).token, .p = step_share(&writer->candidates, writer->chosen), .drawn = true};
}

static bool draw(Explore *explore, Error *error) {
    bool done = tree_draw(&explore->tree, error);
    fill_rows(explore);
    if (explore->view.selected >= explore->view.n_rows)
        explore->view.selected = explore->view.n_rows ? explore->view.n_rows - 1 : 0;
    return done;
}

/* ---- Keys ---- */

static void say(Explore *explore, const char *text) {
    snprintf(explore->view.message, sizeof explore->view.message, "%.255s", text);
}

/* Reads a line at the bottom of the screen; false if it was cancelled. */
static bool ask(const char *question, char *out, size_t capacity) {
    size_t n = 0;
    out[0] = '\0';
    for (;;) {
        move(LINES - 1, 0);
        clrtoeol();
        int used = screen_put_string(question, COLS - 1);
        screen_put_string(out, COLS - 1 - used);
        refresh();
        int key = getch();
        if (key == '\n' || key == '\r' || key == KEY_ENTER) return n > 0;
        if (key == ESCAPE || key == CTRL_C || key == ERR) return false;
        if ((key == KEY_BACKSPACE || key == 127 || key == 8) && n > 0) out[--n] = '\0';
        if (key >= ' ' && key < 256 && key != 127 && n + 1 < capacity) {
            out[n++] = (char)key;
            out[n] = '\0';
        }
    }
}

static void save(Explore *explore) {
    Error error;
    if (!explore->path[0] && !ask("save to: ", explore->path, sizeof explore->path)) {
        explore->path[0] = '\0';
        return;
    }
    if (tree_save(&explore->tree, explore->path, explore->header.model_file, &error)) {
        snprintf(explore->view.message, sizeof explore->view.message, "saved %.200s", explore->path);
        return;
    }
    say(explore, error.message);
    if (!explore->settings->save && !explore->settings->tree)
        explore->path[0] = '\0'; /* ask for another one next time */
}

/* The branch's own alpha, whatever rules (--at) hold at this step. */
static double own_alpha(const Tree *tree) {
    const TreeBranch *branch = &tree->branches[tree->current];
    const Sequence *sequence = &branch->sequence;
    return sampler_alpha(&tree->sampler, tree->drawn ? &sequence->states[sequence->length] : &sequence->state);
}

static bool move_alpha(Explore *explore, int steps, Error *error) {
    Tree *tree = &explore->tree;
    double alpha = fmin(fmax((round(own_alpha(tree) * 10) + steps) / 10, -1), 1);
    tree_set_alpha(tree, alpha);
    if (!draw(explore, error)) return false;
    if (explore_alpha(tree) != alpha)
        snprintf(explore->view.message, sizeof explore->view.message,
                 "the branch's alpha is %.2f; a rule of --at gives it here", alpha);
    return true;
}

static bool take(Explore *explore, int token, Error *error) {
    explore->view.selected = 0;
    return tree_take(&explore->tree, token, error) && draw(explore, error);
}

static bool fork_branch(Explore *explore, Error *error) {
    Tree *tree = &explore->tree;
    if (!tree_fork(tree, error) || !draw(explore, error)) return false;
    const TreeBranch *branch = tree_current(tree);
    snprintf(explore->view.message, sizeof explore->view.message, "branch %d, forked from branch %d at position %d",
             tree->current, branch->parent, branch->position);
    return true;
}

/* Handles the keys that change the tree. After an error the tree is unchanged. */
static bool change(Explore *explore, int key, Error *error) {
    Tree *tree = &explore->tree;
    switch (key) {
    case '\n':
    case '\r':
    case KEY_ENTER:
        return explore->view.n_rows == 0 || take(explore, explore->view.rows[explore->view.selected].token, error);
    case ' ':
        return take(explore, -1, error);
    case 'u':
        explore->view.selected = 0;
        return tree_undo(tree, error) && draw(explore, error);
    case KEY_LEFT:
        return move_alpha(explore, -1, error);
    case KEY_RIGHT:
        return move_alpha(explore, 1, error);
    case 'f':
        return fork_branch(explore, error);
    case '\t':
        explore->view.selected = 0;
        tree_switch(tree, (tree->current + 1) % tree->count);
        return draw(explore, error);
    default:
        return true;
    }
}

static void press(Explore *explore, int key) {
    Error error, again;
    explore->view.message[0] = '\0';
    if (key == KEY_UP && explore->view.selected > 0) explore->view.selected--;
    if (key == KEY_DOWN && explore->view.selected + 1 < explore->view.n_rows) explore->view.selected++;
    if (key == 's') save(explore);
    explore->interrupted = key == CTRL_C;
    explore->over = key == 'q' || key == CTRL_C || key == ERR;
    if (explore->over || change(explore, key, &error)) return;
    say(explore, error.message);
    if (!explore->tree.drawn && !draw(explore, &again)) say(explore, again.message);
}

/* ---- Opening and closing ---- */

static void start_colors(Explore *explore) {
    static const short tints[EXPLORE_TINTS] = {17, 59, 242, 102, 179, 221};
    const char *no = getenv("NO_COLOR");
    if ((no && *no) || !has_colors() || start_color() == ERR || COLORS < 256) return;
    for (short i = 0; i < EXPLORE_TINTS; i++) init_pair((short)(i + 1), i < 3 ? 231 : 16, tints[i]);
    explore->view.tinted = true;
}

static bool run_screen(Explore *explore, Error *error) {
    interrupts_release(); /* ncurses installs handlers that restore the terminal, but only if there are none */
    SCREEN *screen = newterm(NULL, stdout, stdin);
    interrupts_catch();
    if (!screen) return error_set(error, "explore: this terminal is not known (TERM)");
    mapped_screen(true);
    raw(); /* Ctrl-C is a key, so that it never interrupts a pass */
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    start_colors(explore);
    while (!explore->over) {
        explore_show(&explore->view);
        press(explore, getch());
    }
    endwin();
    mapped_screen(false);
    delscreen(screen);
    return true;
}

static bool check_terminal(Error *error) {
    struct winsize size = {0};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return error_set(error, "explore: standard input and output must be a terminal");
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    if (size.ws_col < EXPLORE_COLUMNS || size.ws_row < EXPLORE_LINES)
        return error_set(error, "explore: expected a terminal of at least %d x %d, got %d x %d", EXPLORE_COLUMNS,
                         EXPLORE_LINES, size.ws_col, size.ws_row);
    return true;
}

/* Encodes the prompt into the header. */
static bool encode(Explore *explore, Bytes text, Error *error) {
    TraceHeader *header = &explore->header;
    if (!prompt_encode(&explore->prompt, &header->n_prompt, explore->tokenizer, text, false, header->context,
                       "the prompt", error))
        return false;
    header->prompt = explore->prompt;
    return true;
}

static bool read_prompt(Explore *explore, Error *error) {
    const ExploreSettings *settings = explore->settings;
    Bytes text;
    if (!text_choose(&text, settings->prompt, settings->file, error)) return false;
    if (settings->file) text.size -= text.size && text.data[text.size - 1] == '\n';
    bool done = encode(explore, text, error);
    text_free(&text);
    return done;
}

/* Makes the header of a new tree. */
static bool new_header(Explore *explore, Error *error) {
    const ExploreSettings *settings = explore->settings;
    Path path;
    if (!open_find_model(path, settings->model, error)) return false;
    TraceHeader *header = &explore->header;
    *header = (TraceHeader){.sampler = settings->sampler,
                            .context = settings->context ? settings->context : explore->model->config.context_length,
                            .n_predict = -1,
                            .kv = settings->kv ? KV_F32 : KV_F16};
    snprintf(header->model_file, sizeof header->model_file, "%.255s", path + output_folder_length(path));
    return read_prompt(explore, error);
}

/* Checks that the model and the vocabulary have the hashes that the file recorded. */
static bool check_models(Explore *explore, const json_t *file, Error *error) {
    json_t *made = trace_header_json(&explore->header, explore->model, explore->tokenizer);
    bool same = made ? trace_same(json_object_get(file, "header"), made, error) || error_prefix(error, "header.")
                     : error_set(error, "out of memory");
    json_decref(made);
    return same;
}

static bool open_tree(Explore *explore, json_t *file, Error *error) {
    const ExploreSettings *settings = explore->settings;
    if (!open_both(&explore->model, &explore->tokenizer, settings->model, settings->tokenizer, error)) return false;
    if (!(file ? check_models(explore, file, error) : new_header(explore, error))) return false;
    explore->tree_is_open = true;
    explore->view.tree = &explore->tree;
    explore->view.tokenizer = explore->tokenizer;
    explore->view.units = (Units)settings->units;
    explore->view.at_start = explore->header.prompt[0] == tokenizer_bos(explore->tokenizer);
    explore->view.piece = memory_alloc(token_stream_bound(explore->tokenizer) + 4, 1, "text of a token", error);
    return explore->view.piece &&
           tree_open(&explore->tree, &explore->header, explore->model, explore->tokenizer, settings->threads, error) &&
           (!file || tree_read_branches(&explore->tree, file, error));
}

static bool prepare(Explore *explore, Error *error) {
    const ExploreSettings *settings = explore->settings;
    const char *path = settings->save ? settings->save : settings->tree;
    if (path && snprintf(explore->path, sizeof explore->path, "%s", path) >= (int)sizeof explore->path)
        return error_set(error, "%.200s...: the path is too long", path);
    json_t *file = NULL;
    bool done = check_terminal(error) &&
                (!settings->tree || tree_read_header(&explore->header, &explore->prompt, &file, settings->tree, error));
    if (done) {
        done = open_tree(explore, file, error);
        if (!done && file) error_prefix(error, "%s: ", settings->tree);
    }
    json_decref(file);
    return done && draw(explore, error);
}

/* Reports settings without effect. The tree's sampler always looks ahead, and keys may move alpha away from -1. */
static void report_idle(const Explore *explore) {
    Sampler sampler = explore->tree.sampler;
    if (sampler.lookahead.alpha == -1) sampler.lookahead.alpha = 0;
    options_report_idle(&sampler, NULL);
}

static int explore_settings(const ExploreSettings *settings) {
    Error error;
    Explore *explore = memory_alloc(1, sizeof *explore, "screen", &error);
    if (!explore) return command_fail(&error);
    memset(explore, 0, sizeof *explore);
    explore->settings = settings;
    setlocale(LC_CTYPE, ""); /* characters only: numbers keep the decimal point */
    bool done = prepare(explore, &error);
    if (done) {
        report_idle(explore);
        done = run_screen(explore, &error);
        places_warn(&explore->tree.writer);
    }
    int status = explore->interrupted ? 130 : 0;
    if (explore->tree_is_open) tree_close(&explore->tree);
    memory_free(explore->view.piece);
    memory_free(explore->prompt);
    tokenizer_close(explore->tokenizer);
    model_close(explore->model);
    memory_free(explore);
    return done ? status : command_fail(&error);
}

static int explore_main(int argc, char **argv) {
    ExploreSettings s = {.sampler = sampler_default()};
    s.sampler.seed = prompt_random_seed();
    const Sampler usual = s.sampler;
    Option options[OPTIONS_MAX] = {
        OPEN_MODEL_OPTION(&s.model),
        OPEN_TOKENIZER_OPTION(&s.tokenizer),
        {"prompt", 'p', "TEXT", OPTION_STRING, &s.prompt, 0, 0, "text to continue", "empty: a new text"},
        {"file", 'f', "FILE", OPTION_STRING, &s.file, 0, 0, "file with the prompt", NULL},
        {"save", 0, "FILE", OPTION_STRING, &s.save, 0, 0, "file that the key s writes",
         "the opened file; without one, explore asks"},
        {"ctx-size", 'c', "N", OPTION_INT, &s.context, 1, CONFIG_MAX_CONTEXT, "context length in tokens",
         "the model's"},
        OPEN_THREADS_OPTION(&s.threads),
        {"kv", 0, "f16|f32", OPTION_CHOICE, &s.kv, 0, 0, "number format of the key/value cache", NULL},
        {"units", 0, UNITS_CHOICES, OPTION_CHOICE, &s.units, 0, 0, UNITS_HELP, NULL},
        {"seed", 's', "N", OPTION_UINT64, &s.sampler.seed, 0, 0, "seed of the noise", "random; it is shown"},
    };
    int n_options = 0;
    while (options[n_options].name) n_options++;
    n_options = options_add_sampler(options, n_options, &s.sampler);
    int next = options_parse(&explore_command, options, n_options, argc, argv);
    if (next < argc) s.tree = argv[next++];
    if (next < argc) option_usage_error("explore: expected one tree, got '%s' too", argv[next]);
    if (s.prompt && s.file) option_usage_error("explore: expected one of --prompt and --file, got both");
    if (s.tree && (s.prompt || s.file)) option_usage_error("explore: expected a prompt or a tree, got both");
    if (s.tree && (s.context || s.kv || !sampler_equal(&s.sampler, &usual)))
        option_usage_error("explore: expected no settings, seed, -c or --kv with a FILE: a tree has its own");
    options_check_sampler(&s.sampler);
    if (s.sampler.temperature.kind == TEMPERATURE_KLD)
        option_usage_error("--temp-policy kld: explore has no second prompt");
    return explore_settings(&s);
}

const Command explore_command = {
    "explore", "[FILE]", "Shows a text and the candidates for its next token, for writing by hand; opens a saved tree.",
    "Keys: up and down choose a candidate, Enter takes it, space takes the drawn one (marked >),\n"
    "u undoes a token, left and right change the branch's alpha (with the same noise), f forks\n"
    "a branch (8 at most), Tab switches to the next, s saves the tree, q quits. The first token that a branch\n"
    "does not share with its parent is underlined. With FILE the settings are those of the tree.\n"
    "Explore always looks ahead, at all candidates.\n" OPEN_NOTES,
    explore_main};

/* Tree: a text and its variants, for `foretell explore`: take a token, undo it, fork, switch, save, open again.
 *
 *   trunk [ prompt ]            each branch begins as a fork of the prompt; a branch forked from another shares
 *             +-- 0 [ ... ]     its tokens (session_split), so that undoing in one branch or looking ahead
 *             +-- 1 [ ... ]     from it does not change the others
 *
 * Only the current branch has a drawn step: tree_draw draws it, and the writer has its candidates and report. */
#ifndef TOOLS_EXPLORE_TREE_H
#define TOOLS_EXPLORE_TREE_H

#include "sampler/text/traits.h"
#include "sampler/text/writer.h"
#include "tools/trace/trace.h"

#define TREE_BRANCHES 8
#define TREE_SCHEMA   1

typedef struct {
    /* The branch that it was forked from, -1 for the first one, and the position up to which both have the same tokens.
     * Undoing past that position moves it. For the first branch it is the length of the prompt. */
    int parent, position;
    bool has_alpha; /* alpha was set by hand; otherwise it is the settings' alpha or wave */
    double alpha;
    Sequence sequence; /* its history begins with the prompt; its states are kept */
    float *surprisal;  /* (context + 1,) -ln p of the token at i; 0 in the prompt */
} TreeBranch;

/* Must not move after tree_open: the writer points into it. */
typedef struct {
    const Model *model;
    const Tokenizer *tokenizer;
    Session *session;
    Sampler settings; /* as opened */
    Sampler sampler;  /* the writer's: the same with the current branch's alpha */
    Traits traits;
    Writer writer;
    int n_prompt, context;
    KvType kv;
    bool special;
    SamplerState start; /* after the prompt */
    TreeBranch branches[TREE_BRANCHES];
    int count, current;
    bool drawn; /* the current branch's next token is drawn; otherwise its text has ended or the context is full */
    const char *stop; /* why nothing is drawn */
} Tree;

/* Reads the prompt into the first branch. Model and vocabulary must be the header's. Settings, context and prompt
 * are those of the header, except that it always looks ahead, eagerly. threads 0: all. Call tree_close after an
 * error, too. */
bool tree_open(Tree *tree, const TraceHeader *header, const Model *model, const Tokenizer *tokenizer, int threads,
               Error *error);
void tree_close(Tree *tree);

TreeBranch *tree_current(Tree *tree);

/* Draws the next token of the current branch; drawing it again uses the same noise. */
bool tree_draw(Tree *tree, Error *error);
/* Appends a token; -1: the drawn one. Does nothing if no step is drawn. */
bool tree_take(Tree *tree, int token, Error *error);
/* Takes the last token back. Does nothing at the end of the prompt. */
bool tree_undo(Tree *tree, Error *error);
/* Makes a new branch with the same tokens and alpha the current one. Errors: there are TREE_BRANCHES. */
bool tree_fork(Tree *tree, Error *error);
void tree_switch(Tree *tree, int branch);
/* Fixes the current branch's alpha, in [-1, 1], in place of any wave, and takes the drawn step back. */
void tree_set_alpha(Tree *tree, double alpha);

/* {"type": "tree", "schema": 1, "header": the line of a trace, "current": 0,
 *  "branches": [{"parent", "position", "alpha", "tokens"}]}
 * tokens: all after the prompt. A branch without "alpha" has the header's; files of early versions have none. The file
 * appears when it is complete (tensor/output.h). */
bool tree_save(Tree *tree, const char *path, const char *model_file, Error *error);
/* Read the header of a file and, after the model is opened, the branches of the same file. The caller frees the
 * prompt and *file (memory_free, json_decref), also after an error. */
bool tree_read_header(TraceHeader *header, int **prompt, json_t **file, const char *path, Error *error);
bool tree_read_branches(Tree *tree, const json_t *file, Error *error);

#endif

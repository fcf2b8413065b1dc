/* Tree: a text and its variants, for `foretell explore`: take a token, undo it, fork, switch, save and open again.
 *
 *   trunk [ prompt ]            each branch is a fork of the prompt with rows of its own, so that a branch may be undone
 *             +-- 0 [ ... ]     or looked ahead from whatever the others do; a fork decodes its tokens again, one by one,
 *             +-- 1 [ ... ]     and so gets the bits that they had
 *
 * At any time the current branch alone has a step drawn: tree_draw, then the writer's candidates and report are its
 * table. */
#ifndef TOOLS_EXPLORE_TREE_H
#define TOOLS_EXPLORE_TREE_H

#include "sampler/text/traits.h"
#include "sampler/text/writer.h"
#include "tools/trace/trace.h"

#define TREE_BRANCHES 8
#define TREE_SCHEMA   1

typedef struct {
    /* The branch it left; -1 for the first. Both have the same tokens before `position`, and went on from there: never
     * more than the length of either, so undoing past it moves it. The prompt's length for the first. */
    int parent, position;
    bool has_alpha; /* its alpha was set by hand; else it is the settings', fixed or a wave */
    double alpha;
    Sequence sequence; /* its history begins with the prompt; its states are kept */
    float *surprisal;  /* (context + 1,) -ln p of the token at i; 0 in the prompt */
} TreeBranch;

/* Does not move after tree_open: the writer points into it. */
typedef struct {
    const Model *model;
    const Tokenizer *tokenizer;
    Session *session;
    Sampler settings; /* as opened */
    Sampler sampler;  /* the same with the current branch's alpha: the writer's */
    Traits traits;
    Writer writer;
    int n_prompt, context;
    KvType kv;
    bool special;
    SamplerState start; /* after the prompt */
    TreeBranch branches[TREE_BRANCHES];
    int count, current;
    bool drawn;       /* the current branch's next token is drawn; else it has no room, or its text is over */
    const char *stop; /* why nothing is drawn */
} Tree;

/* Reads the prompt into the first branch. The header's model and vocabulary must be these; settings, context and prompt
 * are taken from it, but it always looks ahead, eagerly. threads 0: all. Close also after an error. */
bool tree_open(Tree *tree, const TraceHeader *header, const Model *model, const Tokenizer *tokenizer, int threads,
               Error *error);
void tree_close(Tree *tree);

TreeBranch *tree_current(Tree *tree);

/* Draws the next token of the current branch again, with the same noise. */
bool tree_draw(Tree *tree, Error *error);
/* Appends one of the drawn step's candidates, or with -1 the drawn one. Nothing where nothing is drawn. */
bool tree_take(Tree *tree, int token, Error *error);
/* Takes the last token back; nothing at the end of the prompt. */
bool tree_undo(Tree *tree, Error *error);
/* A new branch with the same tokens and alpha, which is the current one then. Errors: TREE_BRANCHES are there. */
bool tree_fork(Tree *tree, Error *error);
void tree_switch(Tree *tree, int branch);
/* Fixes alpha of the current branch, in [-1, 1], instead of a wave if there is one; the drawn step is forgotten. */
void tree_set_alpha(Tree *tree, double alpha);

/* {"type": "tree", "schema": 1, "header": the line of a trace, "current": 0,
 *  "branches": [{"parent", "position", "alpha", "tokens"}]}
 * tokens are all those after the prompt. A branch without "alpha" has the header's, as all have in files of earlier versions.
 * The file appears when it is complete (tensor/output.h). */
bool tree_save(Tree *tree, const char *path, const char *model_file, Error *error);
/* Two steps, because the model is opened in between: the header of a file, then the branches of the same file. The
 * prompt and *file are the caller's to free (memory_free, json_decref), also after an error. */
bool tree_read_header(TraceHeader *header, int **prompt, json_t **file, const char *path, Error *error);
bool tree_read_branches(Tree *tree, const json_t *file, Error *error);

#endif

#include "tools/explore/tree.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampler/text/step.h"
#include "tensor/memory.h"
#include "tools/cli/open.h"

TreeBranch *tree_current(Tree *tree) { return &tree->branches[tree->current]; }

/* ---- Branches ---- */

static bool add_branch(Tree *tree, const int *prompt, int parent, int position, Error *error) {
    TreeBranch *branch = &tree->branches[tree->count];
    size_t n = (size_t)tree->context + 1;
    *branch = (TreeBranch){.parent = parent, .position = position};
    branch->sequence = (Sequence){.branch = TRUNK, .length = tree->n_prompt, .state = tree->start};
    branch->sequence.history = memory_alloc(n, sizeof *branch->sequence.history, "history", error);
    if (!branch->sequence.history) return false;
    SamplerState *states = branch->sequence.states = memory_alloc(n, sizeof *states, "states of the sampler", error);
    branch->surprisal = states ? memory_alloc(n, sizeof *branch->surprisal, "surprisals", error) : NULL;
    tree->count++; /* from here on free_branch frees it with the others */
    if (!branch->surprisal) return false;
    memset(branch->surprisal, 0, n * sizeof *branch->surprisal);
    memcpy(branch->sequence.history, prompt, (size_t)tree->n_prompt * sizeof *prompt);
    return true;
}

static void free_branch(TreeBranch *branch) {
    memory_free(branch->sequence.history);
    memory_free(branch->sequence.states);
    memory_free(branch->surprisal);
}

/* A fork leaves a shared branch behind, which has what two branches have in common. */
static bool open_session(Tree *tree, int threads, Error *error) {
    enum { BLOCK_ROWS = 16, SHARED = TREE_BRANCHES - 1 };
    int partial = 2 * BLOCK_ROWS; /* the first and the last block of a branch are not full */
    long long rows = tree->context + TREE_BRANCHES * (long long)(tree->context - tree->n_prompt) +
                     (TREE_BRANCHES + SHARED) * (long long)partial + writer_rows(&tree->sampler, BLOCK_ROWS);
    if (rows > INT_MAX) return error_set(error, "a context of %d tokens is too long to explore", tree->context);
    SessionOptions options = {.context = tree->context,
                              .threads = threads,
                              .kv = tree->kv,
                              .block_rows = BLOCK_ROWS,
                              .branches = 1 + TREE_BRANCHES + SHARED + writer_branches(&tree->sampler),
                              .rows = (int)rows};
    return open_computing(&tree->session, tree->model, options, error);
}

static bool check_header(const TraceHeader *header, const Model *model, Error *error) {
    if (header->sampler.temperature.kind == TEMPERATURE_KLD)
        return error_set(error, "--temp-policy kld: reads a second prompt, which a tree does not hold");
    if (header->context > model->config.context_length)
        return error_set(error, "context: expected at most the model's %d, got %d", model->config.context_length,
                         header->context);
    return trace_check_ids(header->prompt, header->n_prompt, model->config.vocab_size, "prompt", error);
}

bool tree_open(Tree *tree, const TraceHeader *header, const Model *model, const Tokenizer *tokenizer, int threads,
               Error *error) {
    *tree = (Tree){.model = model,
                   .tokenizer = tokenizer,
                   .settings = header->sampler,
                   .n_prompt = header->n_prompt,
                   .context = header->context,
                   .kv = header->kv,
                   .special = header->special,
                   .start = sampler_start(&header->sampler)};
    tree->settings.future = tree->settings.lookahead.eager = true;
    tree->sampler = tree->settings;
    if (!check_header(header, model, error) || !open_session(tree, threads, error) ||
        !traits_open(&tree->traits, tokenizer, error) ||
        !writer_open(&tree->writer, tree->session, model->config.vocab_size, &tree->sampler, tree->traits.flags,
                     tree->traits.breakers, tree->traits.exempt, tree->traits.pieces, error) ||
        !add_branch(tree, header->prompt, -1, tree->n_prompt, error))
        return false;
    tree->writer.futures = true;
    Sequence *first = &tree->branches[0].sequence;
    if (!writer_read(&tree->writer, first, tree->n_prompt, error)) return false;
    tree->start = first->state;
    return writer_mark(&tree->writer, first, error);
}

void tree_close(Tree *tree) {
    for (int i = 0; i < tree->count; i++) free_branch(&tree->branches[i]);
    writer_close(&tree->writer);
    traits_close(&tree->traits);
    session_close(tree->session);
}

/* ---- Steps ---- */

/* Takes the draw back. */
static void forget(Tree *tree) {
    Sequence *sequence = &tree_current(tree)->sequence;
    if (tree->drawn) {
        writer_forget(&tree->writer);
        sequence->state = sequence->states[sequence->length];
    }
    tree->drawn = false;
    tree->stop = NULL;
}

/* Gives the sampler the current branch's alpha. */
static void use_alpha(Tree *tree) {
    const TreeBranch *branch = tree_current(tree);
    tree->sampler.waves = !branch->has_alpha && tree->settings.waves;
    tree->sampler.lookahead.alpha = branch->has_alpha ? branch->alpha : tree->settings.lookahead.alpha;
}

bool tree_draw(Tree *tree, Error *error) {
    forget(tree);
    use_alpha(tree);
    Sequence *sequence = &tree_current(tree)->sequence;
    int length = sequence->length;
    if (length > tree->n_prompt && tokenizer_ends_text(tree->tokenizer, sequence->history[length - 1]))
        tree->stop = "the text ends here";
    else if (length + sampler_largest_lookahead(&tree->sampler).depth > tree->context)
        tree->stop = "the context is full";
    if (tree->stop) return true;
    writer_forget_sampler(&tree->writer); /* alpha may have moved */
    return tree->drawn = writer_draw(&tree->writer, sequence, error);
}

/* The chain may drop a token of a saved tree, for instance with other kernels; it is appended all the same. fork: the
 * branch on which the token's pass is already done, or -1. */
static bool append(Tree *tree, TreeBranch *branch, int token, int fork, Error *error) {
    Writer *writer = &tree->writer;
    Sequence *sequence = &branch->sequence;
    int length = sequence->length;
    writer_forget_sampler(writer); /* alpha may have moved */
    if (!writer_take(writer, sequence, token, error)) {
        if (fork >= 0) session_drop(tree->session, fork);
        return false;
    }
    branch->surprisal[length] = (float)-step_of(writer, sequence).logprob;
    writer->candidates.items[writer->chosen].branch = fork;
    if (writer_advance(writer, sequence, error)) return true;
    sequence->length = length;
    sequence->state = sequence->states[length];
    return false;
}

/* The state after the drawn token is computed as after any other, so that a tree which is opened again has the same. */
bool tree_take(Tree *tree, int token, Error *error) {
    int fork = -1;
    if (!tree->drawn) return true;
    Candidate *drawn = &tree->writer.candidates.items[tree->writer.chosen];
    if (token < 0) token = drawn->token;
    if (token == drawn->token) {
        fork = drawn->branch;
        drawn->branch = -1; /* forget must not drop it */
    }
    forget(tree);
    return append(tree, tree_current(tree), token, fork, error);
}

/* Moves fork positions that lie past the new end of a shortened branch: its own and those of its children. */
static void move_forks(Tree *tree, int shortened) {
    int length = tree->branches[shortened].sequence.length;
    for (int i = 1; i < tree->count; i++) {
        TreeBranch *branch = &tree->branches[i];
        bool concerned = i == shortened || branch->parent == shortened;
        if (concerned && branch->position > length) branch->position = length;
    }
}

bool tree_undo(Tree *tree, Error *error) {
    forget(tree);
    TreeBranch *branch = tree_current(tree);
    int length = branch->sequence.length - 1;
    if (length < tree->n_prompt) return true;
    if (!writer_rewind(&tree->writer, &branch->sequence, length, error)) return false;
    move_forks(tree, tree->current);
    return true;
}

bool tree_fork(Tree *tree, Error *error) {
    if (tree->count == TREE_BRANCHES)
        return error_set(error, "there are already %d branches, the maximum", TREE_BRANCHES);
    forget(tree);
    const TreeBranch *from = tree_current(tree);
    const Sequence *old = &from->sequence;
    TreeBranch *branch = &tree->branches[tree->count];
    Sequence *sequence = &branch->sequence;
    int other, n_before = tree->count;
    size_t n = (size_t)old->length;
    if (!add_branch(tree, old->history, tree->current, old->length, error) ||
        !session_split(tree->session, old->branch, &other, error)) {
        if (tree->count > n_before) free_branch(&tree->branches[--tree->count]);
        return false;
    }
    memcpy(sequence->history, old->history, n * sizeof *old->history);
    memcpy(sequence->states, old->states, n * sizeof *old->states);
    memcpy(branch->surprisal, from->surprisal, n * sizeof *from->surprisal);
    int *history = sequence->history;
    SamplerState *states = sequence->states;
    *sequence = *old;
    sequence->branch = other;
    sequence->history = history;
    sequence->states = states;
    branch->has_alpha = from->has_alpha;
    branch->alpha = from->alpha;
    tree->current = n_before;
    return true;
}

void tree_switch(Tree *tree, int branch) {
    assert(branch >= 0 && branch < tree->count);
    forget(tree);
    tree->current = branch;
}

void tree_set_alpha(Tree *tree, double alpha) {
    assert(alpha >= -1 && alpha <= 1);
    forget(tree);
    tree_current(tree)->has_alpha = true;
    tree_current(tree)->alpha = alpha;
    use_alpha(tree);
}

/* ---- The file ---- */

static json_t *branch_json(const Tree *tree, const TreeBranch *branch) {
    json_t *object = json_object(), *tokens = json_array();
    bool done = tokens != NULL;
    for (int i = tree->n_prompt; done && i < branch->sequence.length; i++)
        done = json_array_append_new(tokens, json_integer(branch->sequence.history[i])) == 0;
    done = trace_put(object, "parent", json_integer(branch->parent)) && done;
    done = trace_put(object, "position", json_integer(branch->position)) && done;
    if (branch->has_alpha) done = trace_put(object, "alpha", json_real(branch->alpha)) && done;
    done = trace_put(object, "tokens", tokens) && done;
    if (done) return object;
    json_decref(object);
    return NULL;
}

static json_t *tree_json(const Tree *tree, const char *model_file) {
    TraceHeader header = {.sampler = tree->settings,
                          .prompt = tree->branches[0].sequence.history,
                          .n_prompt = tree->n_prompt,
                          .context = tree->context,
                          .n_predict = -1,
                          .kv = tree->kv,
                          .special = tree->special};
    snprintf(header.model_file, sizeof header.model_file, "%s", model_file);
    trace_identify(&header);
    json_t *object = json_object(), *branches = json_array();
    bool done = branches != NULL;
    for (int i = 0; done && i < tree->count; i++)
        done = json_array_append_new(branches, branch_json(tree, &tree->branches[i])) == 0;
    done = trace_put(object, "type", json_string("tree")) && done;
    done = trace_put(object, "schema", json_integer(TREE_SCHEMA)) && done;
    done = trace_put(object, "header", trace_header_json(&header, tree->model, tree->tokenizer)) && done;
    done = trace_put(object, "current", json_integer(tree->current)) && done;
    done = trace_put(object, "branches", branches) && done;
    if (done) return object;
    json_decref(object);
    return NULL;
}

bool tree_save(Tree *tree, const char *path, const char *model_file, Error *error) {
    Trace file;
    if (!trace_open(&file, path, error)) return false;
    if (trace_write(&file, tree_json(tree, model_file), error)) return trace_close(&file, error);
    trace_abandon(&file);
    return false;
}

static bool get_int(int *out, const json_t *object, const char *key, int low, int high, Error *error) {
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < low || number > high)
        return error_set(error, "%s: expected a whole number from %d to %d", key, low, high);
    *out = (int)number;
    return true;
}

static bool parse(TraceHeader *header, int **prompt, json_t **file, Bytes bytes, Error *error) {
    int schema = 0;
    if (!trace_parse(file, bytes, error)) return false;
    const char *type = json_string_value(json_object_get(*file, "type"));
    if (!type || strcmp(type, "tree") != 0) return error_set(error, "type: expected \"tree\"");
    if (!get_int(&schema, *file, "schema", TREE_SCHEMA, TREE_SCHEMA, error)) return false;
    const json_t *line = json_object_get(*file, "header");
    if (!json_is_object(line)) return error_set(error, "header: expected an object");
    bool done = trace_read_header(header, prompt, line, error) || error_prefix(error, "header.");
    trace_free_header(header); /* a tree has neither phrases nor a second prompt */
    return done;
}

bool tree_read_header(TraceHeader *header, int **prompt, json_t **file, const char *path, Error *error) {
    Bytes bytes;
    *prompt = NULL;
    *file = NULL;
    if (!bytes_map(&bytes, path, error)) return false;
    bool done = parse(header, prompt, file, bytes, error) || error_prefix(error, "%s: ", path);
    bytes_unmap(&bytes);
    return done;
}

static bool read_tokens(Tree *tree, TreeBranch *branch, const json_t *tokens, Error *error) {
    size_t n = json_array_size(tokens), most = (size_t)(tree->context - tree->n_prompt);
    if (!json_is_array(tokens) || n > most) return error_set(error, "tokens: expected an array of at most %zu", most);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(tokens, i);
        json_int_t token = json_integer_value(id);
        if (!json_is_integer(id) || token < 0 || token >= tree->model->config.vocab_size)
            return error_set(error, "tokens: %zu: expected an id below %d", i, tree->model->config.vocab_size);
        if (!append(tree, branch, (int)token, -1, error)) return error_prefix(error, "tokens: %zu: ", i);
    }
    return true;
}

/* Files of early versions have none. */
static bool read_alpha(TreeBranch *branch, const json_t *object, Error *error) {
    const json_t *alpha = json_object_get(object, "alpha");
    if (!alpha) return true;
    double value = json_number_value(alpha);
    if (!json_is_number(alpha) || !(value >= -1 && value <= 1))
        return error_set(error, "alpha: expected a number from -1 to 1");
    branch->has_alpha = true;
    branch->alpha = value;
    return true;
}

/* Corrects the position in files of early versions, which did not move it when tokens were undone. */
static void check_position(const Tree *tree, TreeBranch *branch) {
    const Sequence *own = &branch->sequence, *parent = &tree->branches[branch->parent].sequence;
    int common = tree->n_prompt;
    while (common < own->length && common < parent->length && own->history[common] == parent->history[common]) common++;
    if (branch->position > common) branch->position = common;
}

static bool read_branch(Tree *tree, int i, const json_t *object, Error *error) {
    int parent = 0, position = 0, first = i == 0 ? -1 : 0;
    if (!get_int(&parent, object, "parent", first, i - 1, error) ||
        !get_int(&position, object, "position", tree->n_prompt, tree->context, error))
        return false;
    if (i > 0 && (!add_branch(tree, tree->branches[0].sequence.history, parent, position, error) ||
                  !writer_mark(&tree->writer, &tree->branches[i].sequence, error)))
        return false;
    TreeBranch *branch = &tree->branches[i];
    if (!read_alpha(branch, object, error) || !read_tokens(tree, branch, json_object_get(object, "tokens"), error))
        return false;
    if (i > 0) check_position(tree, branch);
    return true;
}

bool tree_read_branches(Tree *tree, const json_t *file, Error *error) {
    assert(tree->count == 1);
    const json_t *branches = json_object_get(file, "branches");
    size_t n = json_array_size(branches);
    if (!json_is_array(branches) || n < 1 || n > TREE_BRANCHES)
        return error_set(error, "branches: expected an array of 1 to %d", TREE_BRANCHES);
    for (size_t i = 0; i < n; i++)
        if (!read_branch(tree, (int)i, json_array_get(branches, i), error))
            return error_prefix(error, "branches: %zu: ", i);
    return get_int(&tree->current, file, "current", 0, tree->count - 1, error);
}

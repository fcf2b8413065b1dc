/* foretell look: every intermediate tensor of a prompt's forward pass, in the order of the computation. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensor/memory.h"
#include "tools/cli/commands.h"
#include "tools/cli/open.h"
#include "tools/cli/prompt.h"
#include "tools/cli/text.h"
#include "tools/look/activations.h"
#include "tools/look/npy.h"

enum { SHOWN_VALUES = 4, SHOWN_TOKENS = 5 };

typedef struct {
    const char *model, *tokenizer, *prompt, *file, *only, *folder;
    int layer, step; /* -1: all */
    int context, threads, kv;
    bool special;
} LookSettings;

typedef struct {
    const LookSettings *settings;
    Model *model;
    Tokenizer *tokenizer;
    Session *session;
    int *tokens, n_tokens;
    Activations activations;
} Look;

/* ---------------------------------------------------------------- one tensor */

static bool open_file(Output *output, const LookSettings *settings, int step, int layer, const LookShape *shape,
                      Path path, Error *error) {
    char prefix[32] = "";
    if (look_steps[step].of_layer) snprintf(prefix, sizeof prefix, "layer%d.", layer);
    int length = snprintf(path, PATH_MAX, "%s/%s%s.npy", settings->folder, prefix, look_steps[step].name);
    if (length >= PATH_MAX) return error_set(error, "%.200s...: the path is too long", path);
    return npy_open(output, path, shape->dims, shape->n_dims, error);
}

static void print_line(const LookStep *step, const LookShape *shape, int block, double norm, const float *last) {
    char size[64];
    if (shape->n_blocks > 1 || step->kind != COLLECTED)
        snprintf(size, sizeof size, "head %d (%d, %d)", block, shape->n_rows, shape->width);
    else if (shape->n_dims == 3)
        snprintf(size, sizeof size, "(%d, %d, %d)", shape->dims[0], shape->dims[1], shape->dims[2]);
    else
        snprintf(size, sizeof size, "(%d, %d)", shape->dims[0], shape->dims[1]);
    printf("  %-14s %-20s %11.6g ", step->name, size, norm);
    for (int i = 0; i < SHOWN_VALUES; i++) {
        if (i < shape->width)
            printf(" %10.6f", (double)last[i]);
        else
            printf(" %10s", "");
    }
    printf("   %s\n", step->equation);
}

/* Prints a line for each block, and appends all of its rows to the file if there is one. */
static void show_block(Look *look, int step, int layer, int block, Output *output) {
    LookShape shape = activations_shape(&look->activations, step);
    const float *values = NULL;
    double squares = 0;
    for (int r = 0; r < shape.n_rows; r++) {
        values = activations_row(&look->activations, step, layer, block, r);
        for (int i = 0; i < shape.width; i++)
            if (isfinite(values[i])) squares += (double)values[i] * (double)values[i]; /* masked scores are -inf */
        if (output) npy_append(output, values, (size_t)shape.width);
    }
    print_line(&look_steps[step], &shape, block, sqrt(squares), values);
}

static bool show_tensor(Look *look, int step, int layer, Error *error) {
    LookShape shape = activations_shape(&look->activations, step);
    Output output;
    Path path;
    bool saves = look->settings->folder != NULL;
    if (look->settings->step >= 0 && look->settings->step != step) return true;
    if (saves && !open_file(&output, look->settings, step, layer, &shape, path, error)) return false;
    for (int block = 0; block < shape.n_blocks; block++) show_block(look, step, layer, block, saves ? &output : NULL);
    return !saves || npy_close(&output, error);
}

/* ---------------------------------------------------------------- all of them */

static void print_tokens(const Look *look) {
    for (int i = 0; i < look->n_tokens; i++) {
        printf("token %4d  %7d  '", i, look->tokens[i]);
        text_print_escaped(tokenizer_spelling(look->tokenizer, look->tokens[i]));
        printf("'\n");
    }
}

/* The likeliest next tokens: logit and probability; of equal logits the lower id comes first. */
static void print_next(const Look *look) {
    const float *logits = session_logits(look->session, TRUNK);
    int n = look->model->config.vocab_size, shown[SHOWN_TOKENS];
    double total = 0;
    for (int s = 0; s < SHOWN_TOKENS && s < n; s++) {
        shown[s] = -1;
        for (int i = 0; i < n; i++) {
            bool taken = shown[s] >= 0 && logits[i] <= logits[shown[s]];
            for (int j = 0; j < s; j++) taken |= shown[j] == i;
            if (!taken) shown[s] = i;
        }
    }
    for (int i = 0; i < n; i++) total += exp((double)logits[i] - (double)logits[shown[0]]);
    for (int s = 0; s < SHOWN_TOKENS && s < n; s++) {
        double logit = (double)logits[shown[s]], p = exp(logit - (double)logits[shown[0]]) / total;
        printf("next  %4d  %7d  logit %10.6f  p %.6f  '", s + 1, shown[s], logit, p);
        text_print_escaped(tokenizer_spelling(look->tokenizer, shown[s]));
        printf("'\n");
    }
}

static bool show_layer(Look *look, int layer, Error *error) {
    printf("layer %d\n", layer);
    for (int i = 0; i < LOOK_STEPS; i++)
        if (look_steps[i].of_layer && !show_tensor(look, i, layer, error)) return false;
    return true;
}

static bool show(Look *look, Error *error) {
    const LookSettings *s = look->settings;
    int n_layers = look->model->config.n_layers, i = 0;
    bool has_layers = s->step < 0 || look_steps[s->step].of_layer;
    print_tokens(look);
    printf("  %-14s %-20s %11s  %-43s   %s\n", "name", "shape", "norm", "first values of the last position",
           "equation");
    for (; !look_steps[i].of_layer; i++)
        if (!show_tensor(look, i, 0, error)) return false;
    for (int layer = 0; has_layers && layer < n_layers; layer++)
        if ((s->layer < 0 || s->layer == layer) && !show_layer(look, layer, error)) return false;
    if (s->step < 0) printf("output\n");
    for (; i < LOOK_STEPS; i++)
        if (!look_steps[i].of_layer && !show_tensor(look, i, 0, error)) return false;
    print_next(look);
    return true;
}

/* ---------------------------------------------------------------- the subcommand */

static bool check_folder(const char *folder, Error *error) {
    struct stat status;
    if (!folder) return true;
    if (stat(folder, &status) == 0 && S_ISDIR(status.st_mode) && access(folder, W_OK | X_OK) == 0) return true;
    return error_set(error, "--save %s: expected a folder that exists and can be written", folder);
}

static bool compute(Look *look, Bytes text, Error *error) {
    const LookSettings *s = look->settings;
    if (!check_folder(s->folder, error) || !open_both(&look->model, &look->tokenizer, s->model, s->tokenizer, error))
        return false;
    const Config *c = &look->model->config;
    int context = s->context ? s->context : c->context_length;
    if (s->layer >= c->n_layers)
        return error_set(error, "--layer: expected 0 to %d, the layers of this model, got %d", c->n_layers - 1,
                         s->layer);
    if (!prompt_encode(&look->tokens, &look->n_tokens, look->tokenizer, text, s->special, context, "the prompt", error))
        return false;
    SessionOptions options = {.context = context, .threads = s->threads, .kv = s->kv ? KV_F32 : KV_F16};
    if (!activations_open(&look->activations, c, look->n_tokens, options.kv, s->layer, s->step, error) ||
        !open_computing(&look->session, look->model, options, error))
        return false;
    session_observe(look->session, activations_observer(&look->activations));
    return session_prefill(look->session, TRUNK, look->tokens, look->n_tokens, error);
}

static int look(const LookSettings *settings) {
    Error error;
    Bytes text;
    Look look = {.settings = settings};
    if (!text_choose(&text, settings->prompt, settings->file, &error)) return command_fail(&error);
    bool done = compute(&look, text, &error) && show(&look, &error);
    session_close(look.session);
    activations_close(&look.activations);
    memory_free(look.tokens);
    tokenizer_close(look.tokenizer);
    model_close(look.model);
    text_free(&text);
    return done ? 0 : command_fail(&error);
}

static int find_step(const char *name) {
    char names[512] = "";
    int step = look_find(name);
    for (int i = 0, length = 0; i < LOOK_STEPS; i++)
        length += snprintf(names + length, sizeof names - (size_t)length, "%s%s", i ? ", " : "", look_steps[i].name);
    if (step < 0) option_usage_error("--only: expected one of %s, got '%s'", names, name);
    return step;
}

static int look_main(int argc, char **argv) {
    LookSettings s = {.layer = -1, .step = -1};
    const Option options[] = {
        OPEN_MODEL_OPTION(&s.model),
        OPEN_TOKENIZER_OPTION(&s.tokenizer),
        {"prompt", 'p', "TEXT", OPTION_STRING, &s.prompt, 0, 0, "the text to compute", "empty"},
        {"file", 'f', "FILE", OPTION_STRING, &s.file, 0, 0, "file with the text; - is standard input", NULL},
        {"special", 0, NULL, OPTION_FLAG, &s.special, 0, 0, "read control tokens in the prompt by name", NULL},
        {"layer", 0, "N", OPTION_INT, &s.layer, 0, CONFIG_MAX_LAYERS, "show only this layer, from 0", "all"},
        {"only", 0, "NAME", OPTION_STRING, &s.only, 0, 0, "show only this tensor", "all"},
        {"save", 0, "DIR", OPTION_STRING, &s.folder, 0, 0, "write what is shown to .npy files in this folder", NULL},
        {"ctx-size", 'c', "N", OPTION_INT, &s.context, 1, CONFIG_MAX_CONTEXT, "context length in tokens",
         "the model's"},
        OPEN_THREADS_OPTION(&s.threads),
        {"kv", 0, "f16|f32", OPTION_CHOICE, &s.kv, 0, 0, "number format of the key/value cache", NULL},
    };
    int next = options_parse(&look_command, options, sizeof options / sizeof *options, argc, argv);
    if (next < argc) option_usage_error("look: unexpected argument '%s' (-p TEXT is the prompt)", argv[next]);
    if (s.prompt && s.file) option_usage_error("look: expected one of --prompt and --file, got both");
    if (s.only) s.step = find_step(s.only);
    if (s.step >= 0 && !look_steps[s.step].of_layer && s.layer >= 0)
        option_usage_error("--layer: %s belongs to no layer", s.only);
    return look(&s);
}

const Command look_command = {
    "look", "", "Prints every intermediate tensor of a prompt's forward pass, with its equation.",
    "Each line: name, shape, norm (root of the sum of squares), first values of the last position, and equation;\n"
    "w_...T is a transposed weight matrix. Scores and weights of attention have a line per head. The files "
    "of\n"
    "--save are float32 arrays in C order, named NAME.npy or layerN.NAME.npy, e.g. numpy.load('layer0.query.npy').\n"
    "Matrices of 8 and 4 bits are multiplied with activations rounded to int8 (--type f32 of quantize avoids "
    "that).\n" OPEN_NOTES,
    look_main};

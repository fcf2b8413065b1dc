/* foretell inspect: prints what a model file holds. */
#include <stdio.h>
#include <string.h>

#include "model/session.h"
#include "tools/cli/commands.h"
#include "tools/cli/open.h"
#include "tools/cli/text.h"

typedef struct {
    const char *model, *tokenizer;
    int context, kv;
    bool tensors;
} InspectSettings;

/* 1234567 -> "1,234,567" */
static const char *with_commas(char out[32], size_t number) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%zu", number), n = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) out[n++] = ',';
        out[n++] = digits[i];
    }
    out[n] = '\0';
    return out;
}

static size_t count_values(const Tensor *tensor) { return (size_t)tensor->rows * (size_t)tensor->cols; }

static size_t count_parameters(const Model *model) {
    size_t n = 0;
    for (int i = 0; i < model->n_tensors; i++) n += count_values(&model->tensors[i].tensor);
    return n;
}

static void print_config(const Model *model, const char *path) {
    const Config *c = &model->config;
    char number[32];
    printf("file              %s\n", path);
    printf("format            %s, %s bytes\n", model->format, with_commas(number, model->file.size));
    if (model->name[0]) printf("name              %s\n", model->name);
    printf("architecture      llama\n");
    printf("parameters        %s\n", with_commas(number, count_parameters(model)));
    printf("layers            %d\n", c->n_layers);
    printf("width             %d, feed-forward %d\n", c->dim, c->hidden_dim);
    printf("heads             %d of %d, %d for keys and values\n", c->n_heads, c->head_dim, c->n_kv_heads);
    printf("vocabulary        %d, output %s\n", c->vocab_size, model->tied ? "tied to the embedding" : "of its own");
    printf("context           %d tokens\n", c->context_length);
    printf("rope              theta %.7g, %d of %d dimensions\n", c->rope_theta, c->rope_dim, c->head_dim);
    printf("rms epsilon       %.3g\n", c->rms_epsilon);
}

static const char *type_name(const Tensor *tensor) {
    static char name[32];
    snprintf(name, sizeof name, "%s%s", dtype_info[tensor->dtype].name, tensor->packed ? "-packed" : "");
    return name;
}

static void print_tensor_types(const Model *model) {
    char number[32];
    printf("tensors           %d, %s bytes", model->n_tensors, with_commas(number, model_weight_bytes(model)));
    printf(", %s read for each token decoded\n", with_commas(number, model_bytes_per_token(model)));
    for (int form = 0; form < 2 * DTYPE_COUNT; form++) {
        Tensor like = {.dtype = (Dtype)(form / 2), .packed = form % 2};
        size_t n = 0, bytes = 0;
        for (int i = 0; i < model->n_tensors; i++) {
            const Tensor *tensor = &model->tensors[i].tensor;
            if (tensor->dtype != like.dtype || tensor->packed != like.packed) continue;
            n++;
            bytes += tensor_bytes(tensor);
        }
        if (n) printf("  %-16s%zu, %s bytes\n", type_name(&like), n, with_commas(number, bytes));
    }
}

static void print_tensors(const Model *model) {
    char number[32];
    printf("\n%-28s %-11s %16s %14s %14s\n", "tensor", "type", "rows x columns", "bytes", "at byte");
    for (int i = 0; i < model->n_tensors; i++) {
        const NamedTensor *named = &model->tensors[i];
        char shape[32];
        snprintf(shape, sizeof shape, "%d x %d", named->tensor.rows, named->tensor.cols);
        printf("%-28s %-11s %16s %14s", named->name, type_name(&named->tensor), shape,
               with_commas(number, tensor_bytes(&named->tensor)));
        printf(" %14s\n", with_commas(number, named->offset));
    }
}

static void print_special(const Tokenizer *tokenizer, const char *label, int token) {
    if (token < 0) return;
    printf("  %-16s%d ", label, token);
    text_print_escaped(tokenizer_spelling(tokenizer, token));
    printf("\n");
}

static bool print_tokenizer(const Model *model, const char *model_path, const char *given, Error *error) {
    Path path;
    Tokenizer *tokenizer;
    if (!open_find_tokenizer(path, model_path, given, error)) {
        printf("tokenizer         none\n"); /* a .bin model can be inspected without its vocabulary */
        return true;
    }
    if (!tokenizer_open(&tokenizer, path, error)) return false;
    printf("tokenizer         %s, %d tokens%s\n", tokenizer_kind(tokenizer), tokenizer_size(tokenizer),
           tokenizer_size(tokenizer) == model->config.vocab_size ? "" : ": NOT as many as the model's");
    if (strcmp(path, model_path) != 0) printf("  %-16s%s\n", "file", path);
    print_special(tokenizer, "begin of text", tokenizer_bos(tokenizer));
    print_special(tokenizer, "end of text", tokenizer_eos(tokenizer));
    int by_type[TOKEN_BYTE + 1] = {0};
    for (int i = 0; i < tokenizer_size(tokenizer); i++) by_type[tokenizer_type(tokenizer, i)]++;
    printf("  %-16s%d normal, %d byte, %d control, %d user-defined\n", "pieces", by_type[TOKEN_NORMAL],
           by_type[TOKEN_BYTE], by_type[TOKEN_CONTROL], by_type[TOKEN_USER_DEFINED]);
    printf("  %-16s%s bos, %s space\n", "a prompt begins", tokenizer_adds_bos(tokenizer) ? "with" : "without",
           tokenizer_adds_space_prefix(tokenizer) ? "with a" : "without a");
    tokenizer_close(tokenizer);
    return true;
}

static bool print_memory(const Model *model, const InspectSettings *settings, Error *error) {
    SessionOptions options = {.context = settings->context, .kv = settings->kv ? KV_F32 : KV_F16};
    size_t bytes;
    char number[32];
    if (!session_bytes(model, options, &bytes, error)) return false;
    int context = settings->context ? settings->context : model->config.context_length;
    printf("memory            %s bytes beside the file, for a context of %d with %s keys and values\n",
           with_commas(number, bytes), context, settings->kv ? "f32" : "f16");
    return true;
}

static int inspect(const InspectSettings *settings) {
    Error error;
    Path path;
    Model *model;
    open_threads(0);
    if (!open_find_model(path, settings->model, &error) || !model_map(&model, path, &error))
        return command_fail(&error);
    print_config(model, path);
    print_tensor_types(model);
    bool done = print_tokenizer(model, path, settings->tokenizer, &error) && print_memory(model, settings, &error);
    if (done && settings->tensors) print_tensors(model);
    model_close(model);
    return done ? 0 : command_fail(&error);
}

static int inspect_main(int argc, char **argv) {
    InspectSettings s = {0};
    const Option options[] = {
        OPEN_MODEL_OPTION(&s.model),
        OPEN_TOKENIZER_OPTION(&s.tokenizer),
        {"ctx-size", 'c', "N", OPTION_INT, &s.context, 1, CONFIG_MAX_CONTEXT,
         "context length to compute the memory for", "the model's"},
        {"kv", 0, "f16|f32", OPTION_CHOICE, &s.kv, 0, 0,
         "number format of the key/value cache to compute the memory for", NULL},
        {"tensors", 0, NULL, OPTION_FLAG, &s.tensors, 0, 0, "list every tensor", NULL},
    };
    int next = options_parse(&inspect_command, options, sizeof options / sizeof *options, argc, argv);
    if (next < argc && !s.model) s.model = argv[next++];
    if (next < argc) option_usage_error("inspect: unexpected argument '%s'", argv[next]);
    return inspect(&s);
}

const Command inspect_command = {"inspect", "[MODEL]",
                                 "Prints what a model file contains, and the memory that running it takes.", NULL,
                                 inspect_main};

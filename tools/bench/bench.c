/* foretell bench: measures decoding, prompts and looking ahead, and compares them with the machine's limits. This file
 * reads the options; each kind of measurement has its own file (tools/bench/bench_*.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/memory.h"
#include "tensor/output.h"
#include "tensor/threads.h"
#include "tools/bench/bench.h"
#include "tools/cli/commands.h"
#include "tools/cli/open.h"

/* Options whose values are parsed after all options are known. */
typedef struct {
    const char *threads, *rows, *contexts, *k, *looks;
    int dtype, prompt;
} BenchSettings;

/* ---------------------------------------------------------------- lists */

/* A whole number. If `thousands`, "4k" means 4096. */
static bool parse_number(const char *text, size_t length, bool thousands, int low, int high, int *out) {
    char number[16];
    if (length == 0 || length >= sizeof number) return false;
    memcpy(number, text, length);
    number[length] = '\0';
    bool has_k = thousands && number[length - 1] == 'k';
    if (has_k) number[length - 1] = '\0';
    if (!option_int(number, has_k ? 1 : low, has_k ? high / 1024 : high, out)) return false;
    if (has_k) *out *= 1024;
    return *out >= low;
}

static void parse_list(const char *option, const char *text, bool thousands, int low, int high, BenchList *list) {
    list->count = 0;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        int *item = &list->items[list->count];
        if (list->count == BENCH_MAX_LIST)
            option_usage_error("--%s: expected at most %d numbers, got '%s'", option, BENCH_MAX_LIST, text);
        if (!parse_number(at, length, thousands, low, high, item))
            option_usage_error("--%s: expected whole numbers from %d to %d with commas between, got '%s'", option, low,
                               high, text);
        list->count++;
        at += length;
        if (!*at) return;
    }
}

static unsigned parse_looks(const char *text) {
    static const char *const names[] = {"naive", "batched", "lazy"}; /* names[i] sets bit i */
    unsigned looks = 0;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        unsigned bit = 0;
        for (unsigned i = 0; i < 3; i++)
            if (strlen(names[i]) == length && memcmp(at, names[i], length) == 0) bit = 1u << i;
        if (!bit)
            option_usage_error("--looks: expected some of naive,batched,lazy with commas between, got '%s'", text);
        looks |= bit;
        at += length;
        if (!*at) return looks;
    }
}

static int compare_ints(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* ---------------------------------------------------------------- models */

static bool measure_model(const Bench *b, const Model *model, const char *name, const char *path, Error *error) {
    Subject s = {.bench = b, .model = model, .name = name, .path = path};
    s.dtype = dtype_info[model->layers[0].w_query.dtype].name;
    s.bytes_per_token = (double)model_bytes_per_token(model);
    bool at_contexts = b->contexts.count > 0 && !b->memory;
    if (b->rows.count && !at_contexts && !bench_rows(&s, error)) return false;
    if (at_contexts && !bench_contexts(&s, error)) return false;
    if (b->prompt && !bench_prompt(&s, error)) return false;
    if (b->k.count && !b->memory && !bench_future(&s, error)) return false;
    return !b->memory || bench_memory(&s, error);
}

static bool wants_model(const Bench *b) {
    return b->rows.count || b->contexts.count || b->prompt || b->k.count || b->memory;
}

static bool measure_shape(const Bench *b, const char *name, Dtype dtype, Error *error) {
    Model *model;
    const Shape *shape = shapes_find("shape", name);
    if (wants_model(b)) {
        bench_progress("%s: drawing weights", name);
        if (!bench_draw(&model, &shape->config, dtype, shape->tied, error)) return false;
        bool done = measure_model(b, model, name, NULL, error);
        model_close(model);
        if (!done) return false;
    }
    return !b->start_up || bench_start_up_random(b, shape, dtype, error);
}

static bool measure_file(const Bench *b, const char *given, Error *error) {
    Path path;
    Model *model;
    if (!open_find_model(path, given, error) || !model_open(&model, path, error)) return false;
    const char *name = path + output_folder_length(path), *dtype = dtype_info[model->layers[0].w_query.dtype].name;
    bool done = measure_model(b, model, name, path, error);
    model_close(model);
    return done && (!b->start_up || bench_start_up(b, path, name, dtype, error)) &&
           (!b->tokenizer || bench_tokenizer(b, path, error));
}

/* ---------------------------------------------------------------- what is measured */

/* The run without options: a part of each measurement, about two minutes in all. */
static bool measure_usual(const Bench *given, Error *error) {
    Bench b = *given;
    b.rows = (BenchList){5, {1, 2, 4, 8, 20}};
    b.k = (BenchList){2, {8, 20}};
    b.tokenizer = b.start_up = true;
    if (!bench_kernels(&b, error) || !measure_file(&b, NULL, error)) return false;
    b.tokenizer = false;
    if (!measure_shape(&b, "stories110m", DTYPE_Q8_0, error)) return false;
    Bench contexts = *given, memory = *given;
    contexts.prompt = 0;
    contexts.rows = (BenchList){2, {1, 8}};
    contexts.contexts = (BenchList){3, {256, 1024, 4096}};
    memory.prompt = 0;
    memory.memory = true;
    return measure_shape(&contexts, "stories110m", DTYPE_Q8_0, error) &&
           measure_shape(&memory, "stories15m", DTYPE_Q8_0, error) &&
           measure_shape(&b, "tinyllama-1.1b", DTYPE_Q8_0, error);
}

static bool measure(const Bench *b, Error *error) {
    bench_measure_read(b);
    if (!b->kernels && !b->model && !b->shape && !wants_model(b) && !b->start_up) {
        Bench usual = *b;
        usual.prompt = 128;
        return measure_usual(&usual, error);
    }
    if (b->kernels && !bench_kernels(b, error)) return false;
    if (!wants_model(b) && !b->start_up) return true;
    if (b->model || !b->shape) return measure_file(b, b->model, error);
    return measure_shape(b, b->shape, b->dtype, error);
}

/* Parses the options that are text. If only a model or a shape is given, rows and a prompt are measured. */
static void fill_defaults(Bench *b, const BenchSettings *given) {
    bool only_model = (b->model || b->shape) && !given->rows && !given->contexts && !given->k && given->prompt < 0 &&
                      !b->kernels && !b->memory && !b->start_up;
    if (given->rows) parse_list("rows", given->rows, false, 1, BENCH_MAX_ROWS, &b->rows);
    if (given->contexts) parse_list("contexts", given->contexts, true, 1, CONFIG_MAX_CONTEXT - 1, &b->contexts);
    if (given->k) parse_list("k", given->k, false, 1, BENCH_MAX_ROWS, &b->k);
    qsort(b->contexts.items, (size_t)b->contexts.count, sizeof b->contexts.items[0], compare_ints);
    b->looks = parse_looks(given->looks);
    b->dtype = (Dtype)given->dtype;
    b->prompt = given->prompt >= 0 ? given->prompt : only_model ? 128 : 0;
    if (only_model) b->rows = (BenchList){5, {1, 2, 4, 8, 20}};
    if (b->contexts.count && b->rows.count == 0) b->rows = (BenchList){3, {1, 8, 20}};
    if (b->memory && !given->rows) b->rows.count = 0;
}

static int bench_main(int argc, char **argv) {
    Bench b = {.runs = 7};
    BenchList threads = {1, {threads_processors()}};
    BenchSettings given = {.looks = "naive,batched,lazy", .dtype = DTYPE_Q8_0, .prompt = -1};
    const Option options[] = {
        OPEN_MODEL_OPTION(&b.model),
        {"shape", 0, "NAME", OPTION_STRING, &b.shape, 0, 0, "random weights of this shape instead", NULL},
        {"dtype", 0, shapes_dtypes(), OPTION_CHOICE, &given.dtype, 0, 0, "number format of the random weights", NULL},
        {"rows", 0, "N,N,...", OPTION_STRING, &given.rows, 0, 0, "rows per pass, all after one prefix", "1,2,4,8,20"},
        {"prompt", 0, "N", OPTION_INT, &given.prompt, 0, 1 << 20, "tokens of a prompt; 0: none", "128"},
        {"contexts", 0, "N,N,...", OPTION_STRING, &given.contexts, 0, 0,
         "rows after contexts of these lengths (4k: 4096)", "not measured"},
        {"k", 0, "N,N,...", OPTION_STRING, &given.k, 0, 0, "future entropy of k candidates", "not measured"},
        {"looks", 0, "naive,batched,lazy", OPTION_STRING, &given.looks, 0, 0, "ways to look ahead with --k", "all"},
        {"memory", 0, NULL, OPTION_FLAG, &b.memory, 0, 0, "memory of a session for each of --contexts and --k", NULL},
        {"start-up", 0, NULL, OPTION_FLAG, &b.start_up, 0, 0, "time to the first token, cold and warm", NULL},
        {"kernels", 0, NULL, OPTION_FLAG, &b.kernels, 0, 0, "inner loops compared with the machine's limits", NULL},
        {"ctx-size", 'c', "N", OPTION_INT, &b.context, 1, CONFIG_MAX_CONTEXT, "least number of tokens of context",
         "what is needed"},
        {"threads", 't', "N,N,...", OPTION_STRING, &given.threads, 0, 0, "numbers of threads, measured in turn",
         "all processors"},
        {"runs", 0, "N", OPTION_INT, &b.runs, 5, BENCH_MAX_RUNS, "runs per figure; rows under 20 ms take 101", NULL},
        {"csv", 0, NULL, OPTION_FLAG, &b.csv, 0, 0, "print comma-separated values", NULL},
    };
    int next = options_parse(&bench_command, options, sizeof options / sizeof options[0], argc, argv);
    if (next < argc) option_usage_error("bench: unexpected argument '%s'", argv[next]);
    if (b.model && b.shape) option_usage_error("bench: expected one of --model and --shape, got both");
    if (given.threads) parse_list("threads", given.threads, false, 1, 1024, &threads);
    if (b.shape) shapes_find("shape", b.shape); /* an unknown name ends the program before any work */
    fill_defaults(&b, &given);
    Error error;
    bool done = bench_open_array(&b, &error);
    if (done) bench_head(&b);
    for (int i = 0; done && i < threads.count; i++) {
        b.threads = open_threads(threads.items[i]);
        done = measure(&b, &error);
    }
    bench_progress(NULL);
    memory_free(b.words);
    return done ? 0 : command_fail(&error);
}

const Command bench_command = {
    "bench", "", "Measures decoding, prompts and looking ahead, and compares them with the limits of this machine.",
    "Shapes: " SHAPES_NAMES ".\n"
    "A row is one token of one branch; rows of a pass share a prefix of 64 tokens, as the forks of a lookahead do.\n"
    "With -m or --shape it measures --rows and --prompt, unless other options ask for something else. Without options\n"
    "it measures some of everything (2 GB of memory; a file of 1.2 GB in $TMPDIR or /tmp, which is removed).\n"
    "CSV: what,shape,dtype,threads,context,rows,k,ms_median,ms_min,ms_max,per_second. per_second counts tokens (rows,\n"
    "prompt, decode, future), bytes (read, encode), multiply-adds (peak, dot) or starts (start). The lines of session\n"
    "have no times; their last column is bytes.",
    bench_main};

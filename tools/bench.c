/* foretell bench: how fast this machine decodes, beside what its memory could deliver at best. Every figure is the median
 * of several runs, with the smallest and the largest; ratios are between figures of the same call. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/session.h"
#include "tensor/kernels.h"
#include "tensor/memory.h"
#include "tools/commands.h"
#include "tools/open.h"
#include "tools/terminal.h"
#include "tools/text.h"

enum { MAX_RUNS = 101, MAX_ROW_COUNTS = 16, PREFIX = 64 };

typedef struct {
    const char *name;
    Config config;
    bool tied;
} Shape;

/* {dim, hidden_dim, n_layers, n_heads, n_kv_heads, head_dim, rope_dim, vocab_size, context_length, theta, epsilon} */
static const Shape shapes[] = {
    {"stories15m", {288, 768, 6, 6, 6, 48, 48, 32000, 256, 1e4f, 1e-5f}, true},
    {"stories110m", {768, 2048, 12, 12, 12, 64, 64, 32000, 1024, 1e4f, 1e-5f}, true},
    {"smollm2-135m", {576, 1536, 30, 9, 3, 64, 64, 49152, 8192, 1e5f, 1e-5f}, true},
    {"tinyllama-1.1b", {2048, 5632, 22, 32, 4, 64, 64, 32000, 2048, 1e4f, 1e-5f}, false},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct {
    const char *model, *shape, *rows;
    int dtype, threads, context, prompt, runs;
    bool csv;
    uint64_t *words; /* (READ_WORDS,) to measure the memory with */
} Bench;

typedef struct {
    double median, least, most; /* seconds */
} Timing;

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* seconds (n,) are sorted. */
static Timing timing_of(double *seconds, int n) {
    qsort(seconds, (size_t)n, sizeof *seconds, compare_doubles);
    return (Timing){seconds[n / 2], seconds[0], seconds[n - 1]};
}

/* One line of the table: count things done in a run; bytes read in a run and the share of the bandwidth that this is, 0
 * where they say nothing. */
static void report(const Bench *b, const char *what, const char *shape, const char *dtype, int rows, Timing t,
                   double count, const char *unit, double bytes, double share) {
    if (b->csv) {
        printf("%s,%s,%s,%d,%d,%d,0,%.4f,%.4f,%.4f,%.2f\n", what, shape, dtype, b->threads, b->context, rows,
               t.median * 1e3, t.least * 1e3, t.most * 1e3, count / t.median);
    } else {
        printf("%-7s %-18s %-5s %5d %9.3f  %9.3f .. %-9.3f %9.1f %-5s", what, shape, dtype, rows, t.median * 1e3,
               t.least * 1e3, t.most * 1e3, count / t.median, unit);
        if (bytes > 0) printf(" %6.2f GB/s", bytes / t.median * 1e-9);
        if (share > 0) printf(", %.0f %% of reading", 100 * share);
        printf("\n");
    }
    fflush(stdout);
}

/* ---------------------------------------------------------------- the ceiling */

#define READ_WORDS ((size_t)1 << 26) /* 512 MiB: beyond any cache */

/* All threads add up one large array: what reading memory takes at best, in bytes a second. */
static double read_memory(const Bench *b) {
    double start = terminal_seconds();
    uint64_t total = 0;
#pragma omp parallel for num_threads(b->threads) reduction(+ : total) schedule(static)
    for (size_t i = 0; i < READ_WORDS; i += 512)
        for (size_t j = i; j < i + 512; j++) total += b->words[j];
    double seconds = terminal_seconds() - start;
    return total == 0 ? 0 : (double)(READ_WORDS * sizeof *b->words) / seconds; /* the sum is used: it must be made */
}

static bool open_array(Bench *b, Error *error) {
    b->words = memory_alloc(READ_WORDS, sizeof *b->words, "array to read", error);
    if (b->words) memset(b->words, 1, READ_WORDS * sizeof *b->words);
    return b->words != NULL;
}

static void measure_read(const Bench *b) {
    double seconds[MAX_RUNS], bytes = (double)(READ_WORDS * sizeof *b->words);
    for (int i = 0; i < b->runs; i++) seconds[i] = bytes / read_memory(b);
    report(b, "read", "512 MiB", "-", 1, timing_of(seconds, b->runs), 1, "/s", bytes, 0);
}

/* ---------------------------------------------------------------- models */

typedef struct {
    const Bench *bench;
    const Model *model;
    const char *name, *dtype;
    Session *session;
    double bytes_per_token;
} Subject;

static bool fill_prefix(const Subject *s, Error *error) {
    int tokens[PREFIX];
    session_drop(s->session, TRUNK);
    for (int i = 0; i < PREFIX; i++) tokens[i] = (i * 7 + 3) % s->model->config.vocab_size;
    return session_prefill(s->session, TRUNK, tokens, PREFIX, error);
}

/* One pass over n forks of the trunk, as looking ahead makes it. */
static bool time_rows(const Subject *s, int n, double *seconds, Error *error) {
    BranchToken steps[1024];
    for (int i = 0; i < n; i++) {
        steps[i].token = (i * 31 + 5) % s->model->config.vocab_size;
        if (!session_fork(s->session, TRUNK, &steps[i].branch, error)) return false;
    }
    double start = terminal_seconds();
    bool done = session_decode(s->session, steps, n, error);
    *seconds = terminal_seconds() - start;
    for (int i = 0; i < n; i++) session_drop(s->session, steps[i].branch);
    return done;
}

/* A model that no cache holds is compared with reading memory, in pairs taken in turn, because what other programs leave of
 * the bandwidth changes from second to second; the share is the pairs' median. */
static bool measure_rows(const Subject *s, int n, Error *error) {
    double seconds[MAX_RUNS], shares[MAX_RUNS], warm;
    if (!time_rows(s, n, &warm, error)) return false;
    int runs = warm < 0.02 ? MAX_RUNS : s->bench->runs;
    bool is_large = s->bytes_per_token > 1e8;
    for (int i = 0; i < runs; i++) {
        double read = is_large ? read_memory(s->bench) : 0;
        if (!time_rows(s, n, &seconds[i], error)) return false;
        shares[i] = is_large ? s->bytes_per_token / seconds[i] / read : 0;
    }
    Timing share = timing_of(shares, runs);
    report(s->bench, "rows", s->name, s->dtype, n, timing_of(seconds, runs), n, "tok/s", s->bytes_per_token,
           share.median);
    return true;
}

static bool measure_prompt(const Subject *s, Error *error) {
    int n = s->bench->prompt, runs = s->bench->runs;
    double seconds[MAX_RUNS];
    int *tokens = memory_alloc((size_t)n, sizeof *tokens, "prompt", error);
    if (!tokens) return false;
    for (int i = 0; i < n; i++) tokens[i] = (i * 13 + 1) % s->model->config.vocab_size;
    bool done = true;
    for (int i = 0; done && i < runs; i++) {
        session_drop(s->session, TRUNK);
        double start = terminal_seconds();
        done = session_prefill(s->session, TRUNK, tokens, n, error);
        seconds[i] = terminal_seconds() - start;
    }
    if (done) report(s->bench, "prompt", s->name, s->dtype, n, timing_of(seconds, runs), n, "tok/s", 0, 0);
    memory_free(tokens);
    return done;
}

static bool measure_each(const Subject *s, Error *error) {
    const char *at = s->bench->rows;
    if (!fill_prefix(s, error)) return false;
    while (*at) {
        if (!measure_rows(s, (int)strtol(at, NULL, 10), error)) return false;
        at += strcspn(at, ",");
        at += *at == ',';
    }
    return s->bench->prompt == 0 || measure_prompt(s, error);
}

static bool measure_model(const Bench *b, const Model *model, const char *name, Error *error) {
    const Config *c = &model->config;
    Subject s = {.bench = b, .model = model, .name = name};
    s.dtype = dtype_info[model->layers[0].w_query.dtype].name;
    s.bytes_per_token = (double)model_bytes_per_token(model);
    int context = b->context ? b->context : c->context_length;
    SessionOptions options = {.context = context, .branches = 65, .threads = b->threads};
    if (!session_open(&s.session, model, options, error)) return false;
    bool done = measure_each(&s, error);
    session_close(s.session);
    return done;
}

static bool measure_shape(const Bench *b, const Shape *shape, Dtype dtype, Error *error) {
    Model *model;
    if (!b->csv) fprintf(stderr, "%s: drawing weights ...\n", shape->name);
    if (!model_random(&model, &shape->config, dtype, shape->tied, 1, error)) return false;
    bool done = model_pack(model, NULL, error) && measure_model(b, model, shape->name, error);
    model_close(model);
    return done;
}

static bool measure_file(const Bench *b, const char *given, Error *error) {
    Path path;
    Model *model;
    if (!open_find_model(path, given, error) || !model_open(&model, path, error)) return false;
    const char *slash = strrchr(path, '/');
    bool done = measure_model(b, model, slash ? slash + 1 : path, error);
    model_close(model);
    return done;
}

/* ---------------------------------------------------------------- the tokenizer */

/* Text that looks like prose to the encoder: the shipped vocabulary's own pieces, over and over in a mixed order. */
static size_t fill_text(const Tokenizer *tokenizer, uint8_t *out, size_t size) {
    size_t n = 0;
    for (uint32_t state = 1; n < size; state = state * 1664525u + 1013904223u) {
        Bytes piece = tokenizer_piece(tokenizer, (int)(state >> 8) % tokenizer_size(tokenizer), false);
        for (size_t i = 0; i < piece.size && n < size; i++) out[n++] = piece.data[i];
    }
    return n;
}

static bool time_encode(const Tokenizer *tokenizer, Bytes text, double *seconds, Error *error) {
    int *tokens;
    size_t n_tokens;
    double start = terminal_seconds();
    if (!tokenizer_encode(tokenizer, text, false, &tokens, &n_tokens, error)) return false;
    *seconds = terminal_seconds() - start;
    memory_free(tokens);
    return true;
}

static bool measure_encode(const Bench *b, const Tokenizer *tokenizer, size_t size, const char *name, Error *error) {
    uint8_t *text = memory_alloc(size, 1, "text to encode", error);
    double seconds[MAX_RUNS];
    bool done = text != NULL;
    if (done) fill_text(tokenizer, text, size);
    for (int i = 0; done && i < b->runs; i++) done = time_encode(tokenizer, (Bytes){text, size}, &seconds[i], error);
    if (done) report(b, "encode", name, "-", 1, timing_of(seconds, b->runs), (double)size * 1e-6, "MB/s", 0, 0);
    memory_free(text);
    return done;
}

static bool measure_tokenizer(const Bench *b, Error *error) {
    Path path;
    Tokenizer *tokenizer;
    if (!open_find_model(path, b->model, error) || !tokenizer_open(&tokenizer, path, error)) return false;
    bool done = measure_encode(b, tokenizer, 250000, "0.25 MB", error) &&
                measure_encode(b, tokenizer, 1000000, "1 MB", error) &&
                measure_encode(b, tokenizer, 4000000, "4 MB", error);
    tokenizer_close(tokenizer);
    return done;
}

/* ---------------------------------------------------------------- the command */

static const Shape *find_shape(const char *name) {
    for (int i = 0; i < N_SHAPES; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    option_usage_error("--shape: expected stories15m, stories110m, smollm2-135m or tinyllama-1.1b, got '%s'", name);
}

static void check_rows(const char *list) {
    int n;
    char number[16];
    for (const char *at = list;; at++) {
        size_t length = strcspn(at, ",");
        snprintf(number, sizeof number, "%.*s", (int)length, at);
        if (length >= sizeof number || !option_int(number, 1, 64, &n))
            option_usage_error("--rows: expected whole numbers from 1 to 64 with commas between, got '%s'", list);
        at += length;
        if (!*at) return;
    }
}

static bool measure(const Bench *b, Error *error) {
    static const Dtype dtypes[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_0};
    if (b->csv)
        printf("what,shape,dtype,threads,context,rows,k,ms_median,ms_min,ms_max,per_second\n");
    else
        printf("%d threads, kernels %s\n%-7s %-18s %-5s %5s %9s  %9s .. %-9s\n", b->threads, kernels()->name, "what",
               "shape", "dtype", "rows", "ms median", "least", "most");
    measure_read(b);
    if (b->shape) return measure_shape(b, find_shape(b->shape), dtypes[b->dtype], error);
    if (b->model) return measure_file(b, b->model, error);
    return measure_file(b, NULL, error) && measure_shape(b, find_shape("tinyllama-1.1b"), DTYPE_Q8_0, error) &&
           measure_shape(b, find_shape("tinyllama-1.1b"), DTYPE_F32, error) && measure_tokenizer(b, error);
}

static int bench_main(int argc, char **argv) {
    Bench b = {.rows = "1,2,4,8,20", .dtype = 3, .prompt = 128, .runs = 7};
    const Option options[] = {
        {"model", 'm', "FILE", OPTION_STRING, &b.model, 0, 0, OPEN_MODEL_HELP, "the shipped model, then shapes"},
        {"shape", 0, "NAME", OPTION_STRING, &b.shape, 0, 0, "random weights of this shape", NULL},
        {"dtype", 0, "f32|f16|bf16|q8_0|q4_0", OPTION_CHOICE, &b.dtype, 0, 0, "their form", NULL},
        {"rows", 0, "N,N,...", OPTION_STRING, &b.rows, 0, 0, "rows of one prefix computed in a pass", NULL},
        {"prompt", 0, "N", OPTION_INT, &b.prompt, 0, 1 << 20, "tokens of the prompt; 0: none", NULL},
        {"ctx-size", 'c', "N", OPTION_INT, &b.context, PREFIX + 1, CONFIG_MAX_CONTEXT, "tokens of context",
         "the model's"},
        {"threads", 't', "N", OPTION_INT, &b.threads, 1, 1024, "threads to compute with", "all processors"},
        {"runs", 0, "N", OPTION_INT, &b.runs, 5, MAX_RUNS, "runs a figure; those under 20 ms take 101", NULL},
        {"csv", 0, NULL, OPTION_FLAG, &b.csv, 0, 0, "print comma-separated values", NULL},
    };
    int next = options_parse(&bench_command, options, sizeof options / sizeof options[0], argc, argv);
    if (next < argc) option_usage_error("bench: unexpected argument '%s'", argv[next]);
    check_rows(b.rows);
    if (b.threads == 0) b.threads = omp_get_num_procs();
    Error error;
    if (b.shape) find_shape(b.shape); /* a wrong name is said before anything is done */
    bool done = open_array(&b, &error) && measure(&b, &error);
    memory_free(b.words);
    return done ? 0 : command_fail(&error);
}

const Command bench_command = {
    "bench", "", "Measures prompts, passes of several rows, and the tokenizer, beside this machine's read bandwidth.",
    "Shapes: stories15m, stories110m, smollm2-135m, tinyllama-1.1b.\n"
    "A row is one token of one branch; rows of a pass share a prefix of 64 tokens, as the forks of a lookahead do.\n"
    "Without -m or --shape: the shipped model, then random weights of TinyLlama-1.1B's shape in Q8_0 and F32 (5 GB).",
    bench_main};

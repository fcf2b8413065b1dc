/* Makes a model file of the input (tests/support/made_file.h), whose metadata, sizes, forms, offsets and weights may
 * lie. The file is opened and packed, and a session on it prefills, scores, decodes, forks, promotes and rewinds. Each
 * step must succeed or be refused with one line, and every logit must be finite.
 *
 * A file without a lie is also made as `foretell quantize --packed` would write it. Every step must have the same
 * result with both files, bit for bit, and a text's logits must be those of the naive forward pass. */
#include <omp.h>

#include "model/part.h"
#include "model/session.h"
#include "tensor/kernels.h"
#include "tensor/packed.h"
#include "tests/fuzz/fuzz_model.h"
#include "tests/support/made_file.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/naive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BRANCHES = 4, MAX_TOKENS = 48, MAX_CALLS = 40, MAX_VOCAB = 128 };

/* The same model from two files; the second may be absent. */
typedef struct {
    Bytes file[2];
    Model *model[2];
    Session *session[2];
    int n; /* how many there are */
} Pair;

static void check_refusal(const Error *error) {
    require(error->message[0] && strlen(error->message) < sizeof error->message);
    for (const char *c = error->message; *c; c++) require((uint8_t)*c >= ' ' && *c != 0x7f);
}

/* ---------------------------------------------------------------- opening */

/* What the kernels assume of a packed model. */
static void check_packed(const Model *model) {
    for (int i = 0; i < model->n_tensors; i++) {
        const Tensor *tensor = &model->tensors[i].tensor;
        if (!part_holds_vector(model, &model->tensors[i])) require(tensor->packed == packed_can(tensor->dtype));
    }
}

static bool open_model(Model **model, Bytes file, bool must_open) {
    Error error = {.message = ""};
    bool parsed = model_parse(model, file, &error);
    if (parsed) walk_model(*model);
    if (!parsed || !model_pack(*model, NULL, NULL, &error)) {
        require(!must_open);
        check_refusal(&error);
        return false;
    }
    walk_weights(*model);
    check_packed(*model);
    return true;
}

static SessionOptions choose_options(Random *random) {
    static const int counts[] = {0, 1, 2, 3, 5, 16, 40, -1, 300, INT32_MAX};
#define SOME(first, last) counts[random_int(random, first, last)]
    int last = random_chance(random, 0.05) ? 9 : 6; /* seldom one that is refused */
    SessionOptions options = {.threads = 1};
    options.context = SOME(0, last);
    options.branches = random_chance(random, 0.05) ? SOME(7, 7) : random_int(random, 1, MAX_BRANCHES);
    options.rows = SOME(0, last);
    options.batch = SOME(0, last);
    options.block_rows = SOME(0, last);
    options.kv = random_chance(random, 0.5) ? KV_F16 : KV_F32;
    return options;
#undef SOME
}

static bool open_sessions(Pair *pair, Random *random) {
    SessionOptions options = choose_options(random);
    for (int i = 0; i < pair->n; i++) {
        Error error = {.message = ""};
        size_t bytes;
        if (session_bytes(pair->model[i], options, &bytes, &error) && bytes > (size_t)64 << 20) return false;
        if (session_open(&pair->session[i], pair->model[i], options, &error)) continue;
        check_refusal(&error);
        require(i == 0);
        return false;
    }
    return true;
}

/* ---------------------------------------------------------------- calls */

static void check_logits(const Pair *pair, int branch) {
    const float *logits = session_logits(pair->session[0], branch);
    int vocab = pair->model[0]->config.vocab_size;
    for (int i = 0; logits && i < vocab; i++) require(isfinite(logits[i]));
    if (pair->n < 2) return;
    const float *same = session_logits(pair->session[1], branch);
    require((logits == NULL) == (same == NULL));
    if (logits) require(memcmp(logits, same, (size_t)vocab * sizeof *logits) == 0);
}

static void check_finite(void *context, int position, const float *logits) {
    const Model *model = context;
    require(position >= 0);
    for (int i = 0; i < model->config.vocab_size; i++) require(isfinite(logits[i]));
}

static int pick_alive(const Pair *pair, Random *random) {
    int n = session_options(pair->session[0]).branches, branch = random_int(random, 0, n - 1);
    while (!session_alive(pair->session[0], branch)) branch = (branch + 1) % n;
    return branch;
}

static int choose_token(const Pair *pair, Random *random) {
    int vocab = pair->model[0]->config.vocab_size, token = random_int(random, 0, 255);
    return token == 255 ? -1 : token == 254 ? vocab : token % vocab;
}

typedef enum { PREFILL, SCORE, DECODE, FORK, ROOT, PROMOTE, DROP, REWIND, CALLS } Call;

typedef struct {
    Call call;
    int branch, n;
    int tokens[MAX_TOKENS];
    BranchToken steps[MAX_BRANCHES];
    const Model *model;
} Step;

static Step choose_step(const Pair *pair, Random *random) {
    const Session *session = pair->session[0];
    static const Call calls[] = {PREFILL, DECODE, DECODE, DECODE, DECODE, FORK,    FORK,    FORK,
                                 ROOT,    DROP,   REWIND, REWIND, SCORE,  PROMOTE, PROMOTE, PREFILL};
    Step step = {.call = calls[random_int(random, 0, 15)], .branch = pick_alive(pair, random)};
    step.model = pair->model[0];
    if (step.call == PREFILL || step.call == SCORE) {
        step.n = random_int(random, 1, MAX_TOKENS);
        for (int i = 0; i < step.n; i++) step.tokens[i] = choose_token(pair, random);
    } else if (step.call == DECODE) {
        int which = random_int(random, 1, 255);
        for (int i = 0; i < session_options(session).branches; i++)
            if (session_alive(session, i) && (i == step.branch || which >> i & 1))
                step.steps[step.n++] = (BranchToken){i, choose_token(pair, random)};
    } else if (step.call == REWIND) {
        step.n = random_int(random, 0, session_length(session, step.branch) + 1);
    }
    return step;
}

/* The trunk and other roots have no parent to be promoted into; is_root keeps track of them. */
static bool take_step(Session *session, const Step *step, const bool *is_root, int *opened, Error *error) {
    switch (step->call) {
    case PREFILL:
        return session_prefill(session, step->branch, step->tokens, step->n, error);
    case SCORE:
        return session_score(session, step->branch, step->tokens, step->n, check_finite, (void *)step->model, error);
    case DECODE:
        return session_decode(session, step->steps, step->n, error);
    case FORK:
        return session_fork(session, step->branch, opened, error);
    case ROOT:
        return session_root(session, opened, error);
    case PROMOTE:
        if (!is_root[step->branch]) session_promote(session, step->branch);
        return true;
    case DROP:
        session_drop(session, step->branch);
        return true;
    default:
        return session_rewind(session, step->branch, step->n, error);
    }
}

static void make_calls(Pair *pair, Random *random) {
    bool is_root[MAX_BRANCHES] = {true};
    for (int i = 0; i < MAX_CALLS && !random_ended(random); i++) {
        Step step = choose_step(pair, random);
        int opened[2] = {-1, -1};
        bool done[2];
        for (int k = 0; k < pair->n; k++) {
            Error error = {.message = ""};
            done[k] = take_step(pair->session[k], &step, is_root, &opened[k], &error);
            if (!done[k]) check_refusal(&error);
        }
        if (pair->n == 2) require(done[0] == done[1] && opened[0] == opened[1]);
        if (done[0] && opened[0] >= 0) is_root[opened[0]] = step.call == ROOT;
        for (int b = 0; b < session_options(pair->session[0]).branches; b++)
            if (session_alive(pair->session[0], b)) check_logits(pair, b);
    }
}

/* ---------------------------------------------------------------- what it should be */

/* With float matrices and a float cache the naive pass differs by rounding errors alone. Logits are about 1 in size. */
static void check_naive(const Model *model, Random *random) {
    int n = model->config.context_length < 8 ? model->config.context_length : 8, vocab = model->config.vocab_size;
    int tokens[8];
    double exact[8 * MAX_VOCAB], size = 1;
    Session *session;
    Error error;
    for (int i = 0; i < model->n_tensors; i++)
        if (dtype_info[model->tensors[i].tensor.dtype].int8_input) return;
    if (!session_open(&session, model, (SessionOptions){.threads = 1, .kv = KV_F32}, &error)) return;
    for (int i = 0; i < n; i++) tokens[i] = random_int(random, 0, vocab - 1);
    require(session_prefill(session, TRUNK, tokens, n, &error));
    Naive *naive = naive_open(model, false);
    naive_logits(naive, exact, tokens, n);
    naive_close(naive);
    const float *logits = session_logits(session, TRUNK);
    for (int i = 0; i < vocab; i++) size = fmax(size, fabs(exact[(n - 1) * vocab + i]));
    for (int i = 0; i < vocab; i++) require(fabs(logits[i] - exact[(n - 1) * vocab + i]) <= 1e-3 * size);
    session_close(session);
}

static void run(const MadeChoices *made, Random *random) {
    bool honest = made_is_honest(made), plain = honest && made->weights == WEIGHTS_NORMAL;
    int fail_at = random_chance(random, 0.1) ? random_int(random, 1, 16) : 0;
    Pair pair = {.file = {made_write(made, false)}};
    memory_hooks_fail_at(fail_at);
    if (open_model(&pair.model[0], pair.file[0], plain && !fail_at)) {
        pair.n = 1;
        if (honest && made_can_pack(made) && !fail_at) {
            pair.file[1] = made_write(made, true);
            pair.n += open_model(&pair.model[1], pair.file[1], true);
        }
        if (open_sessions(&pair, random)) make_calls(&pair, random);
        if (plain) check_naive(pair.model[0], random);
    }
    memory_hooks_fail_at(0);
    for (int i = 0; i < 2; i++) {
        session_close(pair.session[i]);
        model_close(pair.model[i]);
        free((void *)pair.file[i].data);
    }
    require(memory_hooks_alive() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    Random random = random_from_bytes(data, size);
    int n_tables = 0;
    omp_set_num_threads(1); /* thousands of tiny models a second */
    while (kernels_available(n_tables)) n_tables++;
    kernels_use(kernels_available(random_int(&random, 0, n_tables - 1)));
    MadeChoices made = made_choose(&random);
    run(&made, &random);
    return 0;
}

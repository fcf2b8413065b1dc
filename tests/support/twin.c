#include "tests/support/twin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/row.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

#define MAX_CONTEXT 96
#define MAX_VOCAB   96
#define MAX_SCRIPT  8192

typedef enum { PREFILL, SCORE, DECODE, REWIND } Call;

/* What followed the text where it was split. */
typedef struct {
    int length; /* 0: nothing */
    float logits[MAX_VOCAB];
} Mark;

enum { MARKS = 8 };

typedef struct {
    bool alive, has_logits;
    int group; /* branches that were one before a split have the same; 0: it was never split */
    Mark marks[MARKS];
    int number; /* in the session */
    int parent; /* index here, -1 for a root */
    int start;  /* tokens that are its ancestors' */
    int length;
    int tokens[MAX_CONTEXT];
    float logits[MAX_VOCAB];
    int script[MAX_SCRIPT], script_length; /* (Call, n, n tokens) or (REWIND, n positions), from the root on */
} Branch;

typedef struct {
    const TwinSetup *setup;
    SessionOptions options; /* with the defaults filled in */
    Session *session;
    Random random; /* chooses operations */
    Random spot;   /* chooses what to check: never changes the operations */
    Branch branches[TWIN_BRANCHES];
    TwinResult result;
    size_t capacity;
    int free_rows_at_start, free_rows_before; /* before the operation */
    int n_splits;
} Twin;

/* ---- the tree as it should be ---- */

static int count_alive(const Twin *twin) {
    int n = 0;
    for (int i = 0; i < TWIN_BRANCHES; i++) n += twin->branches[i].alive;
    return n;
}

static int pick_alive(Twin *twin) {
    int i;
    do i = random_int(&twin->random, 0, TWIN_BRANCHES - 1);
    while (!twin->branches[i].alive);
    return i;
}

static int unused_index(const Twin *twin) {
    int i = 0;
    while (twin->branches[i].alive) i++;
    return i;
}

/* Children that left the branch at `position` or later go, with their descendants. */
static void kill_children(Twin *twin, int branch, int position) {
    for (int i = 0; i < TWIN_BRANCHES; i++) {
        const Branch *child = &twin->branches[i];
        if (!child->alive || child->parent != branch || child->start < position) continue;
        kill_children(twin, i, 0);
        twin->branches[i].alive = false;
    }
}

static void add_to_script(Branch *branch, Call call, const int *tokens, int n) {
    int *at = branch->script + branch->script_length, n_tokens = call == REWIND ? 0 : n;
    assert_that(branch->script_length + 2 + n_tokens, <=, MAX_SCRIPT);
    at[0] = (int)call;
    at[1] = n;
    for (int i = 0; i < n_tokens; i++) at[2 + i] = tokens[i];
    branch->script_length += 2 + n_tokens;
}

/* ---- checks ---- */

double logits_difference(const float *logits, const double *exact, int n) {
    double largest = 0, difference = 0;
    for (int i = 0; i < n; i++) {
        if (!isfinite(logits[i])) return INFINITY;
        largest = fmax(largest, fabs(exact[i]));
        difference = fmax(difference, fabs((double)logits[i] - exact[i]));
    }
    return largest > 0 ? difference / largest : difference;
}

static void trace(Twin *twin, const float *logits) {
    size_t vocab = (size_t)twin->setup->model->config.vocab_size;
    if (twin->result.count + vocab > twin->capacity) {
        twin->capacity = 2 * twin->capacity + vocab;
        twin->result.logits = realloc(twin->result.logits, twin->capacity * sizeof(float));
    }
    memcpy(twin->result.logits + twin->result.count, logits, vocab * sizeof(float));
    twin->result.count += vocab;
}

/* logits (n, vocab_size) follow the branch's last n tokens. */
static void compare_to_naive(Twin *twin, const Branch *branch, const float *logits, int n) {
    if (!twin->setup->naive) return;
    int vocab = twin->setup->model->config.vocab_size;
    double *exact = malloc((size_t)branch->length * (size_t)vocab * sizeof *exact);
    naive_logits(twin->setup->naive, exact, branch->tokens, branch->length);
    for (int i = 0; i < n; i++) {
        int position = branch->length - n + i;
        double difference = logits_difference(row(logits, i, vocab), row(exact, position, vocab), vocab);
        if (!(difference <= twin->setup->tolerance))
            fail_msg("seed %llu: branch %d, position %d: logits differ by %g of the largest, allowed %g",
                     (unsigned long long)twin->setup->seed, branch->number, position, difference,
                     twin->setup->tolerance);
        twin->result.compared++;
        twin->result.close += difference < 1e-5;
        twin->result.worst = fmax(twin->result.worst, difference);
    }
    free(exact);
}

static size_t logits_bytes(const Twin *twin) { return (size_t)twin->setup->model->config.vocab_size * sizeof(float); }

/* Each hidden branch has at least two children, so there are fewer than branches that were split. */
static int most_hidden(const Twin *twin) {
    int n = 0;
    for (int i = 0; i < TWIN_BRANCHES; i++) {
        bool has_older = false;
        if (!twin->branches[i].alive || twin->branches[i].group == 0) continue;
        for (int j = 0; j < i; j++)
            has_older |= twin->branches[j].alive && twin->branches[j].group == twin->branches[i].group;
        n += has_older;
    }
    return n;
}

/* Everything the session says about itself, against the twin. */
static void check_state(const Twin *twin) {
    int n_named = 0;
    for (int i = 0; i < TWIN_BRANCHES; i++) {
        const Branch *branch = &twin->branches[i];
        if (!branch->alive) continue;
        assert_true(session_alive(twin->session, branch->number));
        assert_int_equal(session_length(twin->session, branch->number), branch->length);
        const float *logits = session_logits(twin->session, branch->number);
        if (branch->has_logits != (logits != NULL))
            fail_msg("branch %d: expected %s logits", branch->number, branch->has_logits ? "some" : "no");
        if (logits) assert_memory_equal(logits, branch->logits, logits_bytes(twin));
        for (int j = 0; j < i; j++) assert_true(!twin->branches[j].alive || twin->branches[j].number != branch->number);
    }
    for (int i = 0; i < twin->options.branches; i++) n_named += session_alive(twin->session, i);
    assert_int_equal(session_free_branches(twin->session), twin->options.branches - n_named);
    assert_that(n_named, >=, count_alive(twin));
    assert_that(n_named, <=, count_alive(twin) + most_hidden(twin));
    /* Rows come in whole blocks. */
    assert_in_range(session_free_rows(twin->session), 0, twin->options.rows + twin->options.block_rows - 1);
}

static void ignore_logits(void *context, int position, const float *logits) {
    (void)context, (void)position, (void)logits;
}

/* The branch's calls again, in a session that holds nothing else and runs on one thread. */
static void check_alone(Twin *twin, const Branch *branch) {
    SessionOptions options = {
        .context = twin->options.context, .batch = twin->options.batch, .kv = twin->options.kv, .threads = 1};
    Session *alone;
    Error error;
    must(session_open(&alone, twin->setup->model, options, &error), &error);
    int call = PREFILL;
    for (int at = 0; at < branch->script_length;) {
        int n = branch->script[at + 1];
        const int *tokens = branch->script + at + 2;
        call = branch->script[at];
        bool done = call == PREFILL  ? session_prefill(alone, TRUNK, tokens, n, &error)
                    : call == SCORE  ? session_score(alone, TRUNK, tokens, n, ignore_logits, NULL, &error)
                    : call == DECODE ? session_decode(alone, &(BranchToken){TRUNK, tokens[0]}, 1, &error)
                                     : session_rewind(alone, TRUNK, n, &error);
        if (!done) fail_msg("alone: %s", error.message);
        at += 2 + (call == REWIND ? 0 : n);
    }
    assert_int_equal(session_length(alone, TRUNK), branch->length);
    const float *logits = session_logits(alone, TRUNK);
    assert_true(logits || !branch->has_logits || call == REWIND);
    if (branch->has_logits && logits && memcmp(logits, branch->logits, logits_bytes(twin)) != 0)
        fail_msg("seed %llu: branch %d of length %d: other bits than alone", (unsigned long long)twin->setup->seed,
                 branch->number, branch->length);
    session_close(alone);
}

/* True if it was done. What must or may be refused is known beforehand; a refusal says why, in one line. */
static bool was_done(Twin *twin, bool done, bool must_fail, bool may_fail, const Error *error, const char *what) {
    if (done && must_fail) fail_msg("%s: expected an error", what);
    if (done) return true;
    if (!must_fail && !may_fail) fail_msg("%s: %s", what, error->message);
    assert_that(strlen(error->message), >, 0);
    assert_false(strchr(error->message, '\n'));
    assert_int_equal(session_free_rows(twin->session), twin->free_rows_before);
    twin->result.failures++;
    return false;
}

/* ---- operations ---- */

/* The branch has got new tokens: take its logits. */
static void take_logits(Twin *twin, Branch *branch) {
    const float *logits = session_logits(twin->session, branch->number);
    assert_non_null(logits);
    branch->has_logits = true;
    memcpy(branch->logits, logits, logits_bytes(twin));
    trace(twin, logits);
}

static int random_token(Twin *twin) {
    int vocab = twin->setup->model->config.vocab_size;
    if (random_chance(&twin->random, 0.002)) return random_chance(&twin->random, 0.5) ? -1 : vocab;
    return random_int(&twin->random, 0, vocab - 1);
}

static bool tokens_are_valid(const Twin *twin, const int *tokens, int n) {
    int vocab = twin->setup->model->config.vocab_size, poison = twin->setup->poison;
    for (int i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= vocab || (poison && tokens[i] == poison)) return false;
    return true;
}

typedef struct {
    int next_position, vocab;
    float *logits;
    int n;
} Visits;

static void visit(void *context, int position, const float *logits) {
    Visits *visits = context;
    assert_int_equal(position, visits->next_position);
    visits->next_position++;
    memcpy(visits->logits + (size_t)visits->n++ * (size_t)visits->vocab, logits, (size_t)visits->vocab * sizeof(float));
}

static int random_prompt_length(Twin *twin) {
    double kind = random_unit(&twin->random);
    if (kind < 0.6) return random_int(&twin->random, 1, 6);
    return kind < 0.8 ? random_int(&twin->random, 7, 20) : random_int(&twin->random, 30, 60);
}

static void do_prompt(Twin *twin, bool score) {
    Branch *branch = &twin->branches[pick_alive(twin)];
    int n = random_prompt_length(twin), tokens[MAX_CONTEXT], vocab = twin->setup->model->config.vocab_size;
    for (int i = 0; i < n; i++) tokens[i] = random_token(twin);
    bool must_fail = branch->length + n > twin->options.context || !tokens_are_valid(twin, tokens, n);
    bool may_fail = n > session_free_rows(twin->session);
    Visits visits = {branch->length, vocab, malloc((size_t)n * logits_bytes(twin)), 0};
    Error error;
    bool done = score ? session_score(twin->session, branch->number, tokens, n, visit, &visits, &error)
                      : session_prefill(twin->session, branch->number, tokens, n, &error);
    if (was_done(twin, done, must_fail, may_fail, &error, score ? "score" : "prefill")) {
        memcpy(branch->tokens + branch->length, tokens, (size_t)n * sizeof *tokens);
        branch->length += n;
        add_to_script(branch, score ? SCORE : PREFILL, tokens, n);
        take_logits(twin, branch);
        assert_int_equal(visits.n, score ? n : 0);
        if (score) assert_memory_equal(visits.logits + (n - 1) * vocab, branch->logits, logits_bytes(twin));
        for (int i = 0; i < visits.n; i++) trace(twin, visits.logits + i * vocab);
        compare_to_naive(twin, branch, score ? visits.logits : branch->logits, score ? n : 1);
    }
    free(visits.logits);
}

static void do_decode(Twin *twin) {
    BranchToken steps[TWIN_BRANCHES];
    Branch *stepped[TWIN_BRANCHES];
    int n = 0, free_rows = session_free_rows(twin->session);
    bool must_fail = false;
    double share = random_unit(&twin->random);
    for (int i = 0; i < TWIN_BRANCHES; i++) {
        Branch *branch = &twin->branches[i];
        bool full = branch->length == twin->options.context;
        if (!branch->alive || !random_chance(&twin->random, full ? 0.05 : share)) continue;
        stepped[n] = branch;
        steps[n] = (BranchToken){branch->number, random_token(twin)};
        must_fail |= full || !tokens_are_valid(twin, &steps[n].token, 1);
        n++;
    }
    if (n == 0) return;
    bool may_fail = (n == 1 ? 1 : n * twin->options.block_rows) > free_rows;
    Error error;
    if (!was_done(twin, session_decode(twin->session, steps, n, &error), must_fail, may_fail, &error, "decode")) return;
    int spot = random_int(&twin->spot, 0, n - 1);
    for (int i = 0; i < n; i++) {
        stepped[i]->tokens[stepped[i]->length++] = steps[i].token;
        add_to_script(stepped[i], DECODE, &steps[i].token, 1);
        take_logits(twin, stepped[i]);
        if (i == spot) compare_to_naive(twin, stepped[i], stepped[i]->logits, 1);
    }
}

static void do_fork(Twin *twin) {
    if (count_alive(twin) == TWIN_BRANCHES) return;
    int parent = pick_alive(twin), index = unused_index(twin), number;
    bool full = session_free_branches(twin->session) == 0;
    Error error;
    bool done = session_fork(twin->session, twin->branches[parent].number, &number, &error);
    if (!was_done(twin, done, full, false, &error, "fork")) return;
    Branch *child = &twin->branches[index];
    *child = twin->branches[parent];
    child->number = number;
    child->parent = parent;
    child->start = child->length;
}

static bool has_children(const Twin *twin, int index) {
    for (int i = 0; i < TWIN_BRANCHES; i++)
        if (twin->branches[i].alive && twin->branches[i].parent == index) return true;
    return false;
}

static void add_mark(Twin *twin, Branch *branch) {
    Mark *mark = &branch->marks[twin->n_splits % MARKS];
    mark->length = branch->has_logits ? branch->length : 0;
    memcpy(mark->logits, branch->logits, logits_bytes(twin));
}

static void do_split(Twin *twin) {
    int index = pick_alive(twin), number;
    Branch *branch = &twin->branches[index];
    if (count_alive(twin) == TWIN_BRANCHES || has_children(twin, index)) return;
    bool full = session_free_branches(twin->session) < 2;
    Error error;
    bool done = session_split(twin->session, branch->number, &number, &error);
    if (!was_done(twin, done, full, false, &error, "split")) return;
    twin->n_splits++;
    if (branch->group == 0) branch->group = twin->n_splits;
    add_mark(twin, branch);
    Branch *other = &twin->branches[unused_index(twin)];
    *other = *branch;
    other->number = number;
}

static void do_root(Twin *twin) {
    if (count_alive(twin) == TWIN_BRANCHES) return;
    bool full = session_free_branches(twin->session) == 0;
    int number;
    Error error;
    if (!was_done(twin, session_root(twin->session, &number, &error), full, false, &error, "root")) return;
    twin->branches[unused_index(twin)] = (Branch){.alive = true, .number = number, .parent = -1};
}

/* Whether a branch that it was split from is still there. */
static bool shares_rows(const Twin *twin, int index) {
    for (int i = 0; i < TWIN_BRANCHES; i++)
        if (i != index && twin->branches[i].alive && twin->branches[i].group == twin->branches[index].group)
            return twin->branches[index].group != 0;
    return false;
}

static void do_promote(Twin *twin) {
    int index = pick_alive(twin), parent = twin->branches[index].parent;
    if (parent < 0 || shares_rows(twin, index)) return;
    session_promote(twin->session, twin->branches[index].number);
    Branch old_parent = twin->branches[parent];
    twin->branches[index].alive = false; /* before its siblings go, so that its own children stay */
    kill_children(twin, parent, twin->branches[index].start);
    for (int i = 0; i < TWIN_BRANCHES; i++)
        if (twin->branches[i].parent == index) twin->branches[i].parent = parent;
    twin->branches[parent] = twin->branches[index];
    twin->branches[parent].alive = true;
    twin->branches[parent].number = old_parent.number;
    twin->branches[parent].parent = old_parent.parent;
    twin->branches[parent].start = old_parent.start;
    twin->branches[parent].group = old_parent.group;
}

static void do_drop(Twin *twin) {
    int index = pick_alive(twin), number = twin->branches[index].number;
    if (number == TRUNK && random_chance(&twin->random, 0.7)) return;
    session_drop(twin->session, number);
    kill_children(twin, index, 0);
    twin->branches[index] = (Branch){.alive = number == TRUNK, .number = number, .parent = -1};
}

/* The nearest ancestor that ends where the branch and all between them begin: a fresh fork reads its logits. */
static const Branch *source_of_logits(const Twin *twin, const Branch *branch, int n) {
    while (branch->start == n && branch->parent >= 0) {
        branch = &twin->branches[branch->parent];
        if (branch->length == n && branch->has_logits) return branch;
    }
    return NULL;
}

/* Rewinding to where it is may keep the logits; a fork rewound to where it left its parent may have those of that place
 * again, if they are still there: the parent's, or those of one that the parent itself left there. Otherwise there are
 * none. */
static bool keeps_logits(Twin *twin, Branch *branch, int n) {
    const float *logits = session_logits(twin->session, branch->number);
    if (!logits || n == branch->length) return logits != NULL;
    const Branch *source = source_of_logits(twin, branch, n);
    const float *known = source ? source->logits : NULL;
    for (int i = 0; i < MARKS && !known; i++)
        if (branch->marks[i].length == n) known = branch->marks[i].logits;
    if (known) memcpy(branch->logits, known, logits_bytes(twin));
    return known != NULL;
}

static void do_rewind(Twin *twin) {
    int index = pick_alive(twin);
    Branch *branch = &twin->branches[index];
    int low = branch->start > 3 ? branch->start - 3 : 0;
    int n = random_int(&twin->random, random_chance(&twin->random, 0.3) ? 0 : low, branch->length + 1);
    if (random_chance(&twin->random, 0.2)) n = branch->start;
    bool illegal = n < branch->start || n > branch->length;
    for (int i = 0; i < TWIN_BRANCHES; i++) {
        const Branch *child = &twin->branches[i];
        illegal |= child->alive && child->parent == index && child->start > n;
    }
    Error error;
    bool done = session_rewind(twin->session, branch->number, n, &error);
    if (!was_done(twin, done, illegal, false, &error, "rewind")) return;
    branch->has_logits = keeps_logits(twin, branch, n);
    branch->length = n;
    for (int i = 0; i < MARKS; i++)
        if (branch->marks[i].length > n) branch->marks[i].length = 0;
    add_to_script(branch, REWIND, NULL, n);
}

static void do_something(Twin *twin) {
    int choice = random_int(&twin->random, 0, 99);
    if (choice < 14)
        do_prompt(twin, false);
    else if (choice < 20)
        do_prompt(twin, true);
    else if (choice < 55)
        do_decode(twin);
    else if (choice < 74)
        do_fork(twin);
    else if (choice < 80)
        do_promote(twin);
    else if (choice < 83)
        do_split(twin);
    else if (choice < 88)
        do_drop(twin);
    else if (choice < 97)
        do_rewind(twin);
    else
        do_root(twin);
}

/* Everything dropped, every row must be free again. */
static void check_empty(Twin *twin) {
    for (int i = 0; i < twin->options.branches; i++)
        if (session_alive(twin->session, i)) session_drop(twin->session, i);
    assert_int_equal(session_free_branches(twin->session), twin->options.branches - 1);
    assert_int_equal(session_free_rows(twin->session), twin->free_rows_at_start);
    assert_int_equal(session_length(twin->session, TRUNK), 0);
}

TwinResult twin_run(const TwinSetup *setup) {
    Error error;
    Twin *twin = calloc(1, sizeof *twin);
    twin->setup = setup;
    twin->random = setup->choices ? random_from_bytes(setup->choices, setup->n_choices) : random_from(setup->seed);
    twin->spot = random_from(setup->seed + 1);
    must(session_open(&twin->session, setup->model, setup->options, &error), &error);
    twin->options = session_options(twin->session);
    twin->free_rows_at_start = session_free_rows(twin->session);
    twin->branches[0] = (Branch){.alive = true, .number = TRUNK, .parent = -1};
    check_state(twin);
    for (int i = 0; i < setup->steps && !random_ended(&twin->random); i++) {
        memory_hooks_fail_at(0);
        twin->free_rows_before = session_free_rows(twin->session);
        do_something(twin);
        check_state(twin);
        assert_int_equal(memory_hooks_count(), 0);
        if (random_chance(&twin->spot, 0.05)) check_alone(twin, &twin->branches[0]);
    }
    for (int i = 0; i < TWIN_BRANCHES; i++)
        if (twin->branches[i].alive) check_alone(twin, &twin->branches[i]);
    check_empty(twin);
    session_close(twin->session);
    TwinResult result = twin->result;
    free(twin);
    return result;
}

void twin_result_free(TwinResult *result) { free(result->logits); }

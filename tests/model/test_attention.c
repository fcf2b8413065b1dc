/* Attention of many rows at once: against attention_plain, and the same bits as each row alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/attention.h"
#include "tensor/kernels.h"
#include "tests/support/random.h"
#include "tests/support/test.h"

enum { LAYERS = 2, KV_HEADS = 2, GROUP = 3, HEAD_DIM = 12, BRANCHES = 8, MAX_ROWS = 40, CONTEXT = 700 };
enum { ROW_FLOATS = KV_HEADS * GROUP * HEAD_DIM };

static float random_float(Random *random) { return (float)random_int(random, -1000, 1000) / 500.0f; }

/* A cache with everything allocated. */
typedef struct {
    KvCache cache;
    float *query, *out, *alone, *scratch; /* (MAX_ROWS, KV_HEADS, GROUP, HEAD_DIM) */
    Random random;
} Setup;

static Setup setup_open(Dtype dtype, int block_rows) {
    Setup s = {.random = random_from((uint64_t)(block_rows + 1))};
    int context_blocks = CONTEXT / block_rows + 2;
    s.cache = (KvCache){.dtype = dtype,
                        .n_layers = LAYERS,
                        .n_kv_heads = KV_HEADS,
                        .head_dim = HEAD_DIM,
                        .block_rows = block_rows,
                        .n_blocks = 2 * context_blocks + BRANCHES,
                        .max_blocks = context_blocks,
                        .n_branches = BRANCHES};
    size_t bytes = (size_t)(LAYERS * KV_HEADS * s.cache.n_blocks * block_rows) * kv_row_bytes(&s.cache);
    s.cache.keys = malloc(bytes);
    s.cache.values = malloc(bytes);
    memset(s.cache.keys, 0xff, bytes); /* NaN: whatever nobody wrote must not be read */
    memset(s.cache.values, 0xff, bytes);
    s.cache.branches = calloc(BRANCHES, sizeof *s.cache.branches);
    for (int i = 0; i < BRANCHES; i++) s.cache.branches[i].blocks = malloc((size_t)s.cache.max_blocks * sizeof(int));
    s.cache.free_blocks = malloc((size_t)s.cache.n_blocks * sizeof(int));
    for (int i = s.cache.n_blocks; i-- > 0;) s.cache.free_blocks[s.cache.n_free++] = i;
    s.query = malloc(MAX_ROWS * ROW_FLOATS * sizeof(float));
    s.out = malloc(MAX_ROWS * ROW_FLOATS * sizeof(float));
    s.alone = malloc(ROW_FLOATS * sizeof(float));
    s.scratch = malloc(attention_scratch(GROUP, HEAD_DIM) * sizeof(float));
    for (int i = 0; i < MAX_ROWS * ROW_FLOATS; i++) s.query[i] = random_float(&s.random);
    return s;
}

static void setup_close(Setup *s) {
    for (int i = 0; i < BRANCHES; i++) free(s->cache.branches[i].blocks);
    free(s->cache.branches);
    free(s->cache.free_blocks);
    free(s->cache.keys);
    free(s->cache.values);
    free(s->query);
    free(s->out);
    free(s->alone);
    free(s->scratch);
}

static void write_row(const KvCache *cache, uint8_t *to, Random *random) {
    for (int i = 0; i < HEAD_DIM; i++) {
        float value = random_float(random);
        uint16_t half = f32_to_f16(value);
        if (cache->dtype == DTYPE_F16)
            memcpy(to + 2 * i, &half, sizeof half);
        else
            memcpy(to + 4 * i, &value, sizeof value);
    }
}

static float read_value(const KvCache *cache, const uint8_t *row, int i) {
    uint16_t half;
    float value;
    memcpy(&half, row + 2 * i, sizeof half);
    if (cache->dtype == DTYPE_F16) return f16_to_f32(half);
    memcpy(&value, row + 4 * i, sizeof value);
    return value;
}

static void grow(Setup *s, int branch, int n) {
    KvCache *cache = &s->cache;
    for (int i = 0; i < n; i++) {
        int position = cache->branches[branch].length;
        kv_extend(cache, branch, 1);
        for (int layer = 0; layer < LAYERS; layer++)
            for (int head = 0; head < KV_HEADS; head++) {
                write_row(cache, kv_row(cache, cache->keys, layer, head, branch, position), &s->random);
                write_row(cache, kv_row(cache, cache->values, layer, head, branch, position), &s->random);
            }
    }
}

typedef struct {
    int branch, position;
} At;

/* The row of a position of a branch, by the plain rule: the branch that decoded the position owns its row. */
static const uint8_t *find_row(const KvCache *cache, uint8_t *storage, int layer, int head, int branch, int position) {
    while (position < cache->branches[branch].start) branch = cache->branches[branch].parent;
    return kv_row(cache, storage, layer, head, branch, position);
}

/* The query's positions of a branch, gathered from the cache. */
static void gather(double *out, const KvCache *cache, uint8_t *storage, int layer, int head, At at) {
    for (int p = 0; p <= at.position; p++) {
        const uint8_t *from = find_row(cache, storage, layer, head, at.branch, p);
        for (int c = 0; c < HEAD_DIM; c++) out[p * HEAD_DIM + c] = (double)read_value(cache, from, c);
    }
}

static void check_plain(const Setup *s, int layer, int head, At at, const float *query, const float *out) {
    static double keys[CONTEXT * HEAD_DIM], values[CONTEXT * HEAD_DIM], weights[CONTEXT];
    gather(keys, &s->cache, s->cache.keys, layer, head, at);
    gather(values, &s->cache, s->cache.values, layer, head, at);
    for (int g = 0; g < GROUP; g++) {
        double exact[HEAD_DIM], plain[HEAD_DIM];
        for (int c = 0; c < HEAD_DIM; c++) exact[c] = (double)query[g * HEAD_DIM + c];
        attention_plain(plain, weights, exact, keys, values, HEAD_DIM, at.position + 1, HEAD_DIM);
        for (int c = 0; c < HEAD_DIM; c++) assert_that(fabs((double)out[g * HEAD_DIM + c] - plain[c]), <, 1e-5);
    }
}

static void attend(Setup *s, int layer, int head, const At *at, int n, const float *query, float *out) {
    static KvRun runs[BRANCHES][2 * CONTEXT];
    AttentionSpan spans[MAX_ROWS];
    assert_that(kv_max_runs(&s->cache), <=, 2 * CONTEXT);
    for (int r = 0; r < n; r++)
        spans[r] = (AttentionSpan){.runs = runs[at[r].branch],
                                   .n_runs = kv_runs(&s->cache, at[r].branch, runs[at[r].branch]),
                                   .n_positions = at[r].position + 1};
    attention_find_shared(spans, n);
    for (int first = 0, m; first < n; first += m) {
        m = n - first < attention_rows(GROUP) ? n - first : attention_rows(GROUP);
        size_t offset = (size_t)first * ROW_FLOATS + (size_t)(head * GROUP * HEAD_DIM);
        attention(&s->cache, layer, head, GROUP, spans + first, m, query + offset, out + offset, ROW_FLOATS,
                  s->scratch);
    }
}

/* All rows at once: close to the plain attention, and each row with the bits that it has alone. */
static void check_rows(Setup *s, const At *at, int n) {
    for (int layer = 0; layer < LAYERS; layer++)
        for (int head = 0; head < KV_HEADS; head++) {
            attend(s, layer, head, at, n, s->query, s->out);
            for (int r = 0; r < n; r++) {
                size_t offset = (size_t)r * ROW_FLOATS, in_row = (size_t)(head * GROUP * HEAD_DIM);
                attend(s, layer, head, &at[r], 1, s->query + offset, s->alone);
                assert_memory_equal(s->alone + in_row, s->out + offset + in_row, GROUP * HEAD_DIM * sizeof(float));
                if (r % 5 == 0)
                    check_plain(s, layer, head, at[r], s->query + offset + in_row, s->out + offset + in_row);
            }
        }
}

/* Rows of one prompt, which end before, at and after the edge of a tile. */
static void check_prompt(Dtype dtype, int block_rows) {
    static const int lengths[] = {1, 2, 40, 255, 256, 257, 275, 512, 530};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        Setup s = setup_open(dtype, block_rows);
        At at[MAX_ROWS];
        int trunk = kv_new_branch(&s.cache, -1), n = lengths[i] < MAX_ROWS ? lengths[i] : MAX_ROWS;
        grow(&s, trunk, lengths[i] - n);
        grow(&s, trunk, n);
        for (int r = 0; r < n; r++) at[r] = (At){trunk, lengths[i] - n + r};
        check_rows(&s, at, n);
        setup_close(&s);
    }
}

/* Forks and forks of forks that begin at a tile's edge; the trunk continues, and one text is separate. */
static void check_forks(Dtype dtype, int block_rows) {
    static const int lengths[] = {1, 254, 255, 256, 257, 300};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        Setup s = setup_open(dtype, block_rows);
        int branches[BRANCHES];
        branches[0] = kv_new_branch(&s.cache, -1);
        grow(&s, branches[0], lengths[i]);
        branches[1] = kv_new_branch(&s.cache, branches[0]);
        branches[2] = kv_new_branch(&s.cache, branches[0]);
        grow(&s, branches[1], 1);
        grow(&s, branches[2], 3);
        branches[3] = kv_new_branch(&s.cache, branches[2]);
        branches[4] = kv_new_branch(&s.cache, branches[2]);
        branches[5] = kv_new_branch(&s.cache, -1);
        branches[6] = kv_new_branch(&s.cache, branches[4]);
        static const int more[] = {20, 0, 1, 2, 1, 258, 260};
        for (int j = 0; j < 7; j++) grow(&s, branches[j], more[j]);
        for (int turn = 0; turn < 3; turn++) { /* also in orders that part those who share */
            At at[BRANCHES];
            for (int j = 0; j < 7; j++) {
                int branch = branches[turn == 0 ? j : turn == 1 ? 6 - j : (j * 3 + 1) % 7];
                at[j] = (At){branch, s.cache.branches[branch].length - 1};
            }
            check_rows(&s, at, 7);
        }
        setup_close(&s);
    }
}

/* By hand: head_dim 4, so scores are query . key / 2; ln 3 apart, the weights are 1/4 and 3/4. */
static void plain_by_hand(void **state) {
    (void)state;
    const double query[4] = {2, 0, 0, 0}, keys[8] = {0, 9, 9, 9, log(3), -9, 9, -9},
                 values[8] = {4, 0, 1, 8, 8, 4, 1, 0};
    double out[4], weights[2];
    attention_plain(out, weights, query, keys, values, 4, 2, 4);
    const double expected[4] = {7, 3, 1, 2};
    assert_true(fabs(weights[0] - .25) < 1e-15 && fabs(weights[1] - .75) < 1e-15);
    for (int i = 0; i < 4; i++) assert_true(fabs(out[i] - expected[i]) < 1e-14);
}

static void each_setting(void (*check)(Dtype dtype, int block_rows)) {
    static const int block_rows[] = {1, 5, 16, 64};
    for (int t = 0; kernels_available(t); t++) {
        kernels_use(kernels_available(t));
        for (int i = 0; i < 4; i++) check(i % 2 ? DTYPE_F32 : DTYPE_F16, block_rows[i]);
    }
    kernels_use(kernels_available(0));
}

static void prompts_at_the_edges_of_tiles(void **state) {
    (void)state;
    each_setting(check_prompt);
}

static void forks_at_the_edges_of_tiles(void **state) {
    (void)state;
    each_setting(check_forks);
}

/* The placement of rows in blocks does not matter: the same text gives the same bits. */
static void blocks_leave_no_trace(void **state) {
    (void)state;
    static const int block_rows[] = {1, 16, 64};
    float first[ROW_FLOATS];
    for (int i = 0; i < 3; i++) {
        Setup s = setup_open(DTYPE_F16, block_rows[i]);
        s.random = random_from(1);
        int other = kv_new_branch(&s.cache, -1), trunk = kv_new_branch(&s.cache, -1);
        for (int j = 0; j < 300; j++) {
            grow(&s, trunk, 1);
            Random kept = s.random;
            if (j % 7 == 0) grow(&s, other, 1); /* takes blocks in between */
            s.random = kept;
        }
        for (int j = 0; j < ROW_FLOATS; j++) s.query[j] = (float)(j % 13) / 6 - 1;
        attend(&s, 1, 0, &(At){trunk, 299}, 1, s.query, s.out);
        attend(&s, 1, 1, &(At){trunk, 299}, 1, s.query, s.out);
        if (i == 0) memcpy(first, s.out, sizeof first);
        assert_memory_equal(first, s.out, sizeof first);
        setup_close(&s);
    }
}

/* Blocks of consecutive numbers are one run; a fork's shares its beginning with its parent's. */
static void runs_are_joined(void **state) {
    (void)state;
    Setup s = setup_open(DTYPE_F16, 16);
    static KvRun runs[2][2 * CONTEXT];
    int trunk = kv_new_branch(&s.cache, -1);
    grow(&s, trunk, 40);
    int fork = kv_new_branch(&s.cache, trunk);
    grow(&s, fork, 2);
    grow(&s, trunk, 20);
    assert_int_equal(kv_runs(&s.cache, trunk, runs[0]), 2);
    assert_int_equal(runs[0][0].n_rows, 48);
    assert_int_equal(runs[0][1].start, 48);
    assert_int_equal(runs[0][1].n_rows, 12);
    assert_int_equal(kv_runs(&s.cache, fork, runs[1]), 2);
    assert_int_equal(runs[1][0].n_rows, 40);
    assert_int_equal(runs[1][0].block, runs[0][0].block);
    assert_int_equal(runs[1][1].start, 40);
    assert_int_equal(runs[1][1].n_rows, 2);
    AttentionSpan spans[] = {{runs[0], 2, 60, 0}, {runs[0], 2, 60, 0}, {runs[1], 2, 42, 0}};
    attention_find_shared(spans, 3);
    assert_int_equal(spans[0].shared, 0);
    assert_int_equal(spans[1].shared, 2);
    assert_int_equal(spans[2].shared, 1);
    setup_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_by_hand),
        cmocka_unit_test(prompts_at_the_edges_of_tiles),
        cmocka_unit_test(forks_at_the_edges_of_tiles),
        cmocka_unit_test(blocks_leave_no_trace),
        cmocka_unit_test(runs_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/support/made_file.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/part.h"
#include "tensor/gguf.h"
#include "tensor/packed.h"
#include "tensor/quant.h"
#include "tensor/row.h"
#include "tests/support/random_model.h"

/* ---------------------------------------------------------------- choices */

#define PICK(random, values) (values)[random_int(random, 0, (int)(sizeof(values) / sizeof *(values)) - 1)]

static Config choose_config(Random *random, bool is_gguf) {
    static const int widths[] = {32, 1, 64, 2, 3, 31, 33, 16, 17, 8, 7};
    static const int head_dims[] = {8, 2, 16, 32, 4, 3, 6, 33};
    static const int vocabs[] = {16, 1, 5, 2, 17, 33, 64, 3, 65, 100};
    static const int contexts[] = {16, 1, 40, 2, 3, 7};
    Config c = {.rms_epsilon = 1e-5f, .rope_theta = 10000};
    c.dim = PICK(random, widths);
    c.hidden_dim = PICK(random, widths);
    c.n_layers = random_int(random, 1, 2);
    c.n_kv_heads = random_int(random, 1, 3);
    c.n_heads = c.n_kv_heads * random_int(random, 1, 3);
    c.head_dim = PICK(random, head_dims);
    c.vocab_size = PICK(random, vocabs);
    c.context_length = PICK(random, contexts);
    if (!is_gguf) { /* what the older files cannot say */
        c.head_dim = 2 * (c.head_dim / 2);
        c.dim = c.n_heads * c.head_dim;
    }
    c.rope_dim = !is_gguf || random_chance(random, 0.5) ? c.head_dim / 2 * 2 : 2;
    return c;
}

static void choose_lies(Random *random, MadeChoices *made) {
    static const uint64_t lies[] = {0,          1,          2,          3,          7,          32,
                                    255,        1000,       1030,       1u << 20,   INT32_MAX,  UINT32_MAX,
                                    1ull << 62, UINT64_MAX, 0x7fc00000, 0x7f800000, 0x80000000, 1ull << 32};
    int kinds = random_int(random, 0, 255);
    made->lying_field = made->absent_key = made->absent_tensor = -1;
    if (kinds < 128) return;
    if (kinds & 1) {
        made->lying_field = random_int(random, 0, 255);
        made->lie = random_chance(random, 0.8) ? PICK(random, lies) : random_u64(random);
    }
    if (kinds & 2) made->absent_key = random_int(random, 0, 31);
    if (kinds & 4) made->absent_tensor = random_int(random, 0, 31);
    if (kinds & 8) made->n_pokes = random_int(random, 1, 4);
    for (int i = 0; i < made->n_pokes; i++) {
        made->pokes[i].at = (uint32_t)random_int(random, 0, 65535);
        made->pokes[i].value = (uint8_t)random_int(random, 0, 255);
    }
    if (kinds & 16) made->longer = random_int(random, -128, 127);
}

MadeChoices made_choose(Random *random) {
    static const int int_types[] = {GGUF_U32, GGUF_I32, GGUF_U64, GGUF_I64, GGUF_U16, GGUF_I16, GGUF_U8};
    static const size_t alignments[] = {32, 8, 64, 128};
    MadeChoices made = {0};
    int format = random_int(random, 0, 7);
    made.is_gguf = format < 5;
    made.version = made.is_gguf ? 2 + format % 2 : format - 5;
    made.config = choose_config(random, made.is_gguf);
    made.tied = random_chance(random, 0.5);
    made.dtype = (Dtype)random_int(random, 0, DTYPE_Q8_GROUP - 1);
    made.mixed = random_chance(random, 0.3) ? random_int(random, 1, 255) : 0;
    made.has_factors = random_chance(random, 0.2);
    made.weights = random_chance(random, 0.3) ? WEIGHTS_WILD : WEIGHTS_NORMAL;
    made.seed = (uint32_t)random_int(random, 0, 65535);
    made.int_type = PICK(random, int_types);
    made.alignment = PICK(random, alignments);
    choose_lies(random, &made);
    made.group = 1;
    for (int group = 2; group <= 32; group++)
        if (made.config.dim % group == 0 && made.config.hidden_dim % group == 0) made.group = group;
    return made;
}

bool made_is_honest(const MadeChoices *made) {
    return made->lying_field < 0 && made->absent_key < 0 && made->absent_tensor < 0 && !made->n_pokes && !made->longer;
}

bool made_can_pack(const MadeChoices *made) { return made->is_gguf; }

/* ---------------------------------------------------------------- bytes */

typedef struct {
    const MadeChoices *made;
    uint8_t *data;
    size_t size, capacity;
    int n_fields, n_keys, n_tensors; /* so far */
    size_t n_counted, data_at;       /* tensors of a GGUF file, and where the next one's data will lie */
    bool packed;
} Writer;

static uint8_t *put(Writer *w, const void *data, size_t n) {
    if (w->size + n > w->capacity) {
        w->capacity = 2 * (w->size + n) + 256;
        w->data = realloc(w->data, w->capacity);
    }
    if (n > 0 && data) memcpy(w->data + w->size, data, n);
    if (n > 0 && !data) memset(w->data + w->size, 0, n);
    w->size += n;
    return w->data + w->size - n;
}

/* A number of the file, little-endian, n bytes: the place where one may lie. */
static void put_number(Writer *w, uint64_t value, size_t n) {
    if (w->n_fields++ == w->made->lying_field) value = w->made->lie;
    put(w, &value, n);
}

static void align(Writer *w, size_t alignment) { put(w, NULL, (alignment - w->size % alignment) % alignment); }

/* ---------------------------------------------------------------- weights */

/* Any float32 that the bits of a number make: wild, most of the time large, small or not finite. */
static float wild(Random *random) {
    static const float values[] = {0, 1e30f, -1e30f, 1e-30f, 1e-42f, 65504, -65504, 1e19f, 3e38f, 1, -1};
    float value;
    uint32_t bits = (uint32_t)random_u64(random);
    if (random_chance(random, 0.999)) return PICK(random, values);
    memcpy(&value, &bits, sizeof value);
    return value;
}

static Dtype dtype_of(const MadeChoices *made, Part part, int layer, int cols) {
    Dtype dtype = made->dtype;
    if (!made->is_gguf) return made->version == 2 && !part_is_vector(part) ? DTYPE_Q8_GROUP : DTYPE_F32;
    if (made->mixed) {
        Random random = random_from((uint64_t)made->mixed * 1000 + (uint64_t)part * 10 + (uint64_t)layer);
        dtype = (Dtype)random_int(&random, 0, DTYPE_Q8_GROUP - 1);
    }
    if (part_is_vector(part)) return dtype == DTYPE_F16 || dtype == DTYPE_BF16 ? dtype : DTYPE_F32;
    return cols % dtype_info[dtype].block == 0 ? dtype : DTYPE_F16;
}

static Tensor shape_of(const MadeChoices *made, Part part, int layer) {
    Tensor tensor = {0};
    part_shape(&made->config, part, &tensor.rows, &tensor.cols);
    tensor.dtype = dtype_of(made, part, layer, tensor.cols);
    if (tensor.dtype == DTYPE_Q8_GROUP) tensor.group = made->group;
    return tensor;
}

/* Uniform in -1 .. 1; cheap (Knuth's MMIX), since most of a run goes into drawing weights. */
static float next_uniform(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(*state >> 32) * 0x1p-31f;
}

/* One row of uniform values of the size that keeps what they multiply about as large as it is (norms: near 1). */
static void draw_row(const MadeChoices *made, Random *random, float *row, Part part, int cols) {
    float size = part_is_vector(part) ? 0.4f : sqrtf(3.0f / (float)cols);
    uint64_t state = random_u64(random);
    bool is_wild = made->weights == WEIGHTS_WILD && random_chance(random, 0.2);
    for (int c = 0; c < cols; c++) {
        row[c] = size * next_uniform(&state) + (part_is_vector(part) ? 1.0f : 0.0f);
        if (is_wild) row[c] = wild(random);
    }
}

static void put_groups(Writer *w, const Tensor *tensor, const float *rows) {
    size_t n = (size_t)tensor->rows * (size_t)tensor->cols, n_groups = n / (size_t)tensor->group;
    int8_t *q = malloc(n);
    float *scales = malloc(n_groups * sizeof *scales);
    quantize_groups(q, scales, rows, (int)n, tensor->group);
    put(w, q, n);
    put(w, scales, n_groups * sizeof *scales);
    free(q);
    free(scales);
}

static void put_rows(Writer *w, Tensor tensor, const float *rows, bool packed) {
    size_t row_bytes = tensor_row_bytes(&tensor);
    uint8_t *data = malloc((size_t)tensor.rows * row_bytes);
    for (int r = 0; r < tensor.rows; r++)
        quantize_row(row(data, r, row_bytes), row(rows, r, tensor.cols), tensor.cols, tensor.dtype);
    tensor.data = data;
    if (packed) {
        size_t bytes = packed_group_bytes(&tensor) * (size_t)packed_groups(&tensor);
        packed_write(put(w, NULL, bytes), &tensor);
    } else {
        put(w, data, (size_t)tensor.rows * row_bytes);
    }
    free(data);
}

static void put_weights(Writer *w, Part part, int layer) {
    Tensor tensor = shape_of(w->made, part, layer);
    Random random = random_from(w->made->seed + 100 * (uint64_t)part + (uint64_t)layer);
    float *rows = malloc((size_t)tensor.rows * (size_t)tensor.cols * sizeof *rows);
    for (int r = 0; r < tensor.rows; r++) draw_row(w->made, &random, row(rows, r, tensor.cols), part, tensor.cols);
    if (tensor.dtype == DTYPE_Q8_GROUP)
        put_groups(w, &tensor, rows);
    else
        put_rows(w, tensor, rows, w->packed && !part_is_vector(part));
    free(rows);
}

/* ---------------------------------------------------------------- GGUF */

static void put_text(Writer *w, const char *text) {
    put_number(w, strlen(text), 8);
    put(w, text, strlen(text));
}

static bool begin_value(Writer *w, const char *key, GgufType type) {
    if (w->n_keys++ == w->made->absent_key) return false;
    put_text(w, key);
    put_number(w, (uint64_t)type, 4);
    return true;
}

static void put_int(Writer *w, const char *key, int value) {
    static const size_t bytes[GGUF_TYPE_COUNT] = {
        [GGUF_U8] = 1, [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_U64] = 8, [GGUF_I64] = 8};
    GgufType type = (GgufType)w->made->int_type;
    if (begin_value(w, key, type)) put_number(w, (uint64_t)value, bytes[type]);
}

static void put_float(Writer *w, const char *key, float value) {
    if (begin_value(w, key, GGUF_F32)) put_number(w, f32_bits(value), 4);
}

static void put_metadata(Writer *w) {
    const Config *c = &w->made->config;
    if (begin_value(w, "general.architecture", GGUF_STRING)) put_text(w, "llama");
    if (begin_value(w, "general.name", GGUF_STRING)) put_text(w, "made");
    put_int(w, "llama.context_length", c->context_length);
    put_int(w, "llama.embedding_length", c->dim);
    put_int(w, "llama.block_count", c->n_layers);
    put_int(w, "llama.feed_forward_length", c->hidden_dim);
    put_int(w, "llama.attention.head_count", c->n_heads);
    put_int(w, "llama.attention.head_count_kv", c->n_kv_heads);
    put_int(w, "llama.attention.key_length", c->head_dim);
    put_int(w, "llama.attention.value_length", c->head_dim);
    put_int(w, "llama.rope.dimension_count", c->rope_dim);
    put_float(w, "llama.rope.freq_base", c->rope_theta);
    put_float(w, "llama.attention.layer_norm_rms_epsilon", c->rms_epsilon);
    put_int(w, "llama.vocab_size", c->vocab_size);
    put_int(w, "general.alignment", w->packed ? PACK_ALIGN : (int)w->made->alignment);
}

/* Calls visit for every tensor of the model, in the file's order. */
typedef void VisitPart(Writer *w, Part part, int layer);

static void visit_gguf(Writer *w, VisitPart *visit) {
    static const Part of_model[] = {PART_TOKEN_EMBD, PART_OUTPUT_NORM, PART_OUTPUT, PART_ROPE_FREQS};
    bool last_first = w->made->seed % 2 == 1;
    w->n_tensors = 0;
    for (int i = 0; i < w->made->config.n_layers * PART_OF_LAYER; i++) {
        int k = last_first ? w->made->config.n_layers * PART_OF_LAYER - 1 - i : i;
        if (w->n_tensors++ != w->made->absent_tensor) visit(w, (Part)(k % PART_OF_LAYER), k / PART_OF_LAYER);
    }
    for (int i = 0; i < 4; i++) {
        bool is_there = of_model[i] == PART_OUTPUT       ? !w->made->tied
                        : of_model[i] == PART_ROPE_FREQS ? w->made->has_factors
                                                         : true;
        if (is_there && w->n_tensors++ != w->made->absent_tensor) visit(w, of_model[i], 0);
    }
}

static void count_tensor(Writer *w, Part part, int layer) {
    (void)part, (void)layer;
    w->n_counted++;
}

static size_t alignment_of(const Writer *w) { return w->packed ? PACK_ALIGN : w->made->alignment; }

static void put_info(Writer *w, Part part, int layer) {
    Tensor tensor = shape_of(w->made, part, layer);
    char name[MODEL_NAME_BYTES];
    int n_dims = tensor.rows == 1 ? 1 : 2; /* as ggml does, which forgets that a matrix of one row is one */
    part_name(name, part, layer);
    tensor.packed = w->packed && !part_is_vector(part);
    put_text(w, name);
    put_number(w, (uint64_t)n_dims, 4);
    put_number(w, (uint64_t)tensor.cols, 8);
    if (n_dims == 2) put_number(w, (uint64_t)tensor.rows, 8);
    put_number(w, gguf_dtype_number(tensor.dtype, tensor.packed), 4);
    put_number(w, w->data_at, 8);
    size_t alignment = alignment_of(w);
    w->data_at += (tensor_bytes(&tensor) + alignment - 1) / alignment * alignment;
}

static void put_data(Writer *w, Part part, int layer) {
    align(w, alignment_of(w));
    put_weights(w, part, layer);
}

static void put_gguf(Writer *w) {
    visit_gguf(w, count_tensor);
    put(w, "GGUF", 4);
    put_number(w, (uint64_t)w->made->version, 4);
    put_number(w, w->n_counted, 8);
    size_t count_at = w->size;
    put_number(w, 0, 8);
    put_metadata(w);
    bool lies = w->made->lying_field == 2; /* the count of keys, which is known only now */
    uint64_t n_keys =
        lies ? w->made->lie : (uint64_t)(w->n_keys - (w->made->absent_key >= 0 && w->made->absent_key < w->n_keys));
    memcpy(w->data + count_at, &n_keys, 8);
    visit_gguf(w, put_info);
    align(w, alignment_of(w));
    visit_gguf(w, put_data);
}

/* ---------------------------------------------------------------- llama2.c */

static const Part order_v0[] = {PART_TOKEN_EMBD, PART_ATTN_NORM,   PART_ATTN_Q,     PART_ATTN_K,
                                PART_ATTN_V,     PART_ATTN_OUTPUT, PART_FFN_NORM,   PART_FFN_GATE,
                                PART_FFN_DOWN,   PART_FFN_UP,      PART_OUTPUT_NORM};
static const Part order_v1[] = {PART_ATTN_NORM, PART_FFN_NORM, PART_OUTPUT_NORM, PART_TOKEN_EMBD,
                                PART_ATTN_Q,    PART_ATTN_K,   PART_ATTN_V,      PART_ATTN_OUTPUT,
                                PART_FFN_GATE,  PART_FFN_DOWN, PART_FFN_UP};

static void put_llama2c(Writer *w) {
    const MadeChoices *made = w->made;
    const Config *c = &made->config;
    const Part *order = made->version == 0 ? order_v0 : order_v1;
    int vocab = made->version == 0 && !made->tied ? -c->vocab_size : c->vocab_size;
    int sizes[] = {c->dim, c->hidden_dim, c->n_layers, c->n_heads, c->n_kv_heads, vocab, c->context_length};
    if (made->version > 0) {
        put_number(w, 0x616b3432, 4);
        put_number(w, (uint64_t)made->version, 4);
    }
    for (int i = 0; i < 7; i++) put_number(w, (uint64_t)sizes[i], 4);
    if (made->version > 0) {
        put_number(w, made->tied, 1);
        if (made->version == 2) put_number(w, (uint64_t)made->group, 4);
        put(w, NULL, 256 - w->size);
    }
    for (int i = 0; i < 11; i++)
        for (int layer = 0; layer < (order[i] < PART_OF_LAYER ? c->n_layers : 1); layer++)
            if (w->n_tensors++ != made->absent_tensor) put_weights(w, order[i], layer);
    if (made->version == 0) put(w, NULL, (size_t)c->context_length * (size_t)c->head_dim * sizeof(float));
    if (!made->tied) put_weights(w, PART_OUTPUT, 0);
}

Bytes made_write(const MadeChoices *made, bool packed) {
    Writer w = {.made = made, .packed = packed};
    assert(!packed || made_can_pack(made));
    if (made->is_gguf)
        put_gguf(&w);
    else
        put_llama2c(&w);
    for (int i = 0; i < made->n_pokes; i++) w.data[made->pokes[i].at % w.size] = made->pokes[i].value;
    if (made->longer > 0) put(&w, NULL, (size_t)made->longer);
    if (made->longer < 0) w.size -= (size_t)-made->longer < w.size ? (size_t)-made->longer : w.size;
    uint8_t *exact = malloc(w.size ? w.size : 1);
    memcpy(exact, w.data, w.size);
    free(w.data);
    return (Bytes){exact, w.size};
}

/* foretell quantize: converts any model to a GGUF file with matrices of another type. */
#include <stdio.h>
#include <string.h>

#include "model/part.h"
#include "tensor/memory.h"
#include "tools/cli/commands.h"
#include "tools/cli/open.h"
#include "tools/cli/terminal.h"
#include "tools/files/metadata.h"
#include "tools/files/shapes.h"

typedef struct {
    const char *in, *out, *tokenizer;
    int type;
    bool packed;
} QuantizeSettings;

/* Copies the metadata of a GGUF file, except the file type. */
static bool copy_metadata(GgufWriter *writer, Bytes file, Error *error) {
    Gguf gguf;
    if (!gguf_parse(&gguf, file, error)) return false;
    for (size_t i = 0; i < gguf.n_values; i++)
        if (!bytes_equal(gguf.values[i].key, "general.file_type")) gguf_write_value(writer, &gguf.values[i]);
    gguf_release(&gguf);
    return true;
}

/* Writes the text with each space as U+2581, as GGUF spells it; returns the end of what was written. */
static uint8_t *spell(uint8_t *out, Bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != ' ')
            *out++ = text.data[i];
        else {
            memcpy(out, "\xe2\x96\x81", 3);
            out += 3;
        }
    }
    return out;
}

/* The arrays of tokenizer.ggml, in one block of memory. */
typedef struct {
    Bytes *texts;
    float *scores;
    int32_t *types;
    uint8_t *spellings;
} Vocabulary;

static bool make_vocabulary(Vocabulary *v, const Tokenizer *tokenizer, Error *error) {
    size_t n = (size_t)tokenizer_size(tokenizer), n_text = 0;
    for (size_t i = 0; i < n; i++) n_text += 3 * tokenizer_spelling(tokenizer, (int)i).size;
    uint8_t *memory =
        memory_alloc(n * (sizeof(Bytes) + sizeof(float) + sizeof(int32_t)) + n_text, 1, "vocabulary", error);
    if (!memory) return false;
    v->texts = (Bytes *)memory;
    v->scores = (float *)(v->texts + n);
    v->types = (int32_t *)(v->scores + n);
    v->spellings = (uint8_t *)(v->types + n);
    uint8_t *end = v->spellings;
    for (size_t i = 0; i < n; i++) {
        uint8_t *begin = end;
        end = spell(begin, tokenizer_spelling(tokenizer, (int)i));
        v->texts[i] = (Bytes){begin, (size_t)(end - begin)};
        v->scores[i] = tokenizer_score(tokenizer, (int)i);
        v->types[i] = (int32_t)tokenizer_type(tokenizer, (int)i);
    }
    return true;
}

static void write_vocabulary(GgufWriter *writer, const Vocabulary *v, const Tokenizer *tokenizer) {
    metadata_write_vocabulary(writer, &(MetadataVocabulary){v->texts, v->scores, v->types,
                                                            (size_t)tokenizer_size(tokenizer), tokenizer_bos(tokenizer),
                                                            tokenizer_eos(tokenizer), tokenizer_adds_bos(tokenizer),
                                                            tokenizer_adds_space_prefix(tokenizer)});
}

/* Writes the metadata of a llama2.c model: its sizes, and the vocabulary from the file beside it. */
static bool make_metadata(GgufWriter *writer, const Model *model, const QuantizeSettings *settings, Error *error) {
    Tokenizer *tokenizer;
    Vocabulary vocabulary = {0};
    if (!open_vocabulary(&tokenizer, model, settings->in, settings->tokenizer, error)) return false;
    bool made = make_vocabulary(&vocabulary, tokenizer, error);
    if (made) {
        metadata_write_config(writer, &model->config, model->name);
        write_vocabulary(writer, &vocabulary, tokenizer);
    }
    memory_free(vocabulary.texts);
    tokenizer_close(tokenizer);
    return made;
}

static void write_matrix(GgufWriter *writer, const char *name, const Tensor *matrix, Dtype dtype) {
    gguf_write_tensor(writer, name, matrix, 2, dtype);
}

/* Vectors stay F32, because they are small and scale every activation. A matrix whose columns are not a multiple of the
 * type's block becomes F16. Returns the number of such matrices. */
static int add_tensors(GgufWriter *writer, const Model *model, Dtype dtype, bool packed) {
    int n_other = 0;
    for (int i = 0; i < model->n_tensors; i++) {
        const NamedTensor *named = &model->tensors[i];
        bool is_vector = part_holds_vector(model, named);
        bool fits = named->tensor.cols % dtype_info[dtype].block == 0;
        n_other += !is_vector && !fits;
        if (is_vector)
            gguf_write_tensor(writer, named->name, &named->tensor, 1, DTYPE_F32);
        else
            (packed ? gguf_write_packed : write_matrix)(writer, named->name, &named->tensor, fits ? dtype : DTYPE_F16);
    }
    return n_other;
}

static void show_progress(size_t done, size_t total) { terminal_progress("quantize", done, total); }

static bool write_model(const Model *model, const QuantizeSettings *settings, Error *error) {
    GgufWriter *writer;
    Dtype dtype = (Dtype)settings->type;
    if (!gguf_writer_open(&writer, settings->out, error)) return false;
    bool is_gguf = gguf_is(model->file);
    if (is_gguf ? !copy_metadata(writer, model->file, error) : !make_metadata(writer, model, settings, error)) {
        gguf_writer_abandon(writer);
        return false;
    }
    metadata_write_file_type(writer, dtype);
    if (settings->packed) gguf_write_aligned(writer);
    int n_other = add_tensors(writer, model, dtype, settings->packed);
    if (!gguf_writer_close(writer, show_progress, error)) return false;
    if (n_other)
        fprintf(stderr, "foretell: %d matrices are F16: their columns are no multiple of %s's block of %d\n", n_other,
                dtype_info[dtype].name, dtype_info[dtype].block);
    return true;
}

static int quantize(const QuantizeSettings *settings) {
    Error error;
    Model *model;
    open_threads(0);
    if (!model_map(&model, settings->in, &error)) return command_fail(&error);
    bool done = write_model(model, settings, &error);
    model_close(model);
    return done ? 0 : command_fail(&error);
}

static int quantize_main(int argc, char **argv) {
    QuantizeSettings s = {.type = DTYPE_Q8_0};
    const Option options[] = {
        {"type", 0, shapes_dtypes(), OPTION_CHOICE, &s.type, 0, 0, "number format of the matrices", NULL},
        {"packed", 0, NULL, OPTION_FLAG, &s.packed, 0, 0,
         "arrange the matrices for fast loading; only foretell reads such a file", NULL},
        OPEN_TOKENIZER_OPTION(&s.tokenizer),
    };
    int next = options_parse(&quantize_command, options, sizeof options / sizeof *options, argc, argv);
    if (argc - next < 2) option_usage_error("quantize: expected two arguments, IN and OUT, got %d", argc - next);
    if (argc - next > 2) option_usage_error("quantize: unexpected argument '%s'", argv[next + 2]);
    s.in = argv[next];
    s.out = argv[next + 1];
    return quantize(&s);
}

const Command quantize_command = {
    "quantize", "IN OUT", "Converts a model to a GGUF file with matrices of the number format --type.",
    "A GGUF file's metadata is copied as it is. Norms stay F32. OUT appears only when it is complete.\n"
    "--packed stores the matrices as foretell computes with them, so loading rearranges nothing, and several "
    "processes\n"
    "share the file's pages. No other program reads such a file; quantize converts it back to the same bits.\n"
    "The vocabulary of a .bin model is in its folder: tokenizer.bin, or the only tok*.bin.",
    quantize_main};

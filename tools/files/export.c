/* foretell export: the weights that `foretell bench --shape` measures, as a GGUF file. */
#include "tools/files/export.h"

#include <stdio.h>
#include <string.h>

#include "model/part.h"
#include "tensor/memory.h"
#include "tokenizer/tokenizer.h"
#include "tools/cli/commands.h"
#include "tools/cli/terminal.h"
#include "tools/files/metadata.h"

/* ---------------------------------------------------------------- the vocabulary */

enum { BOS = 1, EOS = 2, FIRST_BYTE = 3, FIRST_PIECE = FIRST_BYTE + 256, PIECE_BYTES = 16 };

typedef struct {
    char (*spellings)[PIECE_BYTES];
    Bytes *texts;
    float *scores;
    int32_t *types;
} Pieces;

/* Token i of a vocabulary in SentencePiece's order: three special tokens, the bytes, the letters, then "_", "_a", ...
 * "_z", "_aa", "_ab" and so on (_ is U+2581). Merging can reach each of these, since it begins with an earlier one. */
static int spell(char out[PIECE_BYTES], int i) {
    static const char *const specials[] = {"<unk>", "<s>", "</s>"};
    if (i < FIRST_BYTE) return snprintf(out, PIECE_BYTES, "%s", specials[i]);
    if (i < FIRST_PIECE) return snprintf(out, PIECE_BYTES, "<0x%02X>", i - FIRST_BYTE);
    int piece = i - FIRST_PIECE, n_letters = 0;
    if (piece < 26) return snprintf(out, PIECE_BYTES, "%c", 'a' + piece);
    char letters[PIECE_BYTES];
    for (int rest = piece - 26; rest > 0; rest = (rest - 1) / 26) letters[n_letters++] = (char)('a' + (rest - 1) % 26);
    int length = snprintf(out, PIECE_BYTES, "\xe2\x96\x81");
    while (n_letters > 0) out[length++] = letters[--n_letters];
    return length;
}

static TokenType type_of(int i) {
    if (i == 0) return TOKEN_UNKNOWN;
    if (i < FIRST_BYTE) return TOKEN_CONTROL;
    return i < FIRST_PIECE ? TOKEN_BYTE : TOKEN_NORMAL;
}

static bool make_pieces(Pieces *pieces, int n, Error *error) {
    size_t each = sizeof *pieces->texts + sizeof *pieces->scores + sizeof *pieces->types + sizeof *pieces->spellings;
    pieces->texts = memory_alloc((size_t)n, each, "vocabulary", error);
    if (!pieces->texts) return false;
    pieces->scores = (float *)(pieces->texts + n);
    pieces->types = (int32_t *)(pieces->scores + n);
    pieces->spellings = (char(*)[PIECE_BYTES])(pieces->types + n);
    for (int i = 0; i < n; i++) {
        int length = spell(pieces->spellings[i], i);
        pieces->texts[i] = (Bytes){(const uint8_t *)pieces->spellings[i], (size_t)length};
        pieces->scores[i] = i < FIRST_PIECE ? 0 : (float)(FIRST_PIECE - 1 - i);
        pieces->types[i] = (int32_t)type_of(i);
    }
    return true;
}

static bool write_vocabulary(GgufWriter *writer, int n, Error *error) {
    Pieces pieces;
    if (!make_pieces(&pieces, n, error)) return false;
    metadata_write_vocabulary(
        writer, &(MetadataVocabulary){pieces.texts, pieces.scores, pieces.types, (size_t)n, BOS, EOS, true, true});
    memory_free(pieces.texts);
    return true;
}

/* ---------------------------------------------------------------- the file */

static void show_progress(size_t done, size_t total) { terminal_progress("export", done, total); }

static bool write_model(const char *path, const Shape *shape, const Model *model, Dtype dtype, Error *error) {
    GgufWriter *writer;
    if (!gguf_writer_open(&writer, path, error)) return false;
    if (!write_vocabulary(writer, model->config.vocab_size, error)) {
        gguf_writer_abandon(writer);
        return false;
    }
    char name[MODEL_NAME_BYTES];
    snprintf(name, sizeof name, "random %s", shape->name);
    metadata_write_config(writer, &model->config, name);
    metadata_write_file_type(writer, dtype);
    for (int i = 0; i < model->n_tensors; i++) {
        const NamedTensor *named = &model->tensors[i];
        int n_dims = part_holds_vector(model, named) ? 1 : 2;
        gguf_write_tensor(writer, named->name, &named->tensor, n_dims, named->tensor.dtype);
    }
    return gguf_writer_close(writer, show_progress, error);
}

bool export_random(const char *path, const Shape *shape, Dtype dtype, uint64_t seed, Error *error) {
    Model *model;
    if (!model_random(&model, &shape->config, dtype, shape->tied, seed, error)) return false;
    bool done = write_model(path, shape, model, dtype, error);
    model_close(model);
    return done;
}

static int export_main(int argc, char **argv) {
    const char *random = NULL, *out = NULL;
    int dtype = DTYPE_Q8_0;
    uint64_t seed = 1;
    const Option options[] = {
        {"random", 0, "SHAPE", OPTION_STRING, &random, 0, 0, "the shape of the weights", NULL},
        {"dtype", 0, shapes_dtypes(), OPTION_CHOICE, &dtype, 0, 0, "number format of the matrices", NULL},
        {"seed", 's', "N", OPTION_UINT64, &seed, 0, 0, "seed of the weights", "1, as bench"},
        {"output", 'o', "FILE", OPTION_STRING, &out, 0, 0, "the GGUF file to write", NULL},
    };
    Error error;
    int next = options_parse(&export_command, options, sizeof options / sizeof *options, argc, argv);
    if (next < argc) option_usage_error("export: unexpected argument '%s'", argv[next]);
    if (!random) option_usage_error("export: expected --random SHAPE, one of " SHAPES_NAMES);
    const Shape *shape = shapes_find("random", random);
    if (!out) option_usage_error("export: expected -o FILE");
    return export_random(out, shape, (Dtype)dtype, seed, &error) ? 0 : command_fail(&error);
}

const Command export_command = {"export", "",
                                "Writes random weights of a known shape as a GGUF file, for measuring other programs.",
                                "Shapes: " SHAPES_NAMES ".\n"
                                "The weights are those of `foretell bench --shape`; the vocabulary has the right size, "
                                "but its tokens mean nothing.\n"
                                "FILE appears only when it is complete.",
                                export_main};

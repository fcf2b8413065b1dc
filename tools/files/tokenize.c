/* foretell tokenize: converts text to token ids, and back. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tensor/memory.h"
#include "tools/cli/commands.h"
#include "tools/cli/open.h"
#include "tools/cli/text.h"

typedef struct {
    const char *model, *tokenizer, *prompt, *file;
    bool bos, pieces, special, decode;
} TokenizeSettings;

/* One line per token: its id, and its spelling in the vocabulary in quotes. */
static void print_piece(const Tokenizer *tokenizer, int token) {
    printf("%7d  '", token);
    text_print_escaped(tokenizer_spelling(tokenizer, token));
    printf("'\n");
}

static bool print_ids(const Tokenizer *tokenizer, const TokenizeSettings *settings, Bytes text, Error *error) {
    int *tokens, bos = tokenizer_bos(tokenizer);
    size_t n_tokens;
    if (settings->bos && bos < 0) return error_set(error, "--bos: this vocabulary has no token to begin a text with");
    if (!tokenizer_encode(tokenizer, text, settings->special, &tokens, &n_tokens, error)) return false;
    const char *gap = "";
    for (size_t i = 0; i < n_tokens + settings->bos; i++) {
        int token = !settings->bos ? tokens[i] : i == 0 ? bos : tokens[i - 1];
        if (settings->pieces)
            print_piece(tokenizer, token);
        else
            printf("%s%d", gap, token);
        gap = " ";
    }
    if (!settings->pieces) printf("\n");
    memory_free(tokens);
    return true;
}

typedef struct {
    const Tokenizer *tokenizer;
    TokenStream stream;
    uint8_t *text;
} Decoder;

static bool decode_id(Decoder *decoder, const char *id, Error *error) {
    int token, size = tokenizer_size(decoder->tokenizer);
    if (!option_int(id, 0, size - 1, &token))
        return error_set(error, "token id: expected a whole number from 0 to %d, got '%s'", size - 1, id);
    return text_write(decoder->text, token_stream_push(&decoder->stream, token, decoder->text), error);
}

/* Decodes the ids in a text, which white space separates. */
static bool decode_text(Decoder *decoder, Bytes text, Error *error) {
    for (size_t at = 0; at < text.size;) {
        char id[32] = "";
        size_t length = 0;
        while (at < text.size && isspace(text.data[at])) at++;
        for (; at < text.size && !isspace(text.data[at]); at++)
            if (length < sizeof id - 1) id[length++] = (char)text.data[at];
        if (length && !decode_id(decoder, id, error)) return false;
    }
    return true;
}

static bool print_text(const Tokenizer *tokenizer, const TokenizeSettings *settings, char **ids, Bytes text,
                       Error *error) {
    Decoder decoder = {.tokenizer = tokenizer, .stream = token_stream_start(tokenizer, settings->special, true)};
    decoder.text = memory_alloc(token_stream_bound(tokenizer), 1, "text of a token", error);
    if (!decoder.text) return false;
    bool done = true;
    for (; done && *ids; ids++) done = decode_id(&decoder, *ids, error);
    done = done && decode_text(&decoder, text, error) &&
           text_write(decoder.text, token_stream_finish(&decoder.stream, decoder.text), error);
    memory_free(decoder.text);
    return done;
}

static bool open_tokenizer(Tokenizer **tokenizer, const TokenizeSettings *settings, Error *error) {
    Path model, path;
    if (settings->tokenizer) return tokenizer_open(tokenizer, settings->tokenizer, error);
    return open_find_model(model, settings->model, error) && open_find_tokenizer(path, model, NULL, error) &&
           tokenizer_open(tokenizer, path, error);
}

static int tokenize(const TokenizeSettings *settings, char **ids) {
    Error error;
    Tokenizer *tokenizer;
    Bytes text;
    if (!open_tokenizer(&tokenizer, settings, &error)) return command_fail(&error);
    bool done = text_choose(&text, settings->prompt, settings->file, &error);
    if (done) {
        done = settings->decode ? print_text(tokenizer, settings, ids, text, &error)
                                : print_ids(tokenizer, settings, text, &error);
        text_free(&text);
    }
    tokenizer_close(tokenizer);
    return done ? 0 : command_fail(&error);
}

static int tokenize_main(int argc, char **argv) {
    TokenizeSettings s = {0};
    const Option options[] = {
        {"model", 'm', "FILE", OPTION_STRING, &s.model, 0, 0, "model whose vocabulary is used", OPEN_MODEL_DEFAULT},
        OPEN_TOKENIZER_OPTION(&s.tokenizer),
        {"prompt", 'p', "TEXT", OPTION_STRING, &s.prompt, 0, 0, "the text", "standard input"},
        {"file", 'f', "FILE", OPTION_STRING, &s.file, 0, 0, "file with the text; - is standard input", NULL},
        {"bos", 0, NULL, OPTION_FLAG, &s.bos, 0, 0, "begin with the begin-of-text token", NULL},
        {"special", 0, NULL, OPTION_FLAG, &s.special, 0, 0, "read and print control tokens by name", NULL},
        {"pieces", 0, NULL, OPTION_FLAG, &s.pieces, 0, 0, "print one line per token: its id and its piece", NULL},
        {"decode", 0, NULL, OPTION_FLAG, &s.decode, 0, 0, "convert ids to text", NULL},
    };
    int next = options_parse(&tokenize_command, options, sizeof options / sizeof *options, argc, argv);
    bool has_ids = s.decode && next < argc && strcmp(argv[next], "-") != 0;
    if (!has_ids && next < argc && strcmp(argv[next], "-") == 0 && !s.file) s.file = argv[next++];
    if (!has_ids && next < argc)
        option_usage_error("tokenize: unexpected argument '%s' (-p TEXT is the text)", argv[next]);
    if ((s.prompt != NULL) + (s.file != NULL) + has_ids > 1)
        option_usage_error("tokenize: expected one of --prompt, --file%s, got more", s.decode ? " and arguments" : "");
    if (s.decode && (s.bos || s.pieces)) option_usage_error("--decode: expected no --bos and no --pieces");
    if (!s.prompt && !s.file && !has_ids) s.file = "-";
    return tokenize(&s, argv + (has_ids ? next : argc));
}

const Command tokenize_command = {
    "tokenize", "[-] [ID ...]",
    "Prints a text's token ids on one line. --decode converts ids back to the text, byte for byte.",
    "--decode reads the ids from the arguments, or from -p, -f or standard input, separated by white space.\n"
    "Some vocabularies put a space before a text: the ids include it, and --decode removes it.\n" OPEN_NOTES,
    tokenize_main};

#include <string.h>

#include "sampler/api/handles.h"
#include "sampler/text/prompt.h"
#include "tensor/memory.h"

_Static_assert(sizeof(int) == sizeof(int32_t), "tokens are ints inside and int32_t outside");

#define FLAGS (FORETELL_BOS | FORETELL_SPECIAL)

static foretell_status check_flags(unsigned flags) {
    if ((flags & ~(unsigned)FLAGS) == 0) return FORETELL_OK;
    return api_refuse("flags: expected FORETELL_BOS and FORETELL_SPECIAL, got %#x", flags);
}

foretell_status api_check_tokens(const foretell_model *model, const int32_t *tokens, size_t n) {
    int vocab_size = model->model->config.vocab_size;
    if (!tokens && n > 0) return api_refuse("tokens: expected %zu of them, got NULL", n);
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= vocab_size)
            return api_refuse("token %zu: expected an id from 0 to %d, got %d", i, vocab_size - 1, tokens[i]);
    return FORETELL_OK;
}

foretell_status api_encode(const foretell_model *model, const char *text, size_t n_bytes, unsigned flags, int **tokens,
                           size_t *n) {
    Error error;
    int *ids;
    size_t n_ids;
    foretell_status status = check_flags(flags);
    if (status) return status;
    if (!text && n_bytes > 0) return api_refuse("text: expected %zu bytes, got NULL", n_bytes);
    Bytes bytes = {(const uint8_t *)text, n_bytes};
    if (!tokenizer_encode(model->tokenizer, bytes, (flags & FORETELL_SPECIAL) != 0, &ids, &n_ids, &error))
        return api_refuse_error(&error);
    int bos = flags & FORETELL_BOS ? prompt_bos(model->tokenizer, n_ids) : -1;
    *tokens = memory_alloc(n_ids + 1, sizeof **tokens, "tokens", &error);
    *n = n_ids + (bos >= 0);
    if (*tokens) {
        **tokens = bos;
        if (n_ids > 0) memcpy(*tokens + (bos >= 0), ids, n_ids * sizeof *ids);
    }
    memory_free(ids);
    return *tokens ? FORETELL_OK : api_fail(&error);
}

foretell_status foretell_encode(const foretell_model *model, const char *text, size_t n_bytes, unsigned flags,
                                int32_t *tokens, size_t capacity, size_t *n) {
    int *ids;
    size_t n_ids;
    if (!model) return api_refuse("model: expected a handle, got NULL");
    if (!n || (!tokens && capacity > 0)) return api_refuse("expected somewhere to write to, got NULL");
    foretell_status status = api_encode(model, text, n_bytes, flags, &ids, &n_ids);
    if (status) return status;
    size_t written = n_ids < capacity ? n_ids : capacity;
    if (written > 0) memcpy(tokens, ids, written * sizeof *ids);
    memory_free(ids);
    *n = n_ids;
    return n_ids <= capacity ? FORETELL_OK
                             : api_full("the text has %zu tokens, there is room for %zu", n_ids, capacity);
}

/* A buffer of the caller: bytes beyond its capacity are only counted. */
typedef struct {
    char *bytes;
    size_t capacity, n;
} Sink;

static void add(Sink *sink, const uint8_t *bytes, size_t n) {
    size_t room = sink->n < sink->capacity ? sink->capacity - sink->n : 0, written = n < room ? n : room;
    if (written > 0) memcpy(sink->bytes + sink->n, bytes, written);
    sink->n += n;
}

foretell_status foretell_decode(const foretell_model *model, const int32_t *tokens, size_t n_tokens, unsigned flags,
                                char *bytes, size_t capacity, size_t *n) {
    if (!model) return api_refuse("model: expected a handle, got NULL");
    if (!n || (!bytes && capacity > 0)) return api_refuse("expected somewhere to write to, got NULL");
    foretell_status status = check_flags(flags);
    if (status || (status = api_check_tokens(model, tokens, n_tokens))) return status;
    TokenStream stream = token_stream_start(model->tokenizer, (flags & FORETELL_SPECIAL) != 0, true);
    Sink sink = {bytes, capacity, 0};
    for (size_t i = 0; i < n_tokens; i++) {
        Bytes piece = token_stream_next(&stream, tokens[i]);
        add(&sink, piece.data, piece.size);
    }
    *n = sink.n;
    return sink.n <= capacity ? FORETELL_OK
                              : api_full("the text has %zu bytes, there is room for %zu", sink.n, capacity);
}

foretell_status foretell_token_bytes(const foretell_model *model, int32_t token, unsigned flags, const char **bytes,
                                     size_t *n) {
    if (!model) return api_refuse("model: expected a handle, got NULL");
    if (!bytes || !n) return api_refuse("expected somewhere to write to, got NULL");
    foretell_status status = check_flags(flags);
    if (status || (status = api_check_tokens(model, &token, 1))) return status;
    Bytes piece = tokenizer_piece(model->tokenizer, token, (flags & FORETELL_SPECIAL) != 0);
    *bytes = piece.size > 0 ? (const char *)piece.data : "";
    *n = piece.size;
    return FORETELL_OK;
}

#include "sampler/text/traits.h"

#include <ctype.h>
#include <string.h>

#include "tensor/memory.h"

static bool begins_with(Bytes text, const char *some) {
    return text.size > 0 && text.data[0] != '\0' && strchr(some, text.data[0]);
}

static bool holds(Bytes text, const char *some) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] != '\0' && strchr(some, text.data[i])) return true;
    return false;
}

static bool ends_sentence(Bytes text) {
    while (text.size > 0 && strchr("\"')]} ", text.data[text.size - 1])) text.size--;
    return text.size > 0 && text.data[text.size - 1] != '\0' && strchr(".!?", text.data[text.size - 1]);
}

static TokenFlags flags_of(const Tokenizer *tokenizer, int token) {
    Bytes piece = tokenizer_piece(tokenizer, token, false);
    TokenFlags flags = 0;
    if (tokenizer_ends_text(tokenizer, token)) flags |= TOKEN_ENDS_TEXT;
    if (piece.size == 0) flags |= TOKEN_IS_CONTROL;
    if (begins_with(piece, " \t\r\n") || (piece.size > 0 && ispunct(piece.data[0]))) flags |= TOKEN_BEGINS_WORD;
    if (holds(piece, "\n")) flags |= TOKEN_HAS_NEWLINE;
    if (ends_sentence(piece)) flags |= TOKEN_ENDS_SENTENCE;
    if (holds(piece, "\n:\"*")) flags |= TOKEN_BREAKS_DRY;
    return flags;
}

bool traits_open(Traits *traits, const Tokenizer *tokenizer, Error *error) {
    int n = tokenizer_size(tokenizer);
    *traits = (Traits){0};
    traits->flags = memory_alloc((size_t)n, sizeof *traits->flags, "token flags", error);
    traits->breakers = memory_alloc((size_t)n, sizeof *traits->breakers, "token flags", error);
    traits->exempt = memory_alloc((size_t)n, sizeof *traits->exempt, "token flags", error);
    traits->pieces = memory_alloc((size_t)n, sizeof *traits->pieces, "texts of tokens", error);
    if (!traits->flags || !traits->breakers || !traits->exempt || !traits->pieces) {
        traits_close(traits);
        return false;
    }
    for (int i = 0; i < n; i++) {
        traits->flags[i] = flags_of(tokenizer, i);
        traits->breakers[i] = traits->flags[i] & TOKEN_BREAKS_DRY;
        traits->exempt[i] = traits->flags[i] & (TOKEN_ENDS_TEXT | TOKEN_HAS_NEWLINE);
        traits->pieces[i] = tokenizer_piece(tokenizer, i, false);
    }
    return true;
}

void traits_close(Traits *traits) {
    memory_free(traits->flags);
    memory_free(traits->breakers);
    memory_free(traits->exempt);
    memory_free(traits->pieces);
    *traits = (Traits){0};
}

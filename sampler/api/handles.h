/* Handles: the structs behind the handles of foretell.h, and the functions that its implementation shares. */
#ifndef SAMPLER_API_HANDLES_H
#define SAMPLER_API_HANDLES_H

#include <stdatomic.h>

#include "foretell.h"
#include "sampler/text/texts.h"
#include "sampler/text/traits.h"

/* The size of a public struct up to and including a field. A caller's struct has the size that its `size` field says,
 * and at least the fields of the first version. */
#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

#define API_CANDIDATES 64 /* the most candidates that a step reports; a lookahead has no more */

struct foretell_model {
    atomic_int n_users; /* the caller's handle and the sessions */
    Model *model;
    Tokenizer *tokenizer;
    Traits traits;
};

struct foretell_session {
    int n_users; /* the caller's handle and the texts */
    foretell_model *model;
    Session *session;
    int n_texts, max_texts;
    BranchToken *lacking;          /* (max_texts,) of one call of foretell_texts_next */
    int max_candidates, max_depth; /* of a lookahead */
    atomic_int cancelled;
    foretell_progress *progress;
    void *progress_context;
};

struct foretell_text {
    foretell_session *session;
    Sampler sampler;
    Phrases stops, bans; /* the text owns their bytes */
    Writer writer;
    Texts texts; /* a set with this text alone */
    unsigned report;
    bool has_begun; /* at least one step was made */
    Scorer scorer;  /* calls the functions of `own` */
    foretell_scorer own;
    /* (n_bytes,) of (capacity,): those of the last step, or if is_carried those that the next step begins with */
    uint8_t *bytes;
    size_t n_bytes, capacity;
    bool is_carried;
    int carried_from;   /* the length of the text, in tokens, when these bytes were carried */
    foretell_step step; /* the last step; it points to the arrays below */
    foretell_candidate *candidates;
    foretell_future *futures;
};

/* Each sets the message and returns the status. */
foretell_status api_refuse(const char *format, ...) __attribute__((format(printf, 1, 2))); /* FORETELL_INVALID */
foretell_status api_full(const char *format, ...) __attribute__((format(printf, 1, 2)));
foretell_status api_fail(const Error *error); /* the status of error->kind */
/* As api_fail, but ERROR_FAILED becomes FORETELL_INVALID: for mistakes of the caller. */
foretell_status api_refuse_error(const Error *error);

/* Copies a result to the caller's buffer: its first bytes, and a NUL if `terminated` and there is room. *n: its
 * length. */
foretell_status api_copy_out(const void *result, size_t length, bool terminated, char *out, size_t capacity, size_t *n);

/* Fills the caller's struct `out` from `from`, up to the size that out->size says; that field is kept. */
void api_fill(void *out, const void *from, size_t size);
/* Checks the `size` of the caller's struct; name: of the struct, for the message. */
foretell_status api_check_size(const void *given, size_t first_version, const char *name);
/* Copies a caller's struct, after that check, to out (size bytes); fields that the caller's lacks keep their values. */
foretell_status api_read(void *out, size_t size, const void *given, size_t first_version, const char *name);

void api_hold_model(foretell_model *model);
void api_release_session(foretell_session *session);

/* Returns false and an error of kind ERROR_CANCELLED if the session was cancelled, and resets that state. */
bool api_check_cancelled(foretell_session *session, Error *error);

/* The only item of text->texts. */
static inline Text *api_item(const foretell_text *text) { return &text->texts.items[0]; }
static inline int api_length(const foretell_text *text) { return api_item(text)->item.sequence.length; }

/* *tokens (n,) is allocated (memory_free). Errors: as foretell_encode. */
foretell_status api_encode(const foretell_model *model, const char *text, size_t n_bytes, unsigned flags, int **tokens,
                           size_t *n);
foretell_status api_check_tokens(const foretell_model *model, const int32_t *tokens, size_t n);

/* Checks a sampler for this text, and replaces the text's sampler by it. */
foretell_status api_use_sampler(foretell_text *text, const Sampler *sampler);

/* The listener of text->texts: records its events in the text, which is the context. */
TextListener api_record_event;
foretell_end api_end_of(TextEnd end);
/* Makes room for all bytes that the next call may give out. */
bool api_make_room(foretell_text *text, Error *error);

/* Returns FORETELL_FULL if n more tokens exceed the context. */
foretell_status api_check_room(const foretell_text *text, size_t n);

/* Appends n >= 1 tokens of a prompt, whose ids have been checked; visit and context as in TextsPrompt, or NULL. */
foretell_status api_append(foretell_text *text, const int *tokens, size_t n, LogitsVisitor *visit, void *context);

/* Sets the scorer of the text; NULL: future entropy. */
void api_use_scorer(foretell_text *text, const foretell_scorer *scorer);

/* The largest lookahead that the session has room for. */
Lookahead api_largest_lookahead(const foretell_session *session);

/* Computes the logits that follow the text, if they are missing. */
foretell_status api_complete(foretell_text *text);

#endif

/* Handles: what lies behind the handles of foretell.h, and how its functions report errors. */
#ifndef SAMPLER_API_HANDLES_H
#define SAMPLER_API_HANDLES_H

#include <stdatomic.h>

#include "foretell.h"
#include "sampler/text/texts.h"
#include "sampler/text/traits.h"

/* A struct with a `size` field is as long as its caller says, and holds at least the fields of the first version. */
#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

#define API_CANDIDATES 64 /* told of a step; those of a lookahead are fewer */

struct foretell_model {
    atomic_int n_users; /* the caller's handle, and each session */
    Model *model;
    Tokenizer *tokenizer;
    Traits traits;
};

struct foretell_session {
    int n_users; /* the caller's handle, and each text */
    foretell_model *model;
    Session *session;
    int n_texts, max_texts;
    int max_candidates, max_depth; /* of looking ahead */
    atomic_int cancelled;
    foretell_progress *progress;
    void *progress_context;
};

struct foretell_text {
    foretell_session *session;
    Sampler sampler;
    Phrases stops, bans; /* their bytes are the text's own */
    Writer writer;
    Texts texts; /* this one */
    unsigned report;
    bool has_begun; /* a step was made */
    Scorer scorer;  /* calls `own` */
    foretell_scorer own;
    uint8_t *bytes; /* (n_bytes,) of (capacity,): of the step, or what the next step has to give out first */
    size_t n_bytes, capacity;
    bool is_carried;    /* the latter */
    int carried_from;   /* the text was that long */
    foretell_step step; /* the last one; its arrays follow */
    foretell_candidate *candidates;
    foretell_future *futures;
};

/* Each sets the message and returns the status. */
foretell_status api_refuse(const char *format, ...) __attribute__((format(printf, 1, 2))); /* FORETELL_INVALID */
foretell_status api_full(const char *format, ...) __attribute__((format(printf, 1, 2)));
foretell_status api_fail(const Error *error); /* as error->kind says */
/* As api_fail, but for the kind ERROR_FAILED, which is a mistake of the caller's here. */
foretell_status api_refuse_error(const Error *error);

/* A result as text: its first bytes to out, which ends with NUL where there is room; *n: its length. */
foretell_status api_give(const void *result, size_t length, bool terminated, char *out, size_t capacity, size_t *n);

/* out is a caller's struct: *size_of_it bytes of `from` except that field. */
void api_fill(void *out, const void *from, size_t size);
/* Whether a caller's struct is large enough; name is the struct's. */
foretell_status api_check_size(const void *given, size_t first_version, const char *name);

void api_hold_model(foretell_model *model);
void api_release_session(foretell_session *session);

/* Error of kind ERROR_CANCELLED where somebody has cancelled, which counts for one call. */
bool api_go_on(foretell_session *session, Error *error);

/* The text's only item. */
static inline Text *api_item(const foretell_text *text) { return &text->texts.items[0]; }
static inline int api_length(const foretell_text *text) { return api_item(text)->item.sequence.length; }

/* Errors: as foretell_encode; *tokens (n,) is the caller's to free with memory_free. */
foretell_status api_encode(const foretell_model *model, const char *text, size_t n_bytes, unsigned flags, int **tokens,
                           size_t *n);
foretell_status api_check_tokens(const foretell_model *model, const int32_t *tokens, size_t n);

/* Checks a sampler for this text, and uses it. */
foretell_status api_use_sampler(foretell_text *text, const Sampler *sampler);

/* The listener of the text's Texts; the context is the text. */
TextListener api_hear;
foretell_end api_end_of(TextEnd end);
/* Room for all that the next call may give out. */
bool api_make_room(foretell_text *text, Error *error);

/* Appends a prompt of n >= 1 tokens that are checked; visit and context as TextsPrompt, may be NULL. */
foretell_status api_append(foretell_text *text, const int *tokens, size_t n, LogitsVisitor *visit, void *context);

/* The text's futures are worth what this says; NULL: future entropy. */
void api_use_scorer(foretell_text *text, const foretell_scorer *scorer);

/* What a session must have room for. */
Lookahead api_widest(const foretell_session *session);

#endif

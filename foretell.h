/* foretell: a small LLaMA inference engine whose sampler looks one token ahead.
 *
 *     foretell_model *model;
 *     foretell_session *session;
 *     foretell_text *text;
 *     foretell_step step = {.size = sizeof step};
 *
 *     if (foretell_model_open(&model, "model.gguf", NULL) || foretell_session_open(&session, model, NULL) ||
 *         foretell_text_open(&text, session, NULL) || foretell_text_set(text, "preset", "future-entropy") ||
 *         foretell_text_append(text, "Once upon a time", 16, 0))
 *         return fprintf(stderr, "%s\n", foretell_message()), 1;
 *     do {
 *         if (foretell_text_next(text, &step)) return fprintf(stderr, "%s\n", foretell_message()), 1;
 *         fwrite(step.bytes, 1, step.n_bytes, stdout); // the last step has bytes, too
 *     } while (step.end == FORETELL_GOES_ON);
 *
 * Three kinds of handles. A model is the weights and the vocabulary; nothing changes it. A session is the memory to compute
 * with: one key/value cache, in which any number of texts share what they have in common. A text is a sequence of tokens, the
 * settings of its sampler and what the sampler remembers.
 *
 * Errors. Each call that can fail returns a status, 0 for success; foretell_message() then says in one line what, where,
 * expected and got. A failed call changes nothing, except where it says so. A mistake of the caller (a null pointer, a token
 * that does not exist, a setting out of range) is FORETELL_INVALID and never ends the process.
 *
 * Memory. The caller owns each handle and closes it with its own *_close, which accepts NULL; the order does not matter,
 * because a text keeps its session and a session its model until they are closed, too. A pointer that a call hands out
 * says how long it is valid.
 *
 * Threads. Different sessions may be used in different threads at the same time, also on one model. A session, together
 * with its texts, is used by one thread at a time. foretell_session_cancel may be called from any thread and from a signal
 * handler. foretell_message is the calling thread's own. After fork(2) the child may go on with its copies of the handles,
 * but computes with one thread, because OpenMP's other threads are the parent's; to use all processors, exec.
 *
 * Reproducible. A text is a function of the model, the settings, the seed, the number of the text and the kernel table
 * (the environment variable KERNELS, which is read once, names another). It does not depend on other texts of the session, on the
 * number of threads, or on whether it was forked, rewound and written again. (With KERNELS=generic and float weights,
 * OpenBLAS reads long prompts; then a text that is rewound into its prompt may differ by rounding.)
 *
 * The library touches nothing of the process: no signals, no environment, no locale, no output. Its only threads are
 * OpenMP's.
 *
 * A struct with a `size` field begins with it. The caller sets it to sizeof of the struct, so that fields can be added
 * later without breaking programs that were compiled before. The other structs will not change. Zero in an option means its
 * default. */
#ifndef FORETELL_H
#define FORETELL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FORETELL_API __attribute__((visibility("default")))
#else
#define FORETELL_API
#endif

typedef struct foretell_model foretell_model;
typedef struct foretell_session foretell_session;
typedef struct foretell_text foretell_text;

typedef enum {
    FORETELL_OK = 0,
    FORETELL_INVALID = 1,   /* the caller's mistake: an argument, a setting, a call that makes no sense here */
    FORETELL_FAILED = 2,    /* a file that cannot be read or is not a model, a computation that gave no finite number */
    FORETELL_NO_MEMORY = 3, /* the system refused memory */
    FORETELL_FULL = 4,      /* no room: the context, the texts of the session, a buffer of the caller's */
    FORETELL_CANCELLED = 5  /* foretell_session_cancel, or a progress callback that returned nonzero */
} foretell_status;

/* One line about the calling thread's last call that failed; "" if none has. Valid until its next call that fails. */
FORETELL_API const char *foretell_message(void);
FORETELL_API const char *foretell_status_name(foretell_status status); /* "FORETELL_INVALID"; "unknown" for others */
FORETELL_API const char *foretell_version(void);                       /* such as "0.2.0" */

/* Called between pieces of long work, in the thread of the call, with the work done and all of it in the same unit. Nonzero
 * cancels the call. It must not call the library with handles that the running call uses, except foretell_session_cancel. */
typedef int foretell_progress(void *context, uint64_t done, uint64_t total);

/* ---- Model: weights and vocabulary ---- */

typedef struct {
    size_t size;
    const char *tokenizer; /* path of the vocabulary; default: in the GGUF file, or tokenizer.bin beside a .bin model */
    foretell_progress *progress; /* bytes */
    void *context;               /* the callback's */
} foretell_model_options;

/* Opens a model file (GGUF, or llama2.c's .bin) with its vocabulary. options may be NULL. */
FORETELL_API foretell_status foretell_model_open(foretell_model **model, const char *path,
                                                 const foretell_model_options *options);
FORETELL_API void foretell_model_close(foretell_model *model);

typedef struct {
    size_t size;
    int32_t vocab_size, context_length, dim, n_layers, n_heads, n_kv_heads;
    int32_t bos, eos;      /* -1: the vocabulary has none */
    uint64_t weight_bytes; /* in the file */
    const char *name;      /* as the file says, or ""; valid as long as the model */
    const char *format;    /* "GGUF v3" */
} foretell_model_info;

FORETELL_API foretell_status foretell_model_describe(const foretell_model *model, foretell_model_info *info);

/* Flags of encoding and decoding. */
enum {
    FORETELL_BOS = 1, /* begin with the begin-of-text token, where the vocabulary wants one */
    FORETELL_SPECIAL =
        2 /* control tokens are read and written by their names ("</s>"); without it text never becomes one */
};

/* Text to tokens, exactly, for any bytes. Writes the first `capacity` tokens and sets *n to the number of all of them;
 * FORETELL_FULL if they are more than capacity. tokens may be NULL if capacity is 0. */
FORETELL_API foretell_status foretell_encode(const foretell_model *model, const char *text, size_t n_bytes,
                                             unsigned flags, int32_t *tokens, size_t capacity, size_t *n);
/* Tokens to text, the same way; without a terminating NUL. */
FORETELL_API foretell_status foretell_decode(const foretell_model *model, const int32_t *tokens, size_t n_tokens,
                                             unsigned flags, char *bytes, size_t capacity, size_t *n);
/* The bytes one token stands for, perhaps only part of a character; valid as long as the model. */
FORETELL_API foretell_status foretell_token_bytes(const foretell_model *model, int32_t token, unsigned flags,
                                                  const char **bytes, size_t *n);

/* ---- Session: the memory to compute with ---- */

typedef struct {
    size_t size;
    int32_t context;             /* the most tokens of a text; default: the model's context_length */
    int32_t texts;               /* texts open at once; default 1 */
    int32_t candidates;          /* the largest fe-k of any text; default 20 */
    int32_t depth;               /* the largest fe-depth; default 1 */
    int32_t threads;             /* default: the processors this process may run on */
    int32_t kv_f32;              /* 1: 32-bit keys and values; default: 16-bit */
    foretell_progress *progress; /* tokens of a prompt; called between batches of foretell_text_append and _score */
    void *context_of_progress;
} foretell_session_options;

/* Takes all memory that computing needs, so that writing cannot run out of it. options may be NULL. */
FORETELL_API foretell_status foretell_session_open(foretell_session **session, foretell_model *model,
                                                   const foretell_session_options *options);
FORETELL_API void foretell_session_close(foretell_session *session);

/* One call that computes returns FORETELL_CANCELLED and changes nothing: the append or score that is running, at its next
 * batch of tokens, or else the next call. A step that has begun is finished. */
FORETELL_API void foretell_session_cancel(foretell_session *session);

/* Passes through the model and rows computed since the session was opened. Either may be NULL. */
FORETELL_API foretell_status foretell_session_counts(const foretell_session *session, uint64_t *passes, uint64_t *rows);

/* ---- Text ---- */

typedef struct {
    size_t size;
    int32_t number; /* of the text: texts of one seed and different numbers are drawn with different noise; default 0 */
    unsigned report; /* what each step tells beside its figures */
} foretell_text_options;

enum {
    FORETELL_CANDIDATES = 1, /* step.candidates */
    FORETELL_FUTURES = 2     /* the likeliest tokens after each candidate that was evaluated, too */
};

/* A new, empty text with the default settings: top-k 40, top-p 0.95, min-p 0.05, temp 0.8, seed 0. Errors: FORETELL_FULL,
 * the session has as many texts as it was opened for. */
FORETELL_API foretell_status foretell_text_open(foretell_text **text, foretell_session *session,
                                                const foretell_text_options *options);
FORETELL_API void foretell_text_close(foretell_text *text);

/* Sets one setting of the sampler by name ("temp", "top-p", "alpha", "wave", "preset", "samplers": foretell_setting lists all), or
 * a list: name "settings", value "temp 0.8, fe, alpha 0.5, seed 1". A switch is set by value "on" or NULL and cleared by "off". Takes
 * effect with the next step. fe-k and fe-depth may be at most what the session was opened for, so set them first where that
 * is less than their default; edt-instance has to be set before the prompt; kld is not for texts of this interface. Errors name the setting, the range and the value; also a contradiction between settings. */
FORETELL_API foretell_status foretell_text_set(foretell_text *text, const char *name, const char *value);
/* The exact value, as foretell_text_set takes it; "" where nothing was set, and for "preset", "at" and "logit-bias".
 * As foretell_encode: FORETELL_FULL if too long, *n
 * is its length without the NUL. */
FORETELL_API foretell_status foretell_text_get(const foretell_text *text, const char *name, char *value,
                                               size_t capacity, size_t *n);
/* The whole chain in one line: "top-k 40 -> top-p 0.95 -> min-p 0.05 -> temp 0.8 -> draw, seed 42". */
FORETELL_API foretell_status foretell_text_chain(const foretell_text *text, char *chain, size_t capacity, size_t *n);

/* A string that ends the text, or one that the text must not contain: when it is complete, the text goes back and draws
 * something else with the same noise. Both may be called several times, before the first step. */
FORETELL_API foretell_status foretell_text_stop(foretell_text *text, const char *bytes, size_t n);
FORETELL_API foretell_status foretell_text_ban(foretell_text *text, const char *bytes, size_t n);

/* Reads more of the prompt: bytes (an empty text gets the begin-of-text token first, where the vocabulary wants one; flags:
 * FORETELL_SPECIAL; a vocabulary that puts a space before each text does so here, too), or tokens as they are. Allowed at any time, also after steps. Errors: FORETELL_FULL, the context;
 * FORETELL_CANCELLED: the text is as it was. */
FORETELL_API foretell_status foretell_text_append(foretell_text *text, const char *bytes, size_t n, unsigned flags);
FORETELL_API foretell_status foretell_text_append_tokens(foretell_text *text, const int32_t *tokens, size_t n);

typedef enum {
    FORETELL_GOES_ON = 0,
    FORETELL_END_OF_TEXT = 1,  /* the token that ends a text was drawn; it is in the step, not in the text */
    FORETELL_STOPPED = 2,      /* a stop string is complete; step.bytes ends before it */
    FORETELL_CONTEXT_FULL = 3, /* no room to draw another token: the text has as many as the context, or fe-depth would
                                  look past its end; the last token may be in this step */
    FORETELL_REWOUND = 4 /* a banned string was complete: the text has gone back to step.position; call next again */
} foretell_end;

typedef struct {
    int32_t token;
    float p; /* of the model's own distribution */
} foretell_future;

typedef struct {
    int32_t token;
    int32_t evaluated; /* its future was computed */
    int32_t neutral;   /* it counts as the mean of the others: see the settings fe-at and fe-eog */
    double p, ln_p;    /* renormalised over all survivors of truncation */
    double worth;      /* of its future: Hhat, or what the scorer returned; NaN if it is not known and was not needed */
    double ln_s;       /* the score; if worth is not known, its upper bound */
    double noise;      /* what the draw adds to ln_s / T */
    const foretell_future *futures; /* (n_futures,) likeliest first; FORETELL_FUTURES */
    size_t n_futures;
} foretell_candidate;

/* What one step did. Pointers are valid until the next call on this text. */
typedef struct {
    size_t size;
    foretell_end end;
    int32_t token, position; /* the position that the token has in the text, from 0 */
    const char *bytes; /* the text that became certain, in whole characters: none while a character, a stop string or
                                a banned one may be incomplete, more later */
    size_t n_bytes;
    double logprob;             /* ln p of the token in the model's own distribution, before any setting, nats */
    int32_t rank;               /* in that distribution, from 1 */
    int32_t survivors;          /* candidates that truncation left */
    double entropy, varentropy; /* of the model's own distribution, nats, nats^2 */
    double temperature, alpha;  /* used in this step; alpha is NaN without lookahead */
    double hhat;                /* worth of the token's future; NaN without lookahead, or if it was not evaluated */
    uint64_t passes, rows;      /* computed in this step */
    const foretell_candidate *candidates; /* (n_candidates,) likeliest first: those looked at, or else the survivors, at
                                             most 64 of them; FORETELL_CANDIDATES */
    size_t n_candidates;
    int32_t chosen; /* the drawn token's place among them, -1 if it is not there */
} foretell_step;

/* Draws the next token and appends it. A step that draws no token has the token -1. After an end other than FORETELL_REWOUND the next call says the same end again, unless more was
 * appended or the text was rewound. Errors: FORETELL_INVALID for an empty text; FORETELL_FAILED, nothing is left possible. */
FORETELL_API foretell_status foretell_text_next(foretell_text *text, foretell_step *step);
/* A step of each of n different texts of one session in one shared pass; each gets the token that it would get alone. All
 * steps have the same size. If a text's own step fails, the others are still made, and the first failure is returned; the
 * failed text's step is not written. */
FORETELL_API foretell_status foretell_texts_next(foretell_text *const *texts, size_t n, foretell_step *steps);
/* Appends this token instead of drawing one. The step is computed as if a token were drawn, with the same passes, and tells
 * the figures that this token has; hhat is NaN if its future was not evaluated (fe-eager evaluates all). The sampler's state
 * moves on as if the token had been drawn. foretell_text_append_tokens is cheaper where no figures are wanted. */
FORETELL_API foretell_status foretell_text_force(foretell_text *text, int32_t token, foretell_step *step);

/* A second text that is equal in all, and shares the keys and values of what both have in common; computes nothing. Either may
 * be rewound to before the fork, and closed before the other. */
FORETELL_API foretell_status foretell_text_fork(foretell_text *text, foretell_text **copy);
/* Gives the text another number, so that it is drawn with other noise from here on. */
FORETELL_API foretell_status foretell_text_renumber(foretell_text *text, int32_t number);
/* Takes the text back to n_tokens, the sampler's state too, as if the rest had never been; computes nothing. */
FORETELL_API foretell_status foretell_text_rewind(foretell_text *text, size_t n_tokens);

/* The bytes that steps have held back, because a character, a stop string or a banned one may be incomplete: the end of
 * the text for a caller who stops here. A later step gives them out again, unless they become such a string. Valid until
 * the next call on this text. */
FORETELL_API foretell_status foretell_text_rest(const foretell_text *text, const char **bytes, size_t *n);
/* The tokens so far, the prompt's included; valid until the next call on this text. */
FORETELL_API foretell_status foretell_text_tokens(const foretell_text *text, const int32_t **tokens, size_t *n);
/* (vocab_size,) logits that follow the last token, before any setting; valid until the next call on any text of the session. */
FORETELL_API foretell_status foretell_text_logits(foretell_text *text, const float **logits, size_t *n);

typedef struct {
    double logprob;             /* ln p of the token, nats */
    double entropy, varentropy; /* of the distribution that it was drawn from */
    int32_t rank;               /* from 1 */
} foretell_score;

/* Appends tokens and tells how likely each was: scores (n,). The first token of an empty text follows nothing, so its
 * figures are NaN and its rank is 0. Errors: as foretell_text_append_tokens. */
FORETELL_API foretell_status foretell_text_score(foretell_text *text, const int32_t *tokens, size_t n,
                                                 foretell_score *scores);

/* ---- A lookahead sampler of your own ----
 *
 * The walk over the candidates is the library's: it forks the text for each candidate w, computes the logits that follow w,
 * and draws from s(w)^(1/T), s(w) = p(w)^a worth(w)^b, with the exponents a and b that alpha gives (alpha 1: s = worth). The
 * scorer says what a future is worth. Future entropy is such a scorer: worth = Hhat, bound = 1.
 *
 * Where there is a bound, candidates are evaluated from the highest bound down, and only until no other can win: the
 * same token as if all were evaluated, in fewer rows. */
typedef struct {
    size_t size;
    /* What the future of a candidate is worth, >= 0 and finite, from the logits (n_logits,) that follow it. With fe-depth d it is
     * called for each of the d steps, and the mean counts. */
    double (*worth)(void *context, const foretell_candidate *candidate, const float *logits, size_t n_logits);
    /* The most that worth may return for it; NULL: unknown, so all candidates are evaluated. */
    double (*bound)(void *context, const foretell_candidate *candidate);
    void *context;
} foretell_scorer;

/* Takes effect with the next step, if the sampler looks ahead (setting "fe"). NULL: future entropy again. The callbacks run in
 * the thread of foretell_text_next. A worth that is not a number, negative or above its bound ends the step with
 * FORETELL_INVALID. A forked text has the same scorer. */
FORETELL_API foretell_status foretell_text_scorer(foretell_text *text, const foretell_scorer *scorer);

/* ---- Settings: the table that foretell_text_set reads ---- */

typedef struct {
    size_t size;
    const char *name;    /* "top-p" */
    const char *metavar; /* what its value is called, "P"; NULL for a switch */
    const char *help;    /* one line */
    char range[64];      /* "0 to 1", or "" */
    char value[128];     /* the default, or "" */
    const char *unit;    /* "nats", "tokens", or "" */
} foretell_setting_info;

/* The setting at `index`, from 0; FORETELL_INVALID past the last. */
FORETELL_API foretell_status foretell_setting(size_t index, foretell_setting_info *info);

/* OpenMP's threads spin for some milliseconds between two passes, which takes processor time from others on a busy
 * machine. The limit is read from the environment when the program starts (GOMP_SPINCOUNT), so it cannot be set later.
 * This call, first thing in main, starts the program again with the limit that foretell itself uses; it returns only if
 * nothing needs to be done or the program cannot be started again (FORETELL_FAILED). Nothing else calls it. A program
 * that loads the library at run time sets GOMP_SPINCOUNT=100 before it does. */
FORETELL_API foretell_status foretell_limit_spinning(char **argv);

#ifdef __cplusplus
}
#endif

#endif

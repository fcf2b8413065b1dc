/* foretell: a small LLaMA inference engine whose sampler looks one token ahead.
 *
 *     foretell_model *model;
 *     foretell_session *session;
 *     foretell_text *text;
 *     foretell_step step = {.size = sizeof step};
 *
 *     if (foretell_model_open(&model, "model.gguf", NULL) ||
 *         foretell_session_open(&session, model, NULL) ||
 *         foretell_text_open(&text, session, NULL) ||
 *         foretell_text_set(text, "preset", "future-entropy") ||
 *         foretell_text_append(text, "Once upon a time", 16, 0))
 *         return fprintf(stderr, "%s\n", foretell_message()), 1;
 *     do {
 *         if (foretell_text_next(text, &step))
 *             return fprintf(stderr, "%s\n", foretell_message()), 1;
 *         fwrite(step.bytes, 1, step.n_bytes, stdout); // the last step has bytes, too
 *     } while (step.end == FORETELL_GOES_ON);
 *
 * Handles. There are three kinds. A model is the weights and the vocabulary; it never changes. A
 * session is the memory for computing: one key/value cache, in which texts share their common
 * beginnings. A text is a sequence of tokens with the settings and the state of its sampler.
 *
 * Errors. Each call that can fail returns a status, 0 for success. After a failure,
 * foretell_message() says in one line what is wrong, where, what was expected, and what was found.
 * A failed call changes nothing, unless its description says otherwise. A mistake of the caller (a
 * null pointer, an unknown token, a setting out of range) gives FORETELL_INVALID; it never ends the
 * process. Any call with a status may return FORETELL_INVALID for a null pointer or a struct of
 * the wrong size, and any call that allocates or computes FORETELL_NO_MEMORY. The descriptions
 * below list the other errors.
 *
 * Memory. The caller owns each handle and closes it with the matching *_close, which accepts NULL.
 * Handles may be closed in any order: a text keeps its session open, and a session its model, until
 * they are closed, too. For each pointer that a call returns, its description says how long the
 * pointer is valid.
 *
 * Threads. Different sessions may be used in different threads at the same time, even with the same
 * model. A session and its texts may be used by only one thread at a time. Any thread and any
 * signal handler may call foretell_session_cancel. Each thread has its own foretell_message. After
 * fork(2) the child may use its copies of the handles, but it computes with one thread, because
 * OpenMP's other threads exist only in the parent; after exec it can use all processors again.
 *
 * Reproducibility. A text is a function of the model, the settings (with the seed), the number of
 * the text, and the kernel table (by default the fastest that the processor can run; the
 * environment variable KERNELS, which is read once, can name another). It does not depend on the
 * other texts of the session, on the number of threads, or on whether it was forked, or rewound and
 * continued. One exception: with KERNELS=generic and float weights, OpenBLAS computes long prompts.
 * Then a text that is rewound into its prompt may differ by rounding.
 *
 * Process. The library installs no signal handlers, writes no output, and changes neither the
 * locale nor the environment. It reads only the environment variable KERNELS. Its only threads are
 * those of OpenMP. The only exception is foretell_limit_spinning, which sets GOMP_SPINCOUNT and
 * restarts the program.
 *
 * Structs. A struct with a `size` field begins with it. The caller sets it to sizeof of the struct,
 * so that later versions can add fields without breaking compiled programs. The other structs will
 * not change. Zero in an option means its default. */
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
    FORETELL_INVALID = 1,   /* a mistake of the caller: argument, setting, order of calls */
    FORETELL_FAILED = 2,    /* a file cannot be read or is no model; logits are not finite */
    FORETELL_NO_MEMORY = 3, /* the system refused memory */
    FORETELL_FULL = 4,      /* no room left: in the context, the session or the caller's buffer */
    FORETELL_CANCELLED = 5  /* by foretell_session_cancel or by a progress callback */
} foretell_status;

/* One line about the last failed call of this thread; "" if none has failed. Valid until the next
 * failed call of this thread. */
FORETELL_API const char *foretell_message(void);
/* The name of a status, such as "FORETELL_INVALID"; "unknown" for any other number. */
FORETELL_API const char *foretell_status_name(foretell_status status);
/* The version of the library, such as "0.2.0". */
FORETELL_API const char *foretell_version(void);

/* Reports the progress of a long call, in the thread of that call: `done` of `total` units of work.
 * If it returns a nonzero value, the call ends with FORETELL_CANCELLED. It must not use the handles
 * of the running call, except in foretell_session_cancel. */
typedef int foretell_progress(void *context, uint64_t done, uint64_t total);

/* ---- Model: weights and vocabulary ---- */

typedef struct {
    size_t size;
    const char *tokenizer;       /* path of the vocabulary; default: the GGUF file itself, or for a
                                    .bin model tokenizer.bin or the only tok*.bin in its folder */
    foretell_progress *progress; /* its unit: bytes */
    void *context;               /* passed to progress */
} foretell_model_options;

/* Opens a model file (GGUF, or llama2.c's .bin) and its vocabulary. options may be NULL. Errors:
 * FORETELL_FAILED, a file that cannot be read or is invalid; FORETELL_CANCELLED. *model is then
 * NULL. */
FORETELL_API foretell_status foretell_model_open(foretell_model **model, const char *path,
                                                 const foretell_model_options *options);
FORETELL_API void foretell_model_close(foretell_model *model);

typedef struct {
    size_t size;
    int32_t vocab_size, context_length, dim, n_layers, n_heads, n_kv_heads;
    int32_t bos, eos;      /* -1: the vocabulary has none */
    uint64_t weight_bytes; /* of all tensors in the file */
    const char *name;      /* from the file, or ""; valid as long as the model is open */
    const char *format;    /* such as "GGUF v3"; valid as long as the model is open */
} foretell_model_info;

/* Fills info. */
FORETELL_API foretell_status foretell_model_describe(const foretell_model *model, foretell_model_info *info);

/* Flags of encoding and decoding.
 *   FORETELL_BOS       encode: put the begin-of-text token first, if the vocabulary says so or
 *                      the text is empty. Decoding ignores it.
 *   FORETELL_SPECIAL   encode: the names of control tokens ("</s>") become these tokens.
 *                      decode: control tokens give their names. Without this flag names are
 *                      ordinary text, and control tokens give no bytes. */
enum { FORETELL_BOS = 1, FORETELL_SPECIAL = 2 };

/* Encodes any bytes as tokens. Writes the first `capacity` tokens, and sets *n to the number of all
 * tokens. tokens may be NULL if capacity is 0. Errors: FORETELL_INVALID, an unknown flag, more than
 * 1 GiB of text; FORETELL_FULL, *n is above capacity (the first tokens and *n are then set). */
FORETELL_API foretell_status foretell_encode(const foretell_model *model, const char *text, size_t n_bytes,
                                             unsigned flags, int32_t *tokens, size_t capacity, size_t *n);
/* Decodes tokens to bytes, without a terminating NUL; the inverse of foretell_encode. Writes the
 * first `capacity` bytes, and sets *n to the number of all bytes. bytes may be NULL if capacity is
 * 0. Errors: FORETELL_INVALID, an unknown flag or token; FORETELL_FULL, as for foretell_encode. */
FORETELL_API foretell_status foretell_decode(const foretell_model *model, const int32_t *tokens, size_t n_tokens,
                                             unsigned flags, char *bytes, size_t capacity, size_t *n);
/* The bytes of one token, which may be a part of a character; valid as long as the model is open.
 * Errors: FORETELL_INVALID, an unknown flag or token. */
FORETELL_API foretell_status foretell_token_bytes(const foretell_model *model, int32_t token, unsigned flags,
                                                  const char **bytes, size_t *n);

/* ---- Session: the memory for computing ---- */

typedef struct {
    size_t size;
    int32_t context;             /* the most tokens of a text; default: context_length */
    int32_t texts;               /* the most texts open at the same time; default 1 */
    int32_t candidates;          /* the largest fe-k of any text; default 20 */
    int32_t depth;               /* the largest fe-depth of any text; default 1 */
    int32_t threads;             /* default: the processors that this process may run on */
    int32_t kv_f32;              /* 1: 32-bit keys and values; default: 16-bit */
    foretell_progress *progress; /* its unit: tokens; before each batch of foretell_text_append,
                                    foretell_text_append_tokens and foretell_text_score */
    void *context_of_progress;   /* passed to progress */
} foretell_session_options;

/* Opens a session, and allocates the memory for all passes, so that computing needs no more.
 * options may be NULL. Errors: FORETELL_INVALID, an option out of range, or texts and context that
 * need too many key/value rows; FORETELL_FAILED, OpenBLAS cannot be loaded. *session is then
 * NULL. */
FORETELL_API foretell_status foretell_session_open(foretell_session **session, foretell_model *model,
                                                   const foretell_session_options *options);
FORETELL_API void foretell_session_close(foretell_session *session);

/* Cancels one computing call: it returns FORETELL_CANCELLED and changes no text. This is the
 * running append or score, before its next batch of tokens, or otherwise the next call that
 * computes. A step that is already being computed is finished. Does nothing for NULL. */
FORETELL_API void foretell_session_cancel(foretell_session *session);

/* The passes through the model, and the rows (tokens) computed in them, since the session was
 * opened. passes and rows may be NULL. */
FORETELL_API foretell_status foretell_session_counts(const foretell_session *session, uint64_t *passes, uint64_t *rows);

/* ---- Text ---- */

typedef struct {
    size_t size;
    int32_t number;  /* texts with the same seed but different numbers get different noise; >= 0 */
    unsigned report; /* additional results of each step: the flags below */
} foretell_text_options;

enum {
    FORETELL_CANDIDATES = 1, /* step.candidates */
    FORETELL_FUTURES = 2     /* step.candidates with the futures of those that were evaluated */
};

/* Opens an empty text with the default settings: top-k 40, top-p 0.95, min-p 0.05, temp 0.8, seed
 * 0. options may be NULL. Errors: FORETELL_INVALID, an option out of range; FORETELL_FULL, all
 * texts that the session was opened for are open. *text is then NULL. */
FORETELL_API foretell_status foretell_text_open(foretell_text **text, foretell_session *session,
                                                const foretell_text_options *options);
FORETELL_API void foretell_text_close(foretell_text *text);

/* Sets one setting of the sampler by its name ("temp", "top-p", "alpha", "wave", "preset",
 * "samplers"; foretell_setting lists all), or several: name "settings", value
 * "temp 0.8, fe, alpha 0.5, seed 1". The value "on" or NULL sets a switch, "off" clears it. A
 * setting takes effect with the next step. Some limits: fe-k and fe-depth may not exceed what the
 * session was opened for; if that is less than a default, set fe-k and fe-depth before fe.
 * edt-instance must be set before the prompt. kld is not available here. Errors: FORETELL_INVALID,
 * an unknown setting, a value out of range, settings that contradict each other; the message names
 * the setting, the range and the value. */
FORETELL_API foretell_status foretell_text_set(foretell_text *text, const char *name, const char *value);
/* The exact value of a setting, in the form that foretell_text_set takes; "" if it is not set, and
 * for "preset", "at" and "logit-bias". A terminating NUL is written if there is room for it. *n:
 * the length without the NUL. Errors: FORETELL_INVALID, an unknown setting; FORETELL_FULL, *n is
 * above capacity (the value is cut). */
FORETELL_API foretell_status foretell_text_get(const foretell_text *text, const char *name, char *value,
                                               size_t capacity, size_t *n);
/* The whole chain in one line: "top-k 40 -> top-p 0.95 -> min-p 0.05 -> temp 0.8 -> draw, seed 42".
 * Output and errors: as for foretell_text_get. */
FORETELL_API foretell_status foretell_text_chain(const foretell_text *text, char *chain, size_t capacity, size_t *n);

/* foretell_text_stop adds a string that ends the text. foretell_text_ban adds a string that the
 * drawn text must not contain: when it becomes complete, the text goes back to the token in which
 * it begins, and draws another token with the same noise. Each may be called up to 64 times, before
 * the first step. Errors: FORETELL_INVALID, an empty string, too many strings, a text that has
 * begun. */
FORETELL_API foretell_status foretell_text_stop(foretell_text *text, const char *bytes, size_t n);
FORETELL_API foretell_status foretell_text_ban(foretell_text *text, const char *bytes, size_t n);

/* Appends to the text: a part of a prompt, as bytes or as tokens. Allowed at any time, even after
 * steps. Strings to stop at or to ban are not searched for in it, nor across its end.
 *
 * Bytes are encoded: a vocabulary that inserts a space before a text does so before each part, too.
 * An empty text first gets the begin-of-text token, if the vocabulary says so or there are no
 * bytes. flags: 0 or FORETELL_SPECIAL. Tokens are appended unchanged.
 *
 * Errors: FORETELL_INVALID, an unknown flag or token; FORETELL_FULL, more than `context` tokens;
 * FORETELL_CANCELLED; FORETELL_FAILED, logits that are not finite. */
FORETELL_API foretell_status foretell_text_append(foretell_text *text, const char *bytes, size_t n, unsigned flags);
FORETELL_API foretell_status foretell_text_append_tokens(foretell_text *text, const int32_t *tokens, size_t n);

typedef enum {
    FORETELL_GOES_ON = 0,
    FORETELL_END_OF_TEXT = 1,  /* the step's token ends the text; it is not appended to it */
    FORETELL_STOPPED = 2,      /* a stop string is complete; step.bytes ends before it */
    FORETELL_CONTEXT_FULL = 3, /* no room for another token; this step may have drawn the last */
    FORETELL_REWOUND = 4       /* a banned string was complete; the text has gone back: it has
                                  step.position tokens, without step.token; call next again */
} foretell_end;

typedef struct {
    int32_t token;
    float p; /* in the model's own distribution after the candidate */
} foretell_future;

typedef struct {
    int32_t token;
    int32_t evaluated;              /* 1: its future was computed */
    int32_t neutral;                /* 1: worth is the mean of the others (fe-at, fe-eog) */
    double p, ln_p;                 /* renormalised over all survivors of truncation */
    double worth;                   /* of its future: Hhat, or the scorer's; NaN: not needed */
    double ln_s;                    /* the score, or its upper bound if worth is NaN */
    double noise;                   /* the draw takes the largest ln_s / T + noise */
    const foretell_future *futures; /* (n_futures,) likeliest first; with FORETELL_FUTURES */
    size_t n_futures;
} foretell_candidate;

/* The result of one step. Its pointers are valid until the next call with this text. The text
 * becomes known in whole characters, and later than its tokens: bytes are held back as long as they
 * may belong to an incomplete character, a stop string or a banned string. The candidates,
 * likeliest first, are those of the lookahead, or without lookahead the 64 likeliest survivors,
 * whose ln_s is ln_p; they are there with FORETELL_CANDIDATES or FORETELL_FUTURES. */
typedef struct {
    size_t size;
    foretell_end end;
    int32_t token;                        /* -1: no token was drawn; figures are NaN or 0 */
    int32_t position;                     /* of the token in the text, from 0 */
    const char *bytes;                    /* the text that became final in this step */
    size_t n_bytes;                       /* may be 0 */
    double logprob;                       /* ln p in the model's own distribution, nats */
    int32_t rank;                         /* of the token in that distribution, from 1 */
    int32_t survivors;                    /* candidates that truncation left */
    double entropy, varentropy;           /* of the model's own distribution, nats and nats^2 */
    double temperature;                   /* of this step */
    double alpha;                         /* of this step; NaN without lookahead */
    double hhat;                          /* worth of the token's future; NaN: not evaluated */
    uint64_t passes, rows;                /* computed for this step */
    const foretell_candidate *candidates; /* (n_candidates,), see above */
    size_t n_candidates;
    int32_t chosen; /* the index of the token among them; -1: it is not among them */
} foretell_step;

/* Draws the next token and appends it. Without lookahead a text can be drawn up to `context`
 * tokens. A lookahead (in the settings or in any rule `at`) needs fe-depth free positions for each
 * step, so with it a text can be drawn up to context + 1 - fe-depth tokens. After an end other than
 * FORETELL_REWOUND each further call returns a step with the same end and no token, until the text
 * is appended to, forced or rewound. Errors: FORETELL_INVALID, an empty text, a number of the
 * scorer that is not allowed; FORETELL_FAILED, no token is possible, too many rewinds for banned
 * strings, or logits that are not finite; FORETELL_CANCELLED. The text is then unchanged. */
FORETELL_API foretell_status foretell_text_next(foretell_text *text, foretell_step *step);
/* Makes one step of each of n different texts of one session. One pass serves all texts, and each
 * gets the token that it would get alone. The `size` of all steps must be the same. Errors: those
 * of foretell_text_next; FORETELL_INVALID, texts of different sessions, a text twice, steps of
 * different sizes. If the step of one text fails, the other texts still make theirs, the step of
 * the failed text is not written, and the first failure is returned. If the shared pass fails or is
 * cancelled, no text makes a step. */
FORETELL_API foretell_status foretell_texts_next(foretell_text *const *texts, size_t n, foretell_step *steps);
/* Makes a step that appends the given token instead of drawing one. The step is computed with the
 * same passes as a draw, and its figures are those of the given token; hhat is NaN if its future
 * was not evaluated (fe-eager evaluates all candidates). The sampler's state changes as if the
 * token had been drawn. foretell_text_append_tokens is cheaper if the figures are not needed.
 * Errors: those of foretell_text_next; FORETELL_INVALID, an unknown token; FORETELL_FULL, the
 * context. */
FORETELL_API foretell_status foretell_text_force(foretell_text *text, int32_t token, foretell_step *step);

/* Opens a copy of the text: the same tokens, settings, scorer and state. Both share the keys and
 * values of their common tokens, so that nothing is computed. Each may be rewound to before the
 * fork, and closed before the other. Errors: FORETELL_FULL, as for foretell_text_open. *copy is
 * then NULL. */
FORETELL_API foretell_status foretell_text_fork(foretell_text *text, foretell_text **copy);
/* Changes the number of the text, and so the noise of its next steps. Errors: FORETELL_INVALID, a
 * negative number. */
FORETELL_API foretell_status foretell_text_renumber(foretell_text *text, int32_t number);
/* Takes the text and the sampler's state back to the first n_tokens tokens, as if the others had
 * never been appended; computes nothing. Errors: FORETELL_INVALID, more tokens than the text has;
 * FORETELL_NO_MEMORY: the text has that length, but strings to stop at or to ban are not found if
 * they begin before its end. */
FORETELL_API foretell_status foretell_text_rewind(foretell_text *text, size_t n_tokens);

/* The bytes that steps have held back, because they may belong to an incomplete character, a stop
 * string or a banned string: the rest of the text for a caller that ends it here. A later step
 * gives them out, unless they become such a string. Valid until the next call with this text. */
FORETELL_API foretell_status foretell_text_rest(const foretell_text *text, const char **bytes, size_t *n);
/* The tokens of the text, with those of the prompt; valid until the next call with this text. */
FORETELL_API foretell_status foretell_text_tokens(const foretell_text *text, const int32_t **tokens, size_t *n);
/* The logits (vocab_size,) that follow the last token, before any setting; computed if they are not
 * known yet. Valid until the next call with any text of the session. Errors: FORETELL_INVALID, an
 * empty text; FORETELL_CANCELLED; FORETELL_FAILED, logits that are not finite. */
FORETELL_API foretell_status foretell_text_logits(foretell_text *text, const float **logits, size_t *n);

typedef struct {
    double logprob;             /* ln p of the token, nats */
    double entropy, varentropy; /* of the distribution of that position, nats and nats^2 */
    int32_t rank;               /* of the token in that distribution, from 1 */
} foretell_score;

/* Appends tokens, and fills scores (n,) with the likelihood of each token in the model's own
 * distribution. The first token of an empty text has no such distribution: its figures are NaN, its
 * rank is 0. Errors: as for foretell_text_append_tokens; scores are then undefined. */
FORETELL_API foretell_status foretell_text_score(foretell_text *text, const int32_t *tokens, size_t n,
                                                 foretell_score *scores);

/* ---- A lookahead sampler of your own ----
 *
 * The library forks the text for each candidate w, computes the logits that follow w, and draws
 * from s(w)^(1/T) with s(w) = p(w)^a worth(w)^b. Alpha gives the exponents a and b (alpha 1: s =
 * worth). The scorer says what a future is worth. Future entropy is such a scorer: worth = Hhat,
 * bound = 1.
 *
 * With a bound the library evaluates candidates in descending order of the bound of their score,
 * and stops when no further candidate can win. The drawn token is the same as if all were
 * evaluated, with fewer rows. So worth is only called for candidates that are evaluated (fe-eager:
 * all), and a wrong result is only found there; bound is called for each candidate that is looked
 * at. Neither is called for neutral candidates, whose worth is the p-weighted mean of the
 * others. */
typedef struct {
    size_t size;
    /* What the future of the candidate is worth, from the logits (n_logits,) that follow it:
     * finite, >= 0, and at most its bound. With fe-depth d it is called for each of the d steps of
     * the greedy continuation, and the mean counts, weighted by fe-discount. The candidate's token,
     * p, ln_p and noise are set. */
    double (*worth)(void *context, const foretell_candidate *candidate, const float *logits, size_t n_logits);
    /* The most that worth may return for the candidate, >= 0; INFINITY: unknown, so it is always
     * evaluated. NULL: unknown for all candidates, so all are evaluated. */
    double (*bound)(void *context, const foretell_candidate *candidate);
    void *context;
} foretell_scorer;

/* Sets the scorer of the text, a copy of *scorer; NULL: future entropy. It takes effect with the
 * next step, if the sampler looks ahead (setting "fe"). The callbacks are called in the thread of
 * foretell_text_next, and must not use this session. A worth that is NaN, infinite, negative or
 * above its bound ends the step with FORETELL_INVALID; so does a bound that is NaN or negative. A
 * fork has the same scorer, with the same context. Errors: FORETELL_INVALID, no function worth. */
FORETELL_API foretell_status foretell_text_scorer(foretell_text *text, const foretell_scorer *scorer);

/* ---- Settings: the table that foretell_text_set reads ---- */

typedef struct {
    size_t size;
    const char *name;    /* "top-p" */
    const char *metavar; /* stands for the value in help: "P"; NULL for a switch */
    const char *help;    /* one line */
    char range[64];      /* "0 to 1"; "" if the values are not a range of numbers */
    char value[128];     /* the default; "" if there is none */
    const char *unit;    /* "nats", "tokens"; "" if there is none */
} foretell_setting_info;

/* Describes the setting at `index`, from 0. Errors: FORETELL_INVALID, an index past the last. */
FORETELL_API foretell_status foretell_setting(size_t index, foretell_setting_info *info);

/* Between two passes OpenMP's threads spin for some milliseconds, which takes processor time from
 * other programs on a busy machine. OpenMP reads the limit from the environment (GOMP_SPINCOUNT)
 * when the program starts, so it cannot be changed later. This call restarts the program with the
 * limit that foretell itself uses; call it first in main, with main's argv. It returns FORETELL_OK
 * if the environment sets OMP_WAIT_POLICY or GOMP_SPINCOUNT already, and FORETELL_FAILED if the
 * program cannot be restarted. No other call of the library does this. A program that loads the
 * library at run time sets GOMP_SPINCOUNT=100 before loading it instead. */
FORETELL_API foretell_status foretell_limit_spinning(char **argv);

#ifdef __cplusplus
}
#endif

#endif

/* A user-defined lookahead sampler: scorer MODEL [PROMPT]
 * It prefers tokens after which the model is sure: the worth of a future is the likelihood that the model expects of its
 * next token, sum p^2. That is at most 1, so 1 is its bound, and candidates that cannot win are not evaluated.
 *
 *     cc scorer.c $(pkg-config --cflags --libs foretell) -lm -o scorer
 *     ./scorer "$(pkg-config --variable=model foretell)" "The dragon"
 */
#include <foretell.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static double expected_likelihood(void *context, const foretell_candidate *candidate, const float *logits, size_t n) {
    double highest = logits[0], sum = 0, squares = 0;
    (void)context, (void)candidate;
    for (size_t i = 1; i < n; i++) highest = fmax(highest, logits[i]);
    for (size_t i = 0; i < n; i++) {
        const double weight = exp(logits[i] - highest);
        sum += weight;
        squares += weight * weight;
    }
    return squares / (sum * sum);
}

static double at_most_one(void *context, const foretell_candidate *candidate) {
    (void)context, (void)candidate;
    return 1;
}

static int tell(foretell_text *text, const char *prompt) {
    const foretell_scorer scorer = {.size = sizeof scorer, .worth = expected_likelihood, .bound = at_most_one};
    foretell_step step = {.size = sizeof step};
    if (foretell_text_scorer(text, &scorer) || foretell_text_set(text, "settings", "fe, alpha 0.5") ||
        foretell_text_set(text, "seed", "1") || foretell_text_append(text, prompt, strlen(prompt), 0))
        return 0;
    fputs(prompt, stdout);
    for (int i = 0; i < 60 && step.end == FORETELL_GOES_ON; i++) {
        if (foretell_text_next(text, &step)) return 0;
        fwrite(step.bytes, 1, step.n_bytes, stdout);
    }
    putchar('\n');
    return 1;
}

int main(int argc, char **argv) {
    foretell_model *model = NULL;
    foretell_session *session = NULL;
    foretell_text *text = NULL;
    if (argc < 2 || argc > 3) return fputs("usage: scorer MODEL [PROMPT]\n", stderr), 2;
    const int done = !foretell_model_open(&model, argv[1], NULL) && !foretell_session_open(&session, model, NULL) &&
                     !foretell_text_open(&text, session, NULL) && tell(text, argc > 2 ? argv[2] : "The dragon");
    if (!done) fprintf(stderr, "scorer: %s\n", foretell_message());
    foretell_text_close(text);
    foretell_session_close(session);
    foretell_model_close(model);
    return !done;
}

/* Looks one token ahead: futures MODEL [PROMPT]
 * Draws one step and prints, for each candidate, its probability p, the normalised entropy Hhat of its future, its
 * score s = p^a Hhat^b, and the likeliest tokens of that future.
 *
 *     cc futures.c $(pkg-config --cflags --libs foretell) -lm -o futures
 *     ./futures "$(pkg-config --variable=model foretell)" "The dragon"
 */
#include <foretell.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_token(const foretell_model *model, int32_t token) {
    const char *bytes;
    size_t n;
    if (foretell_token_bytes(model, token, FORETELL_SPECIAL, &bytes, &n)) return;
    printf("\"%.*s\"", (int)n, bytes);
}

static void print_candidate(const foretell_model *model, const foretell_candidate *candidate, int is_chosen) {
    printf("%c p %.3f  Hhat %.3f  s %.3f  ", is_chosen ? '*' : ' ', candidate->p, candidate->worth,
           exp(candidate->ln_s));
    print_token(model, candidate->token);
    for (size_t i = 0; i < candidate->n_futures && i < 3; i++) {
        fputs(i == 0 ? " -> " : ", ", stdout);
        print_token(model, candidate->futures[i].token);
        printf(" %.2f", (double)candidate->futures[i].p);
    }
    putchar('\n');
}

static int look(foretell_text *text, const foretell_model *model, const char *prompt) {
    foretell_step step = {.size = sizeof step};
    if (foretell_text_set(text, "settings", "temp 1, fe, fe-k 8, alpha 0.5, fe-eager") ||
        foretell_text_set(text, "seed", "1") || foretell_text_append(text, prompt, strlen(prompt), 0) ||
        foretell_text_next(text, &step))
        return 0;
    for (size_t i = 0; i < step.n_candidates; i++)
        print_candidate(model, &step.candidates[i], step.chosen == (int32_t)i);
    return 1;
}

int main(int argc, char **argv) {
    foretell_model *model = NULL;
    foretell_session *session = NULL;
    foretell_text *text = NULL;
    const foretell_text_options options = {.size = sizeof options, .report = FORETELL_CANDIDATES | FORETELL_FUTURES};
    if (argc < 2 || argc > 3) return fputs("usage: futures MODEL [PROMPT]\n", stderr), 2;
    const int done = !foretell_model_open(&model, argv[1], NULL) && !foretell_session_open(&session, model, NULL) &&
                     !foretell_text_open(&text, session, &options) &&
                     look(text, model, argc > 2 ? argv[2] : "The dragon");
    if (!done) fprintf(stderr, "futures: %s\n", foretell_message());
    foretell_text_close(text);
    foretell_session_close(session);
    foretell_model_close(model);
    return !done;
}

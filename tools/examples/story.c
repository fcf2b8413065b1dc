/* Writes a story: story MODEL [PROMPT [TOKENS [SEED]]]
 *
 *     cc story.c $(pkg-config --cflags --libs foretell) -o story
 *     ./story "$(pkg-config --variable=model foretell)" "Once upon a time"
 */
#include <foretell.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* True if the whole story is on standard output. */
static int tell(foretell_text *text, const char *prompt, int n_tokens, const char *seed) {
    foretell_step step = {.size = sizeof step};
    if (foretell_text_set(text, "preset", "future-entropy") || foretell_text_set(text, "seed", seed) ||
        foretell_text_append(text, prompt, strlen(prompt), 0))
        return 0;
    fputs(prompt, stdout);
    for (int i = 0; i < n_tokens && step.end == FORETELL_GOES_ON; i++) {
        if (foretell_text_next(text, &step)) return 0;
        fwrite(step.bytes, 1, step.n_bytes, stdout);
        fflush(stdout);
    }
    putchar('\n');
    return 1;
}

int main(int argc, char **argv) {
    foretell_model *model = NULL;
    foretell_session *session = NULL;
    foretell_text *text = NULL;
    if (argc < 2 || argc > 5) return fputs("usage: story MODEL [PROMPT [TOKENS [SEED]]]\n", stderr), 2;
    const int done =
        !foretell_model_open(&model, argv[1], NULL) && !foretell_session_open(&session, model, NULL) &&
        !foretell_text_open(&text, session, NULL) &&
        tell(text, argc > 2 ? argv[2] : "Once upon a time", argc > 3 ? atoi(argv[3]) : 200, argc > 4 ? argv[4] : "1");
    if (!done) fprintf(stderr, "story: %s\n", foretell_message());
    foretell_text_close(text);
    foretell_session_close(session);
    foretell_model_close(model);
    return !done;
}

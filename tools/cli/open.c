#include "tools/cli/open.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tensor/inputs.h"
#include "tensor/output.h"
#include "tensor/threads.h"
#include "tokenizer/beside.h"
#include "tools/cli/terminal.h"

#define SHIPPED_MODEL "tales-6m-q8_0.gguf"

__attribute__((format(printf, 3, 4))) static bool set_path(Path path, Error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, PATH_MAX, format, arguments);
    va_end(arguments);
    return (length >= 0 && length < PATH_MAX) || error_set(error, "%.200s...: the path is too long", path);
}

static bool find_shipped_model(Path path, Error *error) {
    static const char *const folders[] = {"weights", "../../weights", "../share/foretell"};
    Path program;
    ssize_t length = readlink("/proc/self/exe", program, PATH_MAX - 1);
    program[length > 0 ? length : 0] = '\0';
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (!set_path(path, error, "%.*s%s/%s", (int)output_folder_length(program), program, folders[i], SHIPPED_MODEL))
            return false;
        if (access(path, F_OK) == 0) return true;
    }
    return error_set(error, "no model: %s is not in weights/ beside the program (-m MODEL names another)",
                     SHIPPED_MODEL);
}

bool open_find_model(Path path, const char *given, Error *error) {
    if (!given) given = getenv("FORETELL_MODEL");
    return given && *given ? set_path(path, error, "%s", given) : find_shipped_model(path, error);
}

bool open_find_tokenizer(Path path, const char *model_path, const char *given, Error *error) {
    if (tokenizer_find_beside(path, given, model_path, error)) return true;
    if (strstr(error->message, "one tok*.bin")) error_add(error, " (--tokenizer FILE names one)");
    return false;
}

bool open_vocabulary(Tokenizer **tokenizer, const Model *model, const char *model_path, const char *given,
                     Error *error) {
    Path path;
    *tokenizer = NULL;
    /* After parsing it is no longer mapped, but no output may replace it. */
    return open_find_tokenizer(path, model_path, given, error) && inputs_add_path(path, error) &&
           tokenizer_open_beside(tokenizer, path, model_path, model->config.vocab_size, error);
}

static bool show_packing(void *context, size_t done, size_t total) {
    (void)context;
    terminal_progress("loading", done, total);
    return true;
}

bool open_both(Model **model, Tokenizer **tokenizer, const char *model_given, const char *tokenizer_given,
               Error *error) {
    Path path;
    *model = NULL;
    *tokenizer = NULL;
    if (!open_find_model(path, model_given, error) || !model_map(model, path, error)) return false;
    if (open_vocabulary(tokenizer, *model, path, tokenizer_given, error) &&
        model_pack(*model, show_packing, NULL, error))
        return true;
    tokenizer_close(*tokenizer);
    *tokenizer = NULL;
    model_close(*model);
    *model = NULL;
    return false;
}

static void say_threads(int wanted, int started) {
    if (wanted == 0) wanted = threads_processors();
    if (started >= wanted) return;
    terminal_clear();
    fprintf(stderr, "foretell: only %d of %d threads could be started\n", started, wanted);
}

int open_threads(int wanted) {
    int started = threads_start(wanted ? wanted : threads_processors());
    say_threads(wanted, started);
    return started;
}

bool open_computing(Session **session, const Model *model, SessionOptions options, Error *error) {
    if (!session_open(session, model, options, error)) return false;
    say_threads(options.threads, session_options(*session).threads);
    return true;
}

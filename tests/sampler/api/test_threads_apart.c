/* Two sessions in two threads at once on one model: each writes what it writes alone. A thread that
 * cancels what another one computes. Also the thread sanitizer's test
 * (make test-threads). */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "foretell.h"
#include "tests/support/folder.h"
#include "tests/support/test.h"
#include "tests/support/tiny_model.h"

enum { THREADS = 4, STEPS = 20 };

typedef struct {
    foretell_model *model;
    char seed[16];
    int tokens[STEPS];
    foretell_status status;
    char message[200];
} Job;

static foretell_status write_steps(foretell_text *text, int *tokens) {
    foretell_step step = {.size = sizeof step};
    foretell_status status = FORETELL_OK;
    for (int i = 0; i < STEPS && !status; i++) {
        status = foretell_text_next(text, &step);
        tokens[i] = step.token;
    }
    return status;
}

/* What a thread does, from the session on; a mistake in between leaves its own message. */
static void *write_text(void *context) {
    Job *job = context;
    foretell_session *session = NULL;
    foretell_text *text = NULL, *copy = NULL;
    foretell_session_options options = {.size = sizeof options, .texts = 2, .threads = 1};
    if (!(job->status = foretell_session_open(&session, job->model, &options)) &&
        !(job->status = foretell_text_open(&text, session, NULL)) &&
        !(job->status = foretell_text_set(text, "settings", "fe, alpha 0.4, fe-k 6, temp 1.3, min-p 0")) &&
        !(job->status = foretell_text_set(text, "seed", job->seed)) &&
        !(job->status = foretell_text_append(text, "a bc", 4, 0)) && !(job->status = foretell_text_fork(text, &copy)) &&
        foretell_text_set(text, job->seed, "1") == FORETELL_INVALID)
        job->status = write_steps(copy, job->tokens);
    snprintf(job->message, sizeof job->message, "%s", foretell_message());
    foretell_text_close(copy);
    foretell_text_close(text);
    foretell_session_close(session);
    return NULL;
}

static void sessions_in_threads_are_each_as_alone(void **state) {
    (void)state;
    char path[96];
    Job together[THREADS] = {0}, alone[THREADS] = {0};
    pthread_t threads[THREADS];
    foretell_model *model;
    snprintf(path, sizeof path, "%s/tiny.gguf", folder_path);
    tiny_model_write(path, 1);
    assert_int_equal(foretell_model_open(&model, path, NULL), FORETELL_OK);
    for (int i = 0; i < THREADS; i++) {
        together[i].model = alone[i].model = model;
        snprintf(together[i].seed, sizeof together[i].seed, "%d", i);
        snprintf(alone[i].seed, sizeof alone[i].seed, "%d", i);
        assert_int_equal(pthread_create(&threads[i], NULL, write_text, &together[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        write_text(&alone[i]);
        if (alone[i].status || together[i].status) fail_msg("%s; %s", alone[i].message, together[i].message);
        assert_memory_equal(together[i].tokens, alone[i].tokens, sizeof alone[i].tokens);
        assert_string_equal(together[i].message, alone[i].message); /* each its own */
    }
    foretell_model_close(model);
    unlink(path);
}

typedef struct {
    foretell_session *session;
    atomic_bool is_done;
} Cancelling;

static void *cancel(void *context) {
    Cancelling *cancelling = context;
    for (int i = 0; i < 300; i++) {
        foretell_session_cancel(cancelling->session);
        sched_yield();
    }
    atomic_store(&cancelling->is_done, true);
    return NULL;
}

/* Calls that are cancelled are made again. Returns how many were. */
static int write_again(foretell_text *text, int *tokens) {
    char prompt[24];
    foretell_step step = {.size = sizeof step};
    int n_cancelled = 0;
    memset(prompt, 'b', sizeof prompt);
    assert_int_equal(foretell_text_rewind(text, 0), FORETELL_OK);
    while (foretell_text_append(text, prompt, sizeof prompt, 0) == FORETELL_CANCELLED) n_cancelled++;
    for (int i = 0; i < 5; i++) {
        while (foretell_text_next(text, &step) == FORETELL_CANCELLED) n_cancelled++;
        tokens[i] = step.token;
    }
    return n_cancelled;
}

static void another_thread_may_cancel(void **state) {
    (void)state;
    char path[96];
    foretell_model *model;
    Cancelling cancelling = {0};
    foretell_session_options options = {.size = sizeof options, .threads = 1};
    foretell_text *text;
    pthread_t thread;
    int tokens[5], expected[5], n_cancelled = 0;
    snprintf(path, sizeof path, "%s/tiny.gguf", folder_path);
    tiny_model_write(path, 1);
    assert_int_equal(foretell_model_open(&model, path, NULL), FORETELL_OK);
    assert_int_equal(foretell_session_open(&cancelling.session, model, &options), FORETELL_OK);
    assert_int_equal(foretell_text_open(&text, cancelling.session, NULL), FORETELL_OK);
    assert_int_equal(foretell_text_set(text, "settings", "fe, temp 1.5, min-p 0, logit-bias 2-inf"), FORETELL_OK);
    assert_int_equal(write_again(text, expected), 0);
    assert_int_equal(pthread_create(&thread, NULL, cancel, &cancelling), 0);
    for (bool last = false; !last;) {
        last = atomic_load(&cancelling.is_done); /* its last cancellation meets one more text */
        n_cancelled += write_again(text, tokens);
        assert_memory_equal(tokens, expected, sizeof expected);
    }
    pthread_join(thread, NULL);
    assert_that(n_cancelled, >, 0);
    foretell_text_close(text);
    foretell_session_close(cancelling.session);
    foretell_model_close(model);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sessions_in_threads_are_each_as_alone),
                                       cmocka_unit_test(another_thread_may_cancel)};
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}

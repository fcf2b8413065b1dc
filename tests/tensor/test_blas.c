/* OpenBLAS's number of threads, one per process, is the caller's again after each pass; so is OpenMP's. */
#include <dlfcn.h>
#include <omp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/session.h"
#include "tensor/blas.h"
#include "tensor/kernels.h"
#include "tests/support/random_model.h"

enum { OF_OPENBLAS = 3, OF_OPENMP = 5 };

static int (*get_num_threads)(void);
static void (*set_num_threads)(int n);

static void find(void *function, const char *name) {
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_NOLOAD), *symbol = dlsym(library, name);
    assert_non_null(symbol);
    memcpy(function, &symbol, sizeof symbol);
}

static int setup(void **state) {
    (void)state;
    Error error;
    if (!blas_load(4, &error)) return -1;
    find(&get_num_threads, "openblas_get_num_threads");
    find(&set_num_threads, "openblas_set_num_threads");
    set_num_threads(OF_OPENBLAS);
    omp_set_num_threads(OF_OPENMP);
    return 0;
}

static void check_restored(void) {
    assert_int_equal(get_num_threads(), OF_OPENBLAS);
    assert_int_equal(omp_get_max_threads(), OF_OPENMP);
}

static void sections_nest(void **state) {
    (void)state;
    check_restored();
    blas_begin();
    assert_int_equal(get_num_threads(), 1);
    assert_int_equal(omp_get_max_threads(), OF_OPENMP);
    blas_begin();
    blas_end();
    assert_int_equal(get_num_threads(), 1);
    blas_end();
    check_restored();
}

static void *many_sections(void *result) {
    for (int i = 0; i < 1000; i++) {
        blas_begin();
        if (get_num_threads() != 1) *(int *)result += 1;
        blas_end();
    }
    return NULL;
}

static void sections_of_two_threads(void **state) {
    (void)state;
    pthread_t other;
    int wrong[2] = {0};
    assert_int_equal(pthread_create(&other, NULL, many_sections, &wrong[0]), 0);
    many_sections(&wrong[1]);
    pthread_join(other, NULL);
    assert_int_equal(wrong[0] + wrong[1], 0);
    check_restored();
}

static void a_session_leaves_the_numbers_alone(void **state) {
    (void)state;
    Error error;
    Session *session;
    int tokens[40] = {0};
    const Config config = {.dim = 64,
                           .hidden_dim = 96,
                           .n_layers = 2,
                           .n_heads = 4,
                           .n_kv_heads = 2,
                           .head_dim = 16,
                           .rope_dim = 16,
                           .vocab_size = 67,
                           .context_length = 64,
                           .rope_theta = 1e4f,
                           .rms_epsilon = 1e-5f};
    kernels_use(&kernels_generic);
    Model *model = random_model_of(&config, DTYPE_F32, false, 1);
    if (!session_open(&session, model, (SessionOptions){.threads = 2}, &error)) fail_msg("%s", error.message);
    check_restored();
    assert_true(session_prefill(session, TRUNK, tokens, 40, &error));
    check_restored();
    assert_true(session_decode(session, &(BranchToken){TRUNK, 1}, 1, &error));
    check_restored();
    session_close(session);
    random_model_free(model);
    kernels_use(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_nest),
        cmocka_unit_test(sections_of_two_threads),
        cmocka_unit_test(a_session_leaves_the_numbers_alone),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

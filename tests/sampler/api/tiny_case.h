/* What the tests of foretell.h share: a tiny model, opened once for all tests of a program, and checks of a status. */
#ifndef TESTS_SAMPLER_API_TINY_CASE_H
#define TESTS_SAMPLER_API_TINY_CASE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "foretell.h"
#include "tests/support/folder.h"
#include "tests/support/test.h"
#include "tests/support/tiny_model.h"

static char path[96];
static foretell_model *model;

#define ok(call)                                                                                                       \
    do {                                                                                                               \
        foretell_status ok_status = call;                                                                              \
        if (ok_status) fail_msg(#call ": %s: %s", foretell_status_name(ok_status), foretell_message());                \
    } while (0)
#define refused(status, call)                                                                                          \
    do {                                                                                                               \
        assert_int_equal(call, status);                                                                                \
        assert_that(strlen(foretell_message()), >, 0);                                                                 \
    } while (0)
#define invalid(call) refused(FORETELL_INVALID, call)

static int set_up(void **state) {
    if (folder_make(state) != 0) return -1;
    snprintf(path, sizeof path, "%s/tiny.gguf", folder_path);
    tiny_model_write(path, 1);
    return foretell_model_open(&model, path, NULL) == FORETELL_OK ? 0 : -1;
}

static int tear_down(void **state) {
    foretell_model_close(model);
    unlink(path);
    return folder_remove(state);
}

#endif

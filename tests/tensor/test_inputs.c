#define _GNU_SOURCE /* AT_EMPTY_PATH */
/* Protecting a file by its path keeps it open, and nothing else open. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tensor/inputs.h"

static bool fstat_fails;

/* In place of the C library's. */
int fstat(int file, struct stat *status) {
    if (!fstat_fails) return fstatat(file, "", status, AT_EMPTY_PATH);
    errno = EIO;
    return -1;
}

static int lowest_free(void) {
    int file = open("/dev/null", O_RDONLY);
    close(file);
    return file;
}

static void a_file_that_cannot_be_examined_is_closed(void **state) {
    (void)state;
    Error error;
    int before = lowest_free();
    fstat_fails = true;
    assert_true(inputs_add_path("LICENSE", &error));
    fstat_fails = false;
    assert_int_equal(lowest_free(), before);
}

static void a_file_that_is_protected_stays_open(void **state) {
    (void)state;
    Error error;
    struct stat status;
    int before = lowest_free();
    assert_true(inputs_add_path("no such file", &error));
    assert_true(inputs_add_path("/dev/null", &error));
    assert_int_equal(lowest_free(), before);
    assert_int_equal(stat("LICENSE", &status), 0);
    assert_null(inputs_find(&status));
    assert_true(inputs_add_path("LICENSE", &error));
    assert_string_equal(inputs_find(&status), INPUTS_READ);
    assert_int_not_equal(lowest_free(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_cannot_be_examined_is_closed),
        cmocka_unit_test(a_file_that_is_protected_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tensor/bytes.h"
#include "tensor/inputs.h"
#include "tensor/output.h"
#include "tensor/unfinished.h"
#include "tests/support/folder.h"
#include "tests/support/test.h"

static char directory[] = "/tmp/foretell-output-XXXXXX";
static char other[64], path[64], link_path[64]; /* another folder, a file and a link in the first */

static int make_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory)) return -1;
    snprintf(path, sizeof path, "%s/file", directory);
    snprintf(link_path, sizeof link_path, "%s/link", directory);
    snprintf(other, sizeof other, "%s/other", directory);
    umask(022);
    return mkdir(other, 0755);
}

/* Each test removes its own files, so a file that remains was left by the code under test. */
static int remove_directory(void **state) {
    (void)state;
    return rmdir(other) == 0 ? rmdir(directory) : -1;
}

static const char *in_other(const char *name) {
    static char out[400];
    snprintf(out, sizeof out, "%s/%s", other, name);
    return out;
}

static void put(const char *where, const char *text) {
    FILE *file = fopen(where, "w");
    assert_non_null(file);
    assert_that(fputs(text, file), >=, 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_holds(const char *where, const char *text) {
    char got[64] = "";
    FILE *file = fopen(where, "r");
    assert_non_null(file);
    size_t n = fread(got, 1, sizeof got - 1, file);
    fclose(file);
    got[n] = '\0';
    assert_string_equal(got, text);
}

/* Entries of the folder without `other`. */
static int n_files(void) { return folder_count(directory) - 1; }

static mode_t mode_of(const char *where) {
    struct stat status;
    assert_int_equal(stat(where, &status), 0);
    return status.st_mode & 07777;
}

static bool write_text(const char *where, const char *text, Error *error) {
    Output output;
    if (!output_open(&output, where, error)) return false;
    assert_that(fputs(text, output.file), >=, 0);
    return output_close(&output, error);
}

static void assert_refused(const char *where, const char *message) {
    char expected[256];
    Error error = {.message = ""};
    int before = n_files();
    snprintf(expected, sizeof expected, "%s: %s", where, message);
    assert_false(write_text(where, "new", &error));
    assert_string_equal(error.message, expected);
    assert_int_equal(n_files(), before);
}

/* ---- What appears ---- */

static void file_appears_when_it_is_complete(void **state) {
    (void)state;
    Error error;
    Output output;
    put(path, "old");
    must(output_open(&output, path, &error), &error);
    assert_that(fputs("new", output.file), >=, 0);
    assert_that(fflush(output.file), ==, 0);
    assert_holds(path, "old");
    assert_holds(output_name(&output), "new");
    must(output_close(&output, &error), &error);
    assert_null(output.file);
    assert_holds(path, "new");
    assert_int_equal(n_files(), 1);
    must(output_open(&output, path, &error), &error);
    output_abandon(&output);
    output_abandon(&output); /* does nothing */
    assert_holds(path, "new");
    assert_int_equal(n_files(), 1);
    unlink(path);
}

static void writers_of_one_target_share_nothing(void **state) {
    (void)state;
    Error error;
    Output a, b;
    char part[80];
    snprintf(part, sizeof part, "%s.part", path);
    put(part, "someone else's");
    must(output_open(&a, path, &error), &error);
    must(output_open(&b, path, &error), &error);
    assert_string_not_equal(output_name(&a), output_name(&b));
    assert_that(fputs("a", a.file), >=, 0);
    assert_that(fputs("b", b.file), >=, 0);
    must(output_close(&b, &error), &error);
    assert_holds(path, "b");
    must(output_close(&a, &error), &error);
    assert_holds(path, "a");
    assert_holds(part, "someone else's");
    unlink(part);
    unlink(path);
    assert_int_equal(n_files(), 0);
}

enum { ROUNDS = 50, LETTERS = 100000 };

static void *write_letters(void *letter) {
    Error error;
    Output output;
    for (int i = 0; i < ROUNDS; i++) {
        if (!output_open(&output, path, &error)) return "";
        for (int j = 0; j < LETTERS; j++) putc(*(const char *)letter, output.file);
        if (!output_close(&output, &error)) return "";
    }
    return NULL;
}

static void threads_may_write_one_target(void **state) {
    (void)state;
    pthread_t threads[3];
    static char letters[] = "abc", text[LETTERS + 1];
    void *failed;
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_letters, &letters[i]), 0);
    for (int i = 0; i < 3; i++) {
        assert_that(pthread_join(threads[i], &failed), ==, 0);
        assert_false(failed);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text, file), LETTERS);
    fclose(file);
    for (int i = 1; i < LETTERS; i++) assert_int_equal(text[i], text[0]);
    unlink(path);
    assert_int_equal(n_files(), 0);
}

static void permissions_are_the_umasks_or_the_old_files(void **state) {
    (void)state;
    Error error;
    Output output;
    must(output_open(&output, path, &error), &error);
    assert_int_equal(mode_of(output_name(&output)), 0644);
    must(output_close(&output, &error), &error);
    const mode_t modes[] = {0600, 0666, 0755, 0640};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        must(output_open(&output, path, &error), &error);
        assert_int_equal(mode_of(output_name(&output)), modes[i]);
        must(output_close(&output, &error), &error);
        assert_int_equal(mode_of(path), modes[i]);
    }
    unlink(path);
}

static void long_names_fit(void **state) {
    (void)state;
    Error error;
    char name[NAME_MAX + 2];
    for (int i = 0; i < NAME_MAX; i++) name[i] = i % 2 ? '\xa4' : '\xc3'; /* a-umlauts and a half */
    name[NAME_MAX - 1] = 'x';
    name[NAME_MAX] = '\0';
    must(write_text(in_other(name), "long", &error), &error);
    assert_holds(in_other(name), "long");
    assert_int_equal(unlink(in_other(name)), 0);
    name[NAME_MAX] = 'y';
    name[NAME_MAX + 1] = '\0';
    assert_false(write_text(in_other(name), "longer", &error));
    assert_non_null(strstr(error.message, "File name too long"));
    assert_int_equal(folder_count(other), 0);
}

/* ---- Links ---- */

static void links_are_written_through(void **state) {
    (void)state;
    Error error;
    struct stat status;
    const char *const targets[] = {"other/end", in_other("end")}; /* relative and absolute */
    char second[64];
    snprintf(second, sizeof second, "%s/second", directory);
    assert_int_equal(symlink("link", second), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(symlink(targets[i], link_path), 0);
        must(write_text(link_path, "dangling", &error), &error);
        assert_holds(in_other("end"), "dangling");
        must(write_text(second, "through two", &error), &error);
        assert_holds(in_other("end"), "through two");
        assert_that(lstat(link_path, &status), ==, 0);
        assert_true(S_ISLNK(status.st_mode));
        assert_int_equal(folder_count(other), 1);
        unlink(in_other("end"));
        unlink(link_path);
    }
    assert_int_equal(symlink("second", link_path), 0);
    assert_refused(link_path, "cannot write: Too many levels of symbolic links");
    unlink(link_path);
    assert_int_equal(symlink("none/end", link_path), 0);
    assert_refused(link_path, "cannot create: No such file or directory");
    unlink(link_path);
    assert_int_equal(symlink("/dev/null", link_path), 0);
    assert_refused(link_path, "expected a regular file or none");
    unlink(link_path);
    unlink(second);
}

/* ---- What is refused ---- */

static void what_is_no_file_is_refused(void **state) {
    (void)state;
    Error error;
    char text[PATH_MAX + 8];
    assert_refused(directory, "expected a regular file or none");
    assert_refused("/dev/null", "expected a regular file or none");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, "expected a regular file or none");
    unlink(path);
    assert_refused("", "expected the name of a file");
    assert_refused("none/", "expected the name of a file");
    snprintf(text, sizeof text, "%s/none/file", directory);
    assert_refused(text, "cannot create: No such file or directory");
    put(path, "");
    snprintf(text, sizeof text, "%s/below", path);
    assert_refused(text, "cannot write: Not a directory");
    unlink(path);
    memset(text, '/', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(write_text(text, "", &error));
    memset(text, 'x', sizeof text - 1);
    for (size_t i = 1; i < sizeof text - 1; i += 2) text[i] = '/';
    assert_false(write_text(text, "", &error));
}

static void what_takes_the_name_meanwhile_is_refused(void **state) {
    (void)state;
    Error error;
    Output output;
    for (int kind = 0; kind < 4; kind++) {
        must(output_open(&output, path, &error), &error);
        assert_int_equal(kind == 0   ? mkfifo(path, 0600)
                         : kind == 1 ? mkdir(path, 0700)
                         : kind == 2 ? symlink("other/end", path)
                                     : rename(output_name(&output), in_other("stolen")),
                         0);
        assert_false(output_close(&output, &error));
        if (kind < 3) assert_non_null(strstr(error.message, "/file: expected a regular file or none"));
        if (kind == 3) assert_non_null(strstr(error.message, "/file: cannot rename: No such file or directory"));
        assert_int_equal(n_files(), kind < 3);
        remove(path);
    }
    unlink(in_other("stolen"));
}

static void files_that_are_read_are_refused_under_any_name(void **state) {
    (void)state;
    Error error;
    Bytes bytes;
    put(path, "model");
    must(bytes_map(&bytes, path, &error), &error);
    assert_int_equal(symlink("file", link_path), 0);
    assert_int_equal(link(path, in_other("hard")), 0);
    char dotted[80];
    snprintf(dotted, sizeof dotted, "%s/./other/../file", directory);
    const char *const names[] = {path, link_path, in_other("hard"), dotted};
    for (size_t i = 0; i < 4; i++) assert_refused(names[i], "is being read, will not be replaced");
    bytes_unmap(&bytes);
    assert_holds(path, "model");
    for (size_t i = 0; i < 4; i++) must(write_text(names[i], "new", &error), &error);
    unlink(path);
    unlink(link_path);
    unlink(in_other("hard"));
}

static void two_readers_protect_until_both_have_gone(void **state) {
    (void)state;
    Error error;
    Bytes a, b;
    put(path, "model");
    must(bytes_map(&a, path, &error), &error);
    must(bytes_map(&b, path, &error), &error);
    bytes_unmap(&a);
    assert_refused(path, "is being read, will not be replaced");
    bytes_unmap(&b);
    bytes_unmap(&b); /* of nothing */
    must(write_text(path, "new", &error), &error);
    unlink(path);
}

static void a_file_read_since_the_opening_is_refused_at_the_end(void **state) {
    (void)state;
    Error error;
    Output output;
    put(path, "old");
    must(output_open(&output, path, &error), &error);
    must(inputs_add_path(path, &error), &error);
    must(inputs_add_path(path, &error), &error);
    assert_false(output_close(&output, &error));
    assert_non_null(strstr(error.message, "/file: is being read, will not be replaced"));
    assert_holds(path, "old");
    assert_int_equal(n_files(), 1);
    must(inputs_add_path("no/such/file", &error), &error); /* opening it will say why */
    unlink(path);
    put(path, "another file"); /* it cannot get the inode of the one that is protected */
    must(write_text(path, "new", &error), &error);
    unlink(path);
}

static void the_table_of_inputs_is_bounded(void **state) {
    (void)state;
    Error error;
    static char keys[5000];
    struct stat status = {.st_mode = S_IFREG, .st_ino = 7, .st_dev = 7};
    size_t n = 0;
    while (inputs_add(&status, &keys[n], "x", &error)) {
        n++;
        assert_that(n, <, sizeof keys / sizeof *keys);
    }
    assert_string_equal(inputs_find(&status), "x");
    assert_non_null(strstr(error.message, "expected at most"));
    put(path, "text");
    Bytes bytes = {0};
    assert_false(bytes_map(&bytes, path, &error));
    assert_non_null(strstr(error.message, "/file: expected at most"));
    while (n > 0) inputs_remove(&keys[--n]);
    assert_null(inputs_find(&status));
    must(bytes_map(&bytes, path, &error), &error);
    bytes_unmap(&bytes);
    unlink(path);
}

/* ---- Failures and signals ---- */

static void a_full_disk_is_reported(void **state) {
    (void)state;
    Error error;
    Output output;
    struct rlimit old, small;
    void (*old_handler)(int) = signal(SIGXFSZ, SIG_IGN); /* a limit on the file's size stands for a full disk */
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){1000, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    put(path, "old");
    bool written[2];
    for (int flushed = 0; flushed < 2; flushed++) {
        must(output_open(&output, path, &error), &error);
        for (int i = 0; i < 2000; i++) putc('x', output.file);
        if (flushed) fflush(output.file); /* a failure that the caller does not look at */
        written[flushed] = output_close(&output, &error);
    }
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, old_handler);
    assert_false(written[0] || written[1]);
    assert_holds(path, "old");
    assert_int_equal(n_files(), 1);
    unlink(path);
}

static void unfinished_files_can_be_removed_at_once(void **state) {
    (void)state;
    Error error;
    Output outputs[3], temporary;
    put(path, "old");
    must(output_open(&outputs[0], path, &error), &error);
    must(output_open(&outputs[1], path, &error), &error);
    must(output_open(&outputs[2], in_other("new"), &error), &error);
    must(output_temporary(&temporary, in_other("weights"), &error), &error);
    assert_int_equal(mode_of(output_name(&temporary)), 0600);
    assert_that(n_files(), ==, 3);
    assert_that(folder_count(other), ==, 2);
    must(output_close(&outputs[1], &error), &error);
    unfinished_remove_all();
    assert_that(n_files(), ==, 1);
    assert_that(folder_count(other), ==, 0);
    assert_false(output_close(&outputs[0], &error));
    output_abandon(&outputs[2]);
    output_abandon(&temporary);
    assert_holds(path, "");
    unlink(path);
}

static void the_table_of_unfinished_files_is_bounded(void **state) {
    (void)state;
    Error error;
    static int rows[5000];
    size_t n = 0;
    while ((rows[n] = unfinished_add("/tmp/foretell-no-such-file", &error)) >= 0) {
        n++;
        assert_that(n, <, sizeof rows / sizeof *rows);
    }
    assert_that(n, >=, 512);
    assert_refused(path, "expected at most 512 files that are written at once");
    while (n > 0) unfinished_forget(rows[--n]);
    must(write_text(path, "new", &error), &error);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_appears_when_it_is_complete),
        cmocka_unit_test(writers_of_one_target_share_nothing),
        cmocka_unit_test(threads_may_write_one_target),
        cmocka_unit_test(permissions_are_the_umasks_or_the_old_files),
        cmocka_unit_test(long_names_fit),
        cmocka_unit_test(links_are_written_through),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(what_takes_the_name_meanwhile_is_refused),
        cmocka_unit_test(files_that_are_read_are_refused_under_any_name),
        cmocka_unit_test(two_readers_protect_until_both_have_gone),
        cmocka_unit_test(a_file_read_since_the_opening_is_refused_at_the_end),
        cmocka_unit_test(the_table_of_inputs_is_bounded),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(unfinished_files_can_be_removed_at_once),
        cmocka_unit_test(the_table_of_unfinished_files_is_bounded),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

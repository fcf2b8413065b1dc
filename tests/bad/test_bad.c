/* Every file that tests/bad/make.py wrote is refused with exactly its message, and with no allocation that the file's
 * own size does not justify. The Makefile writes them to bad/ next to this program. */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "model/model.h"
#include "tests/support/memory_hooks.h"
#include "tests/support/test.h"
#include "tokenizer/tokenizer.h"

#define MAX_FILES 512

typedef struct {
    char kind[16], path[256], message[512];
} BadFile;

static BadFile files[MAX_FILES];

/* Leaves *opened NULL if the file was refused as expected. */
static bool open_file(const BadFile *file, void **opened, Error *error) {
    if (strcmp(file->kind, "tokenizer") == 0) return tokenizer_open((Tokenizer **)opened, file->path, error);
    return model_open((Model **)opened, file->path, error);
}

static void is_refused(void **state) {
    const BadFile *file = *state;
    char expected[sizeof file->path + sizeof file->message + 2];
    struct stat status;
    Error error;
    void *opened = NULL;
    long alive = memory_hooks_alive();
    assert_int_equal(stat(file->path, &status), 0);
    memory_hooks_fail_at(0);
    assert_false(open_file(file, &opened, &error));
    assert_null(opened);
    snprintf(expected, sizeof expected, "%s: %s", file->path, file->message);
    assert_string_equal(error.message, expected);
    assert_in_range(memory_hooks_largest(), 0, 65536 + 16 * (size_t)status.st_size);
    assert_int_equal(memory_hooks_alive(), alive);
}

static int read_manifest(const char *program) {
    char folder[128], path[256], line[1024];
    const char *slash = strrchr(program, '/');
    snprintf(folder, sizeof folder, "%.*s/bad", slash ? (int)(slash - program) : 1, slash ? program : ".");
    snprintf(path, sizeof path, "%s/manifest", folder);
    FILE *manifest = fopen(path, "r");
    if (!manifest) {
        fprintf(stderr, "%s: missing (make test writes it)\n", path);
        return 0;
    }
    int n = 0;
    for (; n < MAX_FILES && fgets(line, sizeof line, manifest); n++) {
        char name[128];
        if (sscanf(line, "%15[^\t]\t%127[^\t]\t%511[^\n]", files[n].kind, name, files[n].message) != 3) break;
        snprintf(files[n].path, sizeof files[n].path, "%s/%s", folder, name);
    }
    int whole = feof(manifest);
    fclose(manifest);
    if (!whole) fprintf(stderr, "%s: line %d cannot be read\n", path, n + 1);
    return whole ? n : 0;
}

int main(int argc, char **argv) {
    static struct CMUnitTest tests[MAX_FILES]; /* cmocka passes over those without a function */
    int n = read_manifest(argc > 0 ? argv[0] : "");
    for (int i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){strrchr(files[i].path, '/') + 1, is_refused, NULL, NULL, &files[i]};
    if (n == 0) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

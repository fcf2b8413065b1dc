/* Gives a fuzz target every file of its corpus once: fuzz_NAME reads tests/fuzz/corpus/NAME, from the repository's
 * root. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_input(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* A copy of exactly the file's size, so that the sanitizers see a read past its end. */
static int replay(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) return -1;
    long size = ftell(file);
    uint8_t *data = size >= 0 ? malloc(size ? (size_t)size : 1) : NULL;
    rewind(file);
    int result = data && fread(data, 1, (size_t)size, file) == (size_t)size ? 0 : -1;
    fclose(file);
    if (result == 0) result = LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return result;
}

int main(int argc, char **argv) {
    const char *target = argc > 0 ? strrchr(argv[0], '/') : NULL;
    char folder[128], path[512];
    struct dirent **entries;
    int failed = 0;
    if (!target || strncmp(target, "/fuzz_", 6) != 0) return 2;
    snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", target + 6);
    int n = scandir(folder, &entries, is_input, alphasort);
    if (n < 1) {
        fprintf(stderr, "%s: no inputs\n", folder);
        return 1;
    }
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        fflush(stdout); /* a crash still shows how far it went */
        int result = replay(path);
        failed += result != 0;
        printf("%s %d - %s\n", result == 0 ? "ok" : "not ok", i + 1, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return failed != 0;
}

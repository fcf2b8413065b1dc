#include "tests/support/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char folder_path[64];

int folder_make(void **state) {
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(folder_path, sizeof folder_path, "%.36s/foretell-test-XXXXXX", parent ? parent : "/tmp");
    return mkdtemp(folder_path) ? 0 : -1;
}

int folder_remove(void **state) {
    (void)state;
    return rmdir(folder_path);
}

int folder_count(const char *path) {
    int count = -2;
    DIR *folder = opendir(path);
    if (!folder) return -1;
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

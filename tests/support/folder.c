#include "tests/support/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_PARENT = 36 };

char folder_path[64], folder_file[80];

int folder_make(void **state) {
    (void)state;
    const char *parent = getenv("TMPDIR");
    if (!parent || strlen(parent) > LONGEST_PARENT) parent = "/tmp";
    snprintf(folder_path, sizeof folder_path, "%s/foretell-test-XXXXXX", parent);
    if (!mkdtemp(folder_path)) return -1;
    snprintf(folder_file, sizeof folder_file, "%s/model", folder_path);
    return 0;
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

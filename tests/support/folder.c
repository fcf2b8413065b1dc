#include "tests/support/folder.h"

#include <dirent.h>
#include <stddef.h>

int folder_count(const char *path) {
    int count = -2;
    DIR *folder = opendir(path);
    if (!folder) return -1;
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

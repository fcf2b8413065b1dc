/* Folder: what a test left in its folder. */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

/* The number of entries, without . and ..; -1 where there is no such folder. */
int folder_count(const char *path);

#endif

/* Folder: a test's own folder, and what is left in a folder. */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

/* Set-up and tear-down of a group of tests: a new folder in $TMPDIR or /tmp. It must be empty at the end. */
extern char folder_path[64];
extern char folder_file[80]; /* the path of a file in it, "model", which the test may make */
int folder_make(void **state);
int folder_remove(void **state);

/* The number of entries, without . and ..; -1 where there is no such folder. */
int folder_count(const char *path);

#endif

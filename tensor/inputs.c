#include "tensor/inputs.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

#define INPUTS_MOST 1024

typedef struct {
    const void *key;
    const char *use;
    dev_t device;
    ino_t inode;
} Input;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Input inputs[INPUTS_MOST]; /* the first n_inputs are in use */
static size_t n_inputs;

bool inputs_add(const struct stat *file, const void *key, const char *use, Error *error) {
    if (!S_ISREG(file->st_mode)) return true;
    pthread_mutex_lock(&lock);
    bool has_room = n_inputs < INPUTS_MOST;
    if (has_room) inputs[n_inputs++] = (Input){.key = key, .use = use, .device = file->st_dev, .inode = file->st_ino};
    pthread_mutex_unlock(&lock);
    return has_room || error_set(error, "expected at most %d files that are read at once", INPUTS_MOST);
}

bool inputs_add_path(const char *path, Error *error) {
    struct stat status;
    /* Only a regular file is opened: the writer of a pipe would take this process for its reader. */
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return true;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return true;
    bool known = fstat(file, &status) == 0, added = known && inputs_add(&status, NULL, INPUTS_READ, error);
    if (added) return true;
    close(file);
    return !known || error_prefix(error, "%s: ", path);
}

void inputs_remove(const void *key) {
    pthread_mutex_lock(&lock);
    for (size_t i = 0; key && i < n_inputs; i++) {
        if (inputs[i].key != key) continue;
        inputs[i] = inputs[--n_inputs];
        break;
    }
    pthread_mutex_unlock(&lock);
}

const char *inputs_find(const struct stat *file) {
    const char *use = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_inputs && !use; i++)
        if (inputs[i].device == file->st_dev && inputs[i].inode == file->st_ino) use = inputs[i].use;
    pthread_mutex_unlock(&lock);
    return use;
}

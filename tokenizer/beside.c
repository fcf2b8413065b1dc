#include "tokenizer/beside.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "tensor/gguf.h"
#include "tensor/output.h"

__attribute__((format(printf, 3, 4))) static bool set_path(char *path, Error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, PATH_MAX, format, arguments);
    va_end(arguments);
    return (length >= 0 && length < PATH_MAX) || error_set(error, "%.200s...: the path is too long", path);
}

static bool check_gguf(bool *is, const char *path, Error *error) {
    Bytes bytes;
    if (!bytes_map(&bytes, path, error)) return false;
    *is = gguf_is(bytes);
    bytes_unmap(&bytes);
    return true;
}

/* The last tok*.bin in the folder; *n_found: how many there are. */
static bool find_in_folder(char *path, const char *folder, int *n_found, Error *error) {
    DIR *entries = opendir(folder);
    bool done = true;
    for (struct dirent *entry; entries && done && (entry = readdir(entries));)
        if (fnmatch("tok*.bin", entry->d_name, 0) == 0 && ++*n_found)
            done = set_path(path, error, "%s%s", folder, entry->d_name);
    if (entries) closedir(entries);
    return done;
}

bool tokenizer_find_beside(char *path, const char *given, const char *model_path, Error *error) {
    if (given) return set_path(path, error, "%s", given);
    bool is_gguf;
    if (!check_gguf(&is_gguf, model_path, error)) return false;
    if (is_gguf) return set_path(path, error, "%s", model_path);

    char folder[PATH_MAX];
    int length = (int)output_folder_length(model_path), n_found = 0;
    if (!set_path(folder, error, "%.*s", length ? length : 2, length ? model_path : "./") ||
        !set_path(path, error, "%stokenizer.bin", folder))
        return false;
    if (access(path, F_OK) == 0) return true;
    if (!find_in_folder(path, folder, &n_found, error)) return false;
    if (n_found == 1) return true;
    return error_set(error, "%s: expected its vocabulary beside it, tokenizer.bin or one tok*.bin, got %d of them",
                     model_path, n_found);
}

bool tokenizer_open_beside(Tokenizer **tokenizer, const char *path, const char *model_path, int vocab_size,
                           Error *error) {
    *tokenizer = NULL;
    if (!tokenizer_open(tokenizer, path, error)) return false;
    int got = tokenizer_size(*tokenizer);
    if (vocab_size == got) return true;
    tokenizer_close(*tokenizer);
    *tokenizer = NULL;
    return error_set(error, "%s: expected the %d tokens of %s, got %d", path, vocab_size, model_path, got);
}

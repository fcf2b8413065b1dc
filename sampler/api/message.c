#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sampler/api/handles.h"

static _Thread_local Error last;

const char *foretell_message(void) { return last.message; }

const char *foretell_version(void) { return FORETELL_VERSION; }

const char *foretell_status_name(foretell_status status) {
    static const char *const names[] = {"FORETELL_OK",        "FORETELL_INVALID", "FORETELL_FAILED",
                                        "FORETELL_NO_MEMORY", "FORETELL_FULL",    "FORETELL_CANCELLED"};
    return (unsigned)status < sizeof names / sizeof names[0] ? names[status] : "unknown";
}

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list arguments) {
    char message[sizeof last.message];
    vsnprintf(message, sizeof message, format, arguments);
    error_set(&last, "%s", message);
}

foretell_status api_refuse(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return FORETELL_INVALID;
}

foretell_status api_full(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return FORETELL_FULL;
}

foretell_status api_fail(const Error *error) {
    last = *error;
    return error->kind == ERROR_NO_MEMORY   ? FORETELL_NO_MEMORY
           : error->kind == ERROR_CANCELLED ? FORETELL_CANCELLED
                                            : FORETELL_FAILED;
}

foretell_status api_refuse_error(const Error *error) {
    foretell_status status = api_fail(error);
    return status == FORETELL_FAILED ? FORETELL_INVALID : status;
}

foretell_status api_copy_out(const void *result, size_t length, bool terminated, char *out, size_t capacity,
                             size_t *n) {
    if (!n || (!out && capacity > 0)) return api_refuse("expected somewhere to write to, got NULL");
    size_t needed = length + terminated, written = needed <= capacity ? length : capacity;
    if (terminated && written == capacity && capacity > 0) written--;
    *n = length;
    if (written > 0) memcpy(out, result, written);
    if (terminated && capacity > 0) out[written] = '\0';
    return needed <= capacity ? FORETELL_OK
                              : api_full("the result has %zu bytes, there is room for %zu", needed, capacity);
}

#define MAX_SIZE 65536 /* above the size of any version; an uninitialised size is usually larger */

foretell_status api_check_size(const void *given, size_t first_version, const char *name) {
    size_t size;
    if (!given) return api_refuse("%s: expected a struct, got NULL", name);
    memcpy(&size, given, sizeof size);
    if (size >= first_version && size <= MAX_SIZE) return FORETELL_OK;
    return api_refuse("%s.size: expected sizeof(%s), from %zu to %d, got %zu", name, name, first_version, MAX_SIZE,
                      size);
}

foretell_status api_read(void *out, size_t size, const void *given, size_t first_version, const char *name) {
    size_t given_size;
    foretell_status status = api_check_size(given, first_version, name);
    if (status) return status;
    memcpy(&given_size, given, sizeof given_size);
    memcpy(out, given, given_size < size ? given_size : size);
    return FORETELL_OK;
}

void api_fill(void *out, const void *from, size_t size) {
    size_t given;
    memcpy(&given, out, sizeof given);
    if (given < size) size = given;
    memcpy((char *)out + sizeof given, (const char *)from + sizeof given, size - sizeof given);
}

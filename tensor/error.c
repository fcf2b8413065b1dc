#include "tensor/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names in messages come from foreign files: control characters could forge lines or drive a terminal. */
static void make_printable(char *text) {
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < ' ' || *c == 0x7f) *c = '?';
}

__attribute__((format(printf, 3, 0))) static void format_message(char *out, size_t capacity, const char *format,
                                                                 va_list arguments) {
    int wanted = vsnprintf(out, capacity, format, arguments);
    if (wanted >= (int)capacity) memcpy(out + capacity - 4, "...", 4);
    make_printable(out);
}

bool error_set(Error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    format_message(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    error->kind = ERROR_FAILED;
    return false;
}

bool error_set_kind(Error *error, ErrorKind kind, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    format_message(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    error->kind = kind;
    return false;
}

bool error_prefix(Error *error, const char *format, ...) {
    char prefix[sizeof error->message];
    Error old = *error;
    va_list arguments;
    va_start(arguments, format);
    format_message(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    return error_set_kind(error, old.kind, "%s%s", prefix, old.message);
}

bool error_add(Error *error, const char *format, ...) {
    char more[sizeof error->message];
    Error old = *error;
    va_list arguments;
    va_start(arguments, format);
    format_message(more, sizeof more, format, arguments);
    va_end(arguments);
    return error_set_kind(error, old.kind, "%s%s", old.message, more);
}

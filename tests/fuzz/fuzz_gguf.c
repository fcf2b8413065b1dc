/* gguf_parse on any bytes. Every view of an accepted file is within the bytes, and every string can be read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition) {
    if (!condition) abort();
}

static unsigned touched;

static void touch(Bytes view, Bytes file) {
    require(view.data >= file.data && view.size <= file.size);
    require((size_t)(view.data - file.data) <= file.size - view.size);
    if (view.size) touched += view.data[0] + view.data[view.size - 1];
}

static void walk_value(const Gguf *gguf, const GgufValue *value, Bytes file) {
    char key[256];
    Error error;
    int number;
    float real;
    bool truth;
    Bytes text;
    touch(value->key, file);
    touch(value->payload, file);
    require(file.data + value->offset == value->payload.data);
    if (value->type == GGUF_ARRAY && value->item_type == GGUF_STRING) {
        Cursor cursor = {value->payload, 0};
        for (uint64_t i = 0; i < value->count; i++) touch(gguf_next_string(&cursor), file);
        require(cursor_left(&cursor) == 0);
    }
    if (value->key.size >= sizeof key) return;
    memcpy(key, value->key.data, value->key.size);
    key[value->key.size] = 0;
    require(gguf_find(gguf, key) == value);
    if (gguf_get_int(gguf, key, true, -5, 1000, &number, &error)) require(number >= -5 && number <= 1000);
    if (gguf_get_float(gguf, key, true, &real, &error)) require(real - real == 0);
    if (gguf_get_bool(gguf, key, true, &truth, &error)) require(value->type == GGUF_BOOL);
    if (gguf_get_string(gguf, key, true, &text, &error)) touch(text, file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Gguf gguf;
    Error error;
    Bytes file = {data, size};
    if (!gguf_parse(&gguf, file, &error)) {
        require(error.message[0] && strlen(error.message) < sizeof error.message);
        require(!strpbrk(error.message, "\n\r\t\x1b"));
        return 0;
    }
    for (size_t i = 0; i < gguf.n_values && i < 64; i++) walk_value(&gguf, &gguf.values[i], file);
    for (size_t i = 0; i < gguf.n_tensors; i++) {
        const GgufTensor *tensor = &gguf.tensors[i];
        size_t at;
        touch(tensor->name, file);
        touch((Bytes){tensor->tensor.data, tensor_bytes(&tensor->tensor)}, file);
        require(file.data + tensor->offset == tensor->tensor.data);
        touched += tensor_is_finite(&tensor->tensor, &at);
    }
    gguf_release(&gguf);
    return 0;
}

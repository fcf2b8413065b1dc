/* model_parse on any bytes that are not GGUF. */
#include "tensor/gguf.h"
#include "tests/fuzz/fuzz_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!gguf_is((Bytes){data, size})) walk_bytes(data, size);
    return 0;
}

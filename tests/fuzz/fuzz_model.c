/* model_parse on GGUF files. */
#include "tests/fuzz/fuzz_model.h"
#include "tensor/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (gguf_is((Bytes){data, size})) walk_bytes(data, size);
    return 0;
}

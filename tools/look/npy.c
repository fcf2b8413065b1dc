#include "tools/look/npy.h"

#include <string.h>

#include "tensor/quant.h"

enum { PREAMBLE = 10, HEADER = 128 - PREAMBLE }; /* magic, version and length; the values begin at a multiple of 64 */

bool npy_open(Output *output, const char *path, const int *dims, int n_dims, Error *error) {
    char header[HEADER + 1], shape[64] = "";
    for (int i = 0, length = 0; i < n_dims; i++)
        length += snprintf(shape + length, sizeof shape - (size_t)length, "%d,%s", dims[i], i + 1 < n_dims ? " " : "");
    snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape);
    size_t length = strlen(header);
    memset(header + length, ' ', HEADER - length);
    header[HEADER - 1] = '\n';
    if (!output_open(output, path, error)) return false;
    fwrite("\x93NUMPY\1\0", 1, 8, output->file);
    fputc(HEADER & 0xff, output->file);
    fputc(HEADER >> 8, output->file);
    fwrite(header, 1, HEADER, output->file);
    return true;
}

void npy_append(Output *output, const float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = f32_bits(values[i]);
        const uint8_t little_endian[4] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16),
                                          (uint8_t)(bits >> 24)};
        fwrite(little_endian, 1, sizeof little_endian, output->file);
    }
}

bool npy_close(Output *output, Error *error) { return output_close(output, error); }

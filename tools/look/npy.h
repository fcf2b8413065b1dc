/* Npy: writes a NumPy array file of float32, rows in C order: version 1.0 of the format (NumPy Enhancement Proposal 1). */
#ifndef TOOLS_LOOK_NPY_H
#define TOOLS_LOOK_NPY_H

#include "tensor/output.h"

#define NPY_DIMS 3

/* Begins the file of an array of n_dims <= NPY_DIMS dimensions. The file appears when npy_close succeeds
 * (tensor/output.h); after a failure of any of the three nothing is left. Errors: as output_open. */
bool npy_open(Output *output, const char *path, const int *dims, int n_dims, Error *error);
/* Appends n values. A failure to write is reported by npy_close. */
void npy_append(Output *output, const float *values, size_t n);
bool npy_close(Output *output, Error *error);

#endif

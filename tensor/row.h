/* Row: the address of row r of a matrix that is stored row by row.
 *
 *   row(x, r, width) == x + r * width, for x of any element type; const stays const. r and width are not negative.
 *
 * The product is formed in size_t: r * width may exceed an int. */
#ifndef TENSOR_ROW_H
#define TENSOR_ROW_H

#include <stddef.h>

#define row(x, r, width) ((x) + (size_t)(r) * (size_t)(width))

#endif

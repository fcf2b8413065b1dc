/* Naive: the LLaMA forward pass straight from the papers, in double precision, with no cache, no batch and no thread:
 * every call computes the whole text from its first token. The engine's twin.
 *
 *   RMSNorm    Zhang & Sennrich 2019, 1910.07467         rotary positions  Su et al. 2021, 2104.09864 (adjacent pairs)
 *   SwiGLU     Shazeer 2020, 2002.05202                  grouped queries   Ainslie et al. 2023, 2305.13245 */
#ifndef TESTS_SUPPORT_NAIVE_H
#define TESTS_SUPPORT_NAIVE_H

#include "model/model.h"

typedef struct Naive Naive;

/* Takes the weights as doubles, exactly what dequantize_row gives. The model must outlive the Naive.
 * round_inputs: what is multiplied by a matrix whose dtype_info has int8_input is first rounded by quantize_input_row,
 * as kernels.h says; the rest stays in double precision. Without it those forms are as exact as any other. */
Naive *naive_open(const Model *model, bool round_inputs);
void naive_close(Naive *naive);

/* logits (n, vocab_size): row i follows tokens[0 .. i]. */
void naive_logits(const Naive *naive, double *logits, const int *tokens, int n);

#endif

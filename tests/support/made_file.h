/* Made file: a small model file in memory. A fuzzer's bytes choose all of it: format, sizes, forms, weights, the order
 * of the tensors, and what in the file is not true. Most choices give a file that is accepted, so that fuzzing gets
 * past the parser. */
#ifndef TESTS_SUPPORT_MADE_FILE_H
#define TESTS_SUPPORT_MADE_FILE_H

#include "model/model.h"
#include "tests/support/random.h"

typedef enum { WEIGHTS_NORMAL, WEIGHTS_WILD } MadeWeights; /* wild: huge, tiny, not finite; any scale */

/* The choices, drawn once; a file can be made of them as often as wanted. */
typedef struct {
    bool is_gguf;
    int version;  /* of GGUF 2 or 3, of llama2.c 0 to 2 */
    int int_type; /* GgufType of the numbers in the metadata */
    Config config;
    bool tied, has_factors;
    Dtype dtype; /* of the matrices; one whose columns do not fit becomes F16 */
    int mixed;   /* not 0: each matrix may have another form, drawn from this seed */
    int group;   /* llama2.c v2's */
    MadeWeights weights;
    uint32_t seed;
    size_t alignment;
    /* What is not true: a number of the file, a key or a tensor that is left out, bytes changed, a length. */
    int lying_field; /* index of the number in the order of the file, -1: none lies */
    uint64_t lie;
    int absent_key, absent_tensor; /* -1: none */
    int n_pokes;
    struct {
        uint32_t at;
        uint8_t value;
    } pokes[4]; /* at: modulo the file's size */
    int longer; /* bytes, negative: shorter */
} MadeChoices;

MadeChoices made_choose(Random *random);
bool made_is_honest(const MadeChoices *choices); /* the file is as the formats have it, though weights may be wild */
/* Whether its matrices can be written packed: GGUF. */
bool made_can_pack(const MadeChoices *choices);

/* The file's bytes, to be given to free: (uint8_t *) data is a block of exactly its size. packed: with the matrices as
 * `foretell quantize --packed` writes them, of the same values. */
Bytes made_write(const MadeChoices *choices, bool packed);

#endif

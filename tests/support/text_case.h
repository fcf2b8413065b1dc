/* Text case: what the tests of texts write: a model, a vocabulary of short pieces, a sampler, phrases, and how many
 * texts. */
#ifndef TESTS_SUPPORT_TEXT_CASE_H
#define TESTS_SUPPORT_TEXT_CASE_H

#include "sampler/text/texts.h"
#include "tests/support/vocabularies.h"

enum { TEXT_CASE_CONTEXT = 40, TEXT_CASE_COUNT = 6, TEXT_CASE_OTHER = 5 };

typedef struct {
    Model *model;
    Tokenizer *tokenizer;
    Sampler sampler;
    TokenFlags flags[MADE_UP_TOKENS];
    bool none[MADE_UP_TOKENS];
    Bytes pieces[MADE_UP_TOKENS]; /* what rules read */
    Phrases stops, bans;
    char words[8][4];
    int other[TEXT_CASE_OTHER]; /* the second prompt, for kld */
    int count, limit, number, n_prefix;
    bool ignore_ends, special, at_start;
} TextCase;

/* All of it at random; stop strings and banned phrases only if `phrases`. Fails the test on errors. */
TextCase *text_case_open(uint64_t seed, bool phrases);
void text_case_close(TextCase *c);
bool text_case_is_kld(const TextCase *c);

#endif

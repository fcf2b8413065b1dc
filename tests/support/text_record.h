/* Text record: the events that a listener gets about each text, checked as they come and compared at the end. */
#ifndef TESTS_SUPPORT_TEXT_RECORD_H
#define TESTS_SUPPORT_TEXT_RECORD_H

#include "tests/support/text_case.h"

enum { TEXT_RECORD_EVENTS = 4000, TEXT_RECORD_BYTES = 4096 };

/* One event; the bytes of READY go to the text. */
typedef struct {
    TextEventKind kind;
    int token, position;
    uint64_t hash; /* of logits and candidates, or of the phrase */
    long long passes, rows;
    double temperature, alpha;
    TextEnd end;
} TextHeard;

typedef struct {
    TextHeard events[TEXT_RECORD_EVENTS];
    int n_events;
    uint8_t text[TEXT_RECORD_BYTES];
    size_t n_text;
    Figures figures;
} TextRecord;

typedef struct {
    const TextCase *c;
    const Writer *writer;
    TextRecord *records; /* of texts from the number `first` */
    int first;
    bool alone; /* all that the session computes since `start` is for the one text */
    SessionCounts start;
    Figures figures[TEXT_CASE_CONTEXT + 2]; /* before each token, computed again from their definitions */
    const Figures *last;                    /* after the token drawn last */
} TextEar;

/* The TextListener of a TextEar: adds the event to the text's record. */
bool text_ear_hear(void *context, const TextEvent *event, Error *error);
void text_record_same(const TextRecord *a, const TextRecord *b);

#endif

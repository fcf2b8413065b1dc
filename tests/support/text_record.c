#include "tests/support/text_record.h"

#include <string.h>

#include "tests/support/continuations.h"
#include "tests/support/test.h"

static uint64_t hash(const void *data, size_t n) { return bytes_hash(BYTES_HASH, (Bytes){data, n}); }

/* The text and the figures are those of the tokens that were kept. */
static void check_whole(const TextEar *ear, const Text *text, const TextRecord *record) {
    const Sequence *sequence = &text->item.sequence;
    uint8_t bytes[TEXT_RECORD_BYTES], out[64];
    size_t n = 0;
    if (text->n_prefix) return;
    Figures figures = ear->last ? *ear->last : (Figures){0};
    TokenStream stream = token_stream_start(ear->c->tokenizer, ear->c->special, ear->c->at_start);
    for (int i = CONTINUATIONS_PROMPT; i < sequence->length; i++) {
        Bytes token = token_stream_bytes(&stream, sequence->history[i]);
        token_stream_push(&stream, sequence->history[i], out);
        if (token.size) memcpy(bytes + n, token.data, token.size);
        n += token.size;
    }
    assert_true(text->item.end == TEXT_STOP_STRING ? record->n_text < n : record->n_text == n);
    assert_int_equal(text->item.n_bytes, record->n_text);
    assert_memory_equal(record->text, bytes, record->n_text);
    figures_add_pairs(&figures, sequence->history + CONTINUATIONS_PROMPT, sequence->length - CONTINUATIONS_PROMPT);
    assert_same_figures(&text->item.figures, &figures);
}

bool text_ear_hear(void *context, const TextEvent *event, Error *error) {
    TextEar *ear = context;
    const Text *text = event->text;
    const Sequence *sequence = &text->item.sequence;
    TextRecord *record = &ear->records[sequence->number - ear->first];
    TextHeard heard = {.kind = event->kind, .position = sequence->length, .end = text->item.end};
    (void)error;
    if (event->kind == TEXT_READY) {
        assert_that(record->n_text + event->bytes.size, <=, TEXT_RECORD_BYTES);
        assert_that(event->bytes.size, >, 0);
        memcpy(record->text + record->n_text, event->bytes.data, event->bytes.size);
        record->n_text += event->bytes.size;
        return true;
    }
    if (event->kind == TEXT_DRAWN) {
        const float *logits = session_logits(ear->writer->session, sequence->branch);
        heard.token = writer_drawn(ear->writer).token;
        heard.hash = hash(logits, (size_t)ear->c->model->config.vocab_size * sizeof *logits);
        heard.temperature = ear->writer->temperature;
        heard.alpha = ear->writer->alpha;
        if (ear->c->sampler.lookahead.chunk != LOOKAHEAD_AUTO) {
            heard.passes = text->counts.passes;
            heard.rows = text->counts.rows;
        }
    }
    if (event->kind == TEXT_DRAWN && ear->alone) {
        Figures *figures = &ear->figures[sequence->length];
        figures[1] = figures[0];
        figures_add(&figures[1], session_logits(ear->writer->session, sequence->branch),
                    ear->c->model->config.vocab_size, ear->c->sampler.lookahead.n, heard.token);
        ear->last = &figures[1];
    }
    if (event->kind == TEXT_DONE && ear->alone) check_whole(ear, text, record);
    if (ear->alone && event->kind != TEXT_DONE) {
        SessionCounts now = session_counts(ear->writer->session);
        assert_int_equal(text->counts.passes, now.passes - ear->start.passes);
        assert_int_equal(text->counts.rows, now.rows - ear->start.rows);
    }
    if (event->kind == TEXT_REWOUND) {
        assert_int_equal(event->ban.position, sequence->length);
        heard.token = event->ban.token;
        heard.hash = hash(event->bytes.data, event->bytes.size);
    }
    if (event->kind == TEXT_DONE) record->figures = text->item.figures;
    assert_that(record->n_events, <, TEXT_RECORD_EVENTS);
    record->events[record->n_events++] = heard;
    return true;
}

void text_record_same(const TextRecord *a, const TextRecord *b) {
    assert_int_equal(a->n_events, b->n_events);
    for (int i = 0; i < a->n_events; i++) {
        const TextHeard *x = &a->events[i], *y = &b->events[i];
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->token, y->token);
        assert_int_equal(x->position, y->position);
        assert_that(x->hash, ==, y->hash);
        assert_int_equal(x->passes, y->passes);
        assert_int_equal(x->rows, y->rows);
        assert_that(x->temperature, ==, y->temperature);
        assert_that(x->alpha, ==, y->alpha);
        assert_int_equal(x->end, y->end);
    }
    assert_int_equal(a->n_text, b->n_text);
    assert_memory_equal(a->text, b->text, a->n_text);
    assert_int_equal(a->figures.steps, b->figures.steps);
    assert_that(a->figures.log_prob, ==, b->figures.log_prob);
    assert_that(a->figures.entropy, ==, b->figures.entropy);
    assert_that(a->figures.future, ==, b->figures.future);
    assert_int_equal(a->figures.pairs, b->figures.pairs);
    assert_int_equal(a->figures.distinct, b->figures.distinct);
}

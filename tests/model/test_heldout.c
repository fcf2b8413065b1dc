/* The loss on the held-out stories as weights/src/train.py measures it, beside the figure on the model's card. Slow:
 * about 160 thousand tokens a model, so it runs only where SLOW is set in the environment.
 *
 * The script's windows begin with bos and a paragraph, encoded as the start of a text; then the stream of all stories
 * goes on. They overlap, since each begins at the last paragraph before the end of the one before. Of the 390 windows
 * of 1024 tokens the card's figure takes every second one, 156 in all. */
#define _GNU_SOURCE /* memmem */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/session.h"
#include "tensor/memory.h"
#include "tests/support/test.h"
#include "tokenizer/tokenizer.h"

#define MODEL     "../shared/weights/model.gguf"
#define SHIPPED   "weights/tales-6m-q8_0.gguf"
#define STORIES   "../shared/corpus/valid.txt"
#define SEPARATOR "<|story|>"
#define CARD_LOSS 3.3681

enum { WINDOW = 1024, STEP = 2, N_WINDOWS = 156, BOS = 1, EOS = 2, NEWLINE = 13, MAX_PARAGRAPHS = 10000 };

static const Tokenizer *tokenizer;
static int *stream, n_stream; /* all stories */
static int *firsts, n_firsts; /* every paragraph as the start of a text, one after the other */
static int stream_at[MAX_PARAGRAPHS + 1], first_at[MAX_PARAGRAPHS + 1], n_paragraphs;

static size_t encode(Bytes text, int **tokens) {
    size_t n;
    Error error;
    must(tokenizer_encode(tokenizer, text, false, tokens, &n, &error), &error);
    return n;
}

static void add_first(Bytes paragraph) {
    int *tokens;
    size_t n = encode(paragraph, &tokens);
    memcpy(firsts + n_firsts, tokens, n * sizeof *tokens);
    n_firsts += (int)n;
    memory_free(tokens);
}

/* The story's first paragraph begins a text; the others go on: encoded behind a newline, without the vocabulary's space
 * and that newline. */
static void add_to_stream(Bytes paragraph, bool goes_on) {
    int *tokens, skipped = goes_on ? 2 : 0;
    uint8_t *text = malloc(paragraph.size + 1);
    text[0] = '\n';
    memcpy(text + 1, paragraph.data, paragraph.size);
    int n = (int)encode((Bytes){text + !goes_on, paragraph.size + goes_on}, &tokens) - skipped;
    memcpy(stream + n_stream, tokens + skipped, (size_t)n * sizeof *tokens);
    n_stream += n;
    memory_free(tokens);
    free(text);
}

static Bytes between(const uint8_t *begin, const uint8_t *end) {
    while (begin < end && *begin == '\n') begin++;
    while (begin < end && end[-1] == '\n') end--;
    return (Bytes){begin, (size_t)(end - begin)};
}

static void add_story(Bytes story) {
    const uint8_t *at = story.data, *end = story.data + story.size;
    while (at < end) {
        const uint8_t *gap = memmem(at, (size_t)(end - at), "\n\n", 2), *stop = gap ? gap : end;
        assert_that(n_paragraphs, <, MAX_PARAGRAPHS);
        stream_at[n_paragraphs] = n_stream;
        first_at[n_paragraphs++] = n_firsts;
        add_first((Bytes){at, (size_t)(stop - at)});
        add_to_stream((Bytes){at, (size_t)(stop - at)}, at > story.data);
        stream[n_stream++] = gap ? NEWLINE : EOS;
        stream[n_stream++] = gap ? NEWLINE : BOS;
        at = gap ? gap + 2 : end;
    }
}

static void read_stories(Bytes text) {
    const uint8_t *at = text.data, *end = text.data + text.size;
    stream = calloc(2 * text.size, sizeof *stream);
    firsts = calloc(2 * text.size, sizeof *firsts);
    while (at < end) {
        const uint8_t *line = memmem(at, (size_t)(end - at), SEPARATOR, strlen(SEPARATOR)), *stop = line ? line : end;
        add_story(between(at, stop));
        at = line ? line + strlen(SEPARATOR) : end;
    }
    stream_at[n_paragraphs] = n_stream;
    first_at[n_paragraphs] = n_firsts;
}

/* WINDOW + 1 tokens from a paragraph on. */
static void fill_window(int *window, int paragraph) {
    int n = 0, at = stream_at[paragraph + 1] - 2; /* the two tokens that follow the paragraph */
    window[n++] = BOS;
    for (int i = first_at[paragraph]; i < first_at[paragraph + 1] && n <= WINDOW; i++) window[n++] = firsts[i];
    while (n <= WINDOW) window[n++] = at < n_stream ? stream[at++] : BOS;
}

static int next_window(int paragraph) {
    int last = paragraph;
    while (last + 1 < n_paragraphs && stream_at[last + 1] <= stream_at[paragraph] + WINDOW) last++;
    return last > paragraph ? last : paragraph + 1;
}

typedef struct {
    const int *targets;
    int vocab_size;
    double loss;
} Score;

static void score(void *context, int position, const float *logits) {
    Score *s = context;
    double sum = 0, max = logits[0];
    for (int i = 1; i < s->vocab_size; i++) max = logits[i] > max ? logits[i] : max;
    for (int i = 0; i < s->vocab_size; i++) sum += exp(logits[i] - max);
    s->loss += log(sum) + max - logits[s->targets[position]];
}

static double mean_loss(const char *path, KvType kv) {
    Error error;
    Model *model;
    Session *session;
    int window[WINDOW + 1], paragraph = 0;
    must(model_open(&model, path, &error), &error);
    must(session_open(&session, model, (SessionOptions){.context = WINDOW, .kv = kv}, &error), &error);
    Score s = {window + 1, model->config.vocab_size, 0};
    for (int i = 0; i < N_WINDOWS * STEP; i++, paragraph = next_window(paragraph)) {
        assert_that(paragraph, <, n_paragraphs);
        if (i % STEP) continue;
        fill_window(window, paragraph);
        session_drop(session, TRUNK);
        must(session_score(session, TRUNK, window, WINDOW, score, &s, &error), &error);
    }
    session_close(session);
    model_close(model);
    return s.loss / ((double)N_WINDOWS * WINDOW);
}

static void the_loss_is_that_of_the_card(void **state) {
    (void)state;
    double loss = mean_loss(MODEL, KV_F32), shipped = mean_loss(SHIPPED, KV_F16);
    print_message("loss %.4f, perplexity %.4f; as shipped %.4f, %.4f\n", loss, exp(loss), shipped, exp(shipped));
    assert_that(fabs(loss - CARD_LOSS), <, 0.0005); /* the card's last digit, and some rounding: 0.05 % of perplexity */
    assert_that(exp(shipped - loss), <, 1.01);
}

static bool is_there(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file) fclose(file);
    return file != NULL;
}

static void held_out_stories(void **state) {
    if (!getenv("SLOW")) {
        print_message("SLOW is not set (it takes some minutes)\n");
        skip();
    }
    if (!is_there(MODEL) || !is_there(STORIES) || !is_there(SHIPPED)) {
        print_message("%s, %s or %s is missing\n", MODEL, STORIES, SHIPPED);
        skip();
    }
    Error error;
    Bytes text;
    Tokenizer *opened;
    must(tokenizer_open(&opened, MODEL, &error), &error);
    must(bytes_map(&text, STORIES, &error), &error);
    tokenizer = opened;
    read_stories(text);
    the_loss_is_that_of_the_card(state);
    free(stream);
    free(firsts);
    bytes_unmap(&text);
    tokenizer_close(opened);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(held_out_stories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

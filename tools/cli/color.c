#include "tools/cli/color.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tensor/memory.h"
#include "tensor/utf8.h"
#include "tools/cli/text.h"

/* ---- The ramp ---- */

typedef struct {
    int red, green, blue;
} Rgb;

/* Cividis, from dark blue to yellow, looks the same to colour-blind people (Nunez, Anderton and Renslow, PLOS ONE
 * 2018). */
static const Rgb stops[] = {{0, 32, 77},     {49, 68, 107},   {102, 105, 112},
                            {149, 143, 120}, {203, 186, 105}, {255, 234, 70}};
enum { LAST_STOP = sizeof stops / sizeof stops[0] - 1 };

static int between(int from, int to, double weight) { return (int)lround(from + weight * (to - from)); }

static Rgb ramp(double x) {
    double at = fmin(fmax(x, 0), 1) * LAST_STOP;
    int i = at < LAST_STOP ? (int)at : LAST_STOP - 1;
    Rgb a = stops[i], b = stops[i + 1];
    return (Rgb){between(a.red, b.red, at - i), between(a.green, b.green, at - i), between(a.blue, b.blue, at - i)};
}

/* The nearest of the six levels of a channel in the cube of 256 colours: 0, 95, 135, 175, 215, 255. */
static int cube_level(int channel) { return channel < 48 ? 0 : channel < 115 ? 1 : (channel - 35) / 40; }

/* A background colour with black or white letters, which is readable whatever colours the terminal uses. */
static void set_tint(const Color *color, char *out, size_t capacity, double x) {
    Rgb c = ramp(x);
    bool light = 0.30 * c.red + 0.59 * c.green + 0.11 * c.blue > 128;
    if (color->true_color)
        snprintf(out, capacity, "\033[48;2;%d;%d;%dm\033[38;5;%dm", c.red, c.green, c.blue, light ? 16 : 231);
    else
        snprintf(out, capacity, "\033[48;5;%dm\033[38;5;%dm",
                 16 + 36 * cube_level(c.red) + 6 * cube_level(c.green) + cube_level(c.blue), light ? 16 : 231);
}

/* ---- The scales ---- */

#define MOST_RANK 1024 /* its scale is logarithmic */

/* high NULL: the scale ends at units_scale. Values beyond the end get the last colour. */
static const struct {
    const char *name, *low, *high;
} scales[] = {
    [COLOR_P] = {"probability", "0", "1"},    [COLOR_SURPRISAL] = {"surprisal", "0", NULL},
    [COLOR_ENTROPY] = {"entropy", "0", NULL}, [COLOR_FUTURE] = {"openness of the future", "0", "1"},
    [COLOR_ALPHA] = {"alpha", "-1", "1"},     [COLOR_RANK] = {"rank", "1", "1024"},
};

/* The token's place on the scale: 0 its low end, 1 its high end, NAN no colour. */
static double place(const Color *color, const Step *step, const Writer *writer) {
    switch (color->by) {
    case COLOR_P:
        return exp(step->logprob);
    case COLOR_SURPRISAL:
        return units_of(color->units, -step->logprob) / units_scale(color->units);
    case COLOR_ENTROPY:
        return units_of(color->units, writer->natural.entropy) / units_scale(color->units);
    case COLOR_FUTURE:
        return step->hhat;
    case COLOR_ALPHA:
        return writer_sampler(writer)->future ? (writer->alpha + 1) / 2 : NAN;
    case COLOR_RANK:
        return log(step->rank) / log(MOST_RANK);
    default:
        return NAN;
    }
}

/* ---- Printing ---- */

static bool is(const char *variable, const char *value) {
    const char *set = getenv(variable);
    return set && strcmp(set, value) == 0;
}

Color color_open(ColorBy by, Units units) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    bool can = isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
    return (Color){.by = can ? by : COLOR_NONE,
                   .units = units,
                   .true_color = is("COLORTERM", "truecolor") || is("COLORTERM", "24bit")};
}

void color_legend(const Color *color) {
    enum { WIDTH = 24 };
    char tint[sizeof color->tints->sequence];
    if (color->by == COLOR_NONE) return;
    fprintf(stderr, "%s  %s ", scales[color->by].name, scales[color->by].low);
    for (int i = 0; i < WIDTH && isatty(STDERR_FILENO); i++) {
        set_tint(color, tint, sizeof tint, (double)i / (WIDTH - 1));
        fprintf(stderr, "%s ", tint);
    }
    fprintf(stderr, "%s ", isatty(STDERR_FILENO) ? "\033[0m" : "to");
    if (scales[color->by].high)
        fprintf(stderr, "%s\n", scales[color->by].high);
    else
        fprintf(stderr, "%d %s\n", units_scale(color->units), units_name(color->units));
}

static bool has_room(Color *color, Error *error) {
    if (color->n_tints < color->capacity) return true;
    size_t capacity = color->capacity ? 2 * color->capacity : 16;
    Tint *tints = memory_alloc(capacity, sizeof *tints, "tints", error);
    if (!tints) return false;
    if (color->n_tints) memcpy(tints, color->tints, color->n_tints * sizeof *tints);
    memory_free(color->tints);
    color->tints = tints;
    color->capacity = capacity;
    return true;
}

bool color_step(Color *color, const Step *step, const Writer *writer, size_t begin, Error *error) {
    if (color->by == COLOR_NONE) return true;
    if (!has_room(color, error)) return false;
    double x = place(color, step, writer);
    Tint *tint = &color->tints[color->n_tints++];
    *tint = (Tint){.position = step->position, .begin = begin};
    if (!isnan(x)) set_tint(color, tint->sequence, sizeof tint->sequence, x);
    return true;
}

void color_rewind(Color *color, int position) {
    while (color->n_tints > 0 && color->tints[color->n_tints - 1].position >= position) color->n_tints--;
}

static bool write_tinted(const char *sequence, const uint8_t *text, size_t n_bytes, Error *error) {
    for (size_t done = 0; sequence[0] && done < n_bytes;) {
        const uint8_t *newline = memchr(text + done, '\n', n_bytes - done);
        size_t n = newline ? (size_t)(newline - text) - done : n_bytes - done;
        if (n > 0) printf("%s", sequence);
        fwrite(text + done, 1, n, stdout);
        if (n > 0) printf("\033[0m");
        if (newline) putchar('\n');
        done += n + (newline != NULL);
    }
    return sequence[0] ? text_written(text, n_bytes, error) : text_write(text, n_bytes, error);
}

bool color_write(Color *color, const uint8_t *text, size_t n_bytes, Error *error) {
    for (size_t n; n_bytes > 0; text += n, n_bytes -= n, color->n_printed += n) {
        size_t first = 0; /* the last tint that begins here or before */
        while (first + 1 < color->n_tints && color->tints[first + 1].begin <= color->n_printed) first++;
        if (first > 0) {
            color->n_tints -= first;
            memmove(color->tints, color->tints + first, color->n_tints * sizeof *color->tints);
        }
        n = color->n_tints > 1 ? color->tints[1].begin - color->n_printed : n_bytes;
        if (n > n_bytes) n = n_bytes;
        if (!write_tinted(color->n_tints ? color->tints[0].sequence : "", text, n, error)) return false;
    }
    return true;
}

/* ---- The explanation ---- */

/* Prints in quotes, padded to `width` characters. Bytes that are not printable UTF-8 appear as \xHH, since pieces come
 * from files. */
static void print_piece(Bytes piece, int width) {
    fputc('"', stderr);
    for (size_t i = 0; i < piece.size;) {
        int length = utf8_length(piece.data + i, piece.size - i);
        bool control = piece.data[i] < ' ' || piece.data[i] == 0x7f ||
                       (piece.data[i] == 0xc2 && length == 2 && piece.data[i + 1] < 0xa0);
        if (length > 0 && !control) {
            fprintf(stderr, "%.*s", length, (const char *)piece.data + i);
            i += (size_t)length;
            width--;
        } else {
            fprintf(stderr, "\\x%02x", piece.data[i++]);
            width -= 4;
        }
    }
    fprintf(stderr, "\"%*s", width > 0 ? width : 0, "");
}

enum { PIECE_WIDTH = 16 };

static void explain_looked_at(const LookaheadReport *report, const Tokenizer *tokenizer) {
    for (int i = 0; i < report->count; i++) {
        const LookaheadCandidate *item = &report->candidates[i];
        if (i >= STEP_SHOWN && !item->chosen) continue;
        fprintf(stderr, "  %c ", item->chosen ? '>' : ' ');
        print_piece(tokenizer_spelling(tokenizer, item->token), PIECE_WIDTH);
        if (item->skipped)
            fprintf(stderr, "  p %.4f  Hhat    -   s <= %.4f\n", item->p, exp(item->ln_s));
        else
            fprintf(stderr, "  p %.4f  Hhat %.4f  s %.4f%s\n", item->p, item->worth, exp(item->ln_s),
                    item->neutral ? "  neutral" : "");
    }
}

static void explain_plain(const Writer *writer, const Tokenizer *tokenizer) {
    const Candidates *candidates = &writer->candidates;
    int which[STEP_SHOWN + 1], n = step_likeliest(candidates, which, STEP_SHOWN);
    bool shown = false;
    for (int i = 0; i < n; i++) shown = shown || which[i] == writer->chosen;
    if (!shown) which[n++] = writer->chosen;
    for (int i = 0; i < n; i++) {
        fprintf(stderr, "  %c ", which[i] == writer->chosen ? '>' : ' ');
        print_piece(tokenizer_spelling(tokenizer, candidates->items[which[i]].token), PIECE_WIDTH);
        fprintf(stderr, "  p %.4f\n", step_share(candidates, which[i]));
    }
}

void color_explain(const Step *step, const Writer *writer, const Tokenizer *tokenizer, Units units) {
    bool future = writer_sampler(writer)->future;
    if (text_shares_stderr()) text_end_line(); /* the text goes on below */
    fprintf(stderr, "%d ", step->position);
    print_piece(tokenizer_spelling(tokenizer, step->token), 0);
    fprintf(stderr, "  p %.4f  rank %d  H %.3f%s  T %.3f", exp(step->logprob), step->rank,
            units_of(units, writer->natural.entropy), units_suffix(units), writer->temperature);
    if (future) fprintf(stderr, "  alpha %.3f", writer->alpha);
    fprintf(stderr, "  %d survivors\n", writer->survivors);
    if (future && writer->report.outcome == LOOKAHEAD_DONE)
        explain_looked_at(&writer->report, tokenizer);
    else
        explain_plain(writer, tokenizer);
}

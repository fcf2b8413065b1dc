#include "tools/cli/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampler/chain/choice.h"
#include "tools/cli/commands.h"

enum { HELP = 255, FIRST_LONG = 256, HELP_COLUMN = 30 };

/* What getopt_long wants, made from the table. A long option's value is FIRST_LONG + its row. */
typedef struct {
    struct option longs[OPTIONS_MAX + 2];
    char letters[2 * OPTIONS_MAX + 4];
} Getopt;

/* The settings of the sampler on the command line, each once. */
static struct {
    const char *name;
    bool replaced; /* by a later preset */
} given[OPTIONS_MAX];
static int n_given;

static void note_given(const char *name) {
    int i = 0;
    if (strcmp(name, "preset") == 0)
        for (int j = 0; j < n_given; j++) given[j].replaced = strcmp(given[j].name, "at") != 0; /* rules stay */
    while (i < n_given && strcmp(given[i].name, name) != 0) i++;
    if (i == n_given) given[n_given++].name = name;
    given[i].replaced = false;
}

void options_report_unused(const char *why) {
    for (int i = 0; i < n_given; i++)
        fprintf(stderr, "%s--%s", i == 0 ? "foretell: without effect here: " : ", ", given[i].name);
    if (n_given) fprintf(stderr, " (%s)\n", why);
}

/* Whether the first `length` characters of text are the name of a setting; they are not the word "at". */
static bool names_setting(const char *text, size_t length) {
    char name[64];
    SamplerSetting setting;
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    return length < sizeof name && strcmp(name, "at") != 0 && sampler_setting_named(name, &setting);
}

/* Prints what a setting needs ("needs fe-depth above 1"), each setting as its option. */
static void print_needs(const char *text) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";
    while (*text) {
        size_t word = strspn(text, letters), between = strcspn(text + word, letters);
        fprintf(stderr, "%s%.*s", names_setting(text, word) ? "--" : "", (int)(word + between), text);
        text += word + between;
    }
}

static void report_idle(bool *any, const char *before, const char *name, const char *why) {
    fprintf(stderr, "%s%s%s (", *any ? ", " : "foretell: without effect here: ", before, name);
    print_needs(why);
    fprintf(stderr, ")");
    *any = true;
}

/* The settings of rules, except those of a preset: the user has not named them. */
static void report_idle_in_rules(const Sampler *sampler, bool *any) {
    Error why;
    for (int i = 0; i < sampler->n_rules; i++) {
        const PlaceRule *rule = &sampler->rules[i];
        char place[sizeof rule->text + 8], name[64];
        snprintf(place, sizeof place, "--at %.*s:", place_length(rule), rule->text);
        for (const char *list = rule->text + rule->settings; sampler_next_setting(&list, name, sizeof name);)
            if (!rule->of_preset && !sampler_matters_in_rule(sampler, i, name, &why))
                report_idle(any, place, name, why.message);
    }
}

void options_report_idle(const Sampler *sampler, const char *used) {
    bool any = false;
    for (int i = 0; i < n_given; i++) {
        Error why;
        bool matters = (used && strcmp(given[i].name, used) == 0) || sampler_matters(sampler, given[i].name, &why);
        if (matters && !given[i].replaced) continue;
        if (given[i].replaced) error_set(&why, "a later preset sets all");
        report_idle(&any, "--", given[i].name, why.message);
    }
    report_idle_in_rules(sampler, &any);
    if (any) fprintf(stderr, "\n");
}

int options_add_sampler(Option *options, int n_options, Sampler *sampler) {
    SamplerSetting setting;
    for (int i = 0; sampler_setting(i, &setting) && n_options < OPTIONS_MAX; i++)
        options[n_options++] = (Option){.name = setting.name,
                                        .metavar = setting.metavar,
                                        .type = OPTION_SAMPLER,
                                        .target = sampler,
                                        .help = setting.help};
    return n_options;
}

void options_check_sampler(const Sampler *sampler) {
    Error error;
    if (!sampler_check(sampler, &error)) option_usage_error("--%s", error.message); /* begins with a setting's name */
}

void option_usage_error(const char *format, ...) {
    Error error;
    char line[sizeof error.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    error_set(&error, "%s", line); /* what the user typed may hold control characters */
    fprintf(stderr, "foretell: %s\n", error.message);
    exit(2);
}

bool option_int(const char *text, int low, int high, int *out) {
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end || errno || isspace((unsigned char)text[0]) || number < low || number > high) return false;
    *out = (int)number;
    return true;
}

static bool parse_uint64(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end || errno) return false; /* strtoull would take "-1" */
    *out = number;
    return true;
}

static void store(const Option *option, const char *value) {
    Error error;
    switch (option->type) {
    case OPTION_FLAG:
        *(bool *)option->target = true;
        break;
    case OPTION_STRING:
        if (strcmp(option->metavar, "FILE") == 0 && !*value)
            option_usage_error("--%s: expected the name of a file, got ''", option->name);
        *(const char **)option->target = value;
        break;
    case OPTION_INT:
        if (!option_int(value, option->low, option->high, option->target))
            option_usage_error("--%s: expected a whole number from %d to %d, got '%s'", option->name, option->low,
                               option->high, value);
        break;
    case OPTION_UINT64:
        if (!parse_uint64(value, option->target))
            option_usage_error("--%s: expected a whole number from 0 to %llu, got '%s'", option->name, ULLONG_MAX,
                               value);
        break;
    case OPTION_CHOICE: {
        int choice = choice_find(option->metavar, value, strlen(value));
        if (choice < 0) option_usage_error("--%s: expected one of %s, got '%s'", option->name, option->metavar, value);
        *(int *)option->target = choice;
        break;
    }
    case OPTION_PHRASE:
        if (!phrases_add(option->target, value, option->name, &error)) option_usage_error("--%s", error.message);
        break;
    case OPTION_SAMPLER:
        if (!sampler_set(option->target, option->name, value, &error)) option_usage_error("--%s", error.message);
        note_given(option->name);
        break;
    }
}

static void print_default(const Option *option) {
    const char *text = option->type == OPTION_STRING ? *(const char **)option->target : NULL;
    if (option->default_text)
        printf(" (default: %s)", option->default_text);
    else if (text)
        printf(" (default: %s)", text);
    else if (option->type == OPTION_INT)
        printf(" (default: %d)", *(int *)option->target);
    else if (option->type == OPTION_CHOICE) {
        char choice[64];
        choice_print(option->metavar, *(int *)option->target, choice, sizeof choice);
        printf(" (default: %s)", choice);
    } else if (option->type == OPTION_SAMPLER) {
        char value[64]; /* what is longer would not help */
        int length = sampler_show(option->target, option->name, value, sizeof value);
        if (length > 0 && length < (int)sizeof value) printf(" (default: %s)", value);
    }
}

static void print_row(const char *name, char letter, const char *metavar, const char *help) {
    char left[128];
    int length = letter ? snprintf(left, sizeof left, "  -%c, --%s", letter, name)
                        : snprintf(left, sizeof left, "      --%s", name);
    if (metavar) snprintf(left + length, sizeof left - (size_t)length, " %s", metavar);
    printf("%-*s  %s", HELP_COLUMN, left, help);
}

static void print_help(const Command *command, const Option *options, int n_options) {
    printf("usage: foretell %s [options]%s%s\n\n%s\n\n", command->name, *command->arguments ? " " : "",
           command->arguments, command->summary);
    for (int i = 0; i < n_options; i++) {
        print_row(options[i].name, options[i].letter, options[i].metavar, options[i].help);
        print_default(&options[i]);
        printf("\n");
    }
    print_row("help", 'h', NULL, "print this and exit\n");
    if (command->notes) printf("\n%s\n", command->notes);
}

static void prepare(Getopt *getopt, const Option *options, int n_options) {
    assert(n_options < OPTIONS_MAX);
    size_t n_letters = 0;
    *getopt = (Getopt){0};
    getopt->letters[n_letters++] = ':'; /* a missing value returns ':', so that it can be told from an unknown option */
    for (int i = 0; i < n_options; i++) {
        bool has_value = options[i].metavar != NULL;
        getopt->longs[i] = (struct option){options[i].name, has_value, NULL, FIRST_LONG + i};
        if (!options[i].letter) continue;
        getopt->letters[n_letters++] = options[i].letter;
        if (has_value) getopt->letters[n_letters++] = ':';
    }
    getopt->letters[n_letters++] = 'h';
    getopt->longs[n_options] = (struct option){"help", no_argument, NULL, HELP};
}

static const Option *find_option(const Option *options, int n_options, int code) {
    if (code >= FIRST_LONG) return &options[code - FIRST_LONG];
    for (int i = 0; i < n_options; i++)
        if (options[i].letter == code) return &options[i];
    return NULL;
}

/* Whether the help is asked for. A pass of its own, so that the help still finds the defaults in the targets. */
static bool wants_help(const Getopt *table, int argc, char **argv) {
    bool wanted = false;
    optind = 0; /* glibc: start again */
    for (int code; (code = getopt_long(argc, argv, table->letters, table->longs, NULL)) != -1;)
        wanted = wanted || code == HELP || code == 'h';
    return wanted;
}

int options_parse(const Command *command, const Option *options, int n_options, int argc, char **argv) {
    Getopt table;
    prepare(&table, options, n_options);
    opterr = 0;
    if (wants_help(&table, argc, argv)) {
        print_help(command, options, n_options);
        exit(command_end(0));
    }
    optind = n_given = 0;
    for (int code; (code = getopt_long(argc, argv, table.letters, table.longs, NULL)) != -1;) {
        const Option *option = find_option(options, n_options, code == ':' || code == '?' ? optopt : code);
        if (code == ':') option_usage_error("--%s: expected a value (%s)", option->name, option->metavar);
        if (code == '?' && optopt >= FIRST_LONG) option_usage_error("--%s: takes no value", option->name);
        if (code == '?' && optopt)
            option_usage_error("unknown option '-%c' (foretell %s --help lists them)", optopt, command->name);
        if (code == '?')
            option_usage_error("unknown option '%s' (foretell %s --help lists them)", argv[optind - 1], command->name);
        store(option, optarg);
    }
    return optind;
}

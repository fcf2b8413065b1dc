/* Options: the command line as a table. The same rows parse, check and print the help, so the help is true and complete.
 * For the tools alone: a mistake in the command line ends the program here. */
#ifndef TOOLS_CLI_OPTIONS_H
#define TOOLS_CLI_OPTIONS_H

#include "sampler/sampler.h"
#include "sampler/text/phrases.h"

typedef enum {
    OPTION_FLAG,   /* bool: takes no value */
    OPTION_INT,    /* int, within low .. high */
    OPTION_UINT64, /* uint64_t */
    OPTION_STRING, /* const char * */
    OPTION_CHOICE, /* int: the value's place in metavar, "f16|f32" */
    OPTION_PHRASE, /* Phrases: each use adds one */
    OPTION_SAMPLER /* Sampler: the setting of the option's name; it takes a value where metavar is not NULL */
} OptionType;

typedef struct {
    const char *name; /* "threads" */
    char letter;      /* 't', or 0 */
    const char *metavar;
    OptionType type;
    void *target; /* holds the default before */
    int low, high;
    const char *help;
    const char *default_text; /* the default as the help shows it; NULL: the target's own value, if any */
} Option;

/* A subcommand: what its help says around the table, and its main. */
typedef struct {
    const char *name;
    const char *arguments; /* what may follow the options: "[-]"; "" for nothing */
    const char *summary;   /* one line */
    const char *notes;     /* lines after the table, or NULL */
    int (*main)(int argc, char **argv);
} Command;

#define OPTIONS_MAX 100 /* rows of a table */

/* Appends a row for each setting of the sampler; returns the new number of rows. */
int options_add_sampler(Option *options, int n_options, Sampler *sampler);

/* Reads the options of argv[1 ..] into their targets and returns the index in argv of the first argument that is none.
 * --help prints the help and exits with 0; a mistake prints one line and exits with 2. */
int options_parse(const Command *command, const Option *options, int n_options, int argc, char **argv);

/* sampler_check; a contradiction prints one line and exits with 2. */
void options_check_sampler(const Sampler *sampler);

/* Prints one line on stderr: the settings of the sampler that options_parse was given and that cannot have an effect in
 * this chain, each with what it needs. Prints nothing if there are none.
 * Settings inside rules (at) count, too.
 *   used    a setting that something other than the chain reads, or NULL */
void options_report_idle(const Sampler *sampler, const char *used);
/* The same where none of them is read, for one reason. */
void options_report_unused(const char *why);

/* Numbers as options take them: the whole string, decimal, in range. */
bool option_int(const char *text, int low, int high, int *out);

/* "foretell: <message>" on stderr. */
void option_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn)); /* exits with 2 */

#endif

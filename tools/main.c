/* foretell: calls the subcommand; the default is `run`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foretell.h"
#include "tensor/kernels.h"
#include "tensor/unfinished.h"
#include "tools/cli/commands.h"
#include "tools/cli/interrupts.h"
#include "tools/cli/mapped.h"
#include "tools/cli/standard.h"
#include "tools/cli/terminal.h"
#include "tools/cli/text.h"

#define ADDRESS(name) &name##_command,
static const Command *const commands[] = {COMMANDS(ADDRESS)};
#undef ADDRESS
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

int command_fail(const Error *error) {
    terminal_clear();
    text_end_line();
    fprintf(stderr, "foretell: %s\n", error->message);
    return 1;
}

int command_end(int status) {
    Error error;
    return standard_close(&error) || status != 0 ? status : command_fail(&error);
}

static const Command *find_command(const char *name) {
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    option_usage_error("no such subcommand: '%s' (foretell --help lists them)", name);
}

static void print_help(void) {
    printf("usage: foretell [SUBCOMMAND] [options]\n\n"
           "Runs LLaMA models and looks one token ahead. The default subcommand is run.\n\n");
    for (int i = 0; i < N_COMMANDS; i++) printf("  %-12s%s\n", commands[i]->name, commands[i]->summary);
    printf("  %-12s%s\n\n", "help",
           "Prints the options of a subcommand: foretell help SUBCOMMAND, or foretell SUBCOMMAND --help");
    printf("      --help      print this and exit\n"
           "      --version   print the version and exit\n\n"
           "Exit status: 0 for success, 1 for a failure, 2 for a mistake in the command line, 130 after Ctrl-C.\n"
           "Environment: FORETELL_MODEL is the model used without -m;\n"
           "             KERNELS=generic|avx2|avx512|neon|neondot selects kernels (default: the processor's best);\n"
           "             NO_COLOR turns colours off.\n");
}

static int help(int argc, char **argv) {
    if (argc > 2) option_usage_error("help: expected one subcommand, got '%s' too", argv[2]);
    if (argc == 2) {
        char *arguments[] = {argv[0], "--help", NULL};
        return find_command(argv[1])->main(2, arguments);
    }
    print_help();
    return 0;
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) return run_command.main(argc, argv);
    const char *first = argv[1];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) return help(1, argv);
    if (strcmp(first, "help") == 0) return help(argc - 1, argv + 1);
    if (strcmp(first, "--version") == 0) return printf("foretell %s\n", FORETELL_VERSION), 0;
    if (first[0] == '-') return run_command.main(argc, argv);
    return find_command(first)->main(argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    Error error;
    if (!standard_open(&error)) return command_fail(&error);
    foretell_limit_spinning(argv); /* if this fails, the program runs without the limit */
    interrupts_catch();
    mapped_guard(unfinished_remove_all);
    if (!kernels_check(&error)) return command_fail(&error);
    return command_end(dispatch(argc, argv));
}

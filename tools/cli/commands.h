/* The subcommands, each in a file of its own. Their mains return the exit status: 0, or 1 for a failure; options_parse exits
 * with 2.
 *
 * To add a subcommand: a file in the room of tools/ where it belongs, which defines its Command (options.h) as
 * tools/files/tokenize.c does; its name here and in the table of tools/main.c; its section of tools/foretell.1. The
 * Makefile finds the file. tests/tools/cli/help.sh and manual.sh fail until help and man page are complete. */
#ifndef TOOLS_CLI_COMMANDS_H
#define TOOLS_CLI_COMMANDS_H

#include "tools/cli/options.h"

extern const Command run_command, tokenize_command, inspect_command, perplexity_command, quantize_command,
    bench_command, export_command, replay_command, explore_command, look_command;

/* Prints "foretell: <message>" and returns 1. */
int command_fail(const Error *error);

/* To be called last, before the program ends. Returns the status; if that is 0 but standard output has not taken
 * everything, prints why and returns 1. */
int command_end(int status);

#endif

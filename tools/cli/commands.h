/* The subcommands, one a file. Their mains return the exit status: 0, 1 for a failure, and options_parse exits with 2. */
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

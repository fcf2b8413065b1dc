/* The subcommands, each in a file of its own. Their mains return the exit status: 0, or 1 for a failure; options_parse exits
 * with 2.
 *
 * To add a subcommand, touch three files:
 *   tools/ROOM/NAME.c       new, in the room where it belongs: its Command (options.h), as in tools/files/tokenize.c
 *   tools/cli/commands.h    its name in COMMANDS
 *   tools/foretell.1        its line in the synopsis and its section
 * The Makefile finds the new file. Tests that fail until it is done: tests/tools/cli/help.sh, which has a list of all
 * names, and manual.sh. */
#ifndef TOOLS_CLI_COMMANDS_H
#define TOOLS_CLI_COMMANDS_H

#include "tools/cli/options.h"

/* All of them, in the order of the help. */
#define COMMANDS(COMMAND)                                                                                              \
    COMMAND(run)                                                                                                       \
    COMMAND(tokenize)                                                                                                  \
    COMMAND(inspect)                                                                                                   \
    COMMAND(perplexity)                                                                                                \
    COMMAND(quantize)                                                                                                  \
    COMMAND(bench)                                                                                                     \
    COMMAND(export)                                                                                                    \
    COMMAND(replay)                                                                                                    \
    COMMAND(explore)                                                                                                   \
    COMMAND(look)

#define COMMANDS_DECLARE(name) extern const Command name##_command;
COMMANDS(COMMANDS_DECLARE)
#undef COMMANDS_DECLARE

/* Prints "foretell: <message>" and returns 1. */
int command_fail(const Error *error);

/* To be called last, before the program ends. Returns the status; if that is 0 but standard output has not taken
 * everything, prints why and returns 1. */
int command_end(int status);

#endif

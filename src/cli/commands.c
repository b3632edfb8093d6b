/* commands - the one list of commands, in the order of the help. */
#include "cli/command.h"

extern const Command CMD_CONFIG, CMD_HELP, CMD_INSPECT, CMD_VERSION;

const Command *const COMMANDS[] = {
    &CMD_CONFIG,
    &CMD_HELP,
    &CMD_VERSION,
    &CMD_INSPECT,
};
const int COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS;

/* commands - the one list of commands, in the order of the help: the order of a migration. */
#include "cli/command.h"

extern const Command CMD_ABORT, CMD_APPROVE, CMD_AUDIT, CMD_CERTIFICATE, CMD_CHECK, CMD_CLEANUP,
    CMD_COMPLETE, CMD_CONFIG, CMD_CUTOVER, CMD_HELP, CMD_INSPECT, CMD_PLAN, CMD_REPAIR,
    CMD_ROLLBACK, CMD_RUN, CMD_STATUS, CMD_STOP, CMD_VERIFY, CMD_VERSION;

const Command *const COMMANDS[] = {
    &CMD_CHECK, &CMD_CONFIG,   &CMD_PLAN,        &CMD_RUN,      &CMD_STATUS,
    &CMD_STOP,  &CMD_VERIFY,   &CMD_REPAIR,      &CMD_APPROVE,  &CMD_CUTOVER,
    &CMD_ABORT, &CMD_ROLLBACK, &CMD_CERTIFICATE, &CMD_COMPLETE, &CMD_CLEANUP,
    &CMD_AUDIT, &CMD_HELP,     &CMD_VERSION,     &CMD_INSPECT,
};
const int COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS;

/*
 * command_audit - runs a command with its begin and its end in the audit.
 */
#pragma once

#include "cli/command.h"

/* The exit code. */
int command_audited(const Command *command, const Config *config, Error *err);

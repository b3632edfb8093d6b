/*
 * help_text - the help of the program and of each command, made from the tables.
 */
#pragma once

#include "bascule/base/buf.h"
#include "cli/command.h"

void help_program(Buf *out);
void help_command(const Command *command, Buf *out);
/* "run [flags]": the line behind "bascule". */
const char *help_usage(Arena *arena, const Command *command);

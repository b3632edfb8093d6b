/*
 * command - one row a command; a command is one file cmd_<name>.c that ends in its row.
 *
 * run()   does the work and returns the exit code. When it fails it fills *err and returns
 *         cli_failed(err); main prints the error, once, and ends the program.
 * Output  stdout is data, stderr is log.
 * From the rows are made: help, usage, completion, man page, docs/reference/commands.md.
 */
#pragma once

#include "config/config.h"

#define EXITS_MAX 8

/* What of the command stands in the audit: its begin and its end, unless it only looks. */
typedef enum CommandAudit {
    COMMAND_NO_AUDIT,
    COMMAND_AUDIT,       /* goes on when the record cannot be written, and says so */
    COMMAND_AUDIT_FIRST, /* refused then */
} CommandAudit;

typedef struct Command {
    const char *name;
    const char *summary; /* one line, lower case, no full stop */
    const char *usage;   /* what stands behind "bascule <name>", without the flags; "" nothing */
    const char *help;    /* paragraphs for an operator at 2 a.m.; lines of at most 90 columns */
    const char *example; /* commands to paste, one a line */
    unsigned uses;       /* OptionUse groups: their options are its flags */
    unsigned own;        /* of them, the groups that the help tells first */
    uint64_t flags;      /* FLAG_BIT()s of its own flags */
    int max_args;
    bool no_file; /* reads neither configuration file nor environment */
    bool hidden;
    CommandAudit audit;
    const char *look_word; /* of an audited one: the first argument with which it only looks, as it
                              does without any; NULL: there is none */
    int exits[EXITS_MAX];  /* exit codes it may end with, behind 0; 0 ends the list */
    int (*run)(const Config *config, Error *err);
} Command;

/* commands.c: the one list, in the order of the help */
extern const Command *const COMMANDS[];
extern const int COMMAND_COUNT;

const Command *command_find(const char *name); /* NULL: there is none */
/* USAGE with the command that was probably meant. */
bool command_unknown(const char *name, Error *err);
FlagSet command_flags(const Command *command);

/* The whole program but process set-up: reads the command line, loads the configuration, starts the
 * log, runs. Returns the exit code; *err as run() left it. */
int cli_run(int argc, char *const *argv, Error *err);
/* The exit code of the error's class. */
int cli_failed(const Error *err);
/* Prints the error and its hint to stderr: through the log once that is set up. */
void cli_print_error(const Error *err);

/*
 * exit_codes - what an exit status of bascule means; docs/reference/exit-codes.md is made from it.
 * Which error ends in which code stands in errors.def.
 */
#pragma once

typedef enum ExitCode {
    EXIT_DONE = 0,
    EXIT_ERROR = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3,
    EXIT_DIFFERENT = 4,
    EXIT_WARNINGS = 5,
    EXIT_UNDECIDED = 6,
    EXIT_UNDONE = 7,
} ExitCode;

typedef struct ExitMeaning {
    int code; /* ExitCode */
    const char *name;
    const char *meaning;
} ExitMeaning;

extern const ExitMeaning EXIT_MEANINGS[];
extern const int EXIT_MEANING_COUNT;

const char *exit_meaning(int code); /* "" unknown */
const char *exit_name(int code);    /* "done", "refused", ...; "" unknown */

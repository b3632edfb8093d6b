/* exit_codes - the table (exit_codes.h). */
#include "cli/exit_codes.h"

const ExitMeaning EXIT_MEANINGS[] = {
    {EXIT_DONE, "done", "what was asked for is done (or was done before)"},
    {EXIT_ERROR, "error", "a runtime error; the message says what, running again is safe"},
    {EXIT_USAGE, "usage", "wrong command line or configuration; nothing was begun"},
    {EXIT_REFUSED, "refused", "something stands in the way and is named; nothing was changed"},
    {EXIT_DIFFERENT, "different", "source and target differ; writes were given back to the source"},
    {EXIT_WARNINGS, "warnings", "done, but there are warnings (only where the command says so)"},
    {EXIT_UNDECIDED, "undecided",
     "the outcome could not be learned; run the command again, it finds out"},
    {EXIT_UNDONE, "undone", "deadline passed or aborted: writes were given back, nothing changed"},
};
const int EXIT_MEANING_COUNT = sizeof EXIT_MEANINGS / sizeof *EXIT_MEANINGS;

const char *exit_meaning(int code)
{
    for (int i = 0; i < EXIT_MEANING_COUNT; i++)
        if (EXIT_MEANINGS[i].code == code)
            return EXIT_MEANINGS[i].meaning;
    return "";
}

const char *exit_name(int code)
{
    for (int i = 0; i < EXIT_MEANING_COUNT; i++)
        if (EXIT_MEANINGS[i].code == code)
            return EXIT_MEANINGS[i].name;
    return "";
}

/* main - process set-up, the command, the exit code. Only here the program ends. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/out.h"

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    /* a closed pipe or socket is an error value, not a death */
    signal(SIGPIPE, SIG_IGN);
    /* whatever is written may hold rows or secrets */
    umask(077);
    Error err = ERROR_INIT;
    int code = cli_run(argc, argv, &err);
    if (err.cls != ERR_NONE && (err.cls != ERR_STOPPED || code != 0))
        cli_print_error(&err);
    return code == 0 && out_lost() ? 1 : code;
}

/* cmd_help - bascule help [COMMAND] */
#include "cli/command.h"
#include "cli/help_text.h"
#include "cli/out.h"

static int run(const Config *config, Error *err)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    int count = 0;
    const char *const *words = config_args(config, &count);
    const Command *command = count == 0 ? NULL : command_find(words[0]);
    if (count > 0 && command == NULL) {
        command_unknown(words[0], err);
        return cli_failed(err);
    }
    if (command == NULL)
        help_program(&out);
    else
        help_command(command, &out);
    out_buf(&out);
    return 0;
}

const Command CMD_HELP = {
    .name = "help",
    .summary = "explain bascule, or one command",
    .usage = "[COMMAND]",
    .help = "Without a command: what there is. With one: what it does, its options with their "
            "defaults, its\n"
            "exit codes, and an example.",
    .example = "bascule help cutover",
    .max_args = 1,
    .no_file = true,
    .exits = {2},
    .run = run,
};

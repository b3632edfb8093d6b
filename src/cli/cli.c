/* cli - from argv to the command's run() (command.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "cli/command.h"
#include "cli/command_audit.h"
#include "cli/help_text.h"
#include "cli/out.h"

const Command *command_find(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(COMMANDS[i]->name, name) == 0)
            return COMMANDS[i];
    return NULL;
}

bool command_unknown(const char *name, Error *err)
{
    Arena *arena = arena_new(0);
    const char **words = arena_new_array(arena, const char *, COMMAND_COUNT);
    int count = 0;
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!COMMANDS[i]->hidden)
            words[count++] = COMMANDS[i]->name;
    const char *near = option_nearest(name, words, count);
    if (near != NULL)
        ERR(err, ERR_USAGE, "unknown command '%s', did you mean '%s'?", name, near);
    else
        ERR(err, ERR_USAGE, "unknown command '%s'", name);
    arena_free(arena);
    return false;
}

FlagSet command_flags(const Command *command)
{
    return (FlagSet){.command = command->name,
                     .uses = command->uses | USE_ALWAYS,
                     .flags = command->flags,
                     .max_args = command->max_args,
                     .no_file = command->no_file};
}

int cli_failed(const Error *err)
{
    return err_exit_code(err->cls);
}

/* What may stand in front of the command. */
typedef struct Front {
    const char *config_path, *profile;
    bool help, version;
    int at; /* the command's place in argv */
} Front;

static bool read_front(int argc, char *const *argv, Front *front, Error *err)
{
    for (front->at = 1; front->at < argc && argv[front->at][0] == '-'; front->at++) {
        const char *word = argv[front->at];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            front->help = true;
        } else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
            front->version = true;
        } else if (strncmp(word, "--config=", 9) == 0) {
            front->config_path = word + 9;
        } else if (strcmp(word, "--config") == 0 || strcmp(word, "-c") == 0) {
            if (front->at + 1 >= argc)
                return ERR(err, ERR_USAGE, "flag '%s' needs a value", word);
            front->config_path = argv[++front->at];
        } else if (strncmp(word, "--profile=", 10) == 0) {
            front->profile = word + 10;
        } else if (strcmp(word, "--profile") == 0) {
            if (front->at + 1 >= argc)
                return ERR(err, ERR_USAGE, "flag '%s' needs a value", word);
            front->profile = argv[++front->at];
        } else {
            ERR(err, ERR_USAGE, "unknown flag '%s' in front of the command", word);
            return err_hint(
                err,
                "Flags of a command stand behind it: 'bascule run --task x'. See 'bascule help'.");
        }
    }
    return true;
}

/* Who reads the log as JSON wants the last error so too. */
static bool json_log;

static void start_log(const Config *config)
{
    LogLevel level = LOG_INFO;
    if (!log_parse_level(config_text(config, OPT_LOG_LEVEL), &level))
        level = LOG_INFO;
    json_log = strcmp(config_text(config, OPT_LOG_FORMAT), "json") == 0;
    log_init(level, json_log);
}

static int print_help(const Command *command)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    if (command == NULL)
        help_program(&out);
    else
        help_command(command, &out);
    out_buf(&out);
    return 0;
}

static int run_command(const Command *command, const Front *front, int argc, char *const *argv,
                       Error *err)
{
    Config *config = config_new();
    FlagSet flags = command_flags(command);
    int code;
    if (!config_load(config, front->config_path, front->profile, argc, argv, &flags, err)) {
        code = cli_failed(err);
    } else if (config_flag(config, FLAG_HELP)) {
        code = print_help(command);
    } else if (start_log(config), !fault_init(getenv("BASCULE_FAULT"), err)) {
        code = cli_failed(err);
    } else {
        int count = 0;
        const char *const *warnings = config_warnings(config, &count);
        for (int i = 0; i < count; i++)
            log_warn("%s", warnings[i]);
        code = command_audited(command, config, err);
    }
    config_free(config);
    return code;
}

int cli_run(int argc, char *const *argv, Error *err)
{
    Front front = {0};
    if (!read_front(argc, argv, &front, err))
        return cli_failed(err);
    const char *name = front.at < argc ? argv[front.at]
                       : front.help    ? "help"
                       : front.version ? "version"
                                       : NULL;
    if (name == NULL) {
        ERR(err, ERR_USAGE, "no command given");
        return cli_failed(err);
    }
    const Command *command = command_find(name);
    if (command == NULL) {
        command_unknown(name, err);
        return cli_failed(err);
    }
    if (front.help && front.at < argc)
        return print_help(command);
    int rest = front.at < argc ? front.at + 1 : argc;
    return run_command(command, &front, argc - rest, argv + rest, err);
}

void cli_print_error(const Error *err)
{
    const char *hint = err_hint_of(err);
    if (json_log) {
        log_error_value(LOG_ERROR, err, "failed");
        return;
    }
    fprintf(stderr, "bascule: %s: %s\n", err_slug(err->cls), err->message);
    if (hint[0] != '\0')
        fprintf(stderr, "hint: %s\n", hint);
}

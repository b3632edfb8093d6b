/* From argv to a command: what is printed, what is refused, which exit code. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "cli/command.h"
#include "cli/exit_codes.h"
#include "cli/help_text.h"

static char output[256 * 1024];
static Error error;

/* Runs with stdout caught in `output`. */
static int cli(const char *first, ...)
{
    char *argv[16] = {(char *)(uintptr_t) "bascule"};
    int argc = 1;
    va_list ap;
    va_start(ap, first);
    for (const char *word = first; word != NULL; word = va_arg(ap, const char *))
        argv[argc++] = (char *)(uintptr_t)word;
    va_end(ap);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    FILE *file = tmpfile();
    assert_non_null(file);
    dup2(fileno(file), STDOUT_FILENO);
    error = ERROR_INIT;
    int code = cli_run(argc, argv, &error);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    rewind(file);
    output[fread(output, 1, sizeof output - 1, file)] = '\0';
    fclose(file);
    return code;
}

static void has(const char *text)
{
    if (strstr(output, text) == NULL)
        fail_msg("'%s' is not in:\n%s", text, output);
}

static void test_help(void **state)
{
    (void)state;
    assert_int_equal(cli("help", NULL), 0);
    has("Usage: bascule [--config FILE] COMMAND [flags]");
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!COMMANDS[i]->hidden)
            has(COMMANDS[i]->summary);
    char *whole = strdup(output);
    assert_int_equal(cli("--help", NULL), 0);
    assert_string_equal(output, whole);
    assert_int_equal(cli("-h", NULL), 0);
    assert_string_equal(output, whole);
    free(whole);
}

/* `help X`, `X --help` and `--help X` are the same; each says what one needs at night. */
static void test_help_of_commands(void **state)
{
    (void)state;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const Command *command = COMMANDS[i];
        assert_int_equal(cli("help", command->name, NULL), 0);
        char *whole = strdup(output);
        has(command->summary);
        has("Usage: bascule ");
        has("Exit codes:\n  0  ");
        has("\nExample:\n  bascule ");
        for (int e = 0; e < EXITS_MAX && command->exits[e] != 0; e++)
            has(exit_meaning(command->exits[e]));
        for (const char *line = output; *line != '\0'; line += strcspn(line, "\n") + 1)
            assert_true(strcspn(line, "\n") <= 110);
        assert_int_equal(cli(command->name, "--help", NULL), 0);
        assert_string_equal(output, whole);
        assert_int_equal(cli("--help", command->name, NULL), 0);
        assert_string_equal(output, whole);
        free(whole);
    }
}

static void test_rows_are_complete(void **state)
{
    (void)state;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const Command *command = COMMANDS[i];
        assert_ptr_equal(command_find(command->name), command);
        assert_non_null(command->run);
        assert_true(strlen(command->summary) < 100);
        assert_int_not_equal(command->summary[strlen(command->summary) - 1], '.');
        bool usage = false;
        for (int e = 0; e < EXITS_MAX && command->exits[e] != 0; e++) {
            assert_string_not_equal(exit_meaning(command->exits[e]), "");
            usage = usage || command->exits[e] == EXIT_USAGE;
        }
        assert_true(usage);
    }
    /* every class ends in a code that has a meaning */
    for (int cls = 0; cls < ERR_CLASS_COUNT; cls++)
        assert_string_not_equal(exit_meaning(err_exit_code((ErrorClass)cls)), "");
    assert_string_equal(exit_meaning(99), "");
}

static void refused(const char *message)
{
    assert_string_equal(error.message, message);
    assert_int_equal(error.cls, ERR_USAGE);
    assert_string_equal(output, "");
}

static void test_refusals(void **state)
{
    (void)state;
    assert_int_equal(cli(NULL, NULL), 2);
    refused("no command given");
    assert_int_equal(cli("confg", NULL), 2);
    refused("unknown command 'confg', did you mean 'config'?");
    assert_int_equal(cli("zzzzzz", NULL), 2);
    refused("unknown command 'zzzzzz'");
    assert_int_equal(cli("help", "confg", NULL), 2);
    refused("unknown command 'confg', did you mean 'config'?");
    assert_int_equal(cli("--json", "version", NULL), 2);
    refused("unknown flag '--json' in front of the command");
    assert_int_equal(cli("--config", NULL), 2);
    refused("flag '--config' needs a value");
    assert_int_equal(cli("version", "--tsk", NULL), 2);
    refused("unknown flag '--tsk'");
    assert_int_equal(cli("version", "word", NULL), 2);
    refused("'bascule version' does not know what to do with 'word'");
    assert_int_equal(cli("inspect", "nonsense", NULL), 2);
    refused("there is no page 'nonsense' in that format");
}

static void test_version(void **state)
{
    (void)state;
    assert_int_equal(cli("version", NULL), 0);
    has("bascule " BASCULE_VERSION " (libpq ");
    assert_int_equal(cli("--version", NULL), 0);
    has("bascule " BASCULE_VERSION " (libpq ");
    assert_int_equal(cli("version", "--json", NULL), 0);
    json_t *version = json_loads(output, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(version, "version")), BASCULE_VERSION);
    json_decref(version);
}

static void test_config(void **state)
{
    (void)state;
    unsetenv("BASCULE_CONFIG");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(
        cli("config", "--json", "--task", "clinic", "--source-dsn", "host=h dbname=d", NULL), 0);
    json_t *config = json_loads(output, 0, NULL);
    assert_non_null(config);
    assert_true(json_is_null(json_object_get(config, "file")));
    const json_t *options = json_object_get(config, "options");
    assert_int_equal(json_array_size(options), OPTION_COUNT);
    const json_t *task = json_array_get(options, OPT_TASK);
    assert_string_equal(json_string_value(json_object_get(task, "value")), "clinic");
    assert_string_equal(json_string_value(json_object_get(task, "from")), "flag --task");
    json_decref(config);
    assert_int_equal(cli("config", "--source-dsn", "host=h dbname=d user=u", NULL), 0);
    has("source is host=h port=5432 dbname=d user=u sslmode=verify-full\n");
    has("target is not usable: nothing says where the target is\n");
    assert_int_equal(cli("--config", "/no/such/file", "config", NULL), 2);
    assert_string_equal(error.message, "cannot read '/no/such/file': No such file or directory");
}

static void test_faults_are_checked_for_every_command(void **state)
{
    (void)state;
    setenv("BASCULE_FAULT", "NO_SUCH_POINT:kill", 1);
    assert_int_not_equal(cli("config", NULL), 0);
    assert_non_null(strstr(error.message, "NO_SUCH_POINT"));
    unsetenv("BASCULE_FAULT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_help_of_commands),
        cmocka_unit_test(test_rows_are_complete),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_faults_are_checked_for_every_command),
    };
    return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}

/* reference - options, commands, errors, exit codes and failpoints as pages (reference.h). */
#include "cli/reference.h"

#include <string.h>

#include "bascule/base/fault.h"
#include "cli/command.h"
#include "cli/exit_codes.h"
#include "cli/help_text.h"
#include "cli/reference_pages.h"

static const char GENERATED[] =
    "<!-- made by `bascule inspect %s`; change the table, not this page -->\n\n";

/* A cell of a Markdown table. */
static void put_cell(Buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            buf_putc(out, '\\');
        if (*text == '<')
            buf_puts(out, "&lt;");
        else
            buf_putc(out, *text);
    }
}

static void put_commands_of(const Option *option, Buf *out)
{
    bool any = false;
    if ((option->traits & OPTION_NO_FLAG) != 0) {
        buf_puts(out, "those that write");
        return;
    }
    if ((option->uses & USE_ALWAYS) != 0) {
        buf_puts(out, "all");
        return;
    }
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!COMMANDS[i]->hidden && (COMMANDS[i]->uses & option->uses) != 0) {
            buf_printf(out, "%s%s", any ? ", " : "", COMMANDS[i]->name);
            any = true;
        }
}

static void options_markdown(Buf *out)
{
    Arena *arena = arena_new(0);
    buf_printf(out, GENERATED, "options");
    buf_puts(out, "# Options\n\nIn the configuration file an option stands below its section; in "
                  "the environment it "
                  "is `BASCULE_SECTION_NAME`;\nas a flag `--section-name`. Flag wins over "
                  "environment, environment "
                  "over file, file over default.\n");
    for (int s = 0; s < OPTION_SECTION_COUNT; s++) {
        buf_printf(out,
                   "\n## %s%s%s\n\n| option | values | default | commands | meaning "
                   "|\n|---|---|---|---|---|\n",
                   OPTION_SECTIONS[s].name, OPTION_SECTIONS[s].name[0] == '\0' ? "" : ": ",
                   OPTION_SECTIONS[s].title);
        for (int i = 0; i < OPTION_COUNT; i++) {
            const Option *option = &OPTIONS[i];
            if (strcmp(option_section(arena, (OptionId)i), OPTION_SECTIONS[s].name) != 0)
                continue;
            buf_printf(out, "| `%s` | ", option->name);
            put_cell(out, option_allowed_text(arena, (OptionId)i));
            buf_puts(out, " | ");
            put_cell(out, option->def[0] == '\0' ? "-" : option->def);
            buf_puts(out, " | ");
            put_commands_of(option, out);
            buf_puts(out, " | ");
            put_cell(out, option->help);
            if (option->alias[0] != '\0')
                buf_printf(out, "; short flag `--%s`", option->alias);
            if ((option->traits & OPTION_SECRET) != 0)
                buf_puts(out, "; secret: no flag, never shown");
            buf_puts(out, " |\n");
        }
    }
    arena_free(arena);
}

static void commands_markdown(Buf *out)
{
    Arena *arena = arena_new(0);
    buf_printf(out, GENERATED, "commands");
    buf_puts(out, "# Commands\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!COMMANDS[i]->hidden)
            buf_printf(out, "%s- [%s](#%s): %s\n", i == 0 ? "\n" : "", COMMANDS[i]->name,
                       COMMANDS[i]->name, COMMANDS[i]->summary);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (COMMANDS[i]->hidden)
            continue;
        buf_printf(out, "\n## %s\n\n```\n", COMMANDS[i]->name);
        help_command(COMMANDS[i], out);
        buf_puts(out, "```\n");
    }
    arena_free(arena);
}

static const char *action_text(ErrorAction action)
{
    switch (action) {
    case ERR_ACTION_RETRY:
        return "waits and tries again";
    case ERR_ACTION_RECONNECT:
        return "reconnects and goes on";
    case ERR_ACTION_STOP:
        return "stops, a person must act";
    case ERR_ACTION_BUG:
        break;
    }
    return "stops at once";
}

static void errors_markdown(Buf *out)
{
    buf_printf(out, GENERATED, "errors");
    buf_puts(out, "# Errors\n\nThe code stands in the log and in JSON (`\"code\"`). *While "
                  "running* says what `bascule "
                  "run` does by itself.\n\n| code | exit | while running | what to do "
                  "|\n|---|---|---|---|\n");
    for (int i = 0; i < ERR_CLASS_COUNT; i++) {
        Error err = {.cls = (ErrorClass)i};
        if (i == ERR_NONE || i == ERR_STOPPED)
            continue;
        buf_printf(out, "| `%s` | %d | %s | ", err_slug(err.cls), err_exit_code(err.cls),
                   action_text(err_action(err.cls)));
        put_cell(out, err_hint_of(&err));
        buf_puts(out, " |\n");
    }
}

static void exit_codes_markdown(Buf *out)
{
    buf_printf(out, GENERATED, "exit-codes");
    buf_puts(out,
             "# Exit codes\n\n| code | name | meaning | errors that end so |\n|---|---|---|---|\n");
    for (int i = 0; i < EXIT_MEANING_COUNT; i++) {
        const ExitMeaning *meaning = &EXIT_MEANINGS[i];
        bool any = false;
        buf_printf(out, "| %d | %s | %s | ", meaning->code, meaning->name, meaning->meaning);
        for (int e = 0; e < ERR_CLASS_COUNT; e++) {
            if (e == ERR_NONE || e == ERR_STOPPED || err_exit_code((ErrorClass)e) != meaning->code)
                continue;
            buf_printf(out, "%s`%s`", any ? ", " : "", err_slug((ErrorClass)e));
            any = true;
        }
        buf_puts(out, any ? " |\n" : "- |\n");
    }
    buf_puts(out, "\n## By command\n\n| command | exit codes |\n|---|---|\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (COMMANDS[i]->hidden)
            continue;
        buf_printf(out, "| %s | 0", COMMANDS[i]->name);
        for (int e = 0; e < EXITS_MAX && COMMANDS[i]->exits[e] != 0; e++)
            buf_printf(out, ", %d", COMMANDS[i]->exits[e]);
        buf_puts(out, " |\n");
    }
}

static void faults_markdown(Buf *out)
{
    buf_printf(out, GENERATED, "faults");
    buf_puts(
        out,
        "# Failpoints\n\nTest builds only (`-DFAULTS=ON`): `BASCULE_FAULT=NAME[@hit]:action` with "
        "the actions "
        "`kill`, `exit`, `stop=MS`,\n`error`, `lost`.\n\n| name | where it stands |\n|---|---|\n");
    for (int i = 0; i < FAULT_COUNT; i++)
        buf_printf(out, "| `%s` | %s |\n", fault_name((Fault)i), fault_where((Fault)i));
}

const ReferencePage REFERENCE_PAGES[] = {
    {"options", "markdown", "docs/reference/options.md", options_markdown},
    {"commands", "markdown", "docs/reference/commands.md", commands_markdown},
    {"errors", "markdown", "docs/reference/errors.md", errors_markdown},
    {"exit-codes", "markdown", "docs/reference/exit-codes.md", exit_codes_markdown},
    {"faults", "markdown", "docs/reference/faults.md", faults_markdown},
    {"states", "markdown", "docs/reference/states.md", page_states},
    {"sample", "yaml", "conf/bascule.sample.yaml", page_sample_yaml},
    {"man", "scdoc", "docs/man/bascule.1.scd", page_man_program},
    {"man-config", "scdoc", "docs/man/bascule.yaml.5.scd", page_man_config},
    {"completion", "bash", "conf/completion/bascule.bash", page_completion_bash},
    {"fsm task", "mermaid", NULL, page_fsm_task},
    {"fsm cutover", "mermaid", NULL, page_fsm_cutover},
    {"fsm cutover", "promela", NULL, page_fsm_cutover_promela},
};
const int REFERENCE_PAGE_COUNT = sizeof REFERENCE_PAGES / sizeof *REFERENCE_PAGES;

const ReferencePage *reference_find(const char *name, const char *format)
{
    for (int i = 0; i < REFERENCE_PAGE_COUNT; i++)
        if (strcmp(REFERENCE_PAGES[i].name, name) == 0 &&
            (format == NULL || strcmp(REFERENCE_PAGES[i].format, format) == 0))
            return &REFERENCE_PAGES[i];
    return NULL;
}

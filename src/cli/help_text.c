/* help_text - lays the tables of commands, flags, options and exit codes out for a terminal. */
#include "cli/help_text.h"

#include <string.h>

#include "cli/exit_codes.h"
#include "cli/out.h"

#define WIDTH 100

static const char *value_word(const Option *option)
{
    switch (option->type) {
    case OPTION_INT:
        return "NUMBER";
    case OPTION_BOOL:
        return "BOOL";
    case OPTION_SIZE:
        return "SIZE";
    case OPTION_DURATION:
        return "DURATION";
    case OPTION_CHOICE:
        return "WORD";
    case OPTION_PATH:
        return "PATH";
    case OPTION_LSN:
        return "LSN";
    case OPTION_PATTERNS:
        return "PATTERN";
    case OPTION_CONNINFO:
        return "DSN";
    case OPTION_NAME:
        return "NAME";
    case OPTION_TEXT:
        break;
    }
    return "TEXT";
}

const char *help_usage(Arena *arena, const Command *command)
{
    return arena_printf(arena, "%s%s%s [flags]", command->name,
                        command->usage[0] == '\0' ? "" : " ", command->usage);
}

/* A term in a column of its own when it is short, else on a line of its own. */
static void put_term(Buf *out, const char *term, int column, const char *text)
{
    CLEANUP_BUF Buf wrapped = BUF_INIT;
    int len = (int)strlen(term) + 2;
    out_wrap(&wrapped, text, column, WIDTH);
    buf_printf(out, "  %s", term);
    if (len + 1 >= column)
        buf_puts(out, "\n");
    const char *body = buf_str(&wrapped);
    buf_puts(out, len + 1 >= column ? body : body + len);
}

void help_program(Buf *out)
{
    Arena *arena = arena_new(0);
    buf_puts(out,
             "bascule " BASCULE_VERSION " moves a live PostgreSQL database to another server.\n\n"
             "Usage: bascule [--config FILE] COMMAND [flags]\n\nCommands, in the order of a "
             "migration:\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!COMMANDS[i]->hidden)
            put_term(out, COMMANDS[i]->name, 14, COMMANDS[i]->summary);
    buf_puts(out, "\nThe configuration is read from --config FILE, else $BASCULE_CONFIG, else "
                  "./bascule.yaml.\n"
                  "A flag wins over the environment, the environment over the file, the file over "
                  "the default.\n"
                  "\n'bascule help COMMAND' explains a command, its options and exit codes.\n");
    arena_free(arena);
}

static void put_option(Arena *arena, OptionId id, Buf *out)
{
    const Option *option = &OPTIONS[id];
    const char *alias =
        option->alias[0] == '\0' ? "" : arena_printf(arena, "--%s, ", option->alias);
    const char *term =
        arena_printf(arena, "%s--%s %s", alias, option_flag(arena, id), value_word(option));
    const char *about = option->help;
    if (option->type == OPTION_CHOICE)
        about = arena_printf(arena, "%s: %s", about, option_allowed_text(arena, id));
    if (option->def[0] != '\0')
        about = arena_printf(arena, "%s (default %s)", about, option->def);
    put_term(out, term, 34, about);
}

static void put_flags(Arena *arena, const Command *command, Buf *out)
{
    uint64_t taken = command->flags | FLAGS_ALWAYS;
    if (command->no_file)
        taken &= ~(FLAG_BIT(FLAG_CONFIG) | FLAG_BIT(FLAG_PROFILE));
    buf_puts(out, "\nFlags:\n");
    for (int i = 0; i < FLAG_COUNT; i++) {
        const Flag *flag = &FLAGS[i];
        if ((taken & FLAG_BIT(i)) == 0)
            continue;
        const char *letter = flag->letter == 0 ? "" : arena_printf(arena, "-%c, ", flag->letter);
        const char *term = arena_printf(arena, "%s--%s%s%s", letter, flag->name,
                                        flag->value[0] == '\0' ? "" : " ", flag->value);
        const char *allowed =
            flag->allowed[0] == '\0' ? "" : arena_printf(arena, " (%s)", flag->allowed);
        put_term(out, term, 34, arena_printf(arena, "%s%s", flag->help, allowed));
    }
    for (int i = 0; i < OPTION_COUNT; i++)
        if ((command->own & OPTIONS[i].uses) != 0)
            put_option(arena, (OptionId)i, out);
}

static void put_options(Arena *arena, const Command *command, Buf *out)
{
    if (command->no_file)
        return;
    buf_puts(
        out,
        "\nOptions; each can also stand in the configuration file (section.name: value) or in the\n"
        "environment (BASCULE_SECTION_NAME):\n");
    for (int s = 0; s < OPTION_SECTION_COUNT; s++) {
        bool titled = false;
        for (int i = 0; i < OPTION_COUNT; i++) {
            const Option *option = &OPTIONS[i];
            if (strcmp(option_section(arena, (OptionId)i), OPTION_SECTIONS[s].name) != 0 ||
                ((command->uses | USE_ALWAYS) & option->uses) == 0 ||
                (option->traits & OPTION_SECRET) != 0 || (command->own & option->uses) != 0)
                continue;
            if (!titled)
                buf_printf(out, "\n %s\n", OPTION_SECTIONS[s].title);
            titled = true;
            put_option(arena, (OptionId)i, out);
        }
    }
    if ((command->uses & USE_CONNECT) != 0)
        buf_puts(
            out,
            "\n Passwords are never flags: use a passfile, BASCULE_SOURCE_PASSWORD and\n"
            " BASCULE_TARGET_PASSWORD, or 'password: ${file:/path}' in the configuration file.\n");
}

static void put_exits(const Command *command, Buf *out)
{
    buf_puts(out, "\nExit codes:\n");
    buf_printf(out, "  0  %s\n", exit_meaning(0));
    for (int i = 0; i < EXITS_MAX && command->exits[i] != 0; i++)
        buf_printf(out, "  %d  %s\n", command->exits[i], exit_meaning(command->exits[i]));
}

void help_command(const Command *command, Buf *out)
{
    Arena *arena = arena_new(0);
    buf_printf(out, "bascule %s: %s\n\nUsage: bascule %s\n\n%s\n", command->name, command->summary,
               help_usage(arena, command), command->help);
    put_flags(arena, command, out);
    put_options(arena, command, out);
    put_exits(command, out);
    if (command->example[0] != '\0') {
        buf_puts(out, "\nExample:\n");
        out_wrap(out, command->example, 2, WIDTH);
    }
    arena_free(arena);
}

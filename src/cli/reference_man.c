/* reference_man - the man pages bascule(1) and bascule.yaml(5), as scdoc sources. */
#include <ctype.h>
#include <string.h>

#include "cli/command.h"
#include "cli/exit_codes.h"
#include "cli/help_text.h"
#include "cli/reference_pages.h"

/* scdoc takes * _ \ # - + . | < for markup in some places; a backslash makes any of them plain. */
static void put_plain(Buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("*_\\#<>~`[]", *text) != NULL)
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
}

static void put_options_of(Arena *arena, unsigned uses, const char *section, bool as_flags,
                           Buf *out)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *option = &OPTIONS[i];
        OptionId id = (OptionId)i;
        bool meant =
            (option->uses & uses) != 0 || (!as_flags && (option->traits & OPTION_NO_FLAG) != 0);
        if (!meant || (section != NULL && strcmp(option_section(arena, id), section) != 0))
            continue;
        buf_puts(out, "*");
        put_plain(out,
                  as_flags ? arena_printf(arena, "--%s", option_flag(arena, id)) : option->name);
        buf_puts(out, "*\n\t");
        put_plain(out, option->help);
        buf_puts(out, ".\n\t");
        put_plain(out, arena_printf(arena, "Takes %s%s%s.", option_allowed_text(arena, id),
                                    option->def[0] == '\0' ? "" : "; default ", option->def));
        if (option->alias[0] != '\0')
            put_plain(out, arena_printf(arena, " Short flag --%s.", option->alias));
        if ((option->traits & OPTION_SECRET) != 0)
            buf_puts(out, " A secret: it is no flag and never shown.");
        buf_puts(out, "\n\n");
    }
}

static void put_paragraphs(const char *text, Buf *out)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        const char *start = text + strspn(text, " ");
        Arena *arena = arena_new(0);
        put_plain(out,
                  start < text + len ? arena_dup(arena, start, (size_t)(text + len - start)) : "");
        arena_free(arena);
        buf_putc(out, '\n');
        text += len + (text[len] == '\n');
    }
}

static void put_flag(Arena *arena, const Flag *flag, Buf *out)
{
    buf_puts(out, "*");
    put_plain(out, arena_printf(arena, "--%s", flag->name));
    buf_puts(out, "*");
    if (flag->letter != 0)
        buf_printf(out, ", *-%c*", flag->letter);
    if (flag->value[0] != '\0')
        buf_printf(out, " _%s_", flag->value);
    buf_puts(out, "\n\t");
    put_plain(out, flag->help);
    if (flag->allowed[0] != '\0')
        put_plain(out, arena_printf(arena, " (%s)", flag->allowed));
    buf_puts(out, ".\n\n");
}

static void put_command(Arena *arena, const Command *command, Buf *out)
{
    buf_puts(out, "## ");
    put_plain(out, command->name);
    buf_puts(out, "\n\n");
    put_plain(out, help_usage(arena, command));
    buf_puts(out, "\n\n");
    put_paragraphs(command->help, out);
    buf_puts(out, "\n");
    for (int i = 0; i < FLAG_COUNT; i++)
        if ((command->flags & FLAG_BIT(i)) != 0)
            put_flag(arena, &FLAGS[i], out);
    buf_puts(out, "Exit codes: 0");
    for (int i = 0; i < EXITS_MAX && command->exits[i] != 0; i++)
        buf_printf(out, ", %d", command->exits[i]);
    buf_puts(out, ".\n\n");
}

void page_man_program(Buf *out)
{
    Arena *arena = arena_new(0);
    buf_puts(
        out,
        "bascule(1)\n\n# NAME\n\nbascule - moves a live PostgreSQL database to another server\n\n"
        "# SYNOPSIS\n\n*bascule* [*--config* _FILE_] _COMMAND_ [flags]\n\n# DESCRIPTION\n\n"
        "bascule copies a PostgreSQL database to another server while it is written to, follows "
        "the\n"
        "changes by logical replication, and switches over when the operator says so: it freezes "
        "writes,\n"
        "drains, compares, and opens the target, or gives the writes back.\n\n"
        "The configuration is read from *--config*, else from the file named by "
        "*BASCULE\\_CONFIG*, else\n"
        "from _./bascule.yaml_; see *bascule.yaml*(5). Every option is a flag too: "
        "_stream.batch\\_size_ is\n"
        "*--stream-batch-size*.\n\nReports go to standard output, the log and errors to standard "
        "error.\n\n"
        "# COMMANDS\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!COMMANDS[i]->hidden)
            put_command(arena, COMMANDS[i], out);
    buf_puts(out, "# FLAGS OF EVERY COMMAND\n\n");
    put_flag(arena, &FLAGS[FLAG_CONFIG], out);
    put_flag(arena, &FLAGS[FLAG_PROFILE], out);
    put_flag(arena, &FLAGS[FLAG_HELP], out);
    put_options_of(arena, USE_ALWAYS, NULL, true, out);
    buf_puts(out, "# EXIT STATUS\n\n");
    for (int i = 0; i < EXIT_MEANING_COUNT; i++) {
        buf_printf(out, "*%d*\n\t", EXIT_MEANINGS[i].code);
        put_plain(out, EXIT_MEANINGS[i].meaning);
        buf_puts(out, ".\n\n");
    }
    buf_puts(out,
             "# ENVIRONMENT\n\n*BASCULE\\_CONFIG*\n\tThe configuration "
             "file.\n\n*BASCULE\\_PROFILE*\n\tThe profile of that file.\n\n*BASCULE\\_...*\n\tAn "
             "option: "
             "_BASCULE\\_LOAD\\_JOBS_ is _load.jobs_.\n\n*PGPASSFILE*, *PGSERVICEFILE*, "
             "*PGSSLMODE* ...\n\t"
             "libpq's own variables complete what the configuration leaves open, on both sides.\n\n"
             "# SEE ALSO\n\n*bascule.yaml*(5), *psql*(1), *pg\\_dump*(1)\n");
    arena_free(arena);
}

void page_man_config(Buf *out)
{
    Arena *arena = arena_new(0);
    buf_puts(
        out,
        "bascule.yaml(5)\n\n# NAME\n\nbascule.yaml - configuration of bascule\n\n# DESCRIPTION\n\n"
        "A YAML file with one level of sections: _load.jobs_ stands as _jobs_ below _load_. Every "
        "option may\n"
        "also come from the environment (*BASCULE\\_LOAD\\_JOBS*) or a flag (*--load-jobs*); a "
        "flag wins over\n"
        "the environment, the environment over the file.\n\n"
        "Unknown and repeated options, anchors, aliases and tags are errors. An option without a "
        "value\n"
        "keeps its default. Relative paths start at the file's directory.\n\n"
        "Values may hold *${VARIABLE}*, *${VARIABLE:-default}* and *${file:/path}*, which are put "
        "in after "
        "the\nfile was read, so that a secret may hold any character; *$${* stands for *${* "
        "itself. A variable\n"
        "that is not set is an error.\n\n"
        "Sizes are written with B, kB, MB, GB or TB (powers of 1024), durations with us, ms, s, "
        "min, h or\n"
        "d. Where a default holds \\<task\\> or \\<work\\_dir\\>, the value of that option is put "
        "in.\n\n"
        "# OPTIONS\n\n");
    for (int s = 0; s < OPTION_SECTION_COUNT; s++) {
        buf_printf(out, "## %s\n\n", OPTION_SECTIONS[s].title);
        put_options_of(arena, ~0u, OPTION_SECTIONS[s].name, false, out);
    }
    buf_puts(out, "# SEE ALSO\n\n*bascule*(1)\n");
    arena_free(arena);
}

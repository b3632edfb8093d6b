/* reference_sample - conf/bascule.sample.yaml: every option with its meaning, bounds and default.
 */
#include <string.h>

#include "cli/out.h"
#include "cli/reference_pages.h"
#include "config/options.h"

#define WIDTH 96

static void put_comment(Buf *out, const char *indent, const char *text)
{
    CLEANUP_BUF Buf wrapped = BUF_INIT;
    out_wrap(&wrapped, text, 0, WIDTH - (int)strlen(indent));
    const char *line = buf_str(&wrapped);
    while (*line != '\0') {
        size_t len = strcspn(line, "\n");
        buf_printf(out, "%s# %.*s\n", indent, (int)len, line);
        line += len + (line[len] == '\n');
    }
}

/* "any text" says nothing; a default made of other options cannot be written down as a value. */
static const char *comment_of(Arena *arena, OptionId id, bool made)
{
    const Option *option = &OPTIONS[id];
    const char *text = option->help;
    if (option->type != OPTION_TEXT && option->type != OPTION_PATH &&
        option->type != OPTION_CONNINFO)
        text = arena_printf(arena, "%s (%s)", text, option_allowed_text(arena, id));
    return made ? arena_printf(arena, "%s; default %s", text, option->def) : text;
}

static void put_option(Arena *arena, OptionId id, const char *indent, Buf *out)
{
    const Option *option = &OPTIONS[id];
    bool made = strpbrk(option->def, "<$") != NULL;
    const char *value = made ? "" : option->def;
    if ((option->traits & OPTION_REPEATED) != 0)
        value = id == OPT_TABLES_EXCLUDE    ? "[\"public.tmp_%\"]"
                : id == OPT_CONFLICTS_RULES ? "[\"public.* -> take-source\"]"
                                            : "[\"public.*\"]";
    put_comment(out, indent, comment_of(arena, id, made));
    buf_printf(out, "%s#%s:%s%s\n", indent, option_key(id), value[0] == '\0' ? "" : " ", value);
}

void page_sample_yaml(Buf *out)
{
    Arena *arena = arena_new(0);
    buf_puts(
        out,
        "# Configuration of bascule: every option with its default. Made by `bascule inspect "
        "sample`.\n"
        "#\n"
        "# Read from --config FILE, else $BASCULE_CONFIG, else ./bascule.yaml. The environment\n"
        "# (BASCULE_SOURCE_HOST) wins over this file, a flag (--source-host) over both.\n"
        "# Values may hold ${VARIABLE}, ${VARIABLE:-default} and ${file:/path}; $${ stands for ${ "
        "itself.\n"
        "# Relative paths start at this file's directory. An option without value keeps its "
        "default.\n"
        "# Where a default holds <task> or <work_dir>, the value of that option is put in.\n"
        "#\n"
        "# The smallest useful file:\n"
        "#\n"
        "#   task: clinic\n"
        "#   source:\n"
        "#     dsn: \"host=old.example dbname=clinic user=bascule sslrootcert=/etc/ssl/ca.pem\"\n"
        "#     password: ${file:/run/secrets/source}\n"
        "#   target:\n"
        "#     dsn: \"host=new.example dbname=clinic user=bascule sslrootcert=/etc/ssl/ca.pem\"\n"
        "#     password: ${file:/run/secrets/target}\n");
    for (int s = 0; s < OPTION_SECTION_COUNT; s++) {
        const OptionSection *section = &OPTION_SECTIONS[s];
        const char *indent = section->name[0] == '\0' ? "" : "  ";
        buf_printf(out, "\n# %s\n", section->title);
        if (section->name[0] != '\0')
            buf_printf(out, "%s:\n", section->name);
        for (int i = 0; i < OPTION_COUNT; i++)
            if (strcmp(option_section(arena, (OptionId)i), section->name) == 0)
                put_option(arena, (OptionId)i, indent, out);
    }
    arena_free(arena);
}

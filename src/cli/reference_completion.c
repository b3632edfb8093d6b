/* reference_completion - conf/completion/bascule.bash: commands, their flags, and the words that
 * flags take. */
#include <string.h>

#include "cli/command.h"
#include "cli/reference_pages.h"

static void put_words(Buf *out, const char *allowed)
{
    for (; *allowed != '\0'; allowed++)
        buf_putc(out, *allowed == '|' ? ' ' : *allowed);
}

static void put_flags(Arena *arena, const Command *command, Buf *out)
{
    uint64_t flags = command->flags | FLAGS_ALWAYS;
    for (int i = 0; i < FLAG_COUNT; i++)
        if ((flags & FLAG_BIT(i)) != 0)
            buf_printf(out, " --%s", FLAGS[i].name);
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (((command->uses | USE_ALWAYS) & OPTIONS[i].uses) == 0 ||
            (OPTIONS[i].traits & OPTION_SECRET) != 0 || command->no_file)
            continue;
        if (OPTIONS[i].alias[0] != '\0')
            buf_printf(out, " --%s", OPTIONS[i].alias);
        buf_printf(out, " --%s", option_flag(arena, (OptionId)i));
    }
}

/* One case arm a set of flags with the same words. */
static void put_values(Arena *arena, Buf *out)
{
    for (int i = 0; i < FLAG_COUNT; i++)
        if (FLAGS[i].allowed[0] != '\0') {
            buf_printf(out, "    --%s) words=\"", FLAGS[i].name);
            put_words(out, FLAGS[i].allowed);
            buf_puts(out, "\" ;;\n");
        }
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *option = &OPTIONS[i];
        if (option->type != OPTION_CHOICE && option->type != OPTION_BOOL)
            continue;
        buf_printf(out, "    --%s%s%s) words=\"", option_flag(arena, (OptionId)i),
                   option->alias[0] == '\0' ? "" : " | --", option->alias);
        put_words(out, option->type == OPTION_BOOL ? "true|false" : option->allowed);
        buf_puts(out, "\" ;;\n");
    }
    buf_puts(out, "    -c | --config");
    for (int i = 0; i < OPTION_COUNT; i++)
        if (OPTIONS[i].type == OPTION_PATH)
            buf_printf(out, " | \\\n        --%s", option_flag(arena, (OptionId)i));
    buf_puts(out, ")\n        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n        compopt "
                  "-o filenames 2>"
                  "/dev/null\n        return\n        ;;\n");
}

void page_completion_bash(Buf *out)
{
    Arena *arena = arena_new(0);
    buf_puts(
        out,
        "# bash completion for bascule; made by `bascule inspect completion`\n"
        "# shellcheck shell=bash\n\n_bascule()\n{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
        "    local command=\"\" words=\"\" i\n    COMPREPLY=()\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case ${COMP_WORDS[i]} in\n        -c | --config) i=$((i + 1)) ;;\n        -*) ;;\n"
        "        *)\n            command=${COMP_WORDS[i]}\n            break\n            ;;\n"
        "        esac\n    done\n    case $before in\n");
    put_values(arena, out);
    buf_puts(out, "    esac\n    if [[ -z $words ]]; then\n        case $command in\n        \"\" "
                  "| help) words=\"");
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (!COMMANDS[i]->hidden)
            buf_printf(out, "%s%s", i == 0 ? "" : " ", COMMANDS[i]->name);
    buf_puts(out, " --config --help --version\" ;;\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const Command *command = COMMANDS[i];
        if (command->hidden || strcmp(command->name, "help") == 0)
            continue;
        buf_printf(out, "        %s) words=\"", command->name);
        CLEANUP_BUF Buf flags = BUF_INIT;
        put_flags(arena, command, &flags);
        buf_printf(out, "%s\" ;;\n", buf_str(&flags) + 1);
    }
    buf_puts(out, "        esac\n    fi\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
                  "\"$word\")\n}\n"
                  "complete -F _bascule bascule\n");
    arena_free(arena);
}

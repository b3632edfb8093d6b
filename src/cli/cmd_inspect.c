/* cmd_inspect - bascule inspect PAGE [--format F]: what the program knows of itself, for docs and
 * tests. */
#include <string.h>

#include "cli/command.h"
#include "cli/out.h"
#include "cli/reference.h"

static void list_pages(void)
{
    static const char *const TITLES[] = {"PAGE", "FORMAT", "FILE", NULL};
    CLEANUP_BUF Buf out = BUF_INIT;
    Arena *arena = arena_new(0);
    OutTable *table = out_table_new(arena, TITLES);
    for (int i = 0; i < REFERENCE_PAGE_COUNT; i++) {
        if (REFERENCE_PAGES[i].file == NULL)
            continue;
        const char *cells[] = {REFERENCE_PAGES[i].name, REFERENCE_PAGES[i].format,
                               REFERENCE_PAGES[i].file};
        out_table_row(table, cells);
    }
    out_table_put(table, &out);
    out_buf(&out);
    arena_free(arena);
}

static int run(const Config *config, Error *err)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    int count = 0;
    const char *const *words = config_args(config, &count);
    if (count == 0) {
        list_pages();
        return 0;
    }
    /* "inspect fsm task" names the page "fsm task" */
    buf_printf(&out, "%s%s%s", words[0], count > 1 ? " " : "", count > 1 ? words[1] : "");
    const ReferencePage *page =
        reference_find(buf_str(&out), config_flag_text(config, FLAG_FORMAT));
    if (page == NULL) {
        ERR(err, ERR_USAGE, "there is no page '%s' in that format", buf_str(&out));
        err_hint(err, "'bascule inspect' lists the pages.");
        return cli_failed(err);
    }
    buf_clear(&out);
    page->write(&out);
    out_buf(&out);
    return 0;
}

const Command CMD_INSPECT = {
    .name = "inspect",
    .summary = "print a page made from the program's own tables",
    .usage = "[PAGE [NAME]]",
    .help = "The reference documentation, man pages, sample file and completion are made by this "
            "command.",
    .example = "bascule inspect options --format markdown",
    .flags = FLAG_BIT(FLAG_FORMAT),
    .max_args = 2,
    .no_file = true,
    .hidden = true,
    .exits = {2},
    .run = run,
};

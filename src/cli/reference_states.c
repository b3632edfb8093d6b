/* reference_states - docs/reference/states.md: the state machines, printed from their tables. */
#include <string.h>

#include "cli/reference_pages.h"
#include "cutover/cutover_fsm.h"
#include "sync/task_fsm.h"

/* Mermaid takes no '-' in the name of a state: "    cut-over --> [*]: label". */
static void put_diagram(const char *text, Buf *out)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        size_t names = strcspn(text, ":\n");
        bool edge = memmem(text, names, " --> ", 5) != NULL;
        for (size_t i = 0; i < len; i++) {
            bool inside = edge && i > 0 && i < names && text[i] == '-' && text[i - 1] != ' ' &&
                          text[i - 1] != '-' && text[i + 1] != '-' && text[i + 1] != '>';
            buf_putc(out, inside ? '_' : text[i]);
        }
        buf_putc(out, '\n');
        text += len + (text[len] == '\n');
    }
}

void page_fsm_task(Buf *out)
{
    CLEANUP_BUF Buf raw = BUF_INIT;
    task_fsm_print_mermaid(&raw);
    put_diagram(buf_str(&raw), out);
}

void page_fsm_cutover(Buf *out)
{
    CLEANUP_BUF Buf raw = BUF_INIT;
    ASSERT(cutover_fsm_print("mermaid", &raw));
    put_diagram(buf_str(&raw), out);
}

void page_fsm_cutover_promela(Buf *out)
{
    cutover_fsm_print_promela(out);
}

static void task_rows(Buf *out)
{
    buf_puts(out, "| state | event | then | kept | meaning |\n|---|---|---|---|---|\n");
    for (int i = 0; i < TASK_FSM_ROWS; i++) {
        const TaskRow *row = &TASK_FSM[i];
        buf_printf(out, "| %s | %s | %s | %s | %s |\n", task_state_name(row->from),
                   task_event_name(row->event), task_state_name(row->to),
                   row->durable ? "control tables" : "memory", row->comment);
    }
}

void page_states(Buf *out)
{
    buf_puts(
        out,
        "<!-- made by `bascule inspect states`; change the table, not this page -->\n\n# States\n\n"
        "In the diagrams `_` stands for the `-` of a state's name.\n\n## Task\n\n```mermaid\n");
    page_fsm_task(out);
    buf_puts(out, "```\n\n");
    task_rows(out);
    buf_puts(out, "\n## Cutover\n\n```mermaid\n");
    page_fsm_cutover(out);
    buf_puts(out, "```\n\n");
    ASSERT(cutover_fsm_print("markdown", out));
}

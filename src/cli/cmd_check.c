/* check - looks at both sides before anything is changed and prints what it found, worst last. */
#include <string.h>
#include <unistd.h>

#include "bascule/base/stop.h"
#include "cli/command.h"
#include "cli/exit_codes.h"
#include "cli/out.h"
#include "net/json_text.h"
#include "ops/status_live.h"
#include "ops/text_layout.h"
#include "task/task.h"

enum { RESULT_WIDTH = 9, LEAST_WIDTH = 60, LEAST_SUBJECT = 12, MOST_SUBJECT = 40 };

static int exit_of(const PreflightReport *report)
{
    if (report->blockers > 0)
        return EXIT_REFUSED;
    return report->warnings + report->unknowns > 0 ? EXIT_WARNINGS : EXIT_DONE;
}

/* JSON --------------------------------------------------------------------------------------- */

static json_t *known(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

static json_t *report_json(const PreflightReport *report)
{
    json_t *findings = json_array();
    for (int i = 0; i < report->count; i++) {
        const PreflightFinding *f = &report->findings[i];
        json_array_append_new(findings, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "result",
                                                  preflight_result_name(f->result), "code", f->code,
                                                  "subject", json_text(f->subject), "what",
                                                  json_text(f->what), "why", json_text(f->why),
                                                  "remedy", json_text(f->remedy)));
    }
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "exit", exit_of(report),
                     "ok", report->ok, "warnings", report->warnings, "blockers", report->blockers,
                     "unknowns", report->unknowns, "plugin",
                     report->plugin[0] == '\0' ? json_null() : json_text(report->plugin), "tables",
                     known(report->tables), "bytes", known(report->bytes), "estimated_seconds",
                     report->estimated_us < 0 ? json_null()
                                              : json_text_seconds(report->estimated_us),
                     "findings", findings);
}

/* Text --------------------------------------------------------------------------------------- */

typedef struct Page {
    Buf *out;
    int width, subject_width;
    bool color;
} Page;

static const char *color_of(PreflightResult result)
{
    return result == PREFLIGHT_OK        ? "\033[32m"
           : result == PREFLIGHT_BLOCKER ? "\033[31m"
                                         : "\033[33m";
}

static void put_text(const Page *page, const char *label, const char *text)
{
    int indent = RESULT_WIDTH + page->subject_width + 1;
    text_put_cell(page->out, "", indent, false);
    text_put_cell(page->out, label, 5, false);
    text_put_wrapped(page->out, text, indent + 5, indent + 5, page->width);
}

/* Statements stay whole, one a line, to be pasted. */
static void put_remedy(const Page *page, const char *remedy)
{
    const char *label = "fix";
    while (*remedy != '\0') {
        char line[2048];
        size_t len = strcspn(remedy, "\n"), kept = len < sizeof line - 1 ? len : sizeof line - 1;
        memcpy(line, remedy, kept);
        line[kept] = '\0';
        text_put_cell(page->out, "", RESULT_WIDTH + page->subject_width + 1, false);
        text_put_cell(page->out, label, 5, false);
        text_put_clean(page->out, line);
        buf_putc(page->out, '\n');
        remedy += len + (remedy[len] == '\n');
        label = "";
    }
}

static void put_finding(const Page *page, const PreflightFinding *f)
{
    int indent = RESULT_WIDTH + page->subject_width + 1;
    if (page->color)
        buf_puts(page->out, color_of(f->result));
    text_put_cell(page->out, preflight_result_name(f->result), RESULT_WIDTH, false);
    if (page->color)
        buf_puts(page->out, "\033[0m");
    if (text_width(f->subject) > page->subject_width) {
        text_put_clean(page->out, f->subject);
        buf_putc(page->out, '\n');
        text_put_cell(page->out, "", indent, false);
    } else {
        text_put_cell(page->out, f->subject, page->subject_width + 1, false);
    }
    CLEANUP_BUF Buf what = BUF_INIT;
    buf_puts(&what, f->what);
    if (f->result != PREFLIGHT_OK)
        buf_printf(&what, " [%s]", f->code);
    text_put_wrapped(page->out, buf_str(&what), indent, indent, page->width);
    if (f->why[0] != '\0')
        put_text(page, "why", f->why);
    put_remedy(page, f->remedy);
}

static int subject_width(const PreflightReport *report)
{
    int widest = LEAST_SUBJECT;
    for (int i = 0; i < report->count; i++) {
        int width = text_width(report->findings[i].subject);
        if (width > widest && width <= MOST_SUBJECT)
            widest = width;
    }
    return widest;
}

static void put_report(const PreflightReport *report, Buf *out)
{
    static const PreflightResult ORDER[] = {PREFLIGHT_OK, PREFLIGHT_UNKNOWN, PREFLIGHT_WARNING,
                                            PREFLIGHT_BLOCKER};
    bool terminal = isatty(STDOUT_FILENO);
    Page page = {.out = out, .color = terminal && status_live_color(STDOUT_FILENO)};
    page.width = terminal ? status_live_width(STDOUT_FILENO) : 120;
    page.width = page.width < LEAST_WIDTH ? LEAST_WIDTH : page.width;
    page.subject_width = subject_width(report);
    if (page.subject_width > page.width / 3)
        page.subject_width = page.width / 3;
    text_put_cell(out, "RESULT", RESULT_WIDTH, false);
    text_put_cell(out, "SUBJECT", page.subject_width + 1, false);
    buf_puts(out, "FINDING\n");
    for (size_t o = 0; o < sizeof ORDER / sizeof *ORDER; o++)
        for (int i = 0; i < report->count; i++)
            if (report->findings[i].result == ORDER[o])
                put_finding(&page, &report->findings[i]);
    buf_printf(out, "\n%d ok, %d unknown, %d warning%s, %d blocker%s: %s\n", report->ok,
               report->unknowns, report->warnings, report->warnings == 1 ? "" : "s",
               report->blockers, report->blockers == 1 ? "" : "s",
               report->blockers > 0 ? "'bascule run' would refuse"
               : report->warnings + report->unknowns > 0
                   ? "'bascule run' would start; read the warnings first"
                   : "ready for 'bascule run'");
}

static int run(const Config *config, Error *err)
{
    Task *task = NULL;
    StopToken *stop = stop_new();
    Arena *arena = arena_new(0);
    PreflightReport report;
    bool ok = task_open(config, stop, false, &task, err);
    if (ok) {
        PreflightSpec spec = task_preflight_spec(task);
        ok = preflight_run(&spec, arena, &report, err);
    }
    if (ok && config_flag(config, FLAG_JSON)) {
        json_t *json = report_json(&report);
        out_json(json);
        json_decref(json);
    } else if (ok) {
        CLEANUP_BUF Buf text = BUF_INIT;
        put_report(&report, &text);
        out_buf(&text);
    }
    int code = ok ? exit_of(&report) : cli_failed(err);
    task_free(task);
    arena_free(arena);
    stop_free(stop);
    return code;
}

const Command CMD_CHECK = {
    .name = "check",
    .summary = "look at both sides and name everything that stands in the way, with the remedy",
    .usage = "",
    .help =
        "Reaches both sides and looks at versions, settings, the output plugin (tried with a "
        "temporary\n"
        "slot), room for slots and connections, rights of the roles, replica identity of every "
        "table,\n"
        "foreign keys and their cycles, extensions, encodings, collations, row-level security, "
        "what\n"
        "cannot be replicated, and the target's tables. Changes nothing.\n"
        "\n"
        "Each line is ok, unknown (it could not be looked at), warning (the move works, but read "
        "it) or\n"
        "blocker ('bascule run' would refuse), with the reason and the statement that mends it.",
    .example = "bascule --config clinic.yaml check\n"
               "bascule -c clinic.yaml check --json",
    .uses = USE_ALWAYS | USE_TASK | USE_CONNECT | USE_PLAN,
    .flags = FLAG_BIT(FLAG_JSON),
    .exits = {EXIT_WARNINGS, EXIT_REFUSED, EXIT_ERROR, EXIT_USAGE},
    .run = run,
};

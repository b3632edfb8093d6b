/*
 * findings - keeps and tells them.
 */
#include "cutover/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void keep(Findings *f, CutoverCheckResult result, const char *text)
{
    CutoverReport *report = f->cut->report;
    if (report->check_count == CUTOVER_CHECKS_MAX)
        return;
    if (report->checks == NULL)
        report->checks = arena_new_array(f->cut->arena, CutoverCheck, CUTOVER_CHECKS_MAX);
    report->checks[report->check_count++] = (CutoverCheck){
        .result = result,
        .name = f->check != NULL ? f->check : "preflight",
        .text = arena_strdup(f->cut->arena, text),
    };
    f->check_findings++;
}

void finding_check(Findings *f, const char *check)
{
    if (f->check != NULL && f->check_findings == 0)
        keep(f, CUTOVER_CHECK_OK, "");
    f->check = check;
    f->check_findings = 0;
}

void finding_block(Findings *f, ErrorClass cls, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cutover_tell(f->cut, "preflight", true, "%s", text);
    keep(f, CUTOVER_CHECK_BLOCK, text);
    if (f->blockers.len > 0)
        buf_puts(&f->blockers, "; ");
    else
        f->cls = cls;
    buf_puts(&f->blockers, text);
}

void finding_warn(Findings *f, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cutover_tell(f->cut, "preflight", false, "warning: %s", text);
    keep(f, CUTOVER_CHECK_WARN, text);
    f->warnings++;
}

void finding_fine(Findings *f, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    keep(f, CUTOVER_CHECK_OK, text);
}

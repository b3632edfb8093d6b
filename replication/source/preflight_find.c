/* preflight_find - findings, groups of them, names and facts: what all subjects use. */
#include <stdlib.h>
#include <string.h>

#include "source/preflight_internal.h"
#include "sqltext/sqltext.h"

#define GROUP_ALONE 20

/* Findings ----------------------------------------------------------------------------------- */

/* Names are of relations and rows that go before the report does. */
static const char *kept(Preflight *p, const char *text)
{
    return text == NULL || *text == '\0' ? "" : arena_strdup(p->arena, text);
}

void preflight_add(Preflight *p, PreflightFinding f)
{
    PreflightReport *report = p->report;
    if (report->count == p->capacity) {
        p->capacity = p->capacity == 0 ? 64 : p->capacity * 2;
        PreflightFinding *more = arena_new_array(p->arena, PreflightFinding, p->capacity);
        if (report->count > 0)
            memcpy(more, report->findings, sizeof *more * (size_t)report->count);
        report->findings = more;
    }
    f.subject = kept(p, f.subject);
    f.what = kept(p, f.what);
    f.why = kept(p, f.why);
    f.remedy = kept(p, f.remedy);
    report->findings[report->count++] = f;
    report->ok += f.result == PREFLIGHT_OK;
    report->warnings += f.result == PREFLIGHT_WARNING;
    report->blockers += f.result == PREFLIGHT_BLOCKER;
    report->unknowns += f.result == PREFLIGHT_UNKNOWN;
}

const char *preflight_text(Preflight *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = arena_vprintf(p->arena, fmt, ap);
    va_end(ap);
    return text;
}

bool preflight_ask(Preflight *p, PreflightSide *side, const char *code, Sql sql,
                   const PgParam *params, int nparams, PgRows **out_rows)
{
    Error err = ERROR_INIT;
    if (side->conn == NULL)
        return false;
    if (pgconn_query(side->conn, sql, params, nparams, out_rows, &err))
        return true;
    PREFLIGHT_ADD(p, PREFLIGHT_UNKNOWN, .code = code, .subject = side->name,
                  .what = "could not be looked at", .why = preflight_text(p, "%s", err.message),
                  .remedy = preflight_text(p, "%s", err_hint_of(&err)));
    return false;
}

PreflightGroup preflight_group(Preflight *p, PreflightResult result, const char *code,
                               const char *why)
{
    return (PreflightGroup){.p = p, .like = {.result = result, .code = code, .why = why}};
}

void preflight_group_add(PreflightGroup *group, const char *subject, const char *what,
                         const char *remedy)
{
    if (group->count++ < GROUP_ALONE) {
        PreflightFinding f = group->like;
        f.subject = subject;
        f.what = what;
        f.remedy = remedy;
        preflight_add(group->p, f);
        return;
    }
    buf_printf(&group->names, "%s%s", group->names.len > 0 ? ", " : "", subject);
    if (remedy != NULL && remedy[0] != '\0')
        buf_printf(&group->remedies, "%s%s", group->remedies.len > 0 ? "\n" : "", remedy);
    group->like.what = what;
}

void preflight_group_end(PreflightGroup *group)
{
    int rest = group->count - GROUP_ALONE;
    if (rest > 0) {
        PreflightFinding f = group->like;
        f.subject = preflight_text(group->p, "%d more", rest);
        f.what = preflight_text(group->p, "the same of %s", buf_str(&group->names));
        f.remedy = preflight_text(group->p, "%s", buf_str(&group->remedies));
        preflight_add(group->p, f);
    }
    buf_done(&group->names);
    buf_done(&group->remedies);
}

/* Names ---------------------------------------------------------------------------------------- */

const char *preflight_ident(Preflight *p, const char *name)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_ident(&st, name);
    return arena_strdup(p->arena, sqltext_sql(&st).text);
}

const char *preflight_qualified(Preflight *p, const char *schema, const char *name)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_qualified(&st, schema, name);
    return arena_strdup(p->arena, sqltext_sql(&st).text);
}

const char *preflight_string(Preflight *p, const char *value)
{
    CLEANUP_SQLTEXT SqlText st = SQLTEXT_INIT;
    sqltext_string(&st, value);
    return arena_strdup(p->arena, sqltext_sql(&st).text);
}

const char *preflight_role(Preflight *p, const PreflightSide *side)
{
    const char *role = preflight_fact(side, "role");
    return role == NULL ? "our_role" : preflight_ident(p, role);
}

void preflight_array_begin(Buf *array)
{
    buf_clear(array);
    buf_putc(array, '{');
}

void preflight_array_put(Buf *array, const char *value)
{
    buf_puts(array, array->len > 1 ? ",\"" : "\"");
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            buf_putc(array, '\\');
        buf_putc(array, *value);
    }
    buf_putc(array, '"');
}

const char *preflight_array_end(Buf *array)
{
    buf_putc(array, '}');
    return buf_str(array);
}

bool preflight_ask_tables(Preflight *p, PreflightSide *side, const char *code, Sql sql,
                          PgRows **out_rows)
{
    CLEANUP_BUF Buf schemas = BUF_INIT, names = BUF_INIT;
    bool source = side == &p->source;
    preflight_array_begin(&schemas);
    preflight_array_begin(&names);
    for (int i = 0; i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        preflight_array_put(&schemas, source ? rel->schema : rel->target_schema);
        preflight_array_put(&names, source ? rel->name : rel->target_name);
    }
    return preflight_ask(
        p, side, code, sql,
        PG_PARAMS(PG_TEXT(preflight_array_end(&schemas)), PG_TEXT(preflight_array_end(&names))),
        out_rows);
}

/* Facts ---------------------------------------------------------------------------------------- */

const char *preflight_fact(const PreflightSide *side, const char *name)
{
    return map_get(&side->facts, name, strlen(name));
}

bool preflight_fact_true(const PreflightSide *side, const char *name)
{
    const char *text = preflight_fact(side, name);
    return text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "t") == 0);
}

bool preflight_fact_i64(const PreflightSide *side, const char *name, int64_t *out)
{
    const char *text = preflight_fact(side, name);
    if (text == NULL)
        return false;
    char *end;
    long long value = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0')
        return false;
    *out = value;
    return true;
}

/* preflight_dual - what dual writes need: keys, a policy for every table, the right to keep triggers quiet
 * for ourselves alone, and keys that both sides cannot make twice. */
#include "source/preflight_internal.h"
#include "sql_files.h"

static void check_role(Preflight *p)
{
    if (!p->may_silence_known || p->may_silence)
        return;
    PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "dual-write", .subject = "target",
                  .what = "the role may not set session_replication_role",
                  .why = "the application's triggers and foreign keys must stay on for its own "
                         "writes, and be off for bascule's",
                  .remedy =
                      preflight_text(p, "GRANT SET ON PARAMETER session_replication_role TO %s;",
                                     preflight_role(p, &p->target)));
}

/* Rows that are merged come into a temporary table first. */
static void check_temporary(Preflight *p)
{
    PgRows *rows = NULL;
    if (p->spec->prepare != PREFLIGHT_MERGE ||
        !PREFLIGHT_ASK(p, &p->target, "dual-write", SQL_PREFLIGHT_TEMPORARY, &rows))
        return;
    if (!pgrows_bool(rows, 0, 0))
        PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "dual-write", .subject = "target",
                      .what = "the role may not make temporary tables",
                      .why = "target.prepare: merge copies into one before it looks what is there",
                      .remedy =
                          preflight_text(p, "GRANT TEMPORARY ON DATABASE \"%s\" TO %s;",
                                         pgrows_text(rows, 0, 1), preflight_role(p, &p->target)));
    pgrows_free(rows);
}

static void check_tables(Preflight *p)
{
    PreflightGroup keyless = preflight_group(
        p, PREFLIGHT_BLOCKER, "dual-write",
        "a row without a key that both sides inserted cannot be told from two rows");
    PreflightGroup unstated =
        preflight_group(p, PREFLIGHT_BLOCKER, "dual-write",
                        "both sides write it, and nobody has said which row counts when they "
                        "differ");
    for (int i = 0; i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        if (!rel->key_unique || rel->key_count == 0)
            preflight_group_add(&keyless, rel->display, "it has no unique key",
                                "Give it a primary key, or leave it out with tables.exclude.");
        if (!rel->conflict_stated)
            preflight_group_add(
                &unstated, rel->display, "no line of conflicts.rules fits it",
                preflight_text(p,
                               "conflicts.rules: \"%s -> take-source\", or keep-target, "
                               "latest(column), error",
                               rel->display));
    }
    preflight_group_end(&keyless);
    preflight_group_end(&unstated);
}

static bool will_be_made(const Preflight *p)
{
    return p->loads && p->spec->prepare == PREFLIGHT_CREATE && !p->resumed;
}

/* Where the target's tables are made as the source has them, those say what will be there. */
static void check_deferrable(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    bool creates = will_be_made(p);
    PreflightGroup group =
        preflight_group(p, PREFLIGHT_BLOCKER, "dual-write",
                        "INSERT ... ON CONFLICT DO NOTHING, by which rows that are there already "
                        "are passed over, is "
                        "refused by the server for the whole table (SQLSTATE 55000)");
    if ((!creates && p->target.conn == NULL) ||
        !preflight_ask_tables(p, creates ? &p->source : &p->target, "dual-write",
                              SQL_PREFLIGHT_DEFERRABLE, &rows))
        return;
    for (int r = 0; r < pgrows_count(rows); r++) {
        const char *table = pgrows_text(rows, r, 1), *name = pgrows_text(rows, r, 2);
        preflight_group_add(
            &group, p->rels->all[pgrows_i64(rows, r, 0) - 1]->display,
            preflight_text(p, "constraint %s of the %s is DEFERRABLE", name,
                           creates ? "source, which the target gets as well," : "target"),
            preflight_text(
                p, "ALTER TABLE %s DROP CONSTRAINT %s, ADD CONSTRAINT %s %s;  -- on the %s", table,
                name, name, pgrows_text(rows, r, 3),
                creates ? "source; or make the target's tables yourself, without it" : "target"));
    }
    preflight_group_end(&group);
}

/* What of the target's own stays there cannot come back (cutover/way_back_look.c says so as well). */
static void check_kept(Preflight *p)
{
    PreflightGroup group = preflight_group(
        p, p->spec->way_back_required ? PREFLIGHT_BLOCKER : PREFLIGHT_WARNING, "dual-write",
        "what is done to rows of the target's own after the switch has no place on the source: "
        "there will be no way back (rollback)");
    for (int i = 0; p->spec->way_back && i < p->rels->count; i++) {
        const Relation *rel = p->rels->all[i];
        if (rel->keep_extra)
            preflight_group_add(&group, rel->display, "a rule keeps rows that only the target has",
                                "cutover.reverse: off; or bring these rows to the source, and take "
                                "keep-extra off the rule");
    }
    preflight_group_end(&group);
}

static void check_idle_rules(Preflight *p)
{
    const Rules *rules = p->spec->rules;
    PreflightGroup group = preflight_group(p, PREFLIGHT_WARNING, "rules", "the rule does nothing");
    for (int i = 0; rules != NULL && i < rules->conflict_count; i++)
        if (rules->conflicts[i].matched == 0)
            preflight_group_add(&group, "source",
                                preflight_text(p, "%s fits no table", rules->conflicts[i].text),
                                preflight_text(p, "See %s.", rules->conflicts[i].place));
    preflight_group_end(&group);
}

void preflight_dual(Preflight *p)
{
    const Rules *rules = p->spec->rules;
    if (!p->spec->dual_write) {
        if (rules != NULL && rules->conflict_count > 0)
            PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "dual-write", .subject = "target",
                          .what = "conflicts.rules do nothing: target_writes is 'refuse'",
                          .why = "a row that somebody else wrote to the target stops the stream",
                          .remedy = "target_writes: dual-write");
        return;
    }
    check_role(p);
    check_temporary(p);
    check_tables(p);
    check_deferrable(p);
    preflight_numbers(p, will_be_made(p));
    check_kept(p);
    check_idle_rules(p);
    if (p->spec->way_back)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "dual-write", .subject = "target",
                      .what = "source to target streams while both are written; the stream back "
                              "begins when the target opens, and never beside it");
}

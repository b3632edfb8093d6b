/*
 * preflight_replication - what the stream needs of the source's server: wal_level, a slot,
 * walsenders, WAL that is kept long enough, nobody who keeps the slot from beginning, and a plugin
 * that may be used.
 */
#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "source/preflight_internal.h"
#include "sql_files.h"

#define GB ((int64_t)1 << 30)

enum { SENDERS_NEEDED = 2, SHORTEST_TIMEOUT_MS = 15000, SLOT_WAIT_S = 60 };

static void wal_level(Preflight *p)
{
    const char *level = preflight_fact(&p->source, "wal_level");
    if (level == NULL)
        return;
    if (strcmp(level, "logical") == 0) {
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "wal-level", .subject = "source",
                      .what = "wal_level is logical");
        return;
    }
    bool rds = preflight_fact_true(&p->source, "rds");
    PREFLIGHT_ADD(
        p, PREFLIGHT_BLOCKER, .code = "wal-level", .subject = "source",
        .what = preflight_text(p, "wal_level is %s", level),
        .why = "changes can only be decoded from WAL written with wal_level = logical",
        .remedy =
            rds ? "Set rds.logical_replication = 1 in the parameter group, then reboot the "
                  "instance."
                : "ALTER SYSTEM SET wal_level = logical;  -- then restart the source's server");
}

/* The slots of the server: one for the stream, one more for a moment when a killed load goes on. */
static void slots(Preflight *p)
{
    int64_t max, used;
    if (!preflight_fact_i64(&p->source, "max_replication_slots", &max) ||
        !preflight_fact_i64(&p->source, "slots", &used))
        return;
    int64_t free = max - used, needed = p->resumed ? 0 : 1;
    const char *what = preflight_text(p, "replication slots: %lld of %lld in use", (long long)used,
                                      (long long)max);
    const char *raise = preflight_text(
        p,
        "ALTER SYSTEM SET max_replication_slots = %lld;  -- then restart the source's server\n"
        "SELECT slot_name, active, restart_lsn FROM pg_replication_slots;  -- or drop one that "
        "nobody needs",
        (long long)max + 4);
    if (free < needed)
        PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "replication-slots", .subject = "source",
                      .what = what, .why = "the stream needs a slot of its own", .remedy = raise);
    else if (free < needed + 1 && p->loads)
        PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "replication-slots", .subject = "source",
                      .what = what,
                      .why = "a load that was interrupted takes a second, temporary slot to go on",
                      .remedy = raise);
    else
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "replication-slots", .subject = "source",
                      .what = what);
}

static void senders(Preflight *p)
{
    int64_t max, used;
    if (!preflight_fact_i64(&p->source, "max_wal_senders", &max) ||
        !preflight_fact_i64(&p->source, "wal_senders", &used))
        return;
    const char *what =
        preflight_text(p, "walsenders: %lld of %lld in use", (long long)used, (long long)max);
    const char *raise = preflight_text(
        p, "ALTER SYSTEM SET max_wal_senders = %lld;  -- then restart the source's server",
        (long long)max + 4);
    if (max - used < 1)
        PREFLIGHT_ADD(p, PREFLIGHT_BLOCKER, .code = "wal-senders", .subject = "source",
                      .what = what, .why = "the stream needs a walsender", .remedy = raise);
    else if (max - used < SENDERS_NEEDED)
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "wal-senders", .subject = "source", .what = what,
            .why = "a load that was interrupted takes a second one for a moment", .remedy = raise);
    else
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "wal-senders", .subject = "source", .what = what);
}

/* The slot is invalidated when it retains more than this: only a new full load helps then. */
static void wal_limit(Preflight *p)
{
    int64_t limit, size = 0;
    if (!preflight_fact_i64(&p->source, "max_slot_wal_keep_bytes", &limit))
        return;
    (void)preflight_fact_i64(&p->source, "database_bytes", &size);
    if (limit < 0) {
        PREFLIGHT_ADD(
            p, PREFLIGHT_OK, .code = "slot-wal-limit", .subject = "source",
            .what =
                "max_slot_wal_keep_size is -1: WAL is kept as long as the slot needs it; watch the "
                "disk");
        return;
    }
    const char *what =
        preflight_text(p, "max_slot_wal_keep_size is %lld MB", (long long)(limit >> 20));
    if (limit >= GB && limit >= size / 2)
        PREFLIGHT_ADD(p, PREFLIGHT_OK, .code = "slot-wal-limit", .subject = "source", .what = what);
    else
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "slot-wal-limit", .subject = "source", .what = what,
            .why = "when the load or a pause takes longer than so much WAL, the slot is lost and "
                   "only a "
                   "new full load helps",
            .remedy = "ALTER SYSTEM SET max_slot_wal_keep_size = -1;\nSELECT pg_reload_conf();");
}

static void timeouts(Preflight *p)
{
    int64_t ms;
    const char *idle = preflight_fact(&p->source, "idle_slot_timeout");
    if (preflight_fact_i64(&p->source, "wal_sender_timeout_ms", &ms) && ms > 0 &&
        ms < SHORTEST_TIMEOUT_MS)
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "wal-sender-timeout", .subject = "source",
            .what = preflight_text(p, "wal_sender_timeout is %lld ms", (long long)ms),
            .why =
                "a pause of the network or of this machine for so long breaks the stream; it then "
                "begins again at the last confirmed position",
            .remedy = "ALTER SYSTEM SET wal_sender_timeout = '60s';\nSELECT pg_reload_conf();");
    if (idle != NULL && strcmp(idle, "0") != 0)
        PREFLIGHT_ADD(
            p, PREFLIGHT_WARNING, .code = "idle-slot-timeout", .subject = "source",
            .what = preflight_text(p, "idle_replication_slot_timeout is %s", idle),
            .why = "when bascule is stopped for longer, the slot is lost and only a new full load "
                   "helps",
            .remedy =
                "ALTER SYSTEM SET idle_replication_slot_timeout = 0;\nSELECT pg_reload_conf();");
}

/* Slots
 * -------------------------------------------------------------------------------------------- */

static void own_slot(Preflight *p)
{
    Error err = ERROR_INIT;
    SlotState state;
    if (p->spec->slot_name == NULL)
        return;
    if (!slot_state(p->source.conn, p->spec->slot_name, &state, &err)) {
        PREFLIGHT_ADD(p, PREFLIGHT_UNKNOWN, .code = "slot", .subject = "source",
                      .what = preflight_text(p, "whether slot '%s' exists", p->spec->slot_name),
                      .why = preflight_text(p, "%s", err.message));
        return;
    }
    const char *drop =
        preflight_text(p,
                       "bascule cleanup\nSELECT pg_drop_replication_slot(%s);  -- on the source, "
                       "if it is nobody's",
                       preflight_string(p, p->spec->slot_name));
    if (state.exists && strcmp(state.wal_status, "lost") == 0)
        PREFLIGHT_ADD(
            p, PREFLIGHT_BLOCKER, .code = "slot", .subject = "source",
            .what = preflight_text(p, "slot '%s' is lost", p->spec->slot_name),
            .why = "the server threw away WAL that it still needed; changes are missing for ever",
            .remedy = drop);
    else if (state.exists && !p->resumed && p->spec->mode != PREFLIGHT_CDC)
        PREFLIGHT_ADD(
            p, PREFLIGHT_BLOCKER, .code = "slot", .subject = "source",
            .what = preflight_text(p, "slot '%s' exists, but the target knows no task '%s'",
                                   p->spec->slot_name, p->spec->task),
            .why = state.active ? "another task reads it just now, perhaps one of the "
                                  "same name to another target"
                                : "it is left over from an earlier run, or somebody else's",
            .remedy = state.active ? "task: another_name"
                                   : preflight_text(p, "%s\nslot.name: another_name", drop));
}

/* Slots of other tasks that nobody reads retain WAL until the disk is full. */
static void idle_slots(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!PREFLIGHT_ASK(p, &p->source, "idle-slots", SQL_PREFLIGHT_SLOTS, &rows))
        return;
    for (int i = 0; i < pgrows_count(rows); i++) {
        const char *name = pgrows_text(rows, i, 0);
        int64_t bytes = pgrows_i64(rows, i, 3);
        bool ours = strncmp(name, "bascule_", 8) == 0;
        if ((p->spec->slot_name != NULL && strcmp(name, p->spec->slot_name) == 0) ||
            (!ours && bytes < GB))
            continue;
        PREFLIGHT_ADD(p, PREFLIGHT_WARNING, .code = "idle-slot", .subject = "source",
                      .what = preflight_text(
                          p,
                          "slot '%s' of database '%s' is not read by anybody and retains %lld "
                          "MB of WAL",
                          name, pgrows_text(rows, i, 2), (long long)(bytes >> 20)),
                      .why = "it fills the source's disk until it is read again or dropped",
                      .remedy = preflight_text(
                          p, "SELECT pg_drop_replication_slot(%s);  -- if nobody needs it",
                          preflight_string(p, name)));
    }
}

void preflight_replication(Preflight *p)
{
    if (!p->streams || p->source.conn == NULL)
        return;
    wal_level(p);
    slots(p);
    senders(p);
    wal_limit(p);
    timeouts(p);
    own_slot(p);
    idle_slots(p);
}

/* What a new slot waits for
 * ------------------------------------------------------------------------ */

static const char *age_text(Preflight *p, const PgRows *rows, int row)
{
    char text[64];
    if (pgrows_null(rows, row, 5))
        return "an unknown time";
    if (pgrows_i64(rows, row, 5) < 1)
        return "less than a second";
    return preflight_text(
        p, "%s", clock_format_duration(pgrows_i64(rows, row, 5) * 1000000, text, sizeof text));
}

static const char *or_unknown(const PgRows *rows, int row, int column)
{
    return pgrows_null(rows, row, column) ? "unknown" : pgrows_text(rows, row, column);
}

void preflight_transactions(Preflight *p)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!p->streams || p->resumed || preflight_fact_true(&p->source, "in_recovery") ||
        !PREFLIGHT_ASK(p, &p->source, "transactions", SQL_PREFLIGHT_WRITERS, &rows))
        return;
    int64_t wait_s = p->spec->slot_wait_us > 0 ? p->spec->slot_wait_us / 1000000 : SLOT_WAIT_S;
    PreflightGroup prepared =
        preflight_group(p, PREFLIGHT_BLOCKER, "prepared-transaction",
                        "the slot begins only when every transaction that has written has ended: a "
                        "forgotten prepared one keeps "
                        "it from beginning for ever");
    PreflightGroup fresh = prepared,
                   running = preflight_group(p, PREFLIGHT_WARNING, "long-transaction",
                                             "the slot begins only when every transaction that has "
                                             "written has ended; slot.create_timeout bounds the "
                                             "wait");
    fresh.like.result = PREFLIGHT_WARNING;
    for (int i = 0; i < pgrows_count(rows); i++) {
        bool old = pgrows_null(rows, i, 5) || pgrows_i64(rows, i, 5) >= wait_s;
        if (!pgrows_null(rows, i, 1)) {
            const char *gid = preflight_string(p, pgrows_text(rows, i, 1));
            preflight_group_add(
                old ? &prepared : &fresh, "source",
                preflight_text(
                    p, "transaction %s of user %s in database '%s' has been prepared for %s", gid,
                    or_unknown(rows, i, 2), or_unknown(rows, i, 3), age_text(p, rows, i)),
                preflight_text(p,
                               "COMMIT PREPARED %s;  -- or ROLLBACK PREPARED %s; in database '%s'",
                               gid, gid, or_unknown(rows, i, 3)));
        } else if (old) {
            preflight_group_add(&running, "source",
                                preflight_text(p,
                                               "process %s (user %s, database '%s', %s) has been "
                                               "in a writing transaction for %s",
                                               pgrows_text(rows, i, 0), or_unknown(rows, i, 2),
                                               or_unknown(rows, i, 3), or_unknown(rows, i, 4),
                                               age_text(p, rows, i)),
                                preflight_text(p,
                                               "Let it end, or: SELECT pg_terminate_backend(%s);",
                                               pgrows_text(rows, i, 0)));
        }
    }
    preflight_group_end(&prepared);
    preflight_group_end(&fresh);
    preflight_group_end(&running);
    if (prepared.count + fresh.count + running.count == 0)
        PREFLIGHT_ADD(
            p, PREFLIGHT_OK, .code = "transactions", .subject = "source",
            .what = preflight_text(p,
                                   "no transaction has been writing for more than %lld s, none is "
                                   "prepared",
                                   (long long)wait_s));
}

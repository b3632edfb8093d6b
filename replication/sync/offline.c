/* offline - see the header. */
#include "sync/offline.h"

#include <stdio.h>
#include <string.h>

#include "apply/added.h"
#include "apply/rules_mark.h"
#include "apply/target_catalog.h"

static bool read_task(const SyncSpec *spec, PgConn *target, SyncOffline *out, bool *out_found,
                      Error *err)
{
    ControlTask row;
    bool exists = false;
    *out_found = false;
    if (!control_exists(target, &exists, err))
        return false;
    if (!exists)
        return true;
    if (!control_read(target, spec->task, &row, out_found, err))
        return false;
    if (*out_found) {
        snprintf(out->phase, sizeof out->phase, "%s", row.state);
        out->resume_lsn = row.resume_lsn;
    }
    return true;
}

/* The target's types, by which values of rules are compared. A table that does not fit is the
 * comparison's to judge. */
static bool read_types(PgConn *target, Relations *rels, Error *err)
{
    if (target_catalog_match(target, rels, MATCH_LOAD, err))
        return true;
    if (err->cls != ERR_SCHEMA_DIFFERS)
        return false;
    err_clear(err);
    return true;
}

bool sync_offline_tables(PgConn *source, PgConn *target, const SyncSpec *spec, Relations **out_rels,
                         Error *err)
{
    Arena *arena = arena_new(0);
    Rules *rules = spec->rules;
    bool ok = added_read(target, spec->task, spec->rules, arena, &rules, err) &&
              catalog_read(source, target, spec->task, rules, out_rels, err);
    arena_free(arena);
    return ok;
}

static bool read_tables(const SyncSpec *spec, PgConn *source, SyncOffline *out, Error *err)
{
    SourceIdentity identity;
    if (!source_identify(source, &identity, err))
        return false;
    snprintf(out->encoding, sizeof out->encoding, "%s", identity.encoding);
    PgEndpoint endpoint = spec->target;
    endpoint.encoding = out->encoding;
    CLEANUP_PGCONN PgConn *target = pgconn_open(&endpoint, PG_SESSION_SQL, "offline", err);
    return target != NULL && rules_mark_check(target, spec->task, spec->rules, err) &&
           sync_offline_tables(source, target, spec, &out->rels, err) &&
           read_types(target, out->rels, err) &&
           control_read_tables(target, spec->task, out->rels, err);
}

bool sync_rules_check(PgConn *target, const SyncSpec *spec, Error *err)
{
    return rules_mark_check(target, spec->task, spec->rules, err);
}

bool sync_offline_read(const SyncSpec *spec, SyncOffline *out, bool *out_found, Error *err)
{
    *out = (SyncOffline){0};
    CLEANUP_PGCONN PgConn *target = pgconn_open(&spec->target, PG_SESSION_SQL, "offline", err);
    if (target == NULL || !read_task(spec, target, out, out_found, err))
        return err_context(err, "target");
    if (!*out_found)
        return true;
    CLEANUP_PGCONN PgConn *source = pgconn_open(&spec->source, PG_SESSION_SQL, "offline", err);
    if (source == NULL)
        return err_context(err, "source");
    if (!read_tables(spec, source, out, err)) {
        sync_offline_done(out);
        return false;
    }
    return true;
}

void sync_offline_done(SyncOffline *offline)
{
    relations_free(offline->rels);
    offline->rels = NULL;
}

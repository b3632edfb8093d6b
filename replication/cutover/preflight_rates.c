/*
 * preflight_rates - how the last minute went, and what room the servers have: what a single look at the
 * lag does not show.
 */
#include <stdio.h>
#include <sys/statvfs.h>

#include "bascule/base/clock.h"
#include "cutover/findings.h"
#include "source/slot.h"
#include "sql_files.h"

#define SLOW_PERCENT 90 /* of what is written: applying less of it in a minute falls behind */
#define FREE_PERCENT 20 /* of a disk that is to grow */
#define WAL_PERCENT  70 /* of the free disk that the slot's WAL may already be as large as */

void preflight_rates(Findings *f)
{
    const Progress *p = f->cut->spec->progress;
    char worst[32], limit[32];
    int64_t worst_us = atomic_load(&p->lag_p99_us);
    int64_t written = atomic_load(&p->wal_rate), applied = atomic_load(&p->apply_rate);
    if (worst_us == PROGRESS_UNKNOWN || written == PROGRESS_UNKNOWN ||
        applied == PROGRESS_UNKNOWN) {
        finding_fine(f, "unknown: measured for less than ten seconds");
        return;
    }
    clock_format_duration(worst_us, worst, sizeof worst);
    if (worst_us > f->cut->spec->max_lag_us)
        finding_warn(f,
                     "within the last minute the %s was up to %s behind, the limit is %s: the "
                     "drain may take as long",
                     TO_SIDE(f->cut), worst,
                     clock_format_duration(f->cut->spec->max_lag_us, limit, sizeof limit));
    if (applied < written / 100 * SLOW_PERCENT)
        finding_warn(f,
                     "the %s wrote %lld kB of WAL a second in the last minute, and %lld kB of it "
                     "were applied: it falls behind",
                     FROM_SIDE(f->cut), (long long)(written >> 10), (long long)(applied >> 10));
    else
        finding_fine(f, "at most %s behind, %lld kB of WAL a second written, %lld kB applied",
                     worst, (long long)(written >> 10), (long long)(applied >> 10));
}

/* Whether it is safe to go does not hang on it: what is not verified is read before or in the freeze. */
void preflight_verified(Findings *f)
{
    const CutoverSpec *spec = f->cut->spec;
    const char *first = NULL;
    char why[160] = "";
    int old = 0;
    if (spec->back || spec->max_verify_age_us == 0 || spec->base == NULL || spec->keylog == NULL)
        return;
    for (int i = 0; i < spec->rels->count; i++) {
        const Relation *rel = spec->rels->all[i];
        CutoverBase base = {0};
        char age[32];
        spec->base(spec->engine, rel, &base);
        int64_t age_us = clock_wall_us() - base.at_wall_us;
        if (base.differing > 0)
            finding_warn(f,
                         "%lld rows of table '%s' differ, as far as they were looked at: 'bascule "
                         "verify', then 'bascule repair'",
                         (long long)base.differing, rel->display);
        if (base.proved && age_us <= spec->max_verify_age_us)
            continue;
        if (old++ > 0)
            continue;
        first = rel->display;
        if (base.proved)
            snprintf(why, sizeof why, "%s ago", clock_format_duration(age_us, age, sizeof age));
        else
            snprintf(why, sizeof why, "%s", base.why);
    }
    if (old > 0)
        finding_warn(
            f,
            "%d of %d tables have no recent verification (%s: %s), so they have to be read in "
            "whole, those without a key in the freeze: 'bascule verify'",
            old, spec->rels->count, first, why);
    else
        finding_fine(f, "every table was verified, and its changed keys are known");
}

/* Where the server's files are ours to see: false, unknown. */
static bool free_disk(const char *directory, int64_t *out_free, int *out_percent)
{
    struct statvfs disk;
    if (statvfs(directory, &disk) != 0 || disk.f_blocks == 0)
        return false;
    *out_free = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    *out_percent = (int)(disk.f_bavail * 100 / disk.f_blocks);
    return true;
}

static int64_t retained_bytes(Findings *f)
{
    int64_t bytes = atomic_load(&f->cut->spec->progress->wal_retained_bytes);
    return bytes == PROGRESS_UNKNOWN ? 0 : bytes;
}

static void judge_disk(Findings *f, const char *side, bool from, const char *directory)
{
    int64_t left = 0;
    int percent = 0;
    if (!free_disk(directory, &left, &percent)) {
        finding_fine(f, "%s: unknown, its directory cannot be seen from here", side);
        return;
    }
    if (from && retained_bytes(f) > left / 100 * WAL_PERCENT)
        finding_warn(f, "the slot retains %lld MB of WAL, and %lld MB of disk are left on the %s",
                     (long long)(retained_bytes(f) >> 20), (long long)(left >> 20), side);
    if (percent < FREE_PERCENT)
        finding_warn(f, "%d %% of the disk are free on the %s (%lld MB): less than %d %%", percent,
                     side, (long long)(left >> 20), FREE_PERCENT);
    else
        finding_fine(f, "%s: %d %% free, %lld MB", side, percent, (long long)(left >> 20));
}

static bool judge_side(Findings *f, PgConn *conn, const char *side, bool from, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    if (!pgconn_query(conn, SQL_CUTOVER_SERVER_ROOM, PG_NO_PARAMS, &rows, err))
        return false;
    if (!pgrows_bool(rows, 0, 0))
        finding_fine(f, "%s: unknown, the server is on another machine", side);
    else if (pgrows_null(rows, 0, 1))
        finding_fine(f, "%s: unknown, our role may not see data_directory", side);
    else
        judge_disk(f, side, from, pgrows_text(rows, 0, 1));
    if (pgrows_i64(rows, 0, 2) > 0)
        finding_warn(f,
                     "idle_replication_slot_timeout is %lld s on the %s: a slot that no engine "
                     "reads for that long is lost, set it to 0 for the time of the move",
                     (long long)(pgrows_i64(rows, 0, 2) / 1000), side);
    return true;
}

bool preflight_room(Findings *f, Error *err)
{
    return judge_side(f, f->cut->source, FROM_SIDE(f->cut), true, err) &&
           judge_side(f, f->cut->target, TO_SIDE(f->cut), false, err);
}

/* traffic - see the header. */
#include "task/traffic.h"

#include <stdio.h>
#include <string.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/port/conninfo.h"

#define LOOK_US     3000000  /* a look, or a RESUME */
#define OPEN_US     30000000 /* how long to try to lead the poolers to the side that opened */
#define RETRY_US    200000
#define BUDGET_PART 80 /* of the downtime, as the freeze has it */

/* Reading ------------------------------------------------------------------------------------ */

static bool read_place(const Config *config, OptionId id, const PgEndpoint *endpoint, Arena *arena,
                       PoolerPlace *out, Error *err)
{
    Conninfo parts, own;
    const char *text = config_text(config, id);
    if (!conninfo_parse(arena, text != NULL ? text : endpoint->conninfo, &parts, err) ||
        !conninfo_parse(arena, endpoint->conninfo, &own, err))
        return err_context(err, "where poolers find the %s", endpoint->side);
    *out = (PoolerPlace){conninfo_get(&parts, "host"), conninfo_get(&parts, "port"),
                         conninfo_get(&parts, "dbname")};
    if (out->port == NULL)
        out->port = text != NULL ? "5432" : conninfo_builtin(arena, "port");
    if (out->database == NULL)
        out->database = conninfo_get(&own, "dbname");
    return true;
}

bool traffic_read(const Config *config, Arena *arena, const PgEndpoint *source,
                  const PgEndpoint *target, Traffic *out, Error *err)
{
    int count = 0;
    const char *const *lines = config_list(config, OPT_TRAFFIC_PGBOUNCER, &count);
    *out = (Traffic){
        .all = arena_new_array(arena, Pooler, count + 1),
        .pause_timeout_us = config_duration_us(config, OPT_TRAFFIC_PAUSE_TIMEOUT),
        .paused_us = -1,
    };
    if (count == 0)
        return true;
    for (int i = 0; i < count; i++)
        if (!pooler_parse(lines[i], config_text(config, OPT_TRAFFIC_PASSWORD), arena,
                          &out->all[out->count++], err))
            return false;
    return read_place(config, OPT_TRAFFIC_SOURCE, source, arena, &out->source, err) &&
           read_place(config, OPT_TRAFFIC_TARGET, target, arena, &out->target, err);
}

static const char *names_of(const Pooler *pooler, Arena *arena)
{
    const char *text = "";
    for (int i = 0; i < pooler->database_count; i++)
        text = arena_printf(arena, "%s%s%s", text, i > 0 ? "," : "", pooler->databases[i]);
    return text;
}

const char *traffic_plan(const Traffic *traffic, Arena *arena)
{
    const char *text = "";
    for (int i = 0; i < traffic->count; i++) {
        const Pooler *p = &traffic->all[i];
        text = arena_printf(arena, "%spgbouncer %d: %s, databases %s, file %s\n", text, i + 1,
                            p->shown, names_of(p, arena), p->file != NULL ? p->file : "none");
    }
    if (traffic->count > 0)
        text = arena_printf(arena, "%spgbouncer pause: at most %lld ms\n", text,
                            (long long)(traffic->pause_timeout_us / 1000));
    return text;
}

static const PoolerPlace *to_place(const Traffic *traffic)
{
    return traffic->back ? &traffic->source : &traffic->target;
}

/* Before ------------------------------------------------------------------------------------- */

static void check_entry(const Traffic *traffic, const Pooler *pooler, const char *database,
                        const CutoverFindings *f)
{
    PoolerEntry entry;
    Error err = ERROR_INIT;
    char text[1024];
    const PoolerPlace *from = traffic->back ? &traffic->target : &traffic->source;
    if (!pooler_look(pooler, database, clock_now_us() + LOOK_US, &entry, &err)) {
        snprintf(text, sizeof text, "pgbouncer %s does not answer: %.600s", pooler->shown,
                 err.message);
        f->block(f->self, text);
    } else if (!entry.found) {
        snprintf(text, sizeof text,
                 "pgbouncer %s has no database '%s': name those of its "
                 "[databases] in traffic.pgbouncer",
                 pooler->shown, database);
        f->block(f->self, text);
    } else if (entry.paused) {
        snprintf(text, sizeof text,
                 "pgbouncer %s: '%s' is paused already: RESUME %s, or 'bascule "
                 "abort' if a cutover was killed",
                 pooler->shown, database, database);
        f->block(f->self, text);
    } else if (strcmp(entry.pool_mode, "session") == 0) {
        snprintf(text, sizeof text,
                 "pgbouncer %s: '%s' pools sessions, so PAUSE waits until its "
                 "clients leave: pool_mode = transaction",
                 pooler->shown, database);
        f->warn(f->self, text);
    } else if (pooler->file != NULL && strcmp(entry.host, from->host != NULL ? from->host : "")) {
        snprintf(text, sizeof text,
                 "pgbouncer %s: '%s' leads to host '%s', and a way back would "
                 "lead it to '%s': set traffic.%s if that is another place",
                 pooler->shown, database, entry.host, from->host != NULL ? from->host : "",
                 traffic->back ? "target" : "source");
        f->warn(f->self, text);
    }
}

void traffic_check(const Traffic *traffic, const CutoverFindings *f)
{
    for (int i = 0; i < traffic->count; i++) {
        const Pooler *pooler = &traffic->all[i];
        Error err = ERROR_INIT;
        char text[1024];
        for (int d = 0; d < pooler->database_count; d++)
            check_entry(traffic, pooler, pooler->databases[d], f);
        if (pooler->file != NULL && !pooler_file_fits(pooler, &err)) {
            snprintf(text, sizeof text, "pgbouncer %s: %.900s", pooler->shown, err.message);
            f->block(f->self, text);
        }
    }
}

static void note_over(Traffic *traffic)
{
    for (int i = 0; i < traffic->count; i++)
        if (traffic->all[i].paused)
            return;
    if (traffic->paused_since_us != 0)
        traffic->paused_us = clock_now_us() - traffic->paused_since_us;
    traffic->paused_since_us = 0;
}

static bool resume(Pooler *pooler, const CutoverMoment *moment)
{
    Error err = ERROR_INIT;
    if (pooler_resume(pooler, clock_now_us() + LOOK_US, &err))
        return true;
    moment->tell(moment->tell_arg, true, "pgbouncer %s stays paused: %s", pooler->shown,
                 err.message);
    return false;
}

static void resume_all(Traffic *traffic, const CutoverMoment *moment)
{
    for (int i = 0; i < traffic->count; i++)
        if (traffic->all[i].paused && resume(&traffic->all[i], moment))
            moment->tell(moment->tell_arg, false, "pgbouncer %s resumed where it was",
                         traffic->all[i].shown);
    note_over(traffic);
}

bool traffic_pause(Traffic *traffic, const CutoverMoment *moment, Error *err)
{
    char shown[32];
    int64_t began_us = clock_now_us(), most_us = traffic->max_downtime_us / 100 * BUDGET_PART;
    int64_t limit_us = traffic->pause_timeout_us < most_us ? traffic->pause_timeout_us : most_us;
    if (traffic->count == 0)
        return true;
    traffic->paused_since_us = began_us;
    for (int i = 0; i < traffic->count; i++) {
        Pooler *pooler = &traffic->all[i];
        if (pooler_pause(pooler, began_us + limit_us, traffic->stop, err))
            continue;
        resume_all(traffic, moment);
        if (err->cls != ERR_DEADLINE)
            return err_context(err, "pgbouncer %s", pooler->shown);
        ERR(err, ERR_DEADLINE,
            "pgbouncer %s was not paused within %s: a client of it stays in a transaction",
            pooler->shown, clock_format_duration(limit_us, shown, sizeof shown));
        return err_hint(err, "It was resumed and nothing changed. SHOW CLIENTS and SHOW SERVERS in "
                             "its console show who it is; or raise traffic.pause_timeout.");
    }
    moment->tell(moment->tell_arg, false, "%d pgbouncer paused after %s: clients wait there",
                 traffic->count,
                 clock_format_duration(clock_now_us() - began_us, shown, sizeof shown));
    return true;
}

/* After -------------------------------------------------------------------------------------- */

static bool lead_over(Pooler *pooler, const PoolerPlace *place, const CutoverMoment *moment)
{
    Error err = ERROR_INIT;
    int64_t end_us = clock_now_us() + OPEN_US;
    bool told = false;
    while (!pooler_move(pooler, place, clock_now_us() + LOOK_US, &err) ||
           !pooler_resume(pooler, clock_now_us() + LOOK_US, &err)) {
        if (!told)
            moment->tell(moment->tell_arg, true, "pgbouncer %s: %s; trying again", pooler->shown,
                         err.message);
        told = true;
        if (clock_now_us() > end_us)
            return false;
        (void)stop_poll(NULL, -1, 0, clock_now_us() + RETRY_US);
    }
    return true;
}

void traffic_open(Traffic *traffic, bool with_file, const CutoverMoment *moment)
{
    const PoolerPlace *place = to_place(traffic);
    for (int i = 0; i < traffic->count; i++) {
        Pooler *pooler = &traffic->all[i];
        if ((pooler->file != NULL) != with_file)
            continue;
        if (lead_over(pooler, place, moment))
            moment->tell(moment->tell_arg, false, "pgbouncer %s resumed, on the %s", pooler->shown,
                         traffic->back ? "source" : "target");
        else
            moment->tell(moment->tell_arg, true,
                         "pgbouncer %s stays paused: lead it to %s:%s/%s and RESUME it, or mend it "
                         "and restart 'bascule run'",
                         pooler->shown, place->host != NULL ? place->host : "",
                         place->port != NULL ? place->port : "",
                         place->database != NULL ? place->database : "");
    }
    note_over(traffic);
}

void traffic_end(Traffic *traffic, const CutoverMoment *moment)
{
    /* Where neither side is known to be open a client is better off waiting; where the other side
     * is, what is still paused could not be led there. */
    static const char *const KEEP[] = {"undecided", "cut-over", "rolled-back"};
    for (size_t i = 0; i < sizeof KEEP / sizeof *KEEP; i++)
        if (strcmp(moment->outcome, KEEP[i]) == 0)
            return;
    resume_all(traffic, moment);
}

void traffic_settle(const Traffic *traffic, bool target_open)
{
    for (int i = 0; i < traffic->count; i++) {
        Pooler pooler = traffic->all[i];
        Error err = ERROR_INIT;
        bool paused = false;
        const PoolerPlace *place = target_open ? &traffic->target : &traffic->source;
        bool ok = pooler_is_paused(&pooler, clock_now_us() + LOOK_US, &paused, &err) &&
                  (!paused || (pooler_move(&pooler, place, clock_now_us() + LOOK_US, &err) &&
                               pooler_resume(&pooler, clock_now_us() + LOOK_US, &err)));
        if (!ok)
            log_warn("pgbouncer %s may still be paused: %s", pooler.shown, err.message);
        else if (paused)
            log_info("pgbouncer %s was paused and is resumed, on the %s", pooler.shown,
                     target_open ? "target" : "source");
    }
}

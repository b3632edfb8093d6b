/* lane - see the header */
#include "apply/lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bascule/base/map.h"
#include "bascule/base/mem.h"

/* Answers are short, but they may not fill both socket buffers; and a failure should show early. */
#define MAX_IN_FLIGHT 512

struct LaneStatement {
    LaneStatement *next;
    char name[24];
    bool prepared; /* the server has it, or will when what is queued has run */
    size_t key_len;
    char key[];
};

typedef struct InFlight {
    LaneExpect expect;
    LaneStatement *prepare; /* NULL: a statement that was executed */
} InFlight;

struct Lane {
    PgConn *conn;
    bool pipelining;
    Map statements;
    LaneStatement *all;
    size_t statement_count;
    uint64_t names;
    InFlight flight[MAX_IN_FLIGHT];
    int sent;
    LaneExpect failed;
    int64_t failed_rows;
    bool has_failed;
};

Lane *lane_new(PgConn *conn)
{
    Lane *lane = mem_zalloc(sizeof *lane);
    lane->conn = conn;
    return lane;
}

static void forget_statements(Lane *lane)
{
    for (LaneStatement *s = lane->all, *next; s != NULL; s = next) {
        next = s->next;
        free(s);
    }
    lane->all = NULL;
    lane->statement_count = 0;
    map_clear(&lane->statements);
}

void lane_free(Lane *lane)
{
    if (lane == NULL)
        return;
    forget_statements(lane);
    map_done(&lane->statements);
    free(lane);
}

/* Room for one more answer, in pipeline mode. */
static bool make_room(Lane *lane, Error *err)
{
    if (lane->sent == MAX_IN_FLIGHT && !lane_drain(lane, err))
        return false;
    if (lane->pipelining)
        return true;
    lane->pipelining = pgconn_pipeline_begin(lane->conn, err);
    return lane->pipelining;
}

bool lane_statement(Lane *lane, const void *key, size_t key_len, LaneStatement **out_statement,
                    bool *out_new, Error *err)
{
    LaneStatement *statement = map_get(&lane->statements, key, key_len);
    if (statement == NULL && lane->statement_count >= LANE_STATEMENTS) {
        if (!lane_drain(lane, err) ||
            !pgconn_exec(lane->conn, SQL("DEALLOCATE ALL"), PG_NO_PARAMS, NULL, err))
            return false;
        forget_statements(lane);
    }
    if (statement == NULL) {
        statement = mem_zalloc(sizeof *statement + key_len);
        memcpy(statement->key, key, key_len);
        statement->key_len = key_len;
        snprintf(statement->name, sizeof statement->name, "b%llu",
                 (unsigned long long)lane->names++);
        statement->next = lane->all;
        lane->all = statement;
        lane->statement_count++;
        map_put(&lane->statements, statement->key, key_len, statement);
    }
    *out_statement = statement;
    *out_new = !statement->prepared;
    return true;
}

bool lane_prepare(Lane *lane, LaneStatement *statement, const Relation *rel, Sql sql, Error *err)
{
    if (!make_room(lane, err) ||
        !pgconn_pipeline_prepare(lane->conn, statement->name, sql, NULL, 0, err))
        return false;
    statement->prepared = true;
    lane->flight[lane->sent++] =
        (InFlight){.expect = {.what = "preparing a statement", .rel = rel, .max_rows = -1},
                   .prepare = statement};
    return true;
}

bool lane_execute(Lane *lane, LaneStatement *statement, const PgParam *params, int nparams,
                  const LaneExpect *expect, Error *err)
{
    if (!make_room(lane, err) ||
        !pgconn_pipeline_send_prepared(lane->conn, statement->name, params, nparams, err))
        return false;
    lane->flight[lane->sent++] = (InFlight){.expect = *expect};
    return true;
}

bool lane_send(Lane *lane, Sql sql, const PgParam *params, int nparams, const LaneExpect *expect,
               Error *err)
{
    if (!make_room(lane, err) || !pgconn_pipeline_send(lane->conn, sql, params, nparams, err))
        return false;
    lane->flight[lane->sent++] = (InFlight){.expect = *expect};
    return true;
}

static void remember_failure(Lane *lane, int at, int64_t rows)
{
    lane->has_failed = true;
    lane->failed = lane->flight[at].expect;
    lane->failed_rows = rows;
}

/* The server refused the statement at `at` and skipped what stood behind it. */
static void refused(Lane *lane, int at)
{
    for (int i = at; i < lane->sent; i++)
        if (lane->flight[i].prepare != NULL)
            lane->flight[i].prepare->prepared = false;
}

static bool count_fits(const InFlight *flight, int64_t rows)
{
    const LaneExpect *expect = &flight->expect;
    return flight->prepare != NULL || expect->max_rows < 0 ||
           (rows >= expect->min_rows && rows <= expect->max_rows);
}

/* A wrong count does not keep the server from going on: the answers behind it are read all the
 * same. */
static bool take_answers(Lane *lane, Error *err)
{
    bool fine = true;
    Error later = ERROR_INIT;
    for (int i = 0; i < lane->sent; i++) {
        const LaneExpect *expect = &lane->flight[i].expect;
        int64_t rows = 0;
        if (!pgconn_pipeline_result(lane->conn, &rows, fine ? err : &later)) {
            refused(lane, i);
            if (fine)
                remember_failure(lane, i, -1);
            return false;
        }
        if (expect->add_rows != NULL)
            *expect->add_rows += rows;
        if (!fine || count_fits(&lane->flight[i], rows))
            continue;
        fine = ERR(err, ERR_APPLY_MISSING_ROW, "%s of table '%s' touched %lld rows instead of %lld",
                   expect->what, expect->rel != NULL ? expect->rel->display : "bascule.resume",
                   (long long)rows, (long long)expect->max_rows);
        remember_failure(lane, i, rows);
    }
    return fine;
}

bool lane_drain(Lane *lane, Error *err)
{
    if (!lane->pipelining)
        return true;
    Error later = ERROR_INIT;
    bool synced = pgconn_pipeline_sync(lane->conn, err);
    bool fine = synced && take_answers(lane, err);
    if (!synced)
        refused(lane, 0);
    bool ended = pgconn_pipeline_end(lane->conn, fine ? err : &later);
    lane->pipelining = false;
    lane->sent = 0;
    return fine && ended;
}

void lane_abandon(Lane *lane)
{
    if (!lane->pipelining)
        return;
    Error ignored = ERROR_INIT;
    bool had_failed = lane->has_failed;
    LaneExpect failed = lane->failed;
    int64_t rows = lane->failed_rows;
    /* Either way the transaction is rolled back; what was prepared is told by the answers. */
    if (!lane_drain(lane, &ignored) && had_failed) {
        lane->failed = failed;
        lane->failed_rows = rows;
    }
}

const LaneExpect *lane_failed(const Lane *lane, int64_t *out_rows)
{
    *out_rows = lane->failed_rows;
    return lane->has_failed ? &lane->failed : NULL;
}

void lane_forget_failure(Lane *lane)
{
    lane->has_failed = false;
}

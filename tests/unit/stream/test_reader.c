/*
 * reader: what it confirms, when it answers, what it does when the queue is full or the stream
 * breaks. The sessions are played by this file: it defines the pgconn functions that the reader
 * calls, and a script says what the server sends. The real server is met by the integration tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../wire/fixture.h"
#include "bascule/base/clock.h"
#include "source/slot.h"
#include "stream/reader.h"
#include "wire/bytes.h"

/* The played server -------------------------------------------------------------------------- */

struct PgConn {
    bool walsender;
};

typedef struct Scripted {
    char *data;
    int len;
    const char *notice; /* instead of data: comes before the next message */
} Scripted;

static struct {
    SlotState slot;
    int64_t silence_ms;
    Error refuse_start, refuse_open; /* cls ERR_NONE: no */
    char started[600];               /* the START_REPLICATION that came */
    int opened, closed;
    Scripted queue[100];
    int head, tail;
    PgRead at_end; /* what comes when the script is empty */
    Error end_error;
    int data_fd; /* readable: there is something to read */
    void (*notice)(void *arg, const char *sqlstate, const char *message);
    void *notice_arg;
    struct {
        Lsn received, flushed;
    } status[1000];
    int status_count;
    bool unsent;
} server;

PgConn *pgconn_open(const PgEndpoint *endpoint, PgSession session, const char *what, Error *err)
{
    (void)endpoint;
    (void)what;
    if (server.refuse_open.cls != ERR_NONE) {
        *err = server.refuse_open;
        return NULL;
    }
    PgConn *conn = calloc(1, sizeof *conn);
    conn->walsender = session == PG_SESSION_WALSENDER;
    server.opened++;
    return conn;
}

void pgconn_close(PgConn *conn)
{
    server.closed += conn != NULL;
    free(conn);
}

uint32_t pgconn_backend_pid(const PgConn *conn)
{
    assert_true(conn->walsender);
    return 4711;
}

void pgconn_on_notice(PgConn *conn, void (*fn)(void *, const char *, const char *), void *arg)
{
    assert_true(conn->walsender);
    server.notice = fn;
    server.notice_arg = arg;
}

bool slot_state(PgConn *source, const char *slot_name, SlotState *out_state, Error *err)
{
    (void)err;
    assert_false(source->walsender);
    assert_string_equal(slot_name, "slot_x");
    *out_state = server.slot;
    return true;
}

bool pgconn_query(PgConn *conn, Sql sql, const PgParam *params, int nparams, PgRows **out_rows,
                  Error *err)
{
    (void)params;
    (void)err;
    assert_false(conn->walsender); /* nothing but the stream on that one */
    assert_non_null(strstr(sql.text, "wal_sender_timeout"));
    assert_int_equal(nparams, 0);
    *out_rows = NULL;
    return true;
}

int pgrows_count(const PgRows *rows)
{
    (void)rows;
    return 1;
}

int64_t pgrows_i64(const PgRows *rows, int row, int column)
{
    (void)rows;
    (void)row;
    (void)column;
    return server.silence_ms;
}

void pgrows_free(PgRows *rows)
{
    (void)rows;
}

bool pgconn_stream_start(PgConn *conn, Sql start_replication, Error *err)
{
    assert_true(conn->walsender);
    snprintf(server.started, sizeof server.started, "%s", start_replication.text);
    if (server.refuse_start.cls != ERR_NONE) {
        *err = server.refuse_start;
        return false;
    }
    return true;
}

PgRead pgconn_stream_get(PgConn *conn, char **out_data, int *out_len, Error *err)
{
    assert_true(conn->walsender);
    while (server.head < server.tail && server.queue[server.head].notice != NULL)
        server.notice(server.notice_arg, "01000", server.queue[server.head++].notice);
    if (server.head == server.tail) {
        *err = server.at_end == PG_READ_FAILED ? server.end_error : *err;
        return server.at_end;
    }
    *out_data = server.queue[server.head].data;
    *out_len = server.queue[server.head++].len;
    return PG_READ_MESSAGE;
}

void pgconn_copy_free(char *data)
{
    free(data);
}

int pgconn_socket(const PgConn *conn)
{
    (void)conn;
    return server.data_fd;
}

bool pgconn_stream_put(PgConn *conn, const char *data, int len, Error *err)
{
    (void)err;
    assert_true(conn->walsender);
    if (len == 0) {
        server.unsent = false;
        return true;
    }
    assert_int_equal(len, 34);
    assert_int_equal(data[0], 'r');
    server.status[server.status_count % 1000].received = bytes_u64(data + 1);
    server.status[server.status_count++ % 1000].flushed = bytes_u64(data + 9);
    return true;
}

bool pgconn_stream_unsent(const PgConn *conn)
{
    (void)conn;
    return server.unsent;
}

static void script(const char *payload, size_t len)
{
    Scripted *s = &server.queue[server.tail++];
    assert_true(server.tail <= 100);
    s->len = (int)len;
    s->data = malloc(len);
    s->notice = NULL;
    memcpy(s->data, payload, len);
}

static void script_data(const char *payload, size_t len)
{
    char message[1000] = {'w'};
    memcpy(message + 25, payload, len);
    script(message, 25 + len);
}

PRINTF_LIKE(1, 2)
static void script_json(const char *fmt, ...)
{
    char text[900];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    script_data(text, (size_t)len);
}

static void script_notice(const char *text)
{
    server.queue[server.tail++] = (Scripted){.notice = text};
}

static void script_keepalive(Lsn wal_end, bool reply)
{
    char message[18] = {'k'};
    bytes_put_u64(message + 1, wal_end);
    message[17] = reply;
    script(message, sizeof message);
}

static void script_begin(unsigned commit_lsn)
{
    script_json("{\"action\":\"B\",\"xid\":1,\"lsn\":\"0/%X\",\"nextlsn\":\"0/%X\"}", commit_lsn,
                commit_lsn + 8);
}

static void script_commit(unsigned commit_lsn)
{
    script_json("{\"action\":\"C\",\"xid\":1,\"lsn\":\"0/%X\",\"nextlsn\":\"0/%X\"}", commit_lsn,
                commit_lsn + 8);
}

static void script_row(void)
{
    script_json("{\"action\":\"I\",\"schema\":\"public\",\"table\":\"par\",\"columns\":["
                "{\"name\":\"id\",\"value\":1},{\"name\":\"p\",\"value\":null}]}");
}

/* The reader --------------------------------------------------------------------------------- */

static Relations *rels;
static Progress progress;
static FlowQueue *queue;
static Decoder *decoder;
static StopToken *stop;
static Reader *reader;
static Lsn resume;
static Error err;

static bool resume_lsn(void *arg, Lsn *out_lsn, Error *error)
{
    (void)arg;
    if (resume == UINT64_MAX)
        return ERR(error, ERR_CONN_LOST, "the target is away");
    *out_lsn = resume;
    return true;
}

static void open_reader(size_t memory, int64_t position_interval_us)
{
    queue = flow_queue_open(rels, memory, NULL, 0, &progress, &err);
    assert_non_null(queue);
    ReaderSpec spec = {.slot_name = "slot_x",
                       .publication = "pub\"x'y",
                       .decoder = decoder,
                       .rels = rels,
                       .queue = queue,
                       .progress = &progress,
                       .stop = stop,
                       .part_bytes = 10000,
                       .status_interval_us = 60000000,
                       .position_interval_us = position_interval_us,
                       .resume_lsn = resume_lsn};
    reader = reader_new(&spec);
}

static int setup(void **state)
{
    (void)state;
    rels = fixture_relations();
    progress = (Progress){0};
    memset(&server, 0, sizeof server);
    server.slot = (SlotState){.exists = true,
                              .plugin = "wal2json",
                              .wal_status = "reserved",
                              .confirmed_lsn = 0x90,
                              .wal_end_lsn = 0x100000};
    server.at_end = PG_READ_IDLE;
    server.data_fd = eventfd(1, EFD_NONBLOCK); /* always readable: steps do not wait */
    server.refuse_start = server.refuse_open = ERROR_INIT;
    decoder = wal2json_new(rels);
    stop = stop_new();
    resume = 0x100;
    progress.durable_lsn = 0x100;
    err = ERROR_INIT;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reader_free(reader);
    reader = NULL;
    assert_int_equal(server.opened, server.closed);
    while (server.head < server.tail)
        free(server.queue[server.head++].data);
    flow_queue_close(queue);
    decoder->free(decoder);
    stop_free(stop);
    fixture_free(rels);
    close(server.data_fd);
    return 0;
}

static StepResult step(void)
{
    return reader_step(reader, &err);
}

static void steps(int n)
{
    while (n-- > 0)
        if (step() == STEP_FAILED)
            fail_msg("%s", err.message);
}

static Flow *take(void)
{
    Flow *flow = NULL;
    return flow_queue_take(queue, &flow, 0, &err) == QUEUE_OK ? flow : NULL;
}

/* Takes one flow and checks it. */
static void expect_flow(FlowKind kind, int64_t changes, Lsn end_lsn)
{
    Flow *flow = take();
    assert_non_null(flow);
    assert_int_equal(flow->kind, kind);
    assert_int_equal(flow->change_count, changes);
    assert_true(flow->end_lsn == end_lsn);
    flow_free(flow);
}

static Lsn last_flushed(void)
{
    return server.status[(server.status_count - 1) % 1000].flushed;
}

static void starts_with_all_options(void **state)
{
    (void)state;
    open_reader(1 << 20, 0);
    steps(2);
    assert_string_equal(server.started,
                        "START_REPLICATION SLOT \"slot_x\" LOGICAL 0/100 (\"format-version\" '2', "
                        "\"include-lsn\" 'true', \"include-xids\" 'true', \"include-timestamp\" "
                        "'true', \"include-transaction\" 'true', \"include-types\" 'false', "
                        "\"include-pk\" 'false')");
    assert_int_equal(server.status_count, 1); /* at once: the server knows where we are */
    assert_true(last_flushed() == 0x100);
    reader_reset(reader);
    decoder->free(decoder);
    decoder = pgoutput_new(rels);
    reader_free(reader);
    flow_queue_close(queue);
    open_reader(1 << 20, 0);
    snprintf(server.slot.plugin, sizeof server.slot.plugin, "pgoutput");
    steps(1);
    assert_string_equal(
        server.started,
        "START_REPLICATION SLOT \"slot_x\" LOGICAL 0/100 (proto_version '1', messages "
        "'true', binary 'false', publication_names '\"pub\"\"x''y\"')");
}

static void refuses_a_slot_that_lost_changes(void **state)
{
    (void)state;
    open_reader(1 << 20, 0);
    server.slot.confirmed_lsn = 0x101;
    assert_int_equal(step(), STEP_FAILED);
    assert_int_equal(err.cls, ERR_SLOT_LOST);
    assert_non_null(strstr(err.message, "confirmed up to 0/101, but the target holds changes up to "
                                        "0/100 only"));
    server.slot.confirmed_lsn = 0x100;
    snprintf(server.slot.wal_status, sizeof server.slot.wal_status, "lost");
    assert_int_equal(step(), STEP_FAILED);
    assert_int_equal(err.cls, ERR_SLOT_LOST);
    server.slot.exists = false;
    assert_int_equal(step(), STEP_FAILED);
    assert_int_equal(err.cls, ERR_SLOT_LOST);
    assert_null(take()); /* nothing had been put: no LOST */
    assert_string_equal(server.started, "");
}

static void refuses_what_cannot_be_the_right_source(void **state)
{
    (void)state;
    open_reader(1 << 20, 0);
    server.slot.wal_end_lsn = 0xFF;
    assert_int_equal(step(), STEP_FAILED);
    assert_int_equal(err.cls, ERR_TARGET_STATE);
    server.slot.wal_end_lsn = LSN_UNKNOWN;
    resume = LSN_UNKNOWN;
    assert_int_equal(step(), STEP_FAILED);
    assert_int_equal(err.cls, ERR_TARGET_STATE);
    resume = 0x100;
    snprintf(server.slot.plugin, sizeof server.slot.plugin, "pgoutput");
    assert_int_equal(step(), STEP_FAILED);
    assert_int_equal(err.cls, ERR_SLOT);
    resume = UINT64_MAX;
    assert_int_equal(step(), STEP_FAILED);
    assert_int_equal(err.cls, ERR_CONN_LOST);
    assert_string_equal(server.started, "");
}

static void explains_a_refused_start(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        ErrorClass given, wanted;
    } ROWS[] = {{"55006", ERR_SLOT_BUSY, ERR_SLOT_BUSY},
                {"55000", ERR_SQL, ERR_SLOT_LOST},
                {"42704", ERR_SQL, ERR_SLOT_LOST},
                {"42501", ERR_PRIVILEGE, ERR_PRIVILEGE}};
    open_reader(1 << 20, 0);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        server.refuse_start.cls = ROWS[i].given;
        strcpy(server.refuse_start.sqlstate, ROWS[i].sqlstate);
        assert_int_equal(step(), STEP_FAILED);
        assert_int_equal(err.cls, ROWS[i].wanted);
        assert_non_null(strstr(err.message, "slot_x"));
    }
    server.refuse_open.cls = ERR_CONN_REFUSED;
    assert_int_equal(step(), STEP_FAILED);
    assert_int_equal(err.cls, ERR_CONN_REFUSED);
}

static void confirms_only_what_is_durable(void **state)
{
    (void)state;
    open_reader(1 << 20, 0);
    script_begin(0x200);
    script_row();
    script_commit(0x200);
    steps(3);
    expect_flow(FLOW_PART, 1, 0x208);
    assert_true(atomic_load(&progress.received_lsn) == 0x208);
    assert_true(atomic_load(&progress.queued_lsn) == 0x208);
    assert_true(last_flushed() == 0x100);
    int before = server.status_count;
    steps(3);
    assert_int_equal(server.status_count, before); /* nothing new to tell */
    atomic_store(&progress.durable_lsn, 0x208);
    steps(1);
    assert_int_equal(server.status_count, before + 1);
    assert_true(last_flushed() == 0x208);
    assert_true(atomic_load(&progress.confirmed_lsn) == 0x208);
    atomic_store(&progress.durable_lsn, 0x999); /* not from this stream: never told */
    steps(1);
    assert_true(last_flushed() == 0x208);
}

static void a_keepalive_becomes_durable_before_it_is_confirmed(void **state)
{
    (void)state;
    open_reader(1 << 20, 1);
    steps(2);
    script_keepalive(0x300, false);
    steps(2);
    expect_flow(FLOW_POSITION, 0, 0x300);
    assert_true(atomic_load(&progress.source_end_lsn) == 0x300);
    assert_true(atomic_load(&progress.queued_lsn) < 0x300); /* it holds nothing for the target */
    assert_true(last_flushed() == 0x100);
    atomic_store(&progress.durable_lsn, 0x300);
    steps(1);
    assert_true(last_flushed() == 0x300);
    script_keepalive(0x300, false); /* no news */
    script_keepalive(0x2FF, false);
    steps(3);
    assert_null(take());
}

static void a_keepalive_inside_a_transaction_is_no_position(void **state)
{
    (void)state;
    open_reader(1 << 20, 1);
    steps(2);
    int before = server.status_count;
    script_begin(0x200);
    script_keepalive(0x1F0, true);
    script_row();
    script_keepalive(0x250, true);
    steps(3);
    assert_null(take());
    assert_true(atomic_load(&progress.received_lsn) == 0x100);
    assert_int_equal(server.status_count, before + 1); /* but it is answered */
    script_commit(0x200);
    script_keepalive(0x250, false);
    steps(3);
    expect_flow(FLOW_PART, 1, 0x208);
    expect_flow(FLOW_POSITION, 0, 0x250);
}

static void empty_transactions_move_the_position_seldom(void **state)
{
    (void)state;
    open_reader(1 << 20, 40000);
    steps(1);
    for (unsigned lsn = 0x200; lsn < 0x240; lsn += 0x10) {
        script_begin(lsn);
        script_commit(lsn);
    }
    steps(1);
    expect_flow(FLOW_POSITION, 0, 0x238);
    script_begin(0x300);
    script_commit(0x300);
    steps(2);
    assert_null(take()); /* not yet */
    usleep(50000);
    steps(1);
    expect_flow(FLOW_POSITION, 0, 0x308);
    script_keepalive(0x400, true); /* somebody waits for an answer: at once */
    steps(1);
    expect_flow(FLOW_POSITION, 0, 0x400);
}

static void a_full_queue_stops_the_reading_not_the_answers(void **state)
{
    (void)state;
    open_reader(30000, 0);
    for (unsigned lsn = 0x200; lsn < 0x300; lsn += 0x10) {
        script_begin(lsn);
        script_row();
        script_commit(lsn);
    }
    steps(5);
    int left = server.tail - server.head;
    assert_true(left > 15);
    int before = server.status_count;
    atomic_store(&progress.durable_lsn, 0x108);
    steps(3);
    assert_int_equal(server.tail - server.head, left);
    assert_true(server.status_count > before);
    unsigned n = 0;
    for (unsigned lsn = 0x200; lsn < 0x300; lsn += 0x10, n++) {
        expect_flow(FLOW_PART, 1, lsn + 8);
        steps(2);
    }
    assert_int_equal(server.head, server.tail);
}

static void large_transactions_come_in_parts(void **state)
{
    (void)state;
    open_reader(1 << 20, 1);
    script_begin(0x200);
    for (int i = 0; i < 60; i++)
        script_row();
    steps(3);
    Flow *first = take();
    assert_true(first->begins && !first->ends && first->end_lsn == LSN_UNKNOWN);
    int64_t changes = first->change_count;
    flow_free(first);
    script_commit(0x200);
    steps(3);
    for (Flow *flow; (flow = take()) != NULL;) {
        assert_false(flow->begins);
        assert_true(flow->ends == (flow->end_lsn == 0x208));
        changes += flow->change_count;
        flow_free(flow);
    }
    assert_int_equal(changes, 60);
}

static void expect_lost(ErrorClass cls)
{
    StepResult result = STEP_AGAIN;
    for (int i = 0; i < 5 && result != STEP_FAILED; i++)
        result = step();
    assert_int_equal(result, STEP_FAILED);
    assert_int_equal(err.cls, cls);
    Flow *flow;
    while ((flow = take()) != NULL && flow->kind != FLOW_LOST)
        flow_free(flow);
    assert_non_null(flow);
    flow_free(flow);
    assert_null(take());
}

static void every_end_of_the_stream_is_told_to_the_applier(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        ErrorClass given, wanted;
    } ROWS[] = {{"57P01", ERR_CONN_LOST, ERR_CONN_LOST},
                {"54000", ERR_SQL, ERR_DECODE},
                {"XX000", ERR_SQL, ERR_DECODE},
                {"55000", ERR_SQL, ERR_SLOT_LOST},
                {"42704", ERR_SQL, ERR_SLOT_LOST}};
    open_reader(1 << 20, 0);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        server.at_end = PG_READ_FAILED;
        server.end_error.cls = ROWS[i].given;
        strcpy(server.end_error.sqlstate, ROWS[i].sqlstate);
        script_begin(0x200);
        script_row();
        expect_lost(ROWS[i].wanted);
    }
    server.at_end = PG_READ_CLOSED;
    expect_lost(ERR_CONN_LOST);
    server.at_end = PG_READ_IDLE;
    script("x", 1);
    expect_lost(ERR_PROTOCOL);
    script_json("{\"action\":\"Z\"}");
    expect_lost(ERR_DECODE);
    script_commit(0x200);
    expect_lost(ERR_PROTOCOL);
    assert_non_null(strstr(err.message, "at 0/0: the stream brought"));
}

static void a_restart_waits_for_the_applier(void **state)
{
    (void)state;
    open_reader(1 << 20, 0);
    script_begin(0x200);
    script_row();
    script_commit(0x200);
    steps(2);
    script("x", 1);
    assert_int_equal(step(), STEP_FAILED);
    int opened = server.opened;
    reader_reset(reader);
    steps(3);
    assert_int_equal(server.opened, opened);
    expect_flow(FLOW_PART, 1, 0x208);
    expect_flow(FLOW_LOST, 0, LSN_UNKNOWN);
    steps(1);
    assert_int_equal(server.opened, opened); /* LOST may still be at work */
    assert_null(take());
    resume = 0x208;
    steps(1);
    assert_non_null(strstr(server.started, "LOGICAL 0/208 "));
}

static void a_change_that_the_plugin_left_out_stops_everything(void **state)
{
    (void)state;
    open_reader(1 << 20, 0);
    script_notice("no tuple identifier for UPDATE in table \"public\".\"elsewhere\"");
    script_notice("no tuple identifier for UPDATE in table \"public\".\"par\" or so");
    script_notice("something about table \"public\".\"par\"");
    script_begin(0x200);
    script_row();
    script_commit(0x200);
    steps(3);
    expect_flow(FLOW_PART, 1, 0x208);
    script_begin(0x300);
    script_row();
    script_notice("no tuple identifier for DELETE in table \"public\".\"par\"");
    script_commit(0x300);
    expect_lost(ERR_REPLICA_IDENTITY);
    assert_non_null(strstr(err.message, "'public.par'"));
    /* before the table's copy it means nothing */
    fixture_find(rels, "par")->start_lsn = 0x400;
    server.head = server.tail = 0;
    script_begin(0x300);
    script_notice("no old tuple data for UPDATE in table \"public\".\"par\"");
    script_commit(0x300);
    steps(3);
    script_begin(0x400);
    script_notice("no tuple data for UPDATE in table \"public\".\"par\"");
    expect_lost(ERR_REPLICA_IDENTITY);
}

static void answers_more_often_than_the_server_is_patient(void **state)
{
    (void)state;
    open_reader(1 << 20, 0);
    server.silence_ms = 60;
    steps(2);
    int before = server.status_count;
    int64_t end = clock_now_us() + 200000;
    while (clock_now_us() < end) {
        steps(1);
        usleep(1000);
    }
    assert_in_range(server.status_count - before, 4, 20);
}

static void waits_without_turning(void **state)
{
    (void)state;
    uint64_t value;
    open_reader(1 << 20, 0);
    assert_int_equal(read(server.data_fd, &value, sizeof value), sizeof value); /* silence */
    steps(1);
    reader_wake(reader);
    int64_t start = clock_now_us();
    steps(1); /* woken */
    assert_true(clock_now_us() - start < 500000);
    start = clock_now_us();
    steps(1);
    assert_true(clock_now_us() - start > 500000);
    stop_request(stop);
    start = clock_now_us();
    steps(1);
    assert_true(clock_now_us() - start < 500000);
}

static void unsent_answers_are_pushed(void **state)
{
    (void)state;
    open_reader(1 << 20, 0);
    steps(2);
    server.unsent = true;
    steps(1);
    assert_false(server.unsent);
}

static void the_last_position_is_told_at_the_end(void **state)
{
    (void)state;
    open_reader(1 << 20, 0);
    script_begin(0x200);
    script_row();
    script_commit(0x200);
    steps(3);
    flow_free(take());
    atomic_store(&progress.durable_lsn, 0x208);
    reader_free(reader);
    reader = NULL;
    assert_true(last_flushed() == 0x208);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(starts_with_all_options),
        TEST(refuses_a_slot_that_lost_changes),
        TEST(refuses_what_cannot_be_the_right_source),
        TEST(explains_a_refused_start),
        TEST(confirms_only_what_is_durable),
        TEST(a_keepalive_becomes_durable_before_it_is_confirmed),
        TEST(a_keepalive_inside_a_transaction_is_no_position),
        TEST(empty_transactions_move_the_position_seldom),
        TEST(a_full_queue_stops_the_reading_not_the_answers),
        TEST(large_transactions_come_in_parts),
        TEST(every_end_of_the_stream_is_told_to_the_applier),
        TEST(a_restart_waits_for_the_applier),
        TEST(a_change_that_the_plugin_left_out_stops_everything),
        TEST(answers_more_often_than_the_server_is_patient),
        TEST(waits_without_turning),
        TEST(unsent_answers_are_pushed),
        TEST(the_last_position_is_told_at_the_end),
    };
    return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}

/*
 * reader - see reader.h. One step: what waits for room goes first, then messages are taken from the
 * socket until there are none, a share of work is done or the queue is full, then the server is
 * answered.
 *
 * Positions. received_lsn is the end of the last commit read, or a keepalive's position while no
 * transaction is open; it becomes safe_lsn: everything before it is in the queue. What is safe
 * beyond the last flow goes into the queue as a POSITION, so that it becomes durable on the target
 * before it is confirmed.
 */
#include "stream/reader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/fault.h"
#include "bascule/base/log.h"
#include "bascule/base/mem.h"
#include "stream/assembly.h"
#include "stream/start.h"
#include "wire/frames.h"
#include "wire/left_out.h"

#define PART_BYTES           ((size_t)1 << 20)
#define STATUS_INTERVAL_US   5000000
#define POSITION_INTERVAL_US 1000000
#define STEP_MESSAGES        1000
#define STEP_BYTES           ((size_t)1 << 20)
#define DURABLE_LOOK_US      100000 /* how late a move of durable_lsn is seen without reader_wake */
#define ROOM_LOOK_US         100000 /* the queue's patience may have ended */
#define IDLE_LOOK_US         1000000
#define SETTLE_LOOK_US       5000
#define QUIET_MIN_US         20000000  /* a shorter silence never raises a question */
#define QUIET_UNBOUNDED_US   120000000 /* where the server itself bears any silence */

struct Reader {
    ReaderSpec spec;
    PgConn *conn; /* NULL: no stream */
    Assembly assembly;
    Flow *pending;    /* complete, waits for room in the queue */
    Lsn received_lsn; /* see the head */
    Lsn safe_lsn;
    Lsn put_lsn;  /* end of the last flow in the queue */
    Lsn told_lsn; /* last durable position told to the server */
    int64_t status_due_us;
    int64_t position_due_us;
    int64_t silence_us; /* half of what the server bears; at most status_interval_us */
    bool reply_wanted;
    int64_t quiet_us; /* so long without a sign of the server, although it was asked, is odd */
    int64_t heard_us;
    bool asked; /* for a sign of life, since heard_us */
    int wake_fd;
    Error dropped; /* a notice said that the plugin dropped a change */
    Relation *dropped_rel;
};

Reader *reader_new(const ReaderSpec *spec)
{
    Reader *reader = mem_zalloc(sizeof *reader);
    reader->spec = *spec;
    if (reader->spec.part_bytes == 0)
        reader->spec.part_bytes = PART_BYTES;
    if (reader->spec.status_interval_us == 0)
        reader->spec.status_interval_us = STATUS_INTERVAL_US;
    if (reader->spec.position_interval_us == 0)
        reader->spec.position_interval_us = POSITION_INTERVAL_US;
    reader->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(reader->wake_fd >= 0);
    return reader;
}

void reader_wake(Reader *reader)
{
    (void)!eventfd_write(reader->wake_fd, 1);
}

void reader_reset(void *self)
{
    Reader *reader = self;
    pgconn_close(reader->conn);
    reader->conn = NULL;
    assembly_done(&reader->assembly);
    flow_free(reader->pending);
    reader->pending = NULL;
}

/* Feedback ----------------------------------------------------------------------------------- */

/* What the slot may forget: durable on the target, its keys on disk, and never more than this
 * stream brought. */
static Lsn confirmable(const Reader *reader)
{
    Lsn durable = atomic_load(&reader->spec.progress->durable_lsn);
    Lsn keys = atomic_load(&reader->spec.progress->keys_lsn);
    if (keys != LSN_UNKNOWN && keys < durable)
        durable = keys;
    Lsn pin = atomic_load(&reader->spec.progress->pin_lsn);
    if (pin != LSN_UNKNOWN && pin < durable)
        durable = pin;
    return durable < reader->received_lsn ? durable : reader->received_lsn;
}

static bool send_status(Reader *reader, Error *err)
{
    char message[FRAME_STATUS_BYTES];
    Lsn durable = confirmable(reader);
    if (FAULT_ERROR(FEEDBACK_BEFORE, err))
        return false;
    bool ask = !reader->asked && clock_now_us() - reader->heard_us >= reader->quiet_us / 2;
    frame_write_status(reader->received_lsn, durable, clock_wall_us(), ask, message);
    if (!pgconn_stream_put(reader->conn, message, sizeof message, err))
        return err_context(err, "answering the source");
    reader->told_lsn = durable;
    reader->asked = reader->asked || ask;
    reader->reply_wanted = false;
    reader->status_due_us = clock_now_us() + reader->silence_us;
    atomic_store(&reader->spec.progress->confirmed_lsn, durable);
    return true;
}

static bool send_status_when_due(Reader *reader, Error *err)
{
    if (reader->reply_wanted || confirmable(reader) > reader->told_lsn ||
        clock_now_us() >= reader->status_due_us)
        return send_status(reader, err);
    if (pgconn_stream_unsent(reader->conn))
        return pgconn_stream_put(reader->conn, NULL, 0, err);
    return true;
}

/* Starting ----------------------------------------------------------------------------------- */

/* The plugin says so when it leaves a change out; no other sign of it exists. A notice stands in
 * the stream where the change would have stood, so the open transaction is the change's. */
static void on_notice(void *arg, const char *sqlstate, const char *message)
{
    Reader *reader = arg;
    Relation *rel = left_out_relation(reader->spec.rels, message);
    if (rel == NULL) {
        log_debug("notice of the source sqlstate=%s: %s", sqlstate, message);
        return;
    }
    if (rel->unread ||
        (reader->assembly.open && reader->assembly.commit_lsn < relation_begins(rel)))
        return; /* left out, or before the table's copy */
    if (reader->dropped.cls != ERR_NONE)
        return;
    reader->dropped_rel = rel;
    ERR(&reader->dropped, ERR_REPLICA_IDENTITY,
        "the source's plugin left out a change of table '%s' because it has no usable replica "
        "identity",
        rel->display);
    err_hint(&reader->dropped, "Give the table a primary key or ALTER TABLE ... REPLICA IDENTITY "
                               "FULL, then load it again: the change is not in the stream.");
}

static void init_positions(Reader *reader, Lsn resume_lsn, int64_t silence_us)
{
    const ReaderSpec *spec = &reader->spec;
    reader->received_lsn = reader->safe_lsn = reader->put_lsn = resume_lsn;
    reader->told_lsn = LSN_UNKNOWN;
    reader->silence_us = spec->status_interval_us;
    if (silence_us > 0 && silence_us / 3 < reader->silence_us)
        reader->silence_us = silence_us / 3;
    reader->status_due_us = 0;
    reader->position_due_us = 0;
    reader->reply_wanted = true;
    reader->quiet_us = silence_us > 0 ? 2 * silence_us : QUIET_UNBOUNDED_US;
    if (reader->quiet_us < QUIET_MIN_US)
        reader->quiet_us = QUIET_MIN_US;
    reader->heard_us = clock_now_us();
    reader->asked = false;
    reader->dropped = ERROR_INIT;
    /* What came after a suspension that did not become durable comes again, and so does its reason. */
    for (int i = 0; i < spec->rels->count; i++)
        spec->rels->all[i]->unread = atomic_load(&spec->rels->all[i]->suspended) != SUSPEND_NOT;
    assembly_init(&reader->assembly, spec->part_bytes, resume_lsn);
    reader->assembly.may_suspend = spec->may_suspend;
    spec->decoder->reset(spec->decoder);
    atomic_store(&spec->progress->received_lsn, resume_lsn);
}

static StartSpec start_spec(const Reader *reader, Lsn resume_lsn)
{
    return (StartSpec){.endpoint = &reader->spec.endpoint,
                       .slot_name = reader->spec.slot_name,
                       .plugin = reader->spec.decoder->plugin,
                       .publication = reader->spec.publication,
                       .resume_lsn = resume_lsn};
}

static StepResult start(Reader *reader, Error *err)
{
    const ReaderSpec *spec = &reader->spec;
    Lsn resume_lsn = LSN_UNKNOWN;
    int64_t silence_us = 0;
    if (!flow_queue_settled(spec->queue)) {
        stop_wait(spec->stop, SETTLE_LOOK_US);
        return STEP_IDLE;
    }
    if (!spec->resume_lsn(spec->resume_arg, &resume_lsn, err))
        return STEP_FAILED;
    StartSpec how = start_spec(reader, resume_lsn);
    if (!start_check(&how, &silence_us, err))
        return STEP_FAILED;
    init_positions(reader, resume_lsn, silence_us);
    reader->conn = start_stream(&how, on_notice, reader, err);
    if (reader->conn == NULL)
        return STEP_FAILED;
    log_info("stream started slot=%s plugin=%s lsn=" LSN_FMT, spec->slot_name,
             spec->decoder->plugin, LSN_ARGS(resume_lsn));
    return STEP_AGAIN;
}

/* Putting ------------------------------------------------------------------------------------ */

/* false only when the queue is broken; what finds no room stays pending. */
static bool put_pending(Reader *reader, Error *err)
{
    if (reader->pending == NULL)
        return true;
    Lsn end_lsn = reader->pending->end_lsn;
    QueueResult result = flow_queue_try_put(reader->spec.queue, &reader->pending, err);
    if (result == QUEUE_OK && end_lsn != LSN_UNKNOWN)
        reader->put_lsn = end_lsn;
    return result != QUEUE_CLOSED;
}

static Flow *bare_flow(FlowKind kind, Lsn end_lsn)
{
    Arena *arena = arena_new(sizeof(Flow) * 2);
    Flow *flow = arena_new_object(arena, Flow);
    flow->kind = kind;
    flow->arena = arena;
    flow->end_lsn = end_lsn;
    flow->bytes = arena_bytes(arena);
    return flow;
}

static bool position_waits(const Reader *reader)
{
    return !reader->assembly.open && reader->pending == NULL && reader->safe_lsn > reader->put_lsn;
}

static bool in_a_hurry(const Reader *reader)
{
    return reader->spec.wanted_lsn != NULL && atomic_load(reader->spec.wanted_lsn) != LSN_UNKNOWN;
}

/* A server that asks for a reply may be waiting to shut down: then at once. */
static bool put_position_when_due(Reader *reader, Error *err)
{
    int64_t now = clock_now_us();
    bool early = reader->reply_wanted || in_a_hurry(reader);
    if (!position_waits(reader) || (now < reader->position_due_us && !early))
        return true;
    reader->position_due_us = now + reader->spec.position_interval_us;
    reader->pending = bare_flow(FLOW_POSITION, reader->safe_lsn);
    return put_pending(reader, err);
}

/* Everything after an error of the stream: the applier drops what is open. */
static StepResult fail(Reader *reader)
{
    Error ignored = ERROR_INIT;
    reader_reset(reader);
    Flow *lost = bare_flow(FLOW_LOST, LSN_UNKNOWN);
    if (flow_queue_try_put(reader->spec.queue, &lost, &ignored) != QUEUE_OK)
        flow_free(lost); /* never: it needs no room */
    return STEP_FAILED;
}

/* Receiving ---------------------------------------------------------------------------------- */

static void note_received(Reader *reader, Lsn lsn)
{
    if (lsn <= reader->received_lsn)
        return;
    reader->received_lsn = reader->safe_lsn = lsn;
    atomic_store(&reader->spec.progress->received_lsn, lsn);
}

/* Before the position is told as received: who sees that, sees this. */
static void note_queued(Reader *reader)
{
    Progress *progress = reader->spec.progress;
    const Flow *flow = reader->pending;
    if (flow != NULL && flow->end_lsn > atomic_load(&progress->queued_lsn))
        atomic_store(&progress->queued_lsn, flow->end_lsn);
}

static void handle_keepalive(Reader *reader, const Frame *frame)
{
    _Atomic Lsn *end_lsn = &reader->spec.progress->source_end_lsn;
    /* A decoder that is behind tells how far it is: the ticker may know of more. */
    if (frame->wal_end > atomic_load(end_lsn))
        atomic_store(end_lsn, frame->wal_end);
    /* Within a transaction the position says nothing about what has been sent. */
    if (!reader->assembly.open)
        note_received(reader, frame->wal_end);
    reader->reply_wanted = reader->reply_wanted || frame->reply_requested;
}

/* From here on nothing of the relation is read. The applier makes that durable with the position. */
static bool suspend(Reader *reader, Relation *rel, const char *why, Error *err)
{
    Arena *arena = assembly_arena(&reader->assembly);
    Change *change = arena_new_object(arena, Change);
    *change = (Change){.kind = CHANGE_SUSPEND, .rel = rel};
    change->content.kind = VALUE_TEXT;
    change->content.data = arena_strdup(arena, why);
    change->content.len = (uint32_t)strlen(why);
    Decoded decoded = {.kind = DECODED_CHANGE, .change = change};
    rel->unread = true;
    return assembly_add(&reader->assembly, &decoded, &reader->pending, err);
}

static bool may_suspend(const Reader *reader, const Error *err)
{
    return reader->spec.may_suspend && reader->assembly.open &&
           (err->cls == ERR_SCHEMA_CHANGED || err->cls == ERR_REPLICA_IDENTITY);
}

/* A message that cannot be read: its table is suspended, or the task stops. */
static bool handle_misfit(Reader *reader, Error *err)
{
    Relation *rel = reader->spec.decoder->misfit;
    if (rel == NULL || !may_suspend(reader, err))
        return false;
    if (reader->assembly.skip)
        return true; /* applied before */
    Error why = *err;
    err_clear(err);
    return suspend(reader, rel, why.message, err);
}

/* A table that is not ours may be one of ours that was renamed and will be named as before. */
static bool handle_foreign(Reader *reader, Error *err)
{
    const ReaderSpec *spec = &reader->spec;
    Relation *rel = NULL;
    if (spec->decoder->foreign_table == NULL || spec->foreign_row == NULL ||
        !reader->assembly.open || reader->assembly.skip)
        return true;
    if (!spec->foreign_row(spec->foreign_arg, spec->decoder, reader->assembly.xid, &rel, err))
        return false;
    if (rel == NULL || rel->unread || reader->assembly.commit_lsn < relation_begins(rel))
        return true;
    ERR(err, ERR_SCHEMA_CHANGED, "table '%s' was renamed: a row came under the name '%.*s.%.*s'",
        rel->display, (int)spec->decoder->foreign_schema_len, spec->decoder->foreign_schema,
        (int)spec->decoder->foreign_table_len, spec->decoder->foreign_table);
    if (!spec->may_suspend)
        return false;
    Error why = *err;
    err_clear(err);
    return suspend(reader, rel, why.message, err);
}

static bool handle_dropped(Reader *reader, Error *err)
{
    Error why = reader->dropped;
    reader->dropped = ERROR_INIT;
    if (!may_suspend(reader, &why)) {
        *err = why;
        return false;
    }
    if (reader->assembly.skip)
        return true;
    return suspend(reader, reader->dropped_rel, why.message, err) && put_pending(reader, err);
}

static bool handle_data(Reader *reader, const Frame *frame, Error *err)
{
    Decoder *decoder = reader->spec.decoder;
    Assembly *assembly = &reader->assembly;
    Arena *arena = assembly_arena(assembly);
    char *payload = frame->payload;
    Decoded decoded;
    if (decoder->keeps(payload, frame->payload_len)) {
        payload = arena_bytes_alloc(arena, frame->payload_len);
        memcpy(payload, frame->payload, frame->payload_len);
    }
    if (!decoder->decode(decoder, payload, frame->payload_len, arena, &decoded, err)) {
        if (handle_misfit(reader, err))
            return put_pending(reader, err);
        return err_context(err, "at " LSN_FMT, LSN_ARGS(frame->data_start));
    }
    if (!handle_foreign(reader, err) || !assembly_add(assembly, &decoded, &reader->pending, err))
        return err_context(err, "at " LSN_FMT, LSN_ARGS(frame->data_start));
    if (decoded.kind == DECODED_COMMIT) {
        note_queued(reader);
        note_received(reader, decoded.end_lsn);
    }
    return put_pending(reader, err);
}

static bool handle_message(Reader *reader, char *data, size_t len, Error *err)
{
    Frame frame;
    if (FAULT_ERROR(STREAM_RECEIVED, err))
        return false;
    if (!frame_read(data, len, &frame, err))
        return false;
    if (frame.kind == FRAME_DATA)
        return handle_data(reader, &frame, err);
    handle_keepalive(reader, &frame);
    return true;
}

/* The server's own errors in the middle of a stream. A row that the plugin cannot print stops it at
 * the same place for ever. */
static bool explain_stream_error(Error *err)
{
    if (strcmp(err->sqlstate, "54000") == 0 || strncmp(err->sqlstate, "XX", 2) == 0) {
        err->cls = ERR_DECODE;
        err_hint(err,
                 "The source's plugin fails at this place of its WAL each time, mostly because "
                 "a value is too large for it (1 GB as text). With wal2json, 'plugin: "
                 "pgoutput' and a new full load may help.");
    } else if (strcmp(err->sqlstate, "55000") == 0 || strcmp(err->sqlstate, "42704") == 0) {
        err->cls = ERR_SLOT_LOST; /* invalidated; its publication does not exist at this place */
    }
    return err_context(err, "reading the stream");
}

/* *out_count: messages handled; *out_drained: there was no more. */
static bool receive(Reader *reader, int *out_count, bool *out_drained, Error *err)
{
    size_t bytes = 0;
    int count = 0;
    while (reader->pending == NULL && count < STEP_MESSAGES && bytes < STEP_BYTES) {
        char *data = NULL;
        int len = 0;
        PgRead got = pgconn_stream_get(reader->conn, &data, &len, err);
        if (reader->dropped.cls != ERR_NONE && !handle_dropped(reader, err)) {
            if (got == PG_READ_MESSAGE)
                pgconn_copy_free(data);
            return false;
        }
        *out_drained = got == PG_READ_IDLE;
        if (got == PG_READ_IDLE)
            break;
        if (got == PG_READ_CLOSED)
            return ERR(err, ERR_CONN_LOST, "the source ended the stream");
        if (got == PG_READ_FAILED)
            return explain_stream_error(err);
        bool fine = handle_message(reader, data, (size_t)len, err);
        pgconn_copy_free(data);
        if (!fine)
            return false;
        bytes += (size_t)len;
        count++;
    }
    *out_count = count;
    return true;
}

/* Waiting ------------------------------------------------------------------------------------ */

/* A path that swallows everything looks like a server that has nothing to say. So the server is
 * asked for a sign; when none comes, another session asks whether ours still lives there (a server
 * deep in a large transaction of other tables is silent for long, and well). */
static bool check_silence(Reader *reader, int received, Error *err)
{
    int64_t now = clock_now_us();
    if (received > 0 || reader->pending != NULL) {
        reader->heard_us = now;
        reader->asked = false;
        return true;
    }
    if (now - reader->heard_us < reader->quiet_us)
        return true;
    StartSpec how = start_spec(reader, reader->received_lsn);
    bool alive = false;
    if (!start_alive(&how, pgconn_backend_pid(reader->conn), &alive, err))
        return err_context(err, "the stream has been silent for long");
    if (!alive)
        return ERR(err, ERR_CONN_LOST,
                   "the stream has been silent for %lld s, and its session has ended on the source",
                   (long long)((now - reader->heard_us) / 1000000));
    log_debug("the source is silent, but its session is at work");
    reader->heard_us = now;
    reader->asked = false;
    return true;
}

static int64_t next_look_us(const Reader *reader)
{
    int64_t now = clock_now_us(), look = now + IDLE_LOOK_US;
    if (reader->pending != NULL)
        look = now + ROOM_LOOK_US;
    else if (reader->told_lsn < reader->put_lsn)
        look = now + DURABLE_LOOK_US;
    if (position_waits(reader) && reader->position_due_us < look)
        look = reader->position_due_us;
    return reader->status_due_us < look ? reader->status_due_us : look;
}

/* While a flow waits for room the socket is not read, so that the source waits too. */
static bool wait_for_work(Reader *reader, Error *err)
{
    bool full = reader->pending != NULL;
    eventfd_t value;
    struct pollfd fds[] = {
        {.fd = stop_fd(reader->spec.stop), .events = POLLIN},
        {.fd = reader->wake_fd, .events = POLLIN},
        {.fd = full ? flow_queue_room_fd(reader->spec.queue) : -1, .events = POLLIN},
        {.fd = pgconn_socket(reader->conn),
         .events =
             (short)((full ? 0 : POLLIN) | (pgconn_stream_unsent(reader->conn) ? POLLOUT : 0))},
    };
    if (poll(fds, sizeof fds / sizeof fds[0], clock_poll_ms(next_look_us(reader))) < 0 &&
        errno != EINTR)
        return ERR_OS(err, ERR_IO, "cannot wait for the source");
    if ((fds[1].revents & POLLIN) != 0)
        (void)!eventfd_read(reader->wake_fd, &value);
    return true;
}

static StepResult stream(Reader *reader, Error *err)
{
    int count = 0;
    bool drained = false;
    if (!put_pending(reader, err) || !receive(reader, &count, &drained, err) ||
        !put_position_when_due(reader, err) || !send_status_when_due(reader, err) ||
        !check_silence(reader, count, err))
        return fail(reader);
    if ((drained || reader->pending != NULL) && !wait_for_work(reader, err))
        return fail(reader);
    return count > 0 ? STEP_AGAIN : STEP_IDLE;
}

StepResult reader_step(void *self, Error *err)
{
    Reader *reader = self;
    return reader->conn == NULL ? start(reader, err) : stream(reader, err);
}

/* A clean end tells the source the last durable position, so that nothing is sent twice. */
void reader_free(Reader *reader)
{
    Error ignored = ERROR_INIT;
    if (reader == NULL)
        return;
    if (reader->conn != NULL && confirmable(reader) > reader->told_lsn &&
        !send_status(reader, &ignored))
        log_debug("the last position was not told: %s", ignored.message);
    reader_reset(reader);
    close(reader->wake_fd);
    free(reader);
}

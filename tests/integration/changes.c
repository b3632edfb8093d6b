/*
 * changes - the stream of changes of one slot as text, by the decoder of the slot's plugin; run by
 * test_two_decoders.py, which holds the texts of two slots side by side.
 *
 * changes CONNINFO SLOT PLUGIN PUBLICATION: reads from the slot's own position up to the
 * transaction with the message ('bascule', 'the end') and confirms nothing. The catalog is read at
 * the start. Each line is one change; '#' lines at the end count them by kind.
 *
 * What wal2json 2.5 cannot say is made the same on both sides, and counted: NaN and Infinity of
 * float4, float8 and numeric columns are null there.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "bascule/base/clock.h"
#include "bascule/base/log.h"
#include "bascule/model/flow.h"
#include "source/catalog.h"
#include "source/slot.h"
#include "stream/assembly.h"
#include "stream/start.h"
#include "wire/frames.h"

#define END_PREFIX    "bascule"
#define END_CONTENT   "the end"
#define PATIENCE_US   (120 * 1000000LL)
#define STATUS_US     1000000
#define SHOWN_BYTES   300
#define PART_BYTES    ((size_t)1 << 20)
#define OUTPUT_WINDOW ((size_t)1 << 20)

enum Count {
    COUNT_TRANSACTION,
    COUNT_INSERT,
    COUNT_UPDATE,
    COUNT_UPDATE_KEY,
    COUNT_UPDATE_FULL,
    COUNT_DELETE,
    COUNT_DELETE_FULL,
    COUNT_TRUNCATE,
    COUNT_TRUNCATE_MANY,
    COUNT_MESSAGE,
    COUNT_NULL,
    COUNT_UNCHANGED,
    COUNT_VALUE,
    COUNT_LOST_NUMBER,
    COUNTS,
};
static const char *const COUNT_NAMES[COUNTS] = {
    "transaction", "insert",        "update",  "update-key", "update-full", "delete", "delete-full",
    "truncate",    "truncate-many", "message", "null",       "unchanged",   "value",  "nan"};

typedef struct Printer {
    Buf out;
    int64_t counts[COUNTS];
    bool ending; /* the message was seen, */
    bool ended;  /* and its transaction is complete */
} Printer;

static Error err;

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s [%s] %s\n", what, err.message, err_slug(err.cls), err.hint);
    return 1;
}

/* Text --------------------------------------------------------------------------------------- */

static void put_bytes(Buf *out, const char *data, size_t len)
{
    if (len > SHOWN_BYTES) {
        XXH128_hash_t hash = XXH3_128bits(data, len);
        buf_printf(out, "<%zu bytes %016" PRIx64 "%016" PRIx64 ">", len, hash.high64, hash.low64);
        return;
    }
    buf_putc(out, '\'');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c < 0x20 || c == 0x7f || c == '\\' || c == '\'')
            buf_printf(out, "\\%02x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '\'');
}

static bool is_number_that_wal2json_loses(const Column *column, const Value *value)
{
    static const char *const LOST[] = {"NaN", "Infinity", "-Infinity"};
    enum { FLOAT4 = 700, FLOAT8 = 701, NUMERIC = 1700 };
    if (value->kind != VALUE_TEXT ||
        (column->type_oid != FLOAT4 && column->type_oid != FLOAT8 && column->type_oid != NUMERIC))
        return false;
    for (size_t i = 0; i < sizeof LOST / sizeof LOST[0]; i++)
        if (value->len == strlen(LOST[i]) && memcmp(value->data, LOST[i], value->len) == 0)
            return true;
    return false;
}

static void put_row(Printer *p, const Relation *rel, const Value *values)
{
    for (int i = 0; i < rel->column_count; i++) {
        const Value *value = &values[i];
        buf_printf(&p->out, " %s=", rel->columns[i].name);
        bool lost = is_number_that_wal2json_loses(&rel->columns[i], value);
        p->counts[COUNT_LOST_NUMBER] += lost;
        if (lost || value->kind == VALUE_NULL) {
            buf_puts(&p->out, "null");
            p->counts[COUNT_NULL]++;
        } else if (value->kind == VALUE_UNCHANGED) {
            buf_puts(&p->out, "-");
            p->counts[COUNT_UNCHANGED]++;
        } else {
            buf_puts(&p->out, value->kind == VALUE_TEXT ? "" : "binary ");
            put_bytes(&p->out, value->data, value->len);
            p->counts[COUNT_VALUE]++;
        }
    }
}

static enum Count row_kind(const Change *change)
{
    bool full = change->rel->replica_identity == 'f';
    if (change->kind == CHANGE_INSERT)
        return COUNT_INSERT;
    if (change->kind == CHANGE_DELETE)
        return full ? COUNT_DELETE_FULL : COUNT_DELETE;
    if (change->old_values == NULL)
        return COUNT_UPDATE;
    return full ? COUNT_UPDATE_FULL : COUNT_UPDATE_KEY;
}

static void put_truncate(Printer *p, const Change *change)
{
    buf_puts(&p->out, "truncate");
    for (int i = 0; i < change->truncated_count; i++)
        buf_printf(&p->out, " %s", change->truncated[i]->display);
    p->counts[change->truncated_count > 1 ? COUNT_TRUNCATE_MANY : COUNT_TRUNCATE]++;
}

static void put_message(Printer *p, const Change *change)
{
    buf_printf(&p->out, "message %s ", change->prefix);
    put_bytes(&p->out, change->content.data, change->content.len);
    p->counts[COUNT_MESSAGE]++;
    if (strcmp(change->prefix, END_PREFIX) == 0 && change->content.len == strlen(END_CONTENT) &&
        memcmp(change->content.data, END_CONTENT, change->content.len) == 0)
        p->ending = true;
}

static void put_change(Printer *p, const Change *change)
{
    if (change->kind == CHANGE_TRUNCATE) {
        put_truncate(p, change);
    } else if (change->kind == CHANGE_MESSAGE) {
        put_message(p, change);
    } else {
        enum Count kind = row_kind(change);
        p->counts[kind]++;
        buf_printf(&p->out, "%s %s", COUNT_NAMES[kind], change->rel->display);
        if (change->old_values != NULL) {
            buf_puts(&p->out, " old");
            put_row(p, change->rel, change->old_values);
        }
        if (change->new_values != NULL) {
            buf_puts(&p->out, " new");
            put_row(p, change->rel, change->new_values);
        }
    }
    buf_putc(&p->out, '\n');
}

static void put_flow(Printer *p, const Flow *flow)
{
    if (flow->begins)
        buf_printf(&p->out, "begin xid=%u commit=" LSN_FMT " time=%" PRId64 "\n", flow->xid,
                   LSN_ARGS(flow->commit_lsn), flow->commit_time_us);
    for (const Change *change = flow->first; change != NULL; change = change->next)
        put_change(p, change);
    if (flow->ends) {
        buf_printf(&p->out, "end " LSN_FMT "\n", LSN_ARGS(flow->end_lsn));
        p->counts[COUNT_TRANSACTION]++;
        p->ended = p->ending;
    }
}

static void flush(Printer *p, size_t beyond)
{
    if (p->out.len <= beyond)
        return;
    fwrite(p->out.data, 1, p->out.len, stdout);
    buf_clear(&p->out);
}

/* Stream ------------------------------------------------------------------------------------- */

static bool take(Printer *p, Decoder *decoder, Assembly *assembly, const Frame *frame)
{
    Arena *arena = assembly_arena(assembly);
    char *data = frame->payload;
    Decoded decoded;
    Flow *flow = NULL;
    if (decoder->keeps(data, frame->payload_len)) {
        data = arena_bytes_alloc(arena, frame->payload_len);
        memcpy(data, frame->payload, frame->payload_len);
    }
    if (!decoder->decode(decoder, data, frame->payload_len, arena, &decoded, &err) ||
        !assembly_add(assembly, &decoded, &flow, &err))
        return err_context(&err, "at " LSN_FMT, LSN_ARGS(frame->data_start));
    if (flow != NULL)
        put_flow(p, flow);
    flow_free(flow);
    flush(p, OUTPUT_WINDOW);
    return true;
}

/* The server ends sessions that are silent for long; nothing is confirmed. */
static bool answer(PgConn *conn, int64_t *due_us)
{
    char message[FRAME_STATUS_BYTES];
    if (clock_now_us() < *due_us)
        return true;
    *due_us = clock_now_us() + STATUS_US;
    frame_write_status(0, 0, clock_wall_us(), false, message);
    return pgconn_stream_put(conn, message, sizeof message, &err);
}

static bool read_stream(PgConn *conn, Decoder *decoder, Assembly *assembly, Printer *p)
{
    int64_t deadline_us = clock_now_us() + PATIENCE_US, answer_us = 0;
    while (!p->ended) {
        char *data = NULL;
        int len = 0;
        Frame frame;
        PgRead got = pgconn_stream_get(conn, &data, &len, &err);
        if (got == PG_READ_FAILED)
            return false;
        if (got == PG_READ_CLOSED || clock_now_us() > deadline_us)
            return ERR(&err, ERR_CONN_LOST, "the stream ended before the end was seen");
        if (!answer(conn, &answer_us))
            return false;
        if (got == PG_READ_IDLE) {
            (void)stop_poll(NULL, pgconn_socket(conn), POLLIN, clock_now_us() + STATUS_US / 2);
            continue;
        }
        bool fine = frame_read(data, (size_t)len, &frame, &err) &&
                    (frame.kind != FRAME_DATA || take(p, decoder, assembly, &frame));
        pgconn_copy_free(data);
        if (!fine)
            return false;
    }
    return true;
}

/* Start -------------------------------------------------------------------------------------- */

static bool prepare(PgEndpoint *endpoint, const char *slot, Lsn *out_start, SourceIdentity *who,
                    Relations **out_rels)
{
    Rules rules = {0};
    SlotState state;
    CLEANUP_PGCONN PgConn *first = pgconn_open(endpoint, PG_SESSION_SQL, "changes", &err);
    if (first == NULL || !source_identify(first, who, &err))
        return false;
    endpoint->encoding = who->encoding;
    CLEANUP_PGCONN PgConn *conn = pgconn_open(endpoint, PG_SESSION_SQL, "changes", &err);
    if (conn == NULL || !slot_state(conn, slot, &state, &err))
        return false;
    *out_start = state.confirmed_lsn;
    return catalog_read(conn, NULL, "changes", &rules, out_rels, &err);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: changes CONNINFO SLOT PLUGIN PUBLICATION\n");
        return 2;
    }
    log_init(LOG_WARN, false);
    err = ERROR_INIT;
    PgEndpoint endpoint = {
        .side = "source", .conninfo = argv[1], .shown = "source", .task = "changes"};
    StartSpec spec = {
        .endpoint = &endpoint, .slot_name = argv[2], .plugin = argv[3], .publication = argv[4]};
    SourceIdentity who;
    Relations *rels = NULL;
    if (!prepare(&endpoint, argv[2], &spec.resume_lsn, &who, &rels))
        return failed("catalog");
    Decoder *decoder = strcmp(argv[3], "wal2json") == 0 ? wal2json_new(rels) : pgoutput_new(rels);
    Assembly assembly;
    assembly_init(&assembly, PART_BYTES, spec.resume_lsn);
    PgConn *conn = start_stream(&spec, NULL, NULL, &err);
    if (conn == NULL)
        return failed("start");
    Printer printer = {0};
    bool fine = read_stream(conn, decoder, &assembly, &printer);
    flush(&printer, 0);
    for (int i = 0; fine && i < COUNTS; i++)
        printf("# %s %" PRId64 "\n", COUNT_NAMES[i], printer.counts[i]);
    pgconn_close(conn);
    assembly_done(&assembly);
    decoder->free(decoder);
    relations_free(rels);
    buf_done(&printer.out);
    return fine ? 0 : failed("stream");
}

/*
 * frames - the byte layout of CopyBoth messages; all integers in network byte order.
 */
#include "wire/frames.h"

#include <string.h>

#include "bascule/base/clock.h"
#include "wire/bytes.h"

#define DATA_HEADER_BYTES 25
#define KEEPALIVE_BYTES   18

static bool read_data(char *data, size_t len, Frame *out_frame, Error *err)
{
    if (len < DATA_HEADER_BYTES)
        return ERR(err, ERR_PROTOCOL, "data message of %zu bytes is shorter than its header", len);
    *out_frame = (Frame){.kind = FRAME_DATA,
                         .data_start = bytes_u64(data + 1),
                         .wal_end = bytes_u64(data + 9),
                         .sent_us = bytes_wall_us(data + 17),
                         .payload = data + DATA_HEADER_BYTES,
                         .payload_len = len - DATA_HEADER_BYTES};
    return true;
}

static bool read_keepalive(const char *data, size_t len, Frame *out_frame, Error *err)
{
    if (len != KEEPALIVE_BYTES)
        return ERR(err, ERR_PROTOCOL, "keepalive message of %zu bytes instead of %d", len,
                   KEEPALIVE_BYTES);
    *out_frame = (Frame){.kind = FRAME_KEEPALIVE,
                         .wal_end = bytes_u64(data + 1),
                         .sent_us = bytes_wall_us(data + 9),
                         .reply_requested = data[17] != 0};
    return true;
}

bool frame_read(char *data, size_t len, Frame *out_frame, Error *err)
{
    if (len == 0)
        return ERR(err, ERR_PROTOCOL, "empty message in the replication stream");
    if (data[0] == 'w')
        return read_data(data, len, out_frame, err);
    if (data[0] == 'k')
        return read_keepalive(data, len, out_frame, err);
    return ERR(err, ERR_PROTOCOL, "unknown message type 0x%02x in the replication stream",
               (unsigned char)data[0]);
}

void frame_write_status(Lsn received_lsn, Lsn durable_lsn, int64_t wall_us, bool reply_now,
                        char out[FRAME_STATUS_BYTES])
{
    out[0] = 'r';
    bytes_put_u64(out + 1, received_lsn);
    bytes_put_u64(out + 9, durable_lsn);
    bytes_put_u64(out + 17, durable_lsn);
    bytes_put_u64(out + 25, (uint64_t)clock_to_pg_us(wall_us));
    out[33] = reply_now ? 1 : 0;
}

/* keylog_file - see the header. */
#include "verify/keylog_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "bascule/base/mem.h"

#define NAME_SIZE       40
#define FRAME_MOST      ((uint32_t)64 << 20) /* longer is damage */
#define NAME_FORMAT     "keys-%016lld.log"
#define DISK_FULL(code) ((code) == ENOSPC || (code) == EDQUOT || (code) == EFBIG)

typedef struct SegmentHead {
    char magic[8];
    KeylogId id;
    int64_t number;
    int64_t before; /* KeylogScan.before; EMPTIED: what stood here was of no use any more */
    uint64_t hash;  /* of what stands before it */
} SegmentHead;

#define EMPTIED INT64_C(-1)

typedef struct FrameHead {
    uint64_t hash; /* of position and records */
    Lsn position;
    uint32_t len, unused;
} FrameHead;

static const char MAGIC[8] = {'B', 'S', 'C', 'K', 'E', 'Y', 'S', '2'};

/* Records
 * ------------------------------------------------------------------------------------------ */

static bool has_segment(char kind)
{
    return kind == KEY_RECORD_WHOLE || kind == KEY_RECORD_FLOOR;
}

void keylog_record_put(Buf *out, const KeyRecord *record)
{
    buf_reserve(out, 17 + (size_t)record->len);
    buf_putc(out, record->kind);
    buf_put(out, &record->oid, sizeof record->oid);
    if (has_segment(record->kind))
        buf_put(out, &record->segment, sizeof record->segment);
    buf_put(out, &record->len, sizeof record->len);
    if (record->len > 0)
        buf_put(out, record->data, record->len);
}

static bool take(const char **p, const char *end, void *out, size_t len)
{
    if ((size_t)(end - *p) < len)
        return false;
    memcpy(out, *p, len);
    *p += len;
    return true;
}

bool keylog_record_next(const char **p, const char *end, KeyRecord *out)
{
    *out = (KeyRecord){0};
    if (*p == end)
        return false;
    bool fits = take(p, end, &out->kind, 1) && take(p, end, &out->oid, sizeof out->oid) &&
                (!has_segment(out->kind) || take(p, end, &out->segment, sizeof out->segment)) &&
                take(p, end, &out->len, sizeof out->len) && (size_t)(end - *p) >= out->len;
    ASSERT(fits);
    out->data = *p;
    *p += out->len;
    return true;
}

/* Files
 * -------------------------------------------------------------------------------------------- */

static bool file_error(const char *what, Error *err)
{
    if (DISK_FULL(errno))
        return ERR_OS(err, ERR_DISK_FULL, "no space to %s the log of changed keys", what);
    return ERR_OS(err, ERR_IO, "cannot %s the log of changed keys", what);
}

static bool write_all(int fd, const void *data, size_t len, int64_t offset)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, (const char *)data + done, len - done, offset + (int64_t)done);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            done += (size_t)n;
    }
    return true;
}

static char *file_name(int64_t number, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, NAME_FORMAT, (long long)number);
    return out;
}

static int create(int dir_fd, const char *name, const KeylogId *id, int64_t number, int64_t before,
                  int64_t *out_bytes)
{
    SegmentHead head = {.id = *id, .number = number, .before = before};
    memcpy(head.magic, MAGIC, sizeof head.magic);
    head.hash = XXH3_64bits(&head, offsetof(SegmentHead, hash));
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (!write_all(fd, &head, sizeof head, 0)) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    *out_bytes = (int64_t)sizeof head;
    return fd;
}

int keylog_file_create(int dir_fd, const KeylogId *id, int64_t number, int64_t before,
                       int64_t *out_bytes, Error *err)
{
    char name[NAME_SIZE];
    int fd = create(dir_fd, file_name(number, name), id, number, before, out_bytes);
    if (fd < 0)
        file_error("create a segment of", err);
    return fd;
}

bool keylog_file_empty(int dir_fd, const KeylogId *id, int64_t number, int64_t *out_bytes)
{
    static const char NEW[] = "keys-empty.new";
    char name[NAME_SIZE];
    int64_t bytes = 0;
    int fd = create(dir_fd, NEW, id, number, EMPTIED, &bytes);
    if (fd < 0)
        return false;
    bool fine = fdatasync(fd) == 0;
    close(fd);
    if (!fine || renameat(dir_fd, NEW, dir_fd, file_name(number, name)) != 0)
        return false;
    *out_bytes = bytes;
    return true;
}

int keylog_file_extend(int dir_fd, int64_t number, int64_t bytes, Error *err)
{
    char name[NAME_SIZE];
    int fd = openat(dir_fd, file_name(number, name), O_RDWR | O_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, bytes) == 0)
        return fd;
    file_error("open a segment of", err);
    if (fd >= 0)
        close(fd);
    return -1;
}

bool keylog_file_append(int fd, Lsn position, const Buf *records, int64_t *bytes, Error *err)
{
    XXH3_state_t *state = XXH3_createState();
    ASSERT(state != NULL);
    FrameHead head = {.position = position, .len = (uint32_t)records->len};
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, &head.position, sizeof head.position);
    XXH3_64bits_update(state, records->data, records->len);
    head.hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    if (!write_all(fd, &head, sizeof head, *bytes) ||
        !write_all(fd, records->data, records->len, *bytes + (int64_t)sizeof head))
        return file_error("write to", err);
    *bytes += (int64_t)(sizeof head + records->len);
    return true;
}

void keylog_file_remove(int dir_fd, int64_t number)
{
    char name[NAME_SIZE];
    unlinkat(dir_fd, file_name(number, name), 0);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

bool keylog_file_list(const char *directory, int64_t **out_numbers, int *out_count, Error *err)
{
    int64_t *numbers = NULL;
    int count = 0;
    struct dirent *entry;
    DIR *dir = opendir(directory);
    if (dir == NULL)
        return file_error("list the directory of", err);
    while ((entry = readdir(dir)) != NULL) {
        long long number;
        char name[NAME_SIZE];
        if (sscanf(entry->d_name, "keys-%16lld.log", &number) != 1 ||
            strcmp(file_name(number, name), entry->d_name) != 0)
            continue;
        numbers = mem_grow(numbers, sizeof *numbers * (size_t)(count + 1));
        numbers[count++] = number;
    }
    closedir(dir);
    if (count > 1)
        qsort(numbers, (size_t)count, sizeof *numbers, ascending);
    *out_numbers = numbers;
    *out_count = count;
    return true;
}

/* Reading
 * ------------------------------------------------------------------------------------------ */

/* Bytes read; fewer than len: the end of the file. -1: errno. */
static ssize_t read_some(int fd, void *out, size_t len, int64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (char *)out + done, len - done, offset + (int64_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static bool frame_fits(const FrameHead *head, const char *records)
{
    XXH3_state_t *state = XXH3_createState();
    ASSERT(state != NULL);
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, &head->position, sizeof head->position);
    XXH3_64bits_update(state, records, head->len);
    bool fits = XXH3_64bits_digest(state) == head->hash;
    XXH3_freeState(state);
    return fits;
}

static bool visit_records(const char *records, size_t len, KeylogVisitRecord visit, void *arg,
                          Error *err)
{
    KeyRecord record;
    const char *p = records, *end = records + len;
    while (keylog_record_next(&p, end, &record))
        if (!visit(arg, &record, err))
            return false;
    return true;
}

/* The next frame: 1 there, 0 no good frame, -1 *err. */
static int next_frame(int fd, int64_t until, Buf *buf, KeylogVisitRecord visit, void *arg,
                      KeylogScan *scan, Error *err)
{
    FrameHead head;
    int64_t at = scan->good_bytes;
    if (until >= 0 && at >= until)
        return 0;
    ssize_t n = read_some(fd, &head, sizeof head, at);
    if (n != (ssize_t)sizeof head || head.len > FRAME_MOST) {
        scan->clean = n == 0;
        return n < 0 ? (file_error("read", err), -1) : 0;
    }
    buf_clear(buf);
    buf_reserve(buf, head.len > 0 ? head.len : 1);
    n = read_some(fd, buf->data, head.len, at + (int64_t)sizeof head);
    if (n < 0)
        return file_error("read", err), -1;
    if (n != (ssize_t)head.len || !frame_fits(&head, buf->data)) {
        scan->clean = false;
        return 0;
    }
    if (!visit_records(buf->data, head.len, visit, arg, err))
        return -1;
    scan->good_bytes += (int64_t)sizeof head + head.len;
    scan->position = head.position;
    return 1;
}

bool keylog_file_scan(int dir_fd, int64_t number, int64_t until, KeylogVisitRecord visit, void *arg,
                      KeylogScan *out, Error *err)
{
    char name[NAME_SIZE];
    SegmentHead head;
    int got = 0;
    CLEANUP_BUF Buf buf = BUF_INIT;
    *out = (KeylogScan){.clean = true};
    int fd = openat(dir_fd, file_name(number, name), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_error("open", err);
    ssize_t n = read_some(fd, &head, sizeof head, 0);
    out->head = n == (ssize_t)sizeof head && memcmp(head.magic, MAGIC, sizeof MAGIC) == 0 &&
                head.number == number &&
                head.hash == XXH3_64bits(&head, offsetof(SegmentHead, hash));
    out->clean = out->head;
    if (out->head) {
        out->id = head.id;
        out->emptied = head.before == EMPTIED;
        out->before = out->emptied ? 0 : head.before;
        out->good_bytes = (int64_t)sizeof head;
        while ((got = next_frame(fd, until, &buf, visit, arg, out, err)) == 1)
            ;
    }
    close(fd);
    return got == 0;
}

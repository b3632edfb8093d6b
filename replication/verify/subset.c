/* subset - see the header. */
#include "verify/subset.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/clock.h"
#include "bascule/base/directory.h"
#include "bascule/base/mem.h"

#define SIDES      2
#define PART_BITS  8
#define PARTS      (1 << PART_BITS)
#define ROWS_FIRST 16
#define ROWS_MOST  682 /* 16 KB: then they go to the file */

/* What of one part and side is in the file: pieces of ROWS_MOST rows each. */
typedef struct Part {
    SubsetRow *rows;
    int count, room;
    int64_t *pieces; /* where each begins */
    int piece_count, piece_room;
} Part;

struct Subset {
    char *directory;
    pthread_mutex_t lock;
    Part parts[SIDES][PARTS]; /* lock, while rows are added */
    int fd;                   /* -1: no file is needed yet; lock */
    int64_t end;              /* of the file; lock */
};

Subset *subset_new(const char *directory)
{
    Subset *subset = mem_zalloc(sizeof *subset);
    bool given = directory != NULL && directory[0] != '\0';
    subset->directory = mem_strdup(given ? directory : P_tmpdir);
    subset->fd = -1;
    pthread_mutex_init(&subset->lock, NULL);
    return subset;
}

void subset_free(Subset *subset)
{
    if (subset == NULL)
        return;
    for (int side = 0; side < SIDES; side++)
        for (int p = 0; p < PARTS; p++) {
            free(subset->parts[side][p].rows);
            free(subset->parts[side][p].pieces);
        }
    if (subset->fd >= 0)
        close(subset->fd);
    pthread_mutex_destroy(&subset->lock);
    free(subset->directory);
    free(subset);
}

/* The file
 * ------------------------------------------------------------------------------------------- */

static bool open_file(Subset *subset, Error *err)
{
    if (subset->fd < 0 && !directory_make(subset->directory, err))
        return false;
    if (subset->fd < 0)
        subset->fd = directory_unnamed_file(subset->directory);
    return subset->fd >= 0 ||
           ERR_OS(err, ERR_IO, "cannot make a file for the hashes of rows in '%s'",
                  subset->directory);
}

static bool write_error(const Subset *subset, Error *err)
{
    if (errno != ENOSPC && errno != EDQUOT)
        return ERR_OS(err, ERR_IO, "cannot write the hashes of rows in '%s'", subset->directory);
    ERR_OS(err, ERR_DISK_FULL, "no space for the hashes of rows in '%s'", subset->directory);
    return err_hint(err, "A table with rows of the target's own takes 24 bytes a row and side "
                         "while it is compared: free space there, or set work_dir to a larger "
                         "disk.");
}

static bool write_piece(Subset *subset, Part *part, Error *err)
{
    const char *data = (const char *)part->rows;
    size_t left = sizeof *part->rows * (size_t)part->count;
    if (!open_file(subset, err))
        return false;
    if (part->piece_count == part->piece_room) {
        part->piece_room = part->piece_room > 0 ? 2 * part->piece_room : 16;
        part->pieces = mem_grow(part->pieces, sizeof *part->pieces * (size_t)part->piece_room);
    }
    part->pieces[part->piece_count++] = subset->end;
    while (left > 0) {
        ssize_t n = pwrite(subset->fd, data, left, subset->end);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return write_error(subset, err);
        data += n;
        left -= (size_t)n;
        subset->end += n;
    }
    part->count = 0;
    return true;
}

static bool read_piece(const Subset *subset, int64_t at, SubsetRow *out, Error *err)
{
    char *data = (char *)out;
    size_t left = sizeof *out * ROWS_MOST;
    while (left > 0) {
        ssize_t n = pread(subset->fd, data, left, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_OS(err, ERR_IO, "cannot read the hashes of rows in '%s'", subset->directory);
        if (n == 0)
            return ERR(err, ERR_IO, "the file with the hashes of rows in '%s' is cut off",
                       subset->directory);
        data += n;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

/* Adding
 * --------------------------------------------------------------------------------------------- */

static bool add_row(Subset *subset, Part *part, const SubsetRow *row, Error *err)
{
    if (part->count == ROWS_MOST && !write_piece(subset, part, err))
        return false;
    if (part->count == part->room) {
        part->room = part->room == 0 ? ROWS_FIRST : 2 * part->room;
        part->room = part->room > ROWS_MOST ? ROWS_MOST : part->room;
        part->rows = mem_grow(part->rows, sizeof *part->rows * (size_t)part->room);
    }
    part->rows[part->count++] = *row;
    return true;
}

bool subset_add(Subset *subset, int side, const SubsetRow *rows, size_t count, Error *err)
{
    bool ok = true;
    pthread_mutex_lock(&subset->lock);
    for (size_t i = 0; ok && i < count; i++)
        ok = add_row(subset, &subset->parts[side][rows[i].lo >> (64 - PART_BITS)], &rows[i], err);
    pthread_mutex_unlock(&subset->lock);
    return ok;
}

/* Judging
 * -------------------------------------------------------------------------------------------- */

static int by_hash(const void *a, const void *b)
{
    const SubsetRow *x = a, *y = b;
    if (x->lo != y->lo)
        return x->lo < y->lo ? -1 : 1;
    return x->hi < y->hi ? -1 : x->hi > y->hi;
}

/* All rows of a part and side, in order; what it took is freed. */
static bool gather(Subset *subset, Part *part, SubsetRow **out_rows, int64_t *out_count, Error *err)
{
    size_t count = (size_t)part->piece_count * ROWS_MOST + (size_t)part->count, at = 0;
    SubsetRow *rows = mem_alloc(sizeof *rows * (count + 1));
    bool ok = true;
    for (int p = 0; ok && p < part->piece_count; p++, at += ROWS_MOST)
        ok = read_piece(subset, part->pieces[p], rows + at, err);
    if (!ok) {
        free(rows);
        return false;
    }
    if (part->count > 0)
        memcpy(rows + at, part->rows, sizeof *rows * (size_t)part->count);
    free(part->rows);
    free(part->pieces);
    *part = (Part){0};
    qsort(rows, count, sizeof *rows, by_hash);
    *out_rows = rows;
    *out_count = (int64_t)count;
    return true;
}

static void walk(const SubsetRow *s, int64_t ns, const SubsetRow *t, int64_t nt,
                 uint32_t *out_buckets, SubsetResult *out)
{
    for (int64_t i = 0, j = 0; i < ns || j < nt;) {
        int order = i == ns ? 1 : j == nt ? -1 : by_hash(&s[i], &t[j]);
        if (order < 0) {
            out->lacking++;
            if (out_buckets != NULL)
                out_buckets[s[i].bucket]++;
        }
        out->extra += order > 0;
        i += order <= 0;
        j += order >= 0;
    }
}

bool subset_judge(Subset *subset, int64_t deadline_us, uint32_t *out_buckets, SubsetResult *out,
                  Error *err)
{
    *out = (SubsetResult){0};
    for (int p = 0; p < PARTS; p++) {
        SubsetRow *rows[SIDES] = {NULL, NULL};
        int64_t counts[SIDES] = {0, 0};
        if (clock_now_us() >= deadline_us)
            return true;
        bool ok = gather(subset, &subset->parts[0][p], &rows[0], &counts[0], err) &&
                  gather(subset, &subset->parts[1][p], &rows[1], &counts[1], err);
        if (ok)
            walk(rows[0], counts[0], rows[1], counts[1], out_buckets, out);
        free(rows[0]);
        free(rows[1]);
        if (!ok)
            return false;
    }
    out->complete = true;
    return true;
}

/* restore - see the header. */
#include "schema/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bascule/base/buf.h"
#include "bascule/base/mem.h"

static _Atomic int lists; /* names of list files */

void restore_list_add(RestoreList *list, const TocEntry *entry)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 16;
        list->entries = mem_grow(list->entries, sizeof *list->entries * (size_t)list->capacity);
    }
    list->entries[list->count++] = entry;
}

void restore_list_done(RestoreList *list)
{
    free(list->entries);
    *list = RESTORE_LIST_INIT;
}

bool restore_write_list(const char *path, const char *lines, Error *err)
{
    size_t len = strlen(lines);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_OS(err, ERR_IO, "cannot write '%s'", path);
    bool ok = true;
    for (size_t done = 0; ok && done < len;) {
        ssize_t wrote = write(fd, lines + done, len - done);
        if (wrote > 0)
            done += (size_t)wrote;
        else if (wrote == 0 || errno != EINTR)
            ok = ERR_OS(err, errno == ENOSPC ? ERR_DISK_FULL : ERR_IO, "cannot write '%s'", path);
    }
    close(fd);
    return ok;
}

static int by_order(const void *a, const void *b)
{
    const TocEntry *x = *(const TocEntry *const *)a, *y = *(const TocEntry *const *)b;
    return x->order - y->order;
}

static bool run(const RestoreAt *at, const TocEntry **entries, int count, bool one_transaction,
                Error *err)
{
    CLEANUP_BUF Buf path = BUF_INIT;
    CLEANUP_BUF Buf lines = BUF_INIT;
    if (count == 0)
        return true;
    buf_printf(&path, "%s/schema.%d.%d.list", at->directory, (int)getpid(),
               atomic_fetch_add(&lists, 1));
    for (int i = 0; i < count; i++)
        buf_printf(&lines, "%d; %u %u %s\n", entries[i]->dump_id, entries[i]->catalog,
                   entries[i]->oid, entries[i]->words);
    RestoreSpec spec = {
        .dump = at->dump,
        .list = buf_str(&path),
        .one_transaction = one_transaction,
        .jobs = at->jobs,
        .keep_owners = at->keep_owners,
        .keep_grants = at->keep_grants,
    };
    bool ok = restore_write_list(buf_str(&path), buf_str(&lines), err) &&
              tools_restore(at->tools, at->target, &spec, at->stop, err);
    unlink(buf_str(&path));
    return ok;
}

static void sort(RestoreList *list)
{
    if (list->count > 1)
        qsort(list->entries, (size_t)list->count, sizeof *list->entries, by_order);
}

bool restore_at_once(const RestoreAt *at, RestoreList *list, Error *err)
{
    sort(list);
    return run(at, list->entries, list->count, true, err);
}

bool restore_in_batches(const RestoreAt *at, RestoreList *list, Error *err)
{
    sort(list);
    for (int i = 0; i < list->count; i += RESTORE_BATCH) {
        int n = list->count - i < RESTORE_BATCH ? list->count - i : RESTORE_BATCH;
        if (!run(at, list->entries + i, n, true, err))
            return false;
    }
    return true;
}

bool restore_in_parallel(const RestoreAt *at, RestoreList *list, Error *err)
{
    sort(list);
    return run(at, list->entries, list->count, false, err);
}

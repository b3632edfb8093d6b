/* audit - see the header. */
#include "audit/audit.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit_file.h"
#include "audit/audit_internal.h"
#include "bascule/base/arena.h"
#include "bascule/base/clock.h"
#include "bascule/base/directory.h"
#include "bascule/base/log.h"

#define PENDING_MAX 1000

/* A record that the disk did not take: its texts are in the arena. */
typedef struct Pending {
    AuditNote note;
    AuditPeer peer;
} Pending;

static struct {
    pthread_mutex_t lock; /* guards all */
    Arena *arena;         /* NULL: not open */
    AuditProcess process;
    Pending *pending;
    int pending_count;
    bool forget; /* the copies are gone on purpose */
    int64_t copied[AUDIT_SIDES];
    bool told; /* that the disk does not take records */
} audit = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool audit_open(const char *work_dir, const char *task, const char *command,
                const char *source_role, const char *target_role, Error *err)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "unknown");
    audit_close();
    pthread_mutex_lock(&audit.lock);
    Arena *arena = audit.arena = arena_new(0);
    audit.process = (AuditProcess){
        .task = arena_strdup(arena, task),
        .host = arena_strdup(arena, host),
        .command = arena_strdup(arena, command),
        .file = arena_printf(arena, "%s/audit.log", work_dir),
        .roles = {arena_strdup(arena, source_role), arena_strdup(arena, target_role)},
    };
    pthread_mutex_unlock(&audit.lock);
    return directory_make(work_dir, err);
}

void audit_close(void)
{
    pthread_mutex_lock(&audit.lock);
    arena_free(audit.arena);
    free(audit.pending);
    audit.arena = NULL;
    audit.pending = NULL;
    audit.pending_count = 0;
    audit.told = audit.forget = false;
    memset(audit.copied, 0, sizeof audit.copied);
    pthread_mutex_unlock(&audit.lock);
}

bool audit_is_open(void)
{
    pthread_mutex_lock(&audit.lock);
    bool open = audit.arena != NULL;
    pthread_mutex_unlock(&audit.lock);
    return open;
}

const char *audit_path(void)
{
    return audit.process.file;
}

const char *audit_task(void)
{
    return audit.process.task;
}

/* The rest is under the lock. */

static bool write_one(AuditFile *file, const AuditNote *note, Error *err)
{
    CLEANUP_BUF Buf line = BUF_INIT;
    AuditHead head = file->head;
    if (head.log[0] == '\0') {
        unsigned char random[8];
        ASSERT(RAND_bytes(random, sizeof random) == 1);
        for (int i = 0; i < 8; i++)
            snprintf(head.log + 2 * i, 3, "%02x", random[i]);
    }
    for (int side = 0; side < AUDIT_SIDES; side++)
        if (audit.forget || head.copied[side] < audit.copied[side])
            head.copied[side] = audit.copied[side];
    audit_record_make(&audit.process, note, note->at_us != 0 ? note->at_us : clock_wall_us(), &head,
                      &line);
    if (!audit_file_append(file, line.data, line.len, err))
        return false;
    file->head = head;
    return true;
}

/* What a kill, or somebody, left behind the last record is named by the chain from here on. */
static bool declare_torn(AuditFile *file, Error *err)
{
    char detail[160];
    if (file->torn_bytes == 0)
        return true;
    snprintf(detail, sizeof detail, AUDIT_TORN_DETAIL, (long long)file->torn_bytes,
             file->torn_hash);
    AuditNote note = {.action = "audit", .event = "note", .result = AUDIT_TORN, .detail = detail};
    if (!write_one(file, &note, err))
        return false;
    file->torn_bytes = 0;
    return true;
}

static bool write_all(const AuditNote *note, Error *err)
{
    AuditFile file;
    int written = 0;
    if (!audit_file_open(audit.process.file, &file, err))
        return false;
    bool ok = declare_torn(&file, err);
    while (ok && written < audit.pending_count) {
        ok = write_one(&file, &audit.pending[written].note, err);
        written += ok;
    }
    if (written > 0) {
        audit.pending_count -= written;
        memmove(audit.pending, audit.pending + written,
                sizeof *audit.pending * (size_t)audit.pending_count);
        /* what moved points to its own peer again */
        for (int i = 0; i < audit.pending_count; i++)
            if (audit.pending[i].note.peer != NULL)
                audit.pending[i].note.peer = &audit.pending[i].peer;
    }
    ok = ok && write_one(&file, note, err) && (note->lazy || audit_file_flush(&file, err));
    audit_file_close(&file);
    return ok;
}

static void keep(const AuditNote *note)
{
    if (audit.pending_count == PENDING_MAX) {
        log_error("audit: a record is lost, too many wait for the disk action=%s event=%s",
                  note->action, note->event);
        return;
    }
    if (audit.pending == NULL) {
        audit.pending = calloc(PENDING_MAX, sizeof *audit.pending);
        ASSERT(audit.pending != NULL);
    }
    Pending *kept = &audit.pending[audit.pending_count++];
    Arena *arena = audit.arena;
    kept->note = *note;
    kept->note.action = arena_strdup(arena, note->action);
    kept->note.event = arena_strdup(arena, note->event);
    kept->note.result = arena_strdup(arena, note->result);
    kept->note.detail = arena_strdup(arena, note->detail);
    kept->note.plan = arena_strdup(arena, note->plan);
    if (note->at_us == 0)
        kept->note.at_us = clock_wall_us();
    if (note->peer != NULL) {
        kept->peer = *note->peer;
        kept->note.peer = &kept->peer;
    }
}

void audit_note(const AuditNote *note)
{
    Error err = ERROR_INIT;
    pthread_mutex_lock(&audit.lock);
    if (audit.arena != NULL && !write_all(note, &err)) {
        keep(note);
        if (!audit.told)
            log_error_value(LOG_ERROR, &err,
                            "the audit on disk does not take records: they wait in memory");
        audit.told = true;
        log_warn("audit: not on disk yet action=%s event=%s result=%s", note->action, note->event,
                 note->result != NULL ? note->result : "");
    } else if (audit.told && audit.arena != NULL) {
        audit.told = false;
        log_info("audit: the disk takes records again, what waited is written");
    }
    pthread_mutex_unlock(&audit.lock);
}

void audit_flush(void)
{
    AuditFile file;
    Error err = ERROR_INIT;
    pthread_mutex_lock(&audit.lock);
    if (audit.arena != NULL) {
        bool open = audit_file_open(audit.process.file, &file, &err);
        if (!open || !audit_file_flush(&file, &err))
            log_error_value(LOG_WARN, &err, "audit: not flushed yet");
        if (open)
            audit_file_close(&file);
    }
    pthread_mutex_unlock(&audit.lock);
}

bool audit_note_now(const AuditNote *note, Error *err)
{
    pthread_mutex_lock(&audit.lock);
    bool ok = audit.arena == NULL || write_all(note, err);
    pthread_mutex_unlock(&audit.lock);
    return ok;
}

void audit_know_copied(const int64_t copied[AUDIT_SIDES])
{
    pthread_mutex_lock(&audit.lock);
    memcpy(audit.copied, copied, sizeof audit.copied);
    pthread_mutex_unlock(&audit.lock);
}

bool audit_copies_forgotten(void)
{
    pthread_mutex_lock(&audit.lock);
    bool forgotten = audit.forget;
    pthread_mutex_unlock(&audit.lock);
    return forgotten;
}

void audit_forget_copies(void)
{
    pthread_mutex_lock(&audit.lock);
    memset(audit.copied, 0, sizeof audit.copied);
    audit.forget = true;
    pthread_mutex_unlock(&audit.lock);
}

/* status_json - see the header. */
#include "ops/status_json.h"

#include "net/json_text.h"
#include "ops/status_proof.h"

static json_t *known_text(const char *s)
{
    return s == NULL || s[0] == '\0' ? json_null() : json_text(s);
}

static json_t *lag_json(const StatusReport *r)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "bytes", json_text_number(r->lag_bytes),
                     "capture_bytes", json_text_number(r->capture_lag_bytes), "apply_bytes",
                     json_text_number(r->apply_lag_bytes), "seconds", json_text_seconds(r->lag_us));
}

static json_t *lsn_json(const StatusReport *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "source_end", json_text_lsn(r->source_end_lsn),
                     "received", json_text_lsn(r->received_lsn), "applied",
                     json_text_lsn(r->applied_lsn), "durable", json_text_lsn(r->durable_lsn),
                     "confirmed", json_text_lsn(r->confirmed_lsn));
}

static json_t *wal_json(const StatusReport *r)
{
    return json_pack("{s:o, s:o, s:o}", "retained_bytes", json_text_number(r->wal_retained_bytes),
                     "left_bytes", json_text_number(r->wal_left_bytes), "status",
                     known_text(r->wal_status));
}

static json_t *load_json(const StatusReport *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "tables_total",
                     json_text_number(r->load_tables_total), "tables_done",
                     json_text_number(r->load_tables_done), "rows", json_text_number(r->load_rows),
                     "rows_estimated", json_text_number(r->load_rows_estimated), "bytes",
                     json_text_number(r->load_bytes), "bytes_total",
                     json_text_number(r->load_bytes_total), "bytes_per_second",
                     json_text_number(r->load_bytes_per_second), "eta_seconds",
                     json_text_seconds(r->load_eta_us));
}

static json_t *stream_json(const StatusReport *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "transactions", json_text_number(r->transactions),
                     "changes", json_text_number(r->changes), "fallback_batches",
                     json_text_number(r->fallback_batches), "queued_bytes",
                     json_text_number(r->queued_bytes), "spilled_bytes",
                     json_text_number(r->spilled_bytes));
}

static json_t *conflicts_json(const StatusReport *r)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "already_there", json_text_number(r->conflicts_already),
        "ahead", json_text_number(r->conflicts_ahead), "recorded",
        json_text_number(r->conflicts_recorded), "already_gone",
        json_text_number(r->conflicts_gone), "waiting", json_text_number(r->conflicts_waiting));
}

static json_t *tables_json(const StatusReport *r)
{
    json_t *tables = json_array();
    for (int i = 0; i < r->table_count; i++) {
        const StatusTable *t = &r->tables[i];
        json_t *table = json_pack(
            "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "table", json_text(t->table), "state",
            known_text(t->state), "start_lsn", json_text_lsn(t->start_lsn), "full_load_rows",
            json_text_number(t->full_load_rows), "inserts", json_text_number(t->inserts), "updates",
            json_text_number(t->updates), "deletes", json_text_number(t->deletes), "truncates",
            json_text_number(t->truncates), "message",
            json_text(t->message == NULL ? "" : t->message));
        json_object_set_new(table, "paused",
                            t->paused == PAUSE_NOT    ? json_null()
                            : t->paused == PAUSE_KEPT ? json_string("kept")
                                                      : json_string("lost"));
        json_object_set_new(table, "rows", known_text(t->rows_where));
        json_object_set_new(table, "suspended_lsn", json_text_lsn(t->suspended_lsn));
        json_object_set_new(table, "statement", known_text(t->remedy));
        json_object_set_new(table, "source_statement", known_text(t->source_statement));
        json_object_set_new(table, "proof", status_proof_table_json(t));
        json_array_append_new(tables, table);
    }
    return tables;
}

/* The newest first. */
static json_t *source_ddl_json(const HeardList *heard)
{
    if (heard == NULL)
        return json_null();
    json_t *list = json_array();
    for (int i = 0; i < heard->count; i++) {
        const HeardStatement *s = &heard->all[i];
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "lsn", json_text_lsn(s->lsn), "tag",
                            json_text(s->tag), "kind", json_text(s->kind), "name",
                            json_text(s->name), "statement", known_text(s->statement)));
    }
    return list;
}

static json_t *rollback_json(const StatusReport *r)
{
    return json_pack(
        "{s:s, s:o, s:b, s:o, s:o, s:o, s:o}", "decision", status_decision_name(r->rollback),
        "epoch", json_text_number(r->rollback_epoch), "ready", r->ready_for_rollback,
        "not_ready_because",
        r->ready_for_rollback ? json_null() : known_text(r->no_rollback_because), "open_seconds",
        json_text_seconds(r->open_us), "fences", json_text_number(r->fences), "fences_armed",
        json_text_number(r->fences_armed));
}

static json_t *schema_json(const StepsStatus *s)
{
    bool known = s->state != NULL;
    if (!s->configured)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "state", known_text(s->state), "revision",
                     known_text(s->revision), "applied",
                     json_text_number(known ? s->applied : PROGRESS_UNKNOWN), "pending",
                     json_text_number(known ? s->pending : PROGRESS_UNKNOWN), "last_seconds",
                     s->last_ms < 0 ? json_null() : json_real((double)s->last_ms / 1000),
                     "last_success", known ? json_boolean(!s->last_failed) : json_null());
}

json_t *status_json(const StatusReport *r)
{
    json_t *status = json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:s, s:o}, s:o, s:o}",
        "task", json_text(r->task), "engine", r->engine_running ? "running" : "stopped", "phase",
        known_text(r->phase), "mode", known_text(r->mode), "plugin", known_text(r->plugin), "slot",
        known_text(r->slot), "ready_for_cutover", r->ready_for_cutover, "not_ready_because",
        r->ready_for_cutover ? json_null() : known_text(r->not_ready_because), "lag", lag_json(r),
        "lsn", lsn_json(r), "wal", wal_json(r), "load", load_json(r), "stream", stream_json(r),
        "cutover", "decision", status_decision_name(r->decision), "epoch",
        json_text_number(r->epoch), "trouble", json_text(r->trouble == NULL ? "" : r->trouble),
        "tables", tables_json(r));
    json_object_set_new(status, "conflicts", conflicts_json(r));
    json_object_set_new(status, "proof", status_proof_json(r));
    json_object_set_new(status, "source_ddl", source_ddl_json(r->heard));
    json_object_set_new(status, "schema", schema_json(&r->steps));
    json_object_set_new(status, "direction", known_text(r->direction));
    json_object_set_new(status, "rollback", rollback_json(r));
    return status;
}

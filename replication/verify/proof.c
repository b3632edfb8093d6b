/* proof - see the header. */
#include "verify/proof.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "bascule/base/clock.h"
#include "sql_files.h"

typedef struct Number {
    char text[24];
} Number;

/* Negative is unknown. */
static PgParam number(int64_t n, Number *out)
{
    snprintf(out->text, sizeof out->text, "%lld", (long long)n);
    return PG_TEXT(n < 0 ? NULL : out->text);
}

static PgParam position(Lsn lsn, LsnText *out)
{
    *out = lsn_text(lsn);
    return PG_TEXT(lsn == LSN_UNKNOWN ? NULL : out->text);
}

static PgParam known(const char *text)
{
    return PG_TEXT(text[0] != '\0' ? text : NULL);
}

/* Another column, or another type of one, was never compared. */
static void shape_of(const Relation *rel, char out[17])
{
    XXH64_hash_t hash = 0;
    for (int i = 0; i < rel->column_count; i++) {
        const Column *column = &rel->columns[i];
        hash = XXH64(column->name, strlen(column->name), hash);
        hash = XXH64(column->type_text, strlen(column->type_text), hash);
        hash = XXH64(&column->attnum, sizeof column->attnum, hash);
    }
    snprintf(out, 17, "%016llx", (unsigned long long)hash);
}

bool proof_write(PgConn *target, const char *task, const Relation *rel, Proof *proof, Error *err)
{
    Number epoch, oid, rows, keys, segment, at, kept;
    LsnText start, lsn, base;
    proof->source_oid = rel->oid;
    proof->start_lsn = rel->start_lsn;
    if (proof->at_wall_us == 0)
        proof->at_wall_us = clock_wall_us();
    shape_of(rel, proof->shape);
    return pgconn_exec(target, SQL_VERIFY_PROOF_WRITE,
                       PG_PARAMS(PG_TEXT(task), PG_TEXT(rel->schema), PG_TEXT(rel->name),
                                 number(proof->epoch, &epoch), number(rel->oid, &oid),
                                 position(proof->start_lsn, &start), PG_TEXT(proof->method),
                                 position(proof->lsn, &lsn), number(proof->rows, &rows),
                                 known(proof->digest), number(proof->keys, &keys),
                                 known(proof->log_id), number(proof->segment, &segment),
                                 position(proof->base_lsn, &base), PG_TEXT(proof->shape),
                                 number(proof->at_wall_us, &at), number(proof->kept, &kept)),
                       NULL, err) ||
           err_context(err, "recording the proof of table '%s'", rel->display);
}

static int64_t number_of(const PgRows *rows, int row, int column)
{
    return pgrows_null(rows, row, column) ? -1 : pgrows_i64(rows, row, column);
}

static void take(const PgRows *rows, int row, Proof *out)
{
    *out = (Proof){
        .epoch = pgrows_i64(rows, row, 2),
        .source_oid = (uint32_t)pgrows_i64(rows, row, 3),
        .start_lsn = pgrows_lsn(rows, row, 4),
        .lsn = pgrows_lsn(rows, row, 6),
        .at_wall_us = pgrows_i64(rows, row, 7),
        .rows = number_of(rows, row, 8),
        .keys = number_of(rows, row, 10),
        .segment = number_of(rows, row, 12),
        .base_lsn = pgrows_lsn(rows, row, 13),
        .kept = pgrows_i64(rows, row, 15),
    };
    snprintf(out->method, sizeof out->method, "%s", pgrows_text(rows, row, 5));
    snprintf(out->digest, sizeof out->digest, "%s", pgrows_text(rows, row, 9));
    snprintf(out->shape, sizeof out->shape, "%s", pgrows_text(rows, row, 14));
    snprintf(out->log_id, sizeof out->log_id, "%s", pgrows_text(rows, row, 11));
}

bool proof_read(PgConn *target, const char *task, const Relations *rels, bool frozen,
                Proof *out_proofs, Error *err)
{
    CLEANUP_PGROWS PgRows *rows = NULL;
    CLEANUP_BUF Buf key = BUF_INIT;
    if (!pgconn_query(target, SQL_VERIFY_PROOF_READ, PG_PARAMS(PG_TEXT(task)), &rows, err))
        return err_context(err, "reading the proofs of task '%s'", task);
    memset(out_proofs, 0, sizeof *out_proofs * (size_t)rels->count);
    for (int r = 0; r < pgrows_count(rows); r++) {
        buf_clear(&key);
        buf_puts(&key, pgrows_text(rows, r, 0));
        buf_putc(&key, '\0');
        buf_puts(&key, pgrows_text(rows, r, 1));
        const Relation *rel = relations_by_name(rels, key.data, key.len);
        if (rel != NULL && (pgrows_i64(rows, r, 2) != 0) == frozen)
            take(rows, r, &out_proofs[rel->id]);
    }
    return true;
}

bool proof_holds(const Proof *proof, const Relation *rel, const char *log_id)
{
    char shape[17];
    shape_of(rel, shape);
    return strcmp(proof->method, PROOF_METHOD_ROWS) == 0 && proof->source_oid == rel->oid &&
           proof->start_lsn == rel->start_lsn && strcmp(proof->log_id, log_id) == 0 &&
           strcmp(proof->shape, shape) == 0;
}

bool proof_take_over(PgConn *target, const char *task, const Relations *rels, Lsn lsn,
                     const char *log_id, Proof *proofs, int *out_taken, Error *err)
{
    LsnText at = lsn_text(lsn);
    *out_taken = 0;
    for (int i = 0; i < rels->count; i++)
        *out_taken +=
            proofs[i].lsn == lsn && proof_holds(&proofs[i], rels->all[i], PROOF_HANDED_OVER);
    if (*out_taken == 0)
        return true;
    if (!pgconn_exec(
            target, SQL_VERIFY_PROOF_TAKE_OVER,
            PG_PARAMS(PG_TEXT(task), PG_TEXT(PROOF_HANDED_OVER), PG_TEXT(at.text), PG_TEXT(log_id)),
            NULL, err))
        return err_context(err, "taking over the proofs of the switch");
    for (int i = 0; i < rels->count; i++)
        if (proofs[i].lsn == lsn && strcmp(proofs[i].log_id, PROOF_HANDED_OVER) == 0)
            snprintf(proofs[i].log_id, sizeof proofs[i].log_id, "%s", log_id);
    return true;
}

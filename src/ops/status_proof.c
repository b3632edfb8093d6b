/* status_proof - see the header. */
#include "ops/status_proof.h"

#include <string.h>

#include "bascule/base/clock.h"
#include "net/json_text.h"
#include "ops/json_get.h"
#include "ops/text_layout.h"

#define NAMED_TABLES 3

void status_fill_proofs(StatusReport *report, Arena *arena, Sync *sync, const Relations *rels)
{
    char trouble[256] = "";
    int64_t keys = 0;
    Keylog *log = proofs_keylog(sync);
    if (log == NULL)
        return;
    report->proof_known = true;
    keylog_figures(log, &keys, &report->keys_memory_bytes, &report->keys_disk_bytes);
    keylog_trouble(log, trouble, sizeof trouble);
    report->keys_trouble = arena_strdup(arena, trouble);
    for (int i = 0; i < report->table_count && i < rels->count; i++) {
        report->tables[i].proof_known = true;
        proofs_state(sync, rels->all[i], &report->tables[i].proof);
    }
}

/* JSON
 * --------------------------------------------------------------------------------------------- */

static int64_t age_us(const ProofState *proof)
{
    int64_t age = clock_wall_us() - proof->at_wall_us;
    return proof->lsn == LSN_UNKNOWN ? PROGRESS_UNKNOWN : age > 0 ? age : 0;
}

static int64_t known_number(int64_t n)
{
    return n < 0 ? PROGRESS_UNKNOWN : n;
}

static json_t *wall_json(const ProofState *proof)
{
    char text[40];
    return proof->lsn == LSN_UNKNOWN
               ? json_null()
               : json_string(clock_format_wall(proof->at_wall_us, text, sizeof text));
}

json_t *status_proof_table_json(const StatusTable *table)
{
    const ProofState *proof = &table->proof;
    if (!table->proof_known)
        return json_null();
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:b, s:o, s:I, s:o, s:I}", "proved", proof->proved,
                     "lsn", json_text_lsn(proof->lsn), "at", wall_json(proof), "age_seconds",
                     json_text_seconds(age_us(proof)), "open_keys",
                     json_text_number(known_number(proof->open_keys)), "needs_whole_proof",
                     proof->whole, "why", json_text(proof->why), "differing_rows",
                     (json_int_t)proof->differing, "first_difference", json_text(proof->first),
                     "kept_rows", (json_int_t)proof->kept);
}

json_t *status_proof_json(const StatusReport *r)
{
    int64_t proved = 0, whole = 0, keys = 0, differing = 0, oldest_us = PROGRESS_UNKNOWN;
    if (!r->proof_known)
        return json_null();
    for (int i = 0; i < r->table_count; i++) {
        const ProofState *proof = &r->tables[i].proof;
        proved += proof->proved;
        whole += proof->whole;
        differing += proof->differing;
        keys += proof->open_keys > 0 ? proof->open_keys : 0;
        if (proof->proved && age_us(proof) > oldest_us)
            oldest_us = age_us(proof);
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "tables_proved",
                     json_text_number(proved), "tables_needing_whole_proof",
                     json_text_number(whole), "open_keys", json_text_number(keys), "differing_rows",
                     json_text_number(differing), "oldest_seconds", json_text_seconds(oldest_us),
                     "log_memory_bytes", json_text_number(r->keys_memory_bytes), "log_disk_bytes",
                     json_text_number(r->keys_disk_bytes), "log_trouble",
                     json_text(r->keys_trouble));
}

/* Text
 * --------------------------------------------------------------------------------------------- */

static void name_whole(const json_t *status, int64_t count, Buf *out)
{
    const json_t *tables = json_get(status, "tables");
    int64_t named = 0;
    for (size_t i = 0; i < json_array_size(tables) && named < NAMED_TABLES; i++) {
        const json_t *table = json_array_get(tables, i);
        if (!json_get_true(table, "proof.needs_whole_proof"))
            continue;
        buf_puts(out, named++ == 0 ? ": " : ", ");
        buf_printf(out, "%s (%s)", json_get_text(table, "table", "unknown"),
                   json_get_text(table, "proof.why", "unknown"));
    }
    if (named < count)
        buf_puts(out, ", ...");
}

/* Verified, but not the same on both sides: the target has rows of its own beside. */
static void name_kept(const json_t *status, Buf *out)
{
    const json_t *tables = json_get(status, "tables");
    int64_t with = 0, rows = 0;
    for (size_t i = 0; i < json_array_size(tables); i++) {
        const json_t *table = json_array_get(tables, i);
        int64_t kept = json_get_number(table, "proof.kept_rows");
        if (kept <= 0 || !json_get_true(table, "proof.proved"))
            continue;
        with++;
        rows += kept;
    }
    if (with > 0)
        buf_printf(out, " (%lld contained: %lld rows more on the target, kept by a rule)",
                   (long long)with, (long long)rows);
}

static void name_first_difference(const json_t *status, Buf *out)
{
    const json_t *tables = json_get(status, "tables");
    for (size_t i = 0; i < json_array_size(tables); i++) {
        const json_t *table = json_array_get(tables, i);
        if (json_get_number(table, "proof.differing_rows") <= 0)
            continue;
        buf_printf(out, ", the first in %s: %s", json_get_text(table, "table", "unknown"),
                   json_get_text(table, "proof.first_difference", "unknown"));
        return;
    }
}

bool status_proof_text(const json_t *status, Buf *out)
{
    char a[TEXT_NUMBER_SIZE], b[TEXT_NUMBER_SIZE];
    const json_t *proof = json_get(status, "proof");
    const char *trouble = json_get_text(proof, "log_trouble", "");
    int64_t whole = json_get_number(proof, "tables_needing_whole_proof");
    int64_t proved = json_get_number(proof, "tables_proved");
    if (proof == NULL || json_is_null(proof))
        return false;
    if (trouble[0] != '\0') {
        buf_printf(out, "changed keys are not kept: %s", trouble);
        return true;
    }
    buf_printf(out, "%s of %s tables verified", text_count(proved, a),
               text_count((int64_t)json_array_size(json_get(status, "tables")), b));
    name_kept(status, out);
    if (proved > 0)
        buf_printf(out, ", the oldest %s ago",
                   text_duration(json_get_us(proof, "oldest_seconds", 1e6), a));
    buf_printf(out, "; %s changed keys open", text_count(json_get_number(proof, "open_keys"), a));
    if (whole > 0) {
        buf_printf(out, "; %s need a whole proof", text_count(whole, a));
        name_whole(status, whole, out);
    }
    int64_t differing = json_get_number(proof, "differing_rows");
    if (differing > 0) {
        buf_printf(out, "; %s CHANGED ROWS DIFFER", text_count(differing, a));
        name_first_difference(status, out);
    }
    return whole > 0 || differing > 0;
}

/*
 * verify_name - a difference as JSON texts: the key as it is, values masked unless they were asked
 * for. A mask tells NULL, the empty text and lengths apart, which is what most defects are about.
 */
#include <inttypes.h>
#include <string.h>

#include "verify/verify_internal.h"

#define SHOWN_BYTES   1000
#define DETAILS_BYTES 7000

static void put_json(Buf *out, const char *text, size_t len)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else if (c == '\t')
            buf_puts(out, "\\t");
        else if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

static void put_value(bool show, Buf *out, const char *value)
{
    if (value == NULL) {
        buf_puts(out, "null");
        return;
    }
    size_t len = strlen(value), shown = len;
    if (len > 0 && !show) {
        buf_printf(out, "\"*** (%zu bytes)\"", len);
        return;
    }
    if (shown > SHOWN_BYTES) {
        shown = SHOWN_BYTES;
        while (shown > 0 && ((unsigned char)value[shown] & 0xc0) == 0x80)
            shown--;
    }
    if (shown == len) {
        put_json(out, value, len);
        return;
    }
    CLEANUP_BUF Buf cut = BUF_INIT;
    buf_put(&cut, value, shown);
    buf_printf(&cut, "... (%zu bytes)", len);
    put_json(out, buf_str(&cut), cut.len);
}

/* Only whole columns: what does not fit is counted. */
static void put_column(bool show, Buf *out, int *left_out, const char *name, const char *source,
                       const char *target)
{
    CLEANUP_BUF Buf one = BUF_INIT;
    buf_puts(&one, "{\"column\":");
    put_json(&one, name, strlen(name));
    buf_puts(&one, ",\"source\":");
    put_value(show, &one, source);
    buf_puts(&one, ",\"target\":");
    put_value(show, &one, target);
    buf_putc(&one, '}');
    if (out->len + one.len > DETAILS_BYTES) {
        (*left_out)++;
        return;
    }
    if (out->len > 1)
        buf_putc(out, ',');
    buf_put(out, one.data, one.len);
}

static const char *end_columns(Arena *arena, Buf *out, int left_out)
{
    if (left_out > 0)
        buf_printf(out, "%s{\"note\":\"%d more columns\"}", out->len > 1 ? "," : "", left_out);
    buf_putc(out, ']');
    return arena_strdup(arena, buf_str(out));
}

const char *verify_name_key(Arena *arena, const Relation *rel, const char *const *key)
{
    CLEANUP_BUF Buf out = BUF_INIT;
    buf_putc(&out, '{');
    for (int k = 0; k < rel->key_count; k++) {
        const char *name = rel->columns[rel->key[k]].name;
        if (k > 0)
            buf_putc(&out, ',');
        put_json(&out, name, strlen(name));
        buf_putc(&out, ':');
        put_json(&out, key[k], strlen(key[k]));
    }
    buf_putc(&out, '}');
    return arena_strdup(arena, buf_str(&out));
}

void verify_name_spot(VerifyRun *run, const Relation *rel, const KeyDiff *diff, VerifyFailure *out)
{
    KeyDiff all = *diff;
    int *columns = arena_new_array(run->arena, int, rel->column_count + 1);
    for (int c = 0; c < rel->column_count; c++)
        columns[c] = c;
    /* Side by side: every column of both rows. */
    if (diff->source != NULL && diff->target != NULL) {
        all.columns = columns;
        all.column_count = rel->column_count;
    }
    verify_name_keyed(run, rel, &all, out);
}

/* Values of a row that only one side has are told only when they were asked for: the key names it. */
const char *verify_details(Arena *arena, bool show_values, const Relation *rel, const KeyDiff *diff)
{
    CLEANUP_BUF Buf details = BUF_INIT;
    int left_out = 0;
    bool both = diff->source != NULL && diff->target != NULL;
    int count = both ? diff->column_count : show_values ? rel->column_count : 0;
    buf_putc(&details, '[');
    for (int i = 0; i < count; i++) {
        int c = both ? diff->columns[i] : i;
        put_column(show_values, &details, &left_out, rel->columns[c].name,
                   diff->source != NULL ? diff->source[c] : NULL,
                   diff->target != NULL ? diff->target[c] : NULL);
    }
    return end_columns(arena, &details, left_out);
}

void verify_name_keyed(VerifyRun *run, const Relation *rel, const KeyDiff *diff, VerifyFailure *out)
{
    *out = (VerifyFailure){.rel = rel,
                           .kind = diff->kind,
                           .key = verify_name_key(run->arena, rel, diff->key),
                           .details = verify_details(run->arena, run->spec.show_values, rel, diff),
                           .lsn = run->twin != NULL ? twin_lsn(run->twin) : LSN_UNKNOWN};
}

void verify_name_keyless(VerifyRun *run, const Relation *rel, KeyDiffKind kind, const KeptRow *row,
                         const char **values, int64_t copies, VerifyFailure *out)
{
    CLEANUP_BUF Buf details = BUF_INIT;
    int left_out = 0;
    const char **image = arena_new_array(run->arena, const char *, rel->column_count + 1);
    buf_putc(&details, '[');
    for (int c = 0; c < rel->column_count; c++)
        image[c] = arena_strdup(run->arena, values[c]);
    for (int c = 0; c < rel->column_count; c++)
        put_column(run->spec.show_values, &details, &left_out, rel->columns[c].name,
                   kind == KEYDIFF_MISSING ? values[c] : NULL,
                   kind == KEYDIFF_EXTRA ? values[c] : NULL);
    *out = (VerifyFailure){.rel = rel,
                           .kind = kind,
                           .key = arena_printf(run->arena,
                                               "{\"row\":\"%016" PRIx64 "%016" PRIx64
                                               "\",\"copies\":\"%lld\"}",
                                               row->hi, row->lo, (long long)copies),
                           .details = end_columns(run->arena, &details, left_out),
                           .lsn = twin_lsn(run->twin),
                           .image = image};
}
